//! What the sink knows of each selected entry.

use std::collections::HashMap;
use std::io;
use std::path::Path;

use p2pshare_protocol::hash::{chunk_count, chunk_range};
use p2pshare_protocol::limits::{CHUNK_BYTES, STREAM_REPLAY_BYTES};
use p2pshare_protocol::local_name::LocalPath;
use p2pshare_protocol::offer::{EntryId, EntryKind};

use super::identity::{Identity, OwnFiles};
use super::part::{ClosedPart, Part, PartError};
use super::{OnExists, Tree};

/// The selected entries.
pub(super) type Entries = HashMap<EntryId, Item>;

/// One selected entry.
#[derive(Debug)]
pub(super) struct Item {
    /// Where it goes, as planned.
    pub(super) path: LocalPath,
    pub(super) kind: EntryKind,
    /// In bytes; of a stream, what has been written so far.
    pub(super) size: u64,
    /// Nanoseconds since 1970, within sensible bounds.
    pub(super) mtime: Option<i64>,
    pub(super) executable: bool,
    pub(super) on_exists: OnExists,
    pub(super) identity: Identity,
    /// What earlier runs left of the same path with another size or time; of no use once this entry is committed.
    pub(super) superseded: Vec<OwnFiles>,
    /// The part file, while it is open.
    pub(super) part: Option<Part>,
    /// The part file as it was left, while it is closed.
    pub(super) closed: Option<ClosedPart>,
    /// The chunks that are verified and in the part, or in the file of the final name.
    pub(super) chunks: ChunkSet,
    pub(super) state: State,
}

/// How far an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Nothing is on the disk, or nothing that counts.
    Absent,
    /// Chunks are in the part file.
    Partial,
    /// A file of this name, size and time is there; it counts until the sender's hashes say otherwise.
    InPlace,
    /// A link is in the way.
    BehindLink,
    /// Committed, or handed over to be.
    Committed,
}

impl Item {
    /// Whether `length` bytes at `offset` are exactly one chunk of this entry.
    pub(super) fn is_chunk(&self, offset: u64, length: u64) -> bool {
        let chunk = offset / CHUNK_BYTES;
        if !offset.is_multiple_of(CHUNK_BYTES) || length == 0 {
            return false;
        }
        match self.kind {
            EntryKind::File | EntryKind::Text => {
                chunk_range(chunk, self.size) == (offset..offset.saturating_add(length))
            }
            // What is under way of a stream arrives in any order; it ends with the chunk that is not full.
            EntryKind::Stream if self.size.is_multiple_of(CHUNK_BYTES) => {
                let is_last = length < CHUNK_BYTES && offset >= self.size;
                let is_near = offset <= self.size.saturating_add(STREAM_REPLAY_BYTES);
                is_near && (is_last || length == CHUNK_BYTES)
            }
            EntryKind::Stream => chunk_range(chunk, self.size) == (offset..offset.saturating_add(length)),
            EntryKind::Dir => false,
        }
    }

    /// The part file, opened if need be, for as long as the caller needs it.
    pub(super) fn take_part(&mut self, tree: &Tree) -> Result<Part, PartError> {
        let mut part = match (self.part.take(), self.closed.take()) {
            (Some(part), _) => part,
            (None, Some(closed)) => {
                closed.reopen(tree, self.identity.files()).inspect_err(|_| self.closed = Some(closed))?
            }
            (None, None) => Part::create(tree, self.identity.files())?,
        };
        if self.state == State::InPlace {
            // The file of the final name is not quite the sender's: the chunks that are go into a new one.
            io::copy(&mut tree.read(Path::new(self.path.as_str()))?, &mut part.file)?;
        }
        if self.is_journaled() && !part.has_journal() {
            let keeps = self.state == State::Partial;
            if let Err(error) = part.keep_journal(tree, self.identity, self.size, keeps) {
                self.closed = keeps.then(|| part.close());
                return Err(error);
            }
        }
        self.state = State::Partial;
        Ok(part)
    }

    /// Closes the part file for the time being.
    pub(super) fn close_part(&mut self) {
        self.closed = self.part.take().map(Part::close);
    }

    /// Whether it is worth a journal: one chunk is written or is not, and a stream cannot be asked for again.
    pub(super) fn is_journaled(&self) -> bool {
        match self.kind {
            EntryKind::File | EntryKind::Text => self.size > CHUNK_BYTES,
            EntryKind::Dir | EntryKind::Stream => false,
        }
    }

    /// What of it is not on the disk, in bytes.
    pub(super) fn missing_bytes(&self) -> u64 {
        // The last chunk may be shorter than the others, which is neither here nor there for a check of free space.
        self.size.saturating_sub(self.chunks.count().saturating_mul(CHUNK_BYTES))
    }

    /// Whether all chunks are there.
    pub(super) fn is_complete(&self) -> bool {
        self.chunks.count() == chunk_count(self.size)
    }
}

/// A set of chunk numbers.
#[derive(Debug, Default)]
pub(super) struct ChunkSet {
    words: Vec<u64>,
    count: u64,
}

impl ChunkSet {
    /// Adds a chunk; false if it was there.
    pub(super) fn insert(&mut self, chunk: u64) -> bool {
        // Free space was checked for the whole entry, and a stream grows step by step: the number is far below what memory holds.
        let Ok(word) = usize::try_from(chunk / 64) else { return false };
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
        }
        let bit = 1 << (chunk % 64);
        let is_new = self.words[word] & bit == 0;
        self.words[word] |= bit;
        self.count += u64::from(is_new);
        is_new
    }

    /// How many chunks there are.
    pub(super) const fn count(&self) -> u64 {
        self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_counts_once() {
        let mut chunks = ChunkSet::default();
        assert!(chunks.insert(0) && chunks.insert(63) && chunks.insert(64) && chunks.insert(1000));
        assert!(!chunks.insert(64));
        assert_eq!(chunks.count(), 4);
    }
}
