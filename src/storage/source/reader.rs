//! `Reader`: reads and hashes the chunks of a source on a thread of its own.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, mpsc};
use std::thread;

use bytes::Bytes;
use p2pshare_protocol::hash::{Hash, chunk_count, chunk_range};
use p2pshare_protocol::offer::EntryId;
use rustix::io::Errno;
use tokio::sync::mpsc as tokio_mpsc;

use super::{Content, FoundFile, ReadError, Seen, Source, Tree};

/// What is wanted of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadRequest {
    /// A whole chunk.
    Chunk {
        /// The entry.
        entry: EntryId,
        /// The chunk, from 0.
        chunk: u64,
    },
    /// Whatever comes next of a stream.
    Stream {
        /// The entry.
        entry: EntryId,
    },
}

/// What became of a request.
#[derive(Debug)]
pub enum ReadDone {
    /// A chunk was asked for.
    Chunk {
        /// The entry that was asked for.
        entry: EntryId,
        /// The chunk that was asked for.
        chunk: u64,
        /// The chunk, or why there is none.
        result: Result<ChunkRead, ReadError>,
    },
    /// More of a stream was asked for.
    Stream {
        /// The entry that was asked for.
        entry: EntryId,
        /// At least one byte, or `None` at the stream's end.
        result: Result<Option<Bytes>, ReadError>,
    },
}

/// A chunk as it lies on the disk.
#[derive(Debug, Clone)]
pub struct ChunkRead {
    /// Its bytes, all of them.
    pub bytes: Bytes,
    /// Their hash.
    pub hash: Hash,
}

/// Reads chunks for one receiver: submit what will be needed, a few chunks ahead, and take the results in that order.
///
/// Feed it with [`submit`](Self::submit), drain it with [`next`](Self::next). Every request has exactly one result.
/// It holds as many chunks in memory as are submitted and not yet taken, so the caller sets the bound.
#[derive(Debug)]
pub struct Reader {
    requests: mpsc::Sender<ReadRequest>,
    done: tokio_mpsc::UnboundedReceiver<ReadDone>,
    source: Arc<Source>,
}

impl Reader {
    pub(super) fn new(source: Arc<Source>) -> Self {
        source.readers.fetch_add(1, Ordering::Relaxed);
        let shared = Arc::clone(&source);
        let (requests, incoming) = mpsc::channel::<ReadRequest>();
        let (outgoing, done) = tokio_mpsc::unbounded_channel();
        thread::spawn(move || {
            let (mut open, mut has_stream) = (OpenFiles::default(), false);
            for request in incoming {
                let done = match request {
                    ReadRequest::Chunk { entry, chunk } => {
                        ReadDone::Chunk { entry, chunk, result: read(&source, &mut open, entry, chunk) }
                    }
                    ReadRequest::Stream { entry } => {
                        ReadDone::Stream { entry, result: read_stream(&source, &mut has_stream, entry) }
                    }
                };
                if outgoing.send(done).is_err() {
                    return;
                }
            }
        });
        Self { requests, done, source: shared }
    }

    /// How many readers the source has, this one included.
    #[must_use]
    pub fn readers(&self) -> u32 {
        self.source.readers.load(Ordering::Relaxed)
    }

    /// Asks for a chunk. Never waits.
    pub fn submit(&mut self, request: ReadRequest) {
        // The thread ends only with this value, so somebody receives.
        let _ = self.requests.send(request);
    }

