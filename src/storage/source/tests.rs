//! Walking and reading real directories.

use std::ffi::OsStr;
use std::fs::{self, FileTimes};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::{Duration, SystemTime};

use p2pshare_protocol::hash::Hash;
use p2pshare_protocol::offer::EntryKind;
use tempfile::TempDir;

use super::*;

#[test]
fn a_folder_is_offered_under_its_name_with_all_it_holds_in_order() {
    let tree = Tmp::new(&["d/b", "d/a/x", "d/a.b", "d/c/"]);
    check(&tree, &["d"], &["d/", "d/a/", "d/a/x", "d/a.b", "d/b", "d/c/"], &[]);
    check(&tree, &["d/"], &["d/", "d/a/", "d/a/x", "d/a.b", "d/b", "d/c/"], &[]);
    check(&tree, &["d/a/x"], &["x"], &[]);
}

#[test]
fn dots_stand_for_the_folders_they_mean() {
    let tree = Tmp::new(&["d/a/x"]);
    for path in ["d/a/.", "d/../d/a", "d/a/../a/."] {
        check(&tree, &[path], &["a/", "a/x"], &[]);
    }
    check(&tree, &["d/a/.."], &["d/", "d/a/", "d/a/x"], &[]);
}

#[test]
fn of_two_paths_with_one_name_the_second_gets_a_number() {
    let tree = Tmp::new(&["a/x.txt", "b/x.txt", "c/a/"]);
    check(
        &tree,
        &["a/x.txt", "b/x.txt", "a", "c/a"],
        &["x.txt", "x (1).txt", "a/", "a/x.txt", "a (1)/"],
        &["renamed b/x.txt to x (1).txt", "renamed c/a to a (1)"],
    );
}

#[test]
fn what_a_file_is_comes_from_the_disk() {
    let tree = Tmp::new(&["d/x"]);
    let path = tree.path("d/x");
    fs::write(&path, "12345").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o4751)).unwrap();
    touch(&path, 1_234_567_890_123_456_789);
    let walked = Source::walk(&[path], &WalkOptions::default()).unwrap();
    let entry = &walked.source.offer().entries()[0];
    assert_eq!((entry.kind, entry.size, entry.mode), (EntryKind::File, 5, Some(0o751)));
    assert_eq!(entry.mtime, Some(1_234_567_890_123_456_789));
}

#[test]
fn odd_names_are_offered_as_they_are_as_far_as_they_can_be() {
    let tree = Tmp::new(&["d/ a b ", "d/-rf", "d/'\"", "d/🎬", "d/e\u{301}", "d/a\\b", "d/a\nb", "d/a_b"]);
    fs::write(tree.0.path().join("d").join(OsStr::from_bytes(b"\xff\xfe")), "").unwrap();
    check(
        &tree,
        &["d"],
        &["d/", "d/ a b ", "d/'\"", "d/-rf", "d/a_b (1)", "d/a_b (2)", "d/a_b", "d/e\u{301}", "d/🎬", "d/__"],
        &["renamed d/a\nb to a_b (1)", "renamed d/a\\b to a_b (2)", "renamed d/\u{fffd}\u{fffd} to __"],
    );
}

#[test]
fn links_are_followed_inside_the_folder_only() {
    let tree = Tmp::new(&["d/a/x", "d/sub/", "outside/secret"]);
    symlink("a/x", tree.path("d/inside")).unwrap();
    symlink("../a", tree.path("d/sub/folder")).unwrap();
    symlink("../outside/secret", tree.path("d/out")).unwrap();
    symlink(tree.path("outside"), tree.path("d/out2")).unwrap();
    symlink("nothing", tree.path("d/dangling")).unwrap();
    symlink("..", tree.path("d/sub/loop")).unwrap();
    let skipped = ["skipped link d/dangling", "skipped link d/out", "skipped link d/out2", "skipped link d/sub/loop"];
    let offered = ["d/", "d/a/", "d/a/x", "d/inside", "d/sub/", "d/sub/folder/", "d/sub/folder/x"];
    check(&tree, &["d"], &offered, &skipped);
    let walked =
        Source::walk(&[tree.path("d")], &WalkOptions { follow_links: false, ..WalkOptions::default() }).unwrap();
    assert_eq!(offered_paths(&walked.source), ["d/", "d/a/", "d/a/x", "d/sub/"]);
    let read = read_all(&Arc::new(Source::walk(&[tree.path("d")], &WalkOptions::default()).unwrap().source), 3);
    assert_eq!(read.unwrap(), b"d/a/x", "a link is read as what it points to");
}

