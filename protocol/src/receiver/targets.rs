//! `Targets`: the accepted entries, and how far each of them is.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::Violation;
use crate::hash::{chunk_count, chunk_range};
use crate::limits::CHUNK_BYTES;
use crate::offer::{Entry, EntryId, EntryKind};

/// One accepted entry.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) kind: EntryKind,
    /// `None` while a stream has not ended.
    pub(super) size: Option<u64>,
    /// Chunks that are verified on disk.
    verified: u64,
    /// Their bytes.
    verified_bytes: u64,
    /// Whether any of its data was asked for and it has no final name yet.
    is_open: bool,
    pub(super) retries: u8,
}

impl Target {
    /// The length of a chunk; all chunks of a stream are full ones until its end is known.
    pub(super) fn chunk_bytes(&self, chunk: u64) -> u64 {
        let Some(size) = self.size else { return CHUNK_BYTES };
        let range = chunk_range(chunk, size);
        range.end - range.start
    }

    /// Whether every chunk is verified on disk.
    pub(super) fn is_complete(&self) -> bool {
        self.size.is_some_and(|size| chunk_count(size) == self.verified)
    }
}

/// All accepted entries.
#[derive(Debug, Default)]
pub(super) struct Targets {
    targets: BTreeMap<EntryId, Target>,
    /// Entries that were given up; frames about them may still be on their way.
    given_up: BTreeSet<EntryId>,
    settled: BTreeSet<EntryId>,
    open: usize,
    /// Bytes verified on disk, of entries that were not given up, and entries under their final name.
    pub(super) confirmed: (u64, u32),
}

impl Targets {
    /// Adds an entry; returns whether there is nothing of it to fetch.
    pub(super) fn add(&mut self, id: EntryId, entry: &Entry) -> bool {
        let size = (entry.kind != EntryKind::Stream).then_some(entry.size);
        let target = Target { kind: entry.kind, size, verified: 0, verified_bytes: 0, is_open: false, retries: 0 };
        let is_complete = target.is_complete();
        self.targets.insert(id, target);
        is_complete
    }

    pub(super) fn get(&self, id: EntryId) -> Option<&Target> {
        self.targets.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: EntryId) -> Option<&mut Target> {
        self.targets.get_mut(&id)
    }

    /// How many entries have data here and no final name.
    pub(super) const fn open(&self) -> usize {
        self.open
    }

    pub(super) fn is_open(&self, id: EntryId) -> bool {
        self.targets.get(&id).is_some_and(|target| target.is_open)
    }

    pub(super) fn opened(&mut self, id: EntryId) {
        if let Some(target) = self.targets.get_mut(&id)
            && !target.is_open
        {
            target.is_open = true;
            self.open += 1;
        }
    }

    /// Counts a chunk that is verified on disk; returns whether the entry is complete with it.
    pub(super) fn verified(&mut self, id: EntryId, bytes: u64) -> bool {
        let Some(target) = self.targets.get_mut(&id) else { return false };
        target.verified += 1;
        target.verified_bytes += bytes;
        self.confirmed.0 += bytes;
        target.is_complete()
    }

    /// Notes that an entry has its final name; returns whether that is news.
    pub(super) fn settle(&mut self, id: EntryId) -> bool {
        if !self.targets.contains_key(&id) || !self.settled.insert(id) {
            return false;
        }
        self.close(id);
        self.confirmed.1 += 1;
        true
    }

    /// Gives an entry up, even one that has its final name; returns whether that is news.
    pub(super) fn give_up(&mut self, id: EntryId) -> bool {
        self.close(id);
        let Some(target) = self.targets.remove(&id) else { return false };
        self.confirmed.0 -= target.verified_bytes;
        // Its file stays. Where a connection was lost the sender may have been asked twice, and find out late that it cannot go on.
        self.confirmed.1 -= u32::from(self.settled.remove(&id));
        self.given_up.insert(id);
        true
    }

    /// Accepts a late frame about an entry that was given up, and no other.
    pub(super) fn expect_given_up(&self, id: EntryId, frame: &'static str) -> Result<(), Violation> {
        if self.given_up.contains(&id) { Ok(()) } else { Err(Violation::OutOfOffer(frame)) }
    }

    /// The entries that this side or the sender gave up.
    pub(super) const fn given_up(&self) -> &BTreeSet<EntryId> {
        &self.given_up
    }

    /// Whether every entry has its final name or was given up.
    pub(super) fn are_settled(&self) -> bool {
        self.settled.len() == self.targets.len()
    }

    fn close(&mut self, id: EntryId) {
        if let Some(target) = self.targets.get_mut(&id) {
            self.open -= usize::from(std::mem::take(&mut target.is_open));
        }
    }
}
