//! `Assembly`: chunks that are being put together, until the disk has them.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;

use crate::data_frame::DataFrame;
use crate::hash::Hash;
use crate::limits::CHUNK_BYTES;
use crate::offer::EntryId;

/// The pieces of chunks that arrived, by chunk.
#[derive(Debug, Default)]
pub(super) struct Assembly {
    chunks: HashMap<(EntryId, u64), Part>,
    /// Chunks at the disk, with their sizes.
    writing: HashMap<(EntryId, u64), u64>,
    bytes: u64,
}

#[derive(Debug, Default)]
struct Part {
    /// By offset, as stripes may arrive in any order.
    pieces: BTreeMap<u64, Bytes>,
    bytes: u64,
    hash: Option<Hash>,
}

/// A chunk that is all here, and the hash it must have.
#[derive(Debug)]
pub(super) struct Whole {
    pub(super) pieces: Vec<Bytes>,
    pub(super) hash: Hash,
}

impl Assembly {
    /// The bytes in memory, also those that the disk is writing.
    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Adds bytes of a chunk of `chunk_bytes`; returns it when it is whole.
    pub(super) fn add_data(&mut self, frame: DataFrame, chunk_bytes: u64) -> Option<Whole> {
        let key = (frame.entry, frame.offset / CHUNK_BYTES);
        let part = self.chunks.entry(key).or_default();
        part.bytes += frame.bytes.len() as u64;
        self.bytes += frame.bytes.len() as u64;
        part.pieces.insert(frame.offset, frame.bytes);
        self.take_whole(key, chunk_bytes)
    }

    /// Adds the hash of a chunk of `chunk_bytes`; returns it when it is whole.
    pub(super) fn add_hash(&mut self, entry: EntryId, chunk: u64, hash: Hash, chunk_bytes: u64) -> Option<Whole> {
        let key = (entry, chunk);
        if self.writing.contains_key(&key) {
            return None;
        }
        self.chunks.entry(key).or_default().hash = Some(hash);
        self.take_whole(key, chunk_bytes)
    }

    /// Looks again at a chunk whose length is known only now.
    pub(super) fn resized(&mut self, entry: EntryId, chunk: u64, chunk_bytes: u64) -> Option<Whole> {
        self.take_whole((entry, chunk), chunk_bytes)
    }

    /// The chunks that are all here but for their hash; `chunk_bytes` tells their length.
    pub(super) fn without_hash(&self, chunk_bytes: impl Fn(EntryId, u64) -> u64) -> Vec<(EntryId, u64)> {
        let waits = |key: &(EntryId, u64), part: &Part| part.hash.is_none() && part.bytes == chunk_bytes(key.0, key.1);
        self.chunks.iter().filter(|(key, part)| waits(key, part)).map(|(key, _)| *key).collect()
    }

    fn take_whole(&mut self, key: (EntryId, u64), chunk_bytes: u64) -> Option<Whole> {
        let part = self.chunks.get(&key)?;
        let hash = part.hash.filter(|_| part.bytes == chunk_bytes)?;
        let part = self.chunks.remove(&key)?;
        self.writing.insert(key, part.bytes);
        Some(Whole { pieces: part.pieces.into_values().collect(), hash })
    }

    /// Notes that the disk is done with a chunk.
    pub(super) fn written(&mut self, entry: EntryId, chunk: u64) {
        self.bytes -= self.writing.remove(&(entry, chunk)).unwrap_or(0);
    }

    /// Drops what is held of an entry.
    pub(super) fn remove(&mut self, entry: EntryId) {
        let parts = self.chunks.iter().filter(|((id, _), _)| *id == entry).map(|(_, part)| part.bytes);
        self.bytes -= parts.sum::<u64>();
        self.chunks.retain(|(id, _), _| *id != entry);
    }
}
