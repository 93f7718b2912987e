//! A disk that fails: a library put before the C library, which makes writes to part files and journals go wrong.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Compiles the library into a folder. Without a C compiler there is none, which is told.
#[expect(clippy::print_stderr, reason = "whoever reads the tests' output has to learn what did not run")]
pub(crate) fn compile(into: &Path) -> Option<PathBuf> {
    let (source, library) = (into.join("shim.c"), into.join("shim.so"));
    std::fs::write(&source, SOURCE).unwrap();
    let cc = Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(&source).arg("-ldl").status();
    if cc.is_err() {
        eprintln!("SKIPPED: no C compiler, so no disk that fails");
        return None;
    }
    assert!(cc.unwrap().success(), "the library is compiled");
    Some(library)
}

/// `FAULT` says what goes wrong, from the write (or flush) number `FAULT_FROM` on.
const SOURCE: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static int count;

static int concerns(int fd) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n < 0) return 0;
    path[n] = 0;
    return strstr(path, ".p2pshare-") != NULL;
}

static int is(const char *fault) {
    const char *wanted = getenv("FAULT");
    return wanted && !strcmp(wanted, fault);
}

static int due(void) {
    const char *from = getenv("FAULT_FROM");
    return __sync_fetch_and_add(&count, 1) >= (from ? atoi(from) : 0);
}

static ssize_t write_at(int fd, const void *bytes, size_t length, off64_t at, const char *name) {
    ssize_t (*real)(int, const void *, size_t, off64_t) = dlsym(RTLD_NEXT, name);
    if (!concerns(fd) || is("FSYNC")) return real(fd, bytes, length, at);
    if (is("EINTR") && due() && count % 2) { errno = EINTR; return -1; }
    if (is("SHORT") && length > 1) return real(fd, bytes, length / 3 + 1, at);
    if (is("EIO") && due()) { errno = EIO; return -1; }
    if (is("EDQUOT") && due()) { errno = EDQUOT; return -1; }
    if (is("ENOSPC") && due()) { errno = ENOSPC; return -1; }
    return real(fd, bytes, length, at);
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t at) { return write_at(fd, bytes, length, at, "pwrite64"); }
ssize_t pwrite(int fd, const void *bytes, size_t length, off_t at) { return write_at(fd, bytes, length, at, "pwrite"); }

int fsync(int fd) {
    int (*real)(int) = dlsym(RTLD_NEXT, "fsync");
    if (is("FSYNC") && concerns(fd)) { errno = EIO; return -1; }
    return real(fd);
}

int fdatasync(int fd) {
    int (*real)(int) = dlsym(RTLD_NEXT, "fdatasync");
    if (is("FSYNC") && concerns(fd)) { errno = EIO; return -1; }
    return real(fd);
}
"#;
