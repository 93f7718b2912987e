//! `Jobs`: what the receiver asked for, and the chunks that are read for it.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;

use crate::data_frame::DataFrame;
use crate::error::Violation;
use crate::hash::{Hash, chunk_count, chunk_range};
use crate::limits::{
    CHUNK_BYTES, JOBS_MAX, READ_AHEAD_BYTES, READ_AHEAD_BYTES_MIN, READ_AHEAD_BYTES_SHARED, READ_AHEAD_CHUNKS,
};
use crate::offer::{EntryId, EntryKind, Offer};

/// Ranges in the order of the requests, each within one chunk, and a small store of chunks.
#[derive(Debug)]
pub(super) struct Jobs {
    offer: Arc<Offer>,
    queue: VecDeque<Job>,
    /// How many jobs at the front have their chunk in the store.
    covered: usize,
    /// Chunks of which only the hash is asked for.
    verify: VecDeque<(EntryId, u64)>,
    store: HashMap<(EntryId, u64), Slot>,
    store_bytes: u64,
    store_bytes_max: u64,
    /// The chunks that are ready, oldest first, to make room from.
    ready: VecDeque<(EntryId, u64)>,
    /// Hashes to be sent: of chunks whose data begins to leave, or whose hash was asked for by itself.
    announcements: Vec<(EntryId, u64, Hash)>,
    /// Where reading ahead of the requests goes on, and the entries after that.
    ahead: Option<(EntryId, u64)>,
    upcoming: VecDeque<EntryId>,
}

/// A wanted range within one chunk.
#[derive(Debug)]
struct Job {
    entry: EntryId,
    chunk: u64,
    from: u64,
    to: u64,
}

#[derive(Debug)]
enum Slot {
    /// Being read: for its data or in advance, or to announce its hash at once.
    Reading {
        data: bool,
        announce: bool,
    },
    Ready {
        bytes: Bytes,
        hash: Hash,
        announced: bool,
    },
}

impl Jobs {
    pub(super) fn new(offer: Arc<Offer>) -> Self {
        Self {
            offer,
            queue: VecDeque::new(),
            covered: 0,
            verify: VecDeque::new(),
            store: HashMap::new(),
            store_bytes: 0,
            store_bytes_max: READ_AHEAD_BYTES,
            ready: VecDeque::new(),
            announcements: Vec::new(),
            ahead: None,
            upcoming: VecDeque::new(),
        }
    }

    /// Holds only a part of what all senders of a share may.
    pub(super) fn share_with(&mut self, senders: u32) {
        let part = READ_AHEAD_BYTES_SHARED / u64::from(senders.max(1));
        self.store_bytes_max = part.clamp(READ_AHEAD_BYTES_MIN, READ_AHEAD_BYTES);
    }

    /// Sets what may be read ahead: the accepted entries in order, which is how receivers ask.
    pub(super) fn select(&mut self, selected: &BTreeSet<EntryId>) {
        let readable = |id: &EntryId| self.offer.entry(*id).is_some_and(|e| e.kind == EntryKind::File && e.size > 0);
        self.upcoming = selected.iter().copied().filter(readable).collect();
    }

    /// Adds a wanted range that lies within the entry.
    pub(super) fn want(&mut self, entry: EntryId, from: u64, to: u64) -> Result<(), Violation> {
        let chunks = from / CHUNK_BYTES..to.div_ceil(CHUNK_BYTES);
        if (chunks.end - chunks.start) as usize > JOBS_MAX - self.queue.len().min(JOBS_MAX) {
            return Err(Violation::TooMuch);
        }
        for chunk in chunks.clone() {
            let start = chunk * CHUNK_BYTES;
            let job = Job { entry, chunk, from: from.max(start), to: to.min(start + CHUNK_BYTES) };
            self.queue.push_back(job);
        }
        self.read_ahead_from(entry, chunks.end);
        Ok(())
    }

    /// Adds a run of chunks of which only the hashes are wanted.
    pub(super) fn verify(&mut self, entry: EntryId, first: u64, count: u64) -> Result<(), Violation> {
        if count as usize > JOBS_MAX - self.verify.len().min(JOBS_MAX) {
            return Err(Violation::TooMuch);
        }
        self.verify.extend((first..first + count).map(|chunk| (entry, chunk)));
        Ok(())
    }

    /// Forgets what was asked for on a connection that is lost; chunks that were read are announced anew.
    pub(super) fn interrupt(&mut self) {
        self.queue.clear();
        self.covered = 0;
        self.verify.clear();
        self.announcements.clear();
        for slot in self.store.values_mut() {
            match slot {
                Slot::Reading { announce, .. } => *announce = false,
                Slot::Ready { announced, .. } => *announced = false,
            }
        }
    }

    /// Drops everything of an entry.
    pub(super) fn remove(&mut self, entry: EntryId) {
        self.queue.retain(|job| job.entry != entry);
        self.verify.retain(|&(id, _)| id != entry);
        let chunks: Vec<_> = self.store.keys().copied().filter(|&(id, _)| id == entry).collect();
        for chunk in chunks {
            self.drop_slot(chunk);
        }
        self.upcoming.retain(|&id| id != entry);
        self.ahead = self.ahead.filter(|&(id, _)| id != entry);
        self.covered = 0;
    }