    /// The result of the oldest request without one; pends when there is none. Cancel-safe.
    pub async fn next(&mut self) -> ReadDone {
        match self.done.recv().await {
            Some(done) => done,
            None => std::future::pending().await,
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.source.readers.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The files that were read last, so that a large one is opened once.
#[derive(Default)]
struct OpenFiles(VecDeque<(EntryId, File)>);

/// What is read of a stream at once: as much as a pipe holds.
const STREAM_PIECE_BYTES: usize = 64 * 1024;

/// Enough for a receiver that takes turns between a few large files.
const OPEN_FILES_MAX: usize = 4;

fn read(source: &Source, open: &mut OpenFiles, entry: EntryId, chunk: u64) -> Result<ChunkRead, ReadError> {
    if let Some(Content::Text(text)) = source.content(entry) {
        let hash = Hash::of_chunk(text);
        return Ok(ChunkRead { bytes: text.clone(), hash });
    }
    let (tree, found) = source.file(entry).ok_or(ReadError::NoSuchChunk)?;
    let chunks = chunk_count(found.seen.size);
    if chunk >= chunks {
        return Err(ReadError::NoSuchChunk);
    }
    let range = chunk_range(chunk, found.seen.size);
    let file = open.file(tree, found, entry)?;
    let bytes = read_exactly(file, range.start, range.end - range.start)?;
    // A writer that is still at work shows in the time or size; one that replaced the file shows under its name.
    check_unchanged(file, found)?;
    if chunk + 1 == chunks {
        check_unchanged(&tree.read(&found.path).map_err(at_open)?, found)?;
        open.forget(entry);
    }
    let hash = Hash::of_chunk(&bytes);
    Ok(ChunkRead { bytes, hash })
}

/// Reads what is there of a stream, and waits if nothing is. `has_stream` is whether this reader is the one that has it.
fn read_stream(source: &Source, has_stream: &mut bool, entry: EntryId) -> Result<Option<Bytes>, ReadError> {
    let Some(Content::Stdin(is_spent)) = source.content(entry) else { return Err(ReadError::NoSuchChunk) };
    if !*has_stream && is_spent.swap(true, Ordering::Relaxed) {
        return Err(ReadError::Spent);
    }
    *has_stream = true;
    let mut piece = vec![0; STREAM_PIECE_BYTES];
    let read = io::stdin().lock().read(&mut piece).map_err(ReadError::Unreadable)?;
    piece.truncate(read);
    Ok((read > 0).then(|| piece.into()))
}

impl OpenFiles {
    fn file(&mut self, tree: &Tree, found: &FoundFile, entry: EntryId) -> Result<&File, ReadError> {
        if let Some(at) = self.0.iter().position(|(id, _)| *id == entry) {
            return Ok(&self.0[at].1);
        }
        let file = tree.read(&found.path).map_err(at_open)?;
        check_unchanged(&file, found)?;
        advise_sequential(&file);
        if self.0.len() == OPEN_FILES_MAX {
            self.0.pop_front();
        }
        self.0.push_back((entry, file));
        Ok(&self.0[self.0.len() - 1].1)
    }

    fn forget(&mut self, entry: EntryId) {
        self.0.retain(|(id, _)| *id != entry);
    }
}

fn check_unchanged(file: &File, found: &FoundFile) -> Result<(), ReadError> {
    let stat = rustix::fs::fstat(file).map_err(|error| ReadError::Unreadable(error.into()))?;
    if Seen::new(&stat) == found.seen { Ok(()) } else { Err(ReadError::Changed) }
}

/// What it means that a file that was there cannot be opened.
fn at_open(error: io::Error) -> ReadError {
    let is_replaced = matches!(Errno::from_io_error(&error), Some(Errno::NOENT | Errno::NOTDIR | Errno::LOOP));
    if is_replaced { ReadError::Changed } else { ReadError::Unreadable(error) }
}

fn read_exactly(file: &File, offset: u64, length: u64) -> Result<Bytes, ReadError> {
    let length = usize::try_from(length).map_err(|_| ReadError::NoSuchChunk)?;
    let mut bytes = vec![0; length];
    match file.read_exact_at(&mut bytes, offset) {
        Ok(()) => Ok(bytes.into()),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(ReadError::Changed),
        Err(error) => Err(ReadError::Unreadable(error)),
    }
}

/// Advice only: where it is not taken, reading is slower and nothing else.
fn advise_sequential(file: &File) {
    #[cfg(target_os = "linux")]
    let _ = rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::Sequential);
    #[cfg(not(target_os = "linux"))]
    let _ = file;
}