#[test]
fn a_link_that_is_given_is_what_it_points_to_under_its_own_name() {
    let tree = Tmp::new(&["d/x"]);
    symlink("d", tree.path("folder")).unwrap();
    symlink("d/x", tree.path("file")).unwrap();
    check(&tree, &["folder", "file"], &["folder/", "folder/x", "file"], &[]);
}

#[test]
fn devices_fifos_and_sockets_are_skipped_and_refused_when_given() {
    let tree = Tmp::new(&["d/x"]);
    let fifo = tree.path("d/fifo");
    let mode = rustix::fs::Mode::RUSR;
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    check(&tree, &["d"], &["d/", "d/x"], &["skipped special d/fifo"]);
    assert!(matches!(Source::walk(&[fifo], &WalkOptions::default()), Err(SourceError::Special { .. })));
    let missing = tree.path("nothing");
    let walked = Source::walk(&[tree.path("d"), missing.clone()], &WalkOptions::default());
    assert!(matches!(walked, Err(SourceError::Missing { path }) if path == missing));
}

#[test]
fn what_is_nested_too_deeply_is_skipped_with_a_notice() {
    let deep = format!("d/{}x", "n/".repeat(63));
    let tree = Tmp::new(&[&deep, "d/y"]);
    let walked = Source::walk(&[tree.path("d")], &WalkOptions::default()).unwrap();
    assert!(matches!(&walked.notices[..], [Notice::SkippedTooDeep { path }] if *path == tree.path(&deep)));
    assert!(offered_paths(&walked.source).contains(&"d/y".to_owned()));
}

