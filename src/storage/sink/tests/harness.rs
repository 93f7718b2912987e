//! An offer with its content, a destination, and what it looks like afterwards.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use p2pshare_protocol::entry_path::EntryPath;
use p2pshare_protocol::hash::{Hash, chunk_count, chunk_range};
use p2pshare_protocol::offer::{Entry, EntryId, EntryKind, Offer};
use tempfile::TempDir;

use super::{Opened, Sink, SinkError, SinkJob, SinkOptions, SinkOutcome};

/// An entry and what is in it.
pub(super) struct Sample {
    entry: Entry,
    content: Vec<u8>,
}

pub(super) fn file(path: &[&str], content: &[u8]) -> Sample {
    let path = EntryPath::new(path.iter().map(|&c| c.to_owned()).collect()).unwrap();
    let entry = Entry { path, kind: EntryKind::File, size: content.len() as u64, mtime: Some(1), mode: Some(0o644) };
    Sample { entry, content: content.to_vec() }
}

pub(super) fn dir(path: &[&str]) -> Sample {
    let mut dir = file(path, b"");
    dir.entry.kind = EntryKind::Dir;
    dir
}

impl Sample {
    pub(super) fn mtime(mut self, mtime: i64) -> Self {
        self.entry.mtime = Some(mtime);
        self
    }

    pub(super) fn mode(mut self, mode: u32) -> Self {
        self.entry.mode = Some(mode);
        self
    }
}

/// A sender's side as values, and a destination.
pub(super) struct Fixture {
    samples: Vec<Sample>,
    destination: TempDir,
}

impl Fixture {
    pub(super) fn new(samples: Vec<Sample>) -> Self {
        Self { samples, destination: tempfile::tempdir().unwrap() }
    }

    pub(super) fn in_folder(samples: Vec<Sample>, folder: &Path) -> Self {
        Self { samples, destination: tempfile::tempdir_in(folder).unwrap() }
    }

    /// The same destination and another offer.
    pub(super) fn offering(self, samples: Vec<Sample>) -> Self {
        Self { samples, ..self }
    }

    pub(super) fn hash(&self, entry: u32, chunk: u64) -> Hash {
        let content = &self.samples[entry as usize].content;
        let range = chunk_range(chunk, content.len() as u64);
        Hash::of_chunk(&content[range.start as usize..range.end as usize])
    }

    pub(super) fn set_kind(&mut self, entry: usize, kind: EntryKind) {
        self.samples[entry].entry.kind = kind;
        self.samples[entry].entry.size = 0;
    }

    pub(super) fn set_size(&mut self, entry: usize, size: u64) {
        self.samples[entry].entry.size = size;
    }

    pub(super) fn destination(&self) -> &Path {
        self.destination.path()
    }

    pub(super) fn offer(&self) -> Offer {
        Offer::new(self.samples.iter().map(|sample| sample.entry.clone()).collect()).unwrap()
    }

    pub(super) fn open(&self, options: &SinkOptions) -> Result<Opened, SinkError> {
        let offer = self.offer();
        let all: Vec<_> = offer.iter().map(|(id, _)| id).collect();
        Sink::open(self.destination(), &offer, &all, options)
    }

    /// The job that writes one chunk.
    pub(super) fn write(&self, entry: u32, chunk: u64) -> SinkJob {
        let sample = &self.samples[entry as usize];
        let range = chunk_range(chunk, sample.content.len() as u64);
        let bytes = &sample.content[range.start as usize..range.end as usize];
        let pieces = bytes.chunks(65_536).map(Bytes::copy_from_slice).collect();
        SinkJob::Write { entry: EntryId(entry), offset: range.start, pieces, hash: Hash::of_chunk(bytes) }
    }

    /// The same for an entry that is all one byte.
    pub(super) fn write_as_of_size(&self, entry: u32, chunk: u64, size: u64) -> SinkJob {
        let range = chunk_range(chunk, size);
        let bytes = Bytes::from(vec![self.samples[entry as usize].content[0]; (range.end - range.start) as usize]);
        SinkJob::Write { entry: EntryId(entry), offset: range.start, hash: Hash::of_chunk(&bytes), pieces: vec![bytes] }
    }

    /// Receives everything the plan does not leave out, and finishes.
    pub(super) fn receive(&self, options: &SinkOptions) -> Vec<SinkOutcome> {
        let Opened { mut sink, plan, .. } = self.open(options).unwrap();
        let mut jobs = 0;
        let mut submit = |job| {
            sink.submit(job);
            jobs += 1;
        };
        for (id, entry) in self.offer().iter() {
            if plan.skipped.contains(&id) {
                continue;
            }
            for chunk in 0..chunk_count(entry.size) {
                submit(self.write(id.0, chunk));
            }
            submit(SinkJob::Commit { entry: id });
        }
        submit(SinkJob::Finish);
        let outcomes = drain(&mut sink, jobs);
        sink.close();
        outcomes
    }

    pub(super) fn read(&self, path: &str) -> Vec<u8> {
        fs::read(self.destination().join(path)).unwrap_or_else(|error| panic!("{path}: {error}, {:?}", self.tree()))
    }

    pub(super) fn mode(&self, path: &str) -> u32 {
        fs::metadata(self.destination().join(path)).unwrap().mode()
    }

    pub(super) fn mtime(&self, path: &str) -> i64 {
        let metadata = fs::metadata(self.destination().join(path)).unwrap();
        metadata.mtime() * 1_000_000_000 + metadata.mtime_nsec()
    }

    /// Everything in the destination, sorted; folders end with a slash.
    pub(super) fn tree(&self) -> Vec<String> {
        tree(self.destination())
    }
}

pub(super) fn tree(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let name = entry.path().strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
                found.push(format!("{name}/"));
            } else {
                found.push(name);
            }
        }
    }
    found.sort();
    found
}

/// The next outcomes; a sink that says nothing for a minute has failed.
pub(super) fn drain(sink: &mut Sink, count: usize) -> Vec<SinkOutcome> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let mut outcomes = Vec::new();
        while outcomes.len() < count {
            let next = tokio::time::timeout(Duration::from_secs(60), sink.next()).await;
            outcomes.push(next.unwrap_or_else(|_| panic!("{} of {count} outcomes: {outcomes:?}", outcomes.len())));
        }
        outcomes
    })
}
