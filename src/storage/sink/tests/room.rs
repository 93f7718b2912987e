//! Disks that are full. These need file systems of their own, which only root can mount.

use std::path::PathBuf;
use std::process::Command;

use super::harness::drain;
use super::*;

#[test]
fn b_032_more_than_is_free_is_refused_before_a_byte_flows() {
    let mut fixture = Fixture::new(vec![file(&["x"], b"x")]);
    fixture.set_size(0, 1 << 50);
    let opened = fixture.open(&SinkOptions::default());
    assert!(
        matches!(opened, Err(SinkError::Full { needed, free }) if needed == (1 << 50) + (64 << 20) && free < needed)
    );
}

#[test]
fn b_034_a_disk_that_fills_up_at_any_point_keeps_what_it_took_and_takes_the_rest_once_there_is_room() {
    let Some(small) = Mounted::tmpfs("80m") else { return };
    let content: Vec<u8> = (0..4 << 20).map(|n: u32| (n / 3) as u8).collect();
    let fixture = Fixture::in_folder(vec![file(&["x"], &content)], &small.0);
    let ballast = small.0.join("ballast");
    for kept in (0..=64).map(|n| n * 65_536) {
        let mut sink = fixture.open(&SinkOptions::default()).unwrap().sink;
        fill(&ballast, &small.0, kept);
        for chunk in 0..4 {
            sink.submit(fixture.write(0, chunk));
        }
        let outcomes = drain(&mut sink, 4);
        let written = outcomes.iter().filter(|outcome| matches!(outcome, SinkOutcome::Written { .. })).count() as u64;
        assert!(written <= kept / (1 << 20), "with {kept} bytes free: {outcomes:?}");
        let is_full = |outcome: &&SinkOutcome| matches!(outcome, SinkOutcome::Failed { error: SinkError::Full { needed, .. }, .. } if *needed >= 1 << 20);
        assert_eq!(outcomes.iter().filter(is_full).count() as u64, 4 - written, "{outcomes:?}");
        fs::remove_file(&ballast).unwrap();
        if kept % (1 << 20) == 0 {
            // A later run finds what there was room for; otherwise this one goes on.
            sink.close();
            let opened = fixture.open(&SinkOptions::default()).unwrap();
            assert_eq!(opened.plan.resumed.first().map_or(0, |(_, chunks)| chunks.len() as u64), written);
            sink = opened.sink;
        }
        for chunk in written..4 {
            sink.submit(fixture.write(0, chunk));
        }
        sink.submit(SinkJob::Commit { entry: EntryId(0) });
        let outcomes = drain(&mut sink, 5 - written as usize);
        assert!(matches!(outcomes.last(), Some(SinkOutcome::Committed { .. })), "{outcomes:?}");
        assert!(fixture.read("x") == content, "with {kept} bytes free");
        fs::remove_file(fixture.destination().join("x")).unwrap();
    }
}

/// Writes a file that leaves `kept` bytes of room.
fn fill(ballast: &Path, on: &Path, kept: u64) {
    let tree = Tree::open(on).unwrap();
    let free = tree.free_bytes().unwrap();
    let ballast = fs::File::create(ballast).unwrap();
    rustix::fs::fallocate(&ballast, rustix::fs::FallocateFlags::empty(), 0, free - kept).unwrap();
    assert_eq!(tree.free_bytes().unwrap(), kept);
}

/// A file system in memory, gone when this is dropped.
pub(super) struct Mounted(pub(super) PathBuf);

impl Mounted {
    /// Mounts a tmpfs of this size; says so on stderr when that is not possible.
    pub(super) fn tmpfs(size: &str) -> Option<Self> {
        let at = tempfile::tempdir().unwrap().keep();
        let mount =
            Command::new("mount").args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]).arg(&at).status();
        if mount.is_ok_and(|status| status.success()) {
            return Some(Self(at));
        }
        eprintln!("NOT TESTED: this test needs to mount a tmpfs, which only root can do");
        fs::remove_dir(&at).unwrap();
        None
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let unmount = Command::new("umount").arg("--lazy").arg(&self.0).status();
        assert!(unmount.is_ok_and(|status| status.success()));
        fs::remove_dir(&self.0).unwrap();
    }
}

/// A folder that cannot be written while this lives.
pub(super) struct ReadOnly(PathBuf);

impl ReadOnly {
    pub(super) fn new(at: &Path) -> Option<Self> {
        if rustix::process::geteuid().is_root() {
            // Permissions do not bind root; a read-only mount does.
            let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "ro", "tmpfs"]).arg(at).status();
            if !mount.is_ok_and(|status| status.success()) {
                eprintln!("NOT TESTED: this test needs to mount a read-only tmpfs");
                return None;
            }
        } else {
            fs::set_permissions(at, fs::Permissions::from_mode(0o500)).unwrap();
        }
        Some(Self(at.to_owned()))
    }
}

impl Drop for ReadOnly {
    fn drop(&mut self) {
        if rustix::process::geteuid().is_root() {
            let unmount = Command::new("umount").arg("--lazy").arg(&self.0).status();
            assert!(unmount.is_ok_and(|status| status.success()));
        } else {
            fs::set_permissions(&self.0, fs::Permissions::from_mode(0o700)).unwrap();
        }
    }
}