#[test]
fn what_may_not_be_read_is_skipped_with_a_notice() {
    if rustix::process::geteuid().is_root() {
        eprintln!("NOT TESTED: root may read everything");
        return;
    }
    let tree = Tmp::new(&["d/x", "d/e/y", "d/z"]);
    fs::set_permissions(tree.path("d/x"), fs::Permissions::from_mode(0o000)).unwrap();
    fs::set_permissions(tree.path("d/e"), fs::Permissions::from_mode(0o000)).unwrap();
    check(&tree, &["d"], &["d/", "d/z"], &["skipped unreadable d/e", "skipped unreadable d/x"]);
    assert!(matches!(Source::walk(&[tree.path("d/x")], &WalkOptions::default()), Err(SourceError::Unreadable { .. })));
    fs::set_permissions(tree.path("d/e"), fs::Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn chunks_are_read_and_hashed_in_the_order_they_were_asked_for() {
    let tree = Tmp::new(&["x", "y"]);
    let content: Vec<u8> = (0..2_500_000_u32).map(|n| (n % 253) as u8).collect();
    fs::write(tree.path("x"), &content).unwrap();
    let source = tree.source(&["x", "y"]);
    let mut reader = source.reader();
    let asked = [(0, 2), (1, 0), (0, 0), (0, 1), (0, 3), (7, 0)];
    for (entry, chunk) in asked {
        reader.submit(ReadRequest::Chunk { entry: EntryId(entry), chunk });
    }
    for (entry, chunk) in asked {
        let ReadDone::Chunk { entry: read, chunk: number, result } = wait(reader.next()) else { panic!("a chunk") };
        assert_eq!((read, number), (EntryId(entry), chunk));
        match (entry, chunk, result) {
            (0, 0..=2, Ok(read)) => {
                let at = usize::try_from(chunk).unwrap() * 1_048_576;
                assert!(read.bytes == content[at..(at + 1_048_576).min(content.len())]);
                assert_eq!(read.hash, Hash::of_chunk(&read.bytes));
            }
            (1, 0, Ok(read)) => assert_eq!(read.bytes, "y"),
            (0, 3, Err(ReadError::NoSuchChunk)) | (7, 0, Err(ReadError::NoSuchChunk)) => {}
            (.., other) => panic!("{entry} {chunk}: {other:?}"),
        }
    }
}

#[test]
fn waiting_for_a_chunk_can_be_given_up_without_losing_it() {
    let tree = Tmp::new(&["x"]);
    let mut reader = tree.source(&["x"]).reader();
    wait(async {
        tokio::select! {
            biased;
            done = reader.next() => panic!("nothing was asked for: {done:?}"),
            () = std::future::ready(()) => {}
        }
    });
    reader.submit(ReadRequest::Chunk { entry: EntryId(0), chunk: 0 });
    assert!(next_chunk(&mut reader).is_ok());
}

#[test]
fn b_038_a_file_that_changes_after_the_walk_is_not_read_and_the_others_are() {
    let changes: [(&str, Change); 7] = [
        ("truncated", |x| fs::OpenOptions::new().write(true).open(x).unwrap().set_len(1_500_000).unwrap()),
        ("grown", |x| fs::write(x, vec![1; 2_000_001]).unwrap()),
        ("rewritten", |x| {
            fs::write(x, vec![2; 2_000_000]).unwrap();
            touch(x, 5);
        }),
        ("deleted", |x| fs::remove_file(x).unwrap()),
        ("replaced", |x| {
            fs::write(x.with_extension("new"), vec![1; 2_000_000]).unwrap();
            touch(&x.with_extension("new"), 1);
            fs::rename(x.with_extension("new"), x).unwrap();
        }),
        ("replaced by a link", |x| {
            fs::rename(x, x.with_extension("old")).unwrap();
            symlink(x.with_extension("old"), x).unwrap();
        }),
        ("replaced by a folder", |x| {
            fs::remove_file(x).unwrap();
            fs::create_dir(x).unwrap();
        }),
    ];
    for (name, change) in changes {
        for chunks_before in [0, 1] {
            let tree = Tmp::new(&["d/x", "d/y"]);
            fs::write(tree.path("d/x"), vec![1; 2_000_000]).unwrap();
            touch(&tree.path("d/x"), 1);
            let source = tree.source(&["d/x", "d/y"]);
            let mut reader = source.reader();
            for chunk in 0..chunks_before {
                reader.submit(ReadRequest::Chunk { entry: EntryId(0), chunk });
                assert!(next_chunk(&mut reader).is_ok());
            }
            change(&tree.path("d/x"));
            reader.submit(ReadRequest::Chunk { entry: EntryId(0), chunk: 1 });
            let result = next_chunk(&mut reader);
            assert!(matches!(result, Err(ReadError::Changed)), "{name} after {chunks_before} chunks: {result:?}");
            reader.submit(ReadRequest::Chunk { entry: EntryId(1), chunk: 0 });
            assert!(next_chunk(&mut reader).is_ok());
        }
    }
}

#[test]
fn a_folder_on_the_way_that_turns_into_a_link_is_not_followed() {
    let tree = Tmp::new(&["d/e/x", "other/x"]);
    let source = tree.source(&["d"]);
    fs::rename(tree.path("d/e"), tree.path("d/f")).unwrap();
    symlink(tree.path("d/f"), tree.path("d/e")).unwrap();
    assert!(matches!(read_all(&source, 2), Err(ReadError::Changed)));
}

type Change = fn(&Path);

/// A folder to walk. Files hold their own path, a trailing slash makes a folder.
struct Tmp(TempDir);

impl Tmp {
    fn new(paths: &[&str]) -> Self {
        let tree = Self(tempfile::tempdir().unwrap());
        for path in paths {
            let at = tree.path(path);
            if path.ends_with('/') {
                fs::create_dir_all(at).unwrap();
            } else {
                fs::create_dir_all(at.parent().unwrap()).unwrap();
                fs::write(at, path).unwrap();
            }
        }
        tree
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn source(&self, paths: &[&str]) -> Arc<Source> {
        let paths: Vec<_> = paths.iter().map(|path| self.path(path)).collect();
        Arc::new(Source::walk(&paths, &WalkOptions::default()).unwrap().source)
    }

    /// A notice in words, with paths relative to this folder.
    fn words(&self, notice: &Notice) -> String {
        let shown = |path: &Path| path.strip_prefix(self.0.path()).unwrap().to_string_lossy().into_owned();
        match notice {
            Notice::Renamed { path, name } => format!("renamed {} to {name}", shown(path)),
            Notice::SkippedLink { path } => format!("skipped link {}", shown(path)),
            Notice::SkippedSpecial { path } => format!("skipped special {}", shown(path)),
            Notice::SkippedUnreadable { path, .. } => format!("skipped unreadable {}", shown(path)),
            Notice::SkippedTooDeep { path } => format!("skipped too deep {}", shown(path)),
        }
    }
}

#[test]
fn standard_input_is_given_to_one_reader() {
    let source = Arc::new(Source::stdin("stdin").unwrap());
    let mut readers = [source.reader(), source.reader()];
    // It may be empty, or hold anything.
    assert!(next_piece(&mut readers[1]).is_ok() && next_piece(&mut readers[1]).is_ok());
    assert!(matches!(next_piece(&mut readers[0]), Err(ReadError::Spent)));
}

fn next_piece(reader: &mut Reader) -> Result<Option<Bytes>, ReadError> {
    reader.submit(ReadRequest::Stream { entry: EntryId(0) });
    match wait(reader.next()) {
        ReadDone::Stream { result, .. } => result,
        other @ ReadDone::Chunk { .. } => panic!("a stream was asked for: {other:?}"),
    }
}

fn check(tree: &Tmp, given: &[&str], offered: &[&str], notices: &[&str]) {
    let given: Vec<_> = given.iter().map(|path| tree.path(path)).collect();
    let walked = Source::walk(&given, &WalkOptions::default()).unwrap();
    assert_eq!(offered_paths(&walked.source), offered);
    let words: Vec<_> = walked.notices.iter().map(|notice| tree.words(notice)).collect();
    assert_eq!(words, notices);
}

fn offered_paths(source: &Source) -> Vec<String> {
    let shown = |entry: &Entry| match entry.kind {
        EntryKind::Dir => format!("{}/", entry.path),
        EntryKind::File | EntryKind::Text | EntryKind::Stream => entry.path.to_string(),
    };
    source.offer().entries().iter().map(shown).collect()
}

fn read_all(source: &Arc<Source>, entry: u32) -> Result<Vec<u8>, ReadError> {
    let mut reader = source.reader();
    reader.submit(ReadRequest::Chunk { entry: EntryId(entry), chunk: 0 });
    Ok(next_chunk(&mut reader)?.bytes.to_vec())
}

/// What became of the oldest request, which is for a chunk.
fn next_chunk(reader: &mut Reader) -> Result<ChunkRead, ReadError> {
    match wait(reader.next()) {
        ReadDone::Chunk { result, .. } => result,
        other @ ReadDone::Stream { .. } => panic!("a chunk was asked for: {other:?}"),
    }
}

fn touch(path: &Path, nanoseconds: u64) {
    let at = SystemTime::UNIX_EPOCH + Duration::from_nanos(nanoseconds);
    fs::File::open(path).unwrap().set_times(FileTimes::new().set_modified(at)).unwrap();
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let within = async { tokio::time::timeout(Duration::from_secs(60), future).await };
    runtime.block_on(within).expect("an answer within a minute")
}
