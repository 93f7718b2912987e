//! `Pass`: an entry that is passed on as it arrives, in order, and verified chunk by chunk.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::chunk_hasher::ChunkHasher;
use crate::error::TransferError;
use crate::hash::{Hash, chunk_count};
use crate::offer::EntryId;

/// The one entry of a transfer that goes to a pipe instead of a disk.
#[derive(Debug)]
pub(super) struct Pass {
    pub(super) entry: EntryId,
    /// The next byte to pass on.
    next: u64,
    /// What arrived ahead of it.
    ahead: BTreeMap<u64, Bytes>,
    /// Bytes that the consumer has not taken.
    waiting: u64,
    ahead_bytes: u64,
    size: Option<u64>,
    hasher: ChunkHasher,
    /// Hashes of what was passed on, and of what the sender says, until both are there.
    ours: BTreeMap<u64, Hash>,
    theirs: BTreeMap<u64, Hash>,
    verified: u64,
}

impl Pass {
    pub(super) fn new(entry: EntryId, size: Option<u64>) -> Self {
        Self {
            entry,
            next: 0,
            ahead: BTreeMap::new(),
            waiting: 0,
            ahead_bytes: 0,
            size,
            hasher: ChunkHasher::default(),
            ours: BTreeMap::new(),
            theirs: BTreeMap::new(),
            verified: 0,
        }
    }

    /// The bytes in memory.
    pub(super) const fn bytes(&self) -> u64 {
        self.waiting + self.ahead_bytes
    }

    /// Takes what arrived; returns what can be passed on.
    pub(super) fn arrive(&mut self, offset: u64, bytes: Bytes) -> Vec<Bytes> {
        self.ahead_bytes += bytes.len() as u64;
        self.ahead.insert(offset, bytes);
        let mut ready = Vec::new();
        while let Some(bytes) = self.ahead.remove(&self.next) {
            let length = bytes.len() as u64;
            self.next += length;
            self.ahead_bytes -= length;
            self.waiting += length;
            self.ours.extend(self.hasher.update(&bytes));
            ready.push(bytes);
        }
        self.finish_last();
        ready
    }

    /// Takes note of the size of a stream that has ended.
    pub(super) fn end(&mut self, size: u64) {
        self.size = Some(size);
        self.finish_last();
    }

    /// Takes note of what the sender says of a chunk.
    pub(super) fn announce(&mut self, chunk: u64, hash: Hash) {
        if chunk >= self.verified {
            self.theirs.insert(chunk, hash);
        }
    }

    /// Notes that the consumer took some bytes.
    pub(super) const fn taken(&mut self, bytes: u64) {
        self.waiting -= bytes;
    }

    /// Compares hashes; returns the chunks that are verified with that.
    pub(super) fn compare(&mut self) -> Result<Vec<(u64, Hash)>, TransferError> {
        let mut verified = Vec::new();
        while let Some((ours, theirs)) = self.ours.get(&self.verified).zip(self.theirs.get(&self.verified)) {
            if ours != theirs {
                return Err(TransferError::Corrupt);
            }
            verified.push((self.verified, *ours));
            self.ours.remove(&self.verified);
            self.theirs.remove(&self.verified);
            self.verified += 1;
        }
        Ok(verified)
    }

    /// Whether everything was passed on, taken, and verified.
    pub(super) fn is_complete(&self) -> bool {
        self.waiting == 0 && self.size.is_some_and(|size| self.next == size && chunk_count(size) == self.verified)
    }

    /// Chunks that were passed on and whose hash the sender has not said: first and count.
    pub(super) fn unverified(&self) -> Option<(u64, u64)> {
        let last = self.ours.last_key_value()?.0;
        Some((self.verified, last + 1 - self.verified))
    }

    fn finish_last(&mut self) {
        if self.size == Some(self.next) {
            self.ours.extend(self.hasher.finish());
        }
    }
}
