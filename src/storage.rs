//! The disk, seen as a source that is read and a sink that is written.
//!
//! Both work with queues rather than futures: requests are submitted without waiting, worker threads touch the disk,
//! and `next` hands back what was done. Neither decides anything about the transfer.

pub mod acquaintances;
pub mod pipe;
pub mod sink;
pub mod source;
mod tree;

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::path::Path;
    use std::sync::Arc;
    use std::time::Duration;

    use p2pshare_protocol::hash::chunk_count;
    use p2pshare_protocol::limits::CHUNK_BYTES;
    use tokio::time::timeout;

    use super::sink::{Opened, Sink, SinkJob, SinkOptions, SinkOutcome};
    use super::source::{ReadDone, ReadRequest, Source, WalkOptions};

    #[test]
    fn what_is_walked_and_read_is_what_is_written() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let tree = from.path().join("tree");
        for folder in 0..20 {
            let folder = tree.join(format!("folder {folder} 🎬"));
            fs::create_dir_all(folder.join("empty")).unwrap();
            for file in 0..20 {
                fs::write(folder.join(format!("-{file}'\"")), vec![file; usize::from(file) * 100]).unwrap();
            }
        }
        fs::write(tree.join("large"), (0..5_000_000_u32).map(|n| (n % 241) as u8).collect::<Vec<_>>()).unwrap();
        fs::set_permissions(tree.join("large"), fs::Permissions::from_mode(0o755)).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async { timeout(Duration::from_secs(60), copy(&tree, to.path())).await }).unwrap();
        let described = describe(&tree);
        assert_eq!(described.len(), 1 + 20 * 22 + 1);
        assert_eq!(described, describe(&to.path().join("tree")));
    }

    async fn copy(from: &Path, to: &Path) {
        let source = Arc::new(Source::walk(&[from.to_owned()], &WalkOptions::default()).unwrap().source);
        let all: Vec<_> = source.offer().iter().map(|(id, _)| id).collect();
        let Opened { mut sink, .. } = Sink::open(to, source.offer(), &all, &SinkOptions::default()).unwrap();
        let mut reader = source.reader();
        let mut jobs = 1;
        for (entry, offered) in source.offer().iter() {
            for chunk in 0..chunk_count(offered.size) {
                reader.submit(ReadRequest::Chunk { entry, chunk });
                let ReadDone::Chunk { result, .. } = reader.next().await else { panic!("a chunk") };
                let read = result.unwrap();
                sink.submit(SinkJob::Write {
                    entry,
                    offset: chunk * CHUNK_BYTES,
                    pieces: vec![read.bytes],
                    hash: read.hash,
                });
                jobs += 1;
            }
            sink.submit(SinkJob::Commit { entry });
            jobs += 1;
        }
        sink.submit(SinkJob::Finish);
        for _ in 0..jobs {
            let outcome = sink.next().await;
            assert!(!matches!(outcome, SinkOutcome::Failed { .. } | SinkOutcome::Corrupt { .. }), "{outcome:?}");
        }
    }

    #[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
    struct Described {
        path: String,
        is_folder: bool,
        is_executable: bool,
        mtime: (i64, i64),
        content: Vec<u8>,
    }

    fn describe(root: &Path) -> Vec<Described> {
        let mut found = Vec::new();
        let mut waiting = vec![root.to_owned()];
        while let Some(at) = waiting.pop() {
            let metadata = fs::symlink_metadata(&at).unwrap();
            let content = if metadata.is_dir() {
                waiting.extend(fs::read_dir(&at).unwrap().map(|entry| entry.unwrap().path()));
                Vec::new()
            } else {
                fs::read(&at).unwrap()
            };
            found.push(Described {
                path: at.strip_prefix(root).unwrap().to_str().unwrap().to_owned(),
                is_folder: metadata.is_dir(),
                is_executable: metadata.mode() & 0o100 != 0,
                mtime: (metadata.mtime(), metadata.mtime_nsec()),
                content,
            });
        }
        found.sort();
        found
    }
}
