//! Resume: what an earlier run left is found, hashed anew, and only then counts.

use std::collections::HashSet;
use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use p2pshare_protocol::hash::{Hash, chunk_count, chunk_range};
use p2pshare_protocol::limits::CHUNK_BYTES;
use rustix::fs::Dir;

use super::identity::{Identity, OwnFiles};
use super::part::{self, Part, PartError};
use super::{SinkError, SinkOptions, Tree, journal};

/// Chunks and their hashes.
pub(super) type Chunks = Vec<(u64, Hash)>;

/// What is left of an entry.
#[derive(Debug)]
pub(super) enum Left {
    /// Nothing, or nothing that can be used.
    Nothing,
    /// A part and a journal that cannot be made sense of.
    Unusable,
    /// A part with verified chunks, open and locked. `is_damaged` if some of what was left could not be used.
    Part {
        /// The part.
        part: Part,
        /// What is in it.
        chunks: Chunks,
        /// Whether the journal is torn, or the part does not hold what the journal says.
        is_damaged: bool,
    },
}

/// The part files that lie in the destination.
pub(super) struct Leftovers {
    pub(super) parts: HashSet<OwnFiles>,
    /// Those that are not of an entry of this offer.
    others: Vec<OwnFiles>,
    /// How many have been opened.
    pub(super) open: usize,
}

impl Leftovers {
    pub(super) fn find(tree: &Tree, identities: &[Identity], options: &SinkOptions) -> Result<Self, SinkError> {
        let found = if options.resume { parts(tree)? } else { Vec::new() };
        let offered: HashSet<_> = identities.iter().map(Identity::files).collect();
        let others = found.iter().filter(|files| !offered.contains(files)).copied().collect();
        Ok(Self { parts: found.into_iter().collect(), others, open: 0 })
    }

    /// What is left of earlier versions of an entry.
    pub(super) fn of_path(&self, tree: &Tree, identity: &Identity) -> Vec<OwnFiles> {
        let is_earlier =
            |files: &&OwnFiles| files.may_share_path(identity.files()) && is_of_path(tree, **files, &identity.path);
        self.others.iter().filter(is_earlier).copied().collect()
    }
}

/// The part files in a destination.
fn parts(tree: &Tree) -> Result<Vec<OwnFiles>, SinkError> {
    let error = |error: rustix::io::Errno| SinkError::new(error, ".");
    let mut parts = Vec::new();
    for entry in Dir::read_from(tree.as_fd()).map_err(error)? {
        let entry = entry.map_err(error)?;
        parts.extend(entry.file_name().to_str().ok().and_then(OwnFiles::of_part));
    }
    Ok(parts)
}

/// Opens, locks and verifies what is left of an entry.
pub(super) fn recover(tree: &Tree, identity: &Identity, size: u64) -> Result<Left, PartError> {
    let files = identity.files();
    let Some(part) = Part::existing(tree, files)? else { return Ok(Left::Nothing) };
    let Some(journal) = part::open_journal(tree, files)? else { return Ok(Left::Unusable) };
    let Some(recorded) = journal::read(&journal, identity, size)? else { return Ok(Left::Unusable) };
    let mut chunks: Vec<u64> = recorded.chunks.iter().map(|(chunk, _)| *chunk).collect();
    chunks.sort_unstable();
    chunks.dedup();
    // A chunk that was written twice has two records; the part holds what the last one says, or neither.
    let mut verified = hash_chunks(&part.file, size, &chunks);
    let claimed: HashSet<_> = recorded.chunks.into_iter().collect();
    verified.retain(|chunk| claimed.contains(chunk));
    let is_damaged = recorded.is_damaged || verified.len() < chunks.len();
    Ok(Left::Part { part, chunks: verified, is_damaged })
}

/// Whether these files are the unfinished work on an entry with this path, of another size or time.
fn is_of_path(tree: &Tree, files: OwnFiles, path: &Hash) -> bool {
    part::open_journal(tree, files).is_ok_and(|file| file.is_some_and(|file| journal::is_of_path(&file, path)))
}

/// The chunks of a file that has its final name; `None` if it cannot be read to its end.
pub(super) fn hash_file(tree: &Tree, path: &Path, size: u64) -> Option<Chunks> {
    let file = tree.read(path).ok()?;
    let chunks: Vec<_> = (0..chunk_count(size)).collect();
    let hashed = hash_chunks(&file, size, &chunks);
    (hashed.len() == chunks.len()).then_some(hashed)
}

/// Hashes chunks of a file, on all processors if there are many. Chunks that cannot be read are left out.
fn hash_chunks(file: &File, size: u64, chunks: &[u64]) -> Chunks {
    let hashed = Mutex::new(Vec::with_capacity(chunks.len()));
    let next = AtomicUsize::new(0);
    let work = || {
        let mut buffer = Vec::new();
        while let Some(&chunk) = chunks.get(next.fetch_add(1, Ordering::Relaxed)) {
            if let Some(hash) = hash_chunk(file, size, chunk, &mut buffer) {
                hashed.lock().unwrap_or_else(PoisonError::into_inner).push((chunk, hash));
            }
        }
    };
    let threads = thread::available_parallelism().map_or(1, usize::from).min(chunks.len());
    if threads <= 1 {
        work();
    } else {
        thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(work);
            }
        });
    }
    let mut hashed = hashed.into_inner().unwrap_or_else(PoisonError::into_inner);
    hashed.sort_unstable();
    hashed
}

fn hash_chunk(file: &File, size: u64, chunk: u64, buffer: &mut Vec<u8>) -> Option<Hash> {
    let range = chunk_range(chunk, size);
    debug_assert!(range.end - range.start <= CHUNK_BYTES, "a chunk is bounded");
    buffer.resize(usize::try_from(range.end - range.start).ok()?, 0);
    file.read_exact_at(buffer, range.start).ok()?;
    Some(Hash::of_chunk(buffer))
}