    /// The next chunk to read, if the store has room for it.
    pub(super) fn next_read(&mut self) -> Option<(EntryId, u64)> {
        if self.queue.front().is_some_and(|job| !self.store.contains_key(&(job.entry, job.chunk))) {
            self.covered = 0;
        }
        while let Some(job) = self.queue.get(self.covered) {
            let key = (job.entry, job.chunk);
            let may_read = self.has_room() || self.covered == 0;
            match self.store.get_mut(&key) {
                Some(Slot::Reading { data, .. }) => *data = true,
                Some(Slot::Ready { .. }) => {}
                None if may_read => return Some(self.start_read(key, true)),
                None => return None,
            }
            self.covered += 1;
        }
        self.next_verify().or_else(|| {
            let key = if self.has_room() { self.next_ahead()? } else { return None };
            Some(self.start_read(key, true))
        })
    }

    fn next_verify(&mut self) -> Option<(EntryId, u64)> {
        while self.has_room() {
            let key = self.verify.pop_front()?;
            match self.store.get_mut(&key) {
                Some(Slot::Reading { announce, .. }) => *announce = true,
                Some(Slot::Ready { hash, announced, .. }) => {
                    *announced = true;
                    self.announcements.push((key.0, key.1, *hash));
                }
                None => return Some(self.start_read(key, false)),
            }
        }
        None
    }

    /// Takes in a chunk.
    pub(super) fn was_read(&mut self, entry: EntryId, chunk: u64, bytes: Bytes, hash: Hash) {
        let key = (entry, chunk);
        let Some(Slot::Reading { data, announce }) = self.store.get(&key) else { return };
        let (data, announce) = (*data, *announce);
        if announce {
            self.announcements.push((entry, chunk, hash));
        }
        if data {
            self.store.insert(key, Slot::Ready { bytes, hash, announced: announce });
            self.ready.push_back(key);
        } else {
            self.drop_slot(key);
        }
    }

    /// Takes the hashes that are to be sent.
    pub(super) fn take_announcements(&mut self) -> Vec<(EntryId, u64, Hash)> {
        std::mem::take(&mut self.announcements)
    }

    /// Whether something was asked for that has not been read.
    pub(super) fn waits_for_source(&self) -> bool {
        !self.verify.is_empty() || !self.queue.is_empty() && !self.has_frame()
    }

    /// Whether `next_frame` would return a frame.
    pub(super) fn has_frame(&self) -> bool {
        let head = self.queue.front().and_then(|job| self.store.get(&(job.entry, job.chunk)));
        matches!(head, Some(Slot::Ready { .. }))
    }

    /// The next frame; its chunk is announced the first time.
    pub(super) fn next_frame(&mut self, payload_bytes: usize) -> Option<DataFrame> {
        let job = self.queue.front_mut()?;
        let (key, start) = ((job.entry, job.chunk), job.chunk * CHUNK_BYTES);
        let Some(Slot::Ready { bytes, hash, announced }) = self.store.get_mut(&key) else { return None };
        if !*announced {
            *announced = true;
            self.announcements.push((job.entry, job.chunk, *hash));
        }
        let end = job.to.min(job.from + payload_bytes as u64);
        let range = (job.from - start) as usize..(end - start) as usize;
        let frame = DataFrame { entry: job.entry, offset: job.from, bytes: bytes.slice(range) };
        let chunk_served = end == start + bytes.len() as u64;
        job.from = end;
        if job.from == job.to {
            self.queue.pop_front();
            self.covered = self.covered.saturating_sub(1);
        }
        if chunk_served {
            self.drop_slot(key);
        }
        Some(frame)
    }

    fn start_read(&mut self, key: (EntryId, u64), data: bool) -> (EntryId, u64) {
        if !self.has_room()
            && let Some(oldest) = self.ready.front().copied()
        {
            self.drop_slot(oldest);
        }
        self.store.insert(key, Slot::Reading { data, announce: !data });
        self.store_bytes += self.chunk_len(key);
        key
    }

    fn drop_slot(&mut self, key: (EntryId, u64)) {
        if self.store.remove(&key).is_some() {
            self.store_bytes -= self.chunk_len(key);
            self.ready.retain(|&ready| ready != key);
        }
    }

    fn has_room(&self) -> bool {
        self.store_bytes < self.store_bytes_max && self.store.len() < READ_AHEAD_CHUNKS
    }

    fn chunk_len(&self, (entry, chunk): (EntryId, u64)) -> u64 {
        let size = self.offer.entry(entry).map_or(0, |e| e.size);
        let range = chunk_range(chunk, size);
        range.end - range.start
    }

    fn read_ahead_from(&mut self, entry: EntryId, chunk: u64) {
        while self.upcoming.front().is_some_and(|&id| id <= entry) {
            self.upcoming.pop_front();
        }
        self.ahead = Some((entry, chunk));
    }

    fn next_ahead(&mut self) -> Option<(EntryId, u64)> {
        let (mut entry, mut chunk) = self.ahead?;
        loop {
            let size = self.offer.entry(entry).map_or(0, |e| e.size);
            if chunk < chunk_count(size) {
                self.ahead = Some((entry, chunk + 1));
                if !self.store.contains_key(&(entry, chunk)) {
                    return Some((entry, chunk));
                }
                chunk += 1;
            } else {
                (entry, chunk) = (self.upcoming.pop_front()?, 0);
            }
        }
    }
}
