//! `Fetch`: gets the bytes of the accepted entries: what to ask for, what to do with what arrives.

use std::collections::VecDeque;
use std::time::Instant;

use bytes::Bytes;

use super::assembly::{Assembly, Whole};
use super::messages::{Acceptance, Event, Output};
use super::pass::Pass;
use super::plan::Plan;
use super::targets::Targets;
use crate::ctl::{Ctl, SkipReason};
use crate::data_frame::DataFrame;
use crate::error::{TransferError, Violation};
use crate::hash::{Hash, chunk_range};
use crate::ledger::Ledger;
use crate::limits::{
    CHUNK_BYTES, CHUNK_RETRIES_MAX, ENTRIES_OPEN_MAX, STREAM_REPLAY_BYTES, WANT_RANGES_MAX, WRITE_BACKLOG_BYTES_MAX,
};
use crate::offer::{EntryId, EntryKind, Offer};
use crate::untrusted::Untrusted;
use crate::window::Window;

/// The bytes of a transfer, from missing to verified on disk.
#[derive(Debug)]
pub(super) struct Fetch {
    targets: Targets,
    plan: Plan,
    assembly: Assembly,
    /// The entry that goes to a pipe, if one does.
    pass: Option<Pass>,
    ledger: Ledger,
    window: Window,
    /// What is to be done with what arrived.
    pub(super) outputs: VecDeque<Output>,
}

impl Fetch {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            targets: Targets::default(),
            plan: Plan::default(),
            assembly: Assembly::default(),
            pass: None,
            ledger: Ledger::default(),
            window: Window::new(now),
            outputs: VecDeque::new(),
        }
    }

    /// Bytes verified on disk and entries under their final name.
    pub(super) const fn confirmed(&self) -> (u64, u32) {
        self.targets.confirmed
    }

    /// Whether every entry has its final name or was given up.
    pub(super) fn is_done(&self) -> bool {
        self.targets.are_settled()
    }

    /// The root over what was moved, once all of it was.
    pub(super) fn root(&self) -> Option<Hash> {
        self.ledger.share_root()
    }

    /// Aims at what was accepted; returns the frames that ask about chunks that are already there.
    pub(super) fn aim(&mut self, offer: &Offer, acceptance: &Acceptance) -> Vec<Ctl> {
        for &id in &acceptance.entries {
            let Some(entry) = offer.entry(id) else { continue };
            let is_complete = self.targets.add(id, entry);
            match entry.kind {
                EntryKind::Dir => {}
                EntryKind::Stream => {
                    self.ledger.insert(id, None);
                    self.plan.add_stream(id);
                }
                EntryKind::File | EntryKind::Text => {
                    let present = acceptance.present.get(&id).map_or(&[][..], Vec::as_slice);
                    self.ledger.insert(id, Some(entry.size));
                    self.plan.add(id, entry.size, present);
                }
            }
            if acceptance.pass == Some(id) {
                self.pass = Some(Pass::new(id, (entry.kind != EntryKind::Stream).then_some(entry.size)));
            }
            if is_complete {
                self.complete(id);
            }
        }
        verify_frames(&self.plan.verify_runs())
    }

    /// Takes note of whether what carries the data paces itself.
    pub(super) fn pace(&mut self, is_paced: bool) {
        self.window.pace(is_paced);
    }

    /// Takes note of how many connections the data comes over.
    pub(super) fn spread(&mut self, connections: u8) {
        self.window.spread(connections);
    }

    /// Takes in a data frame.
    pub(super) fn data(&mut self, frame: DataFrame, now: Instant) -> Result<(), TransferError> {
        let is_wanted = self.plan.deliver(&frame)?;
        let Some(target) = self.targets.get(frame.entry).filter(|_| is_wanted) else { return Ok(()) };
        self.window.delivered(frame.bytes.len() as u64, now);
        let (entry, chunk) = (frame.entry, frame.offset / CHUNK_BYTES);
        if let Some(pass) = self.pass.as_mut().filter(|pass| pass.entry == entry) {
            let ready = pass.arrive(frame.offset, frame.bytes);
            self.outputs.extend(ready.into_iter().map(Output::Pass));
            return self.compare();
        }
        let chunk_bytes = target.chunk_bytes(chunk);
        if let Some(whole) = self.assembly.add_data(frame, chunk_bytes) {
            self.store(entry, chunk, whole);
        }
        Ok(())
    }

    /// Takes in what the sender says of a chunk.
    pub(super) fn hash(&mut self, entry: EntryId, chunk: u64, hash: Hash) -> Result<(), TransferError> {
        let Some(target) = self.targets.get(entry) else { return Ok(self.targets.expect_given_up(entry, "hashes")?) };
        let chunk_bytes = target.chunk_bytes(chunk);
        if let Some(there) = self.plan.verified(entry, chunk) {
            if there == hash {
                self.ledger.record(entry, chunk, hash);
                self.confirm(entry, chunk_bytes);
            } else {
                self.fetch_again(entry, chunk);
            }
            return Ok(());
        }
        if !self.plan.asked_for(entry, chunk) {
            return Err(Violation::OutOfOffer("hashes").into());
        }
        if let Some(pass) = self.pass.as_mut().filter(|pass| pass.entry == entry) {
            pass.announce(chunk, hash);
            return self.compare();
        }
        if let Some(whole) = self.assembly.add_hash(entry, chunk, hash, chunk_bytes) {
            self.store(entry, chunk, whole);
        }
        Ok(())
    }

    /// Takes note of the end of a stream.
    pub(super) fn end(&mut self, entry: EntryId, size: u64) -> Result<(), TransferError> {
        let Some(target) = self.targets.get_mut(entry) else { return Ok(self.targets.expect_given_up(entry, "eof")?) };
        if target.kind != EntryKind::Stream || target.size.is_some_and(|known| known != size) {
            return Err(Violation::OutOfOffer("eof").into());
        }
        if target.size.replace(size).is_some() {
            return Ok(());
        }
        self.ledger.set_size(entry, size);
        self.plan.end_stream(entry, size);
        if let Some(pass) = self.pass.as_mut().filter(|pass| pass.entry == entry) {
            pass.end(size);
            return self.compare();
        }
        let last = size / CHUNK_BYTES;
        let range = chunk_range(last, size);
        if let Some(whole) = self.assembly.resized(entry, last, range.end - range.start) {
            self.store(entry, last, whole);
        }
        if self.targets.get(entry).is_some_and(super::targets::Target::is_complete) {
            self.complete(entry);
        }
        Ok(())
    }

    fn store(&mut self, entry: EntryId, chunk: u64, Whole { pieces, hash }: Whole) {
        if self.targets.get(entry).is_some_and(|target| target.kind == EntryKind::Text) {
            self.show(entry, &pieces, hash);
            return;
        }
        self.ledger.record(entry, chunk, hash);
        self.outputs.push_back(Output::Write { entry, offset: chunk * CHUNK_BYTES, pieces, hash });
    }

    /// Verifies a text here, as it touches no disk.
    fn show(&mut self, entry: EntryId, pieces: &[Bytes], hash: Hash) {
        self.assembly.written(entry, 0);
        match String::from_utf8(pieces.concat()) {
            Ok(text) if Hash::of_chunk(text.as_bytes()) == hash => {
                self.ledger.record(entry, 0, hash);
                self.targets.verified(entry, text.len() as u64);
                self.report(Event::Text(entry, Untrusted(text)));
                self.committed(entry);
            }
            Ok(_) | Err(_) => {
                self.give_up(entry, SkipReason::Unwritable);
            }
        }
    }

    /// Takes note of a chunk that is verified on disk.
    pub(super) fn written(&mut self, entry: EntryId, offset: u64) {
        let chunk = offset / CHUNK_BYTES;
        self.assembly.written(entry, chunk);
        if let Some(target) = self.targets.get(entry) {
            self.confirm(entry, target.chunk_bytes(chunk));
        }
    }

    /// Takes note of what a pipe's consumer took.
    pub(super) fn passed(&mut self, bytes: u64) -> Result<(), TransferError> {
        if let Some(pass) = &mut self.pass {
            pass.taken(bytes);
        }
        self.compare()
    }

    /// Verifies what was passed on, as far as the sender's hashes reach.
    fn compare(&mut self) -> Result<(), TransferError> {
        let Some(pass) = &mut self.pass else { return Ok(()) };
        let entry = pass.entry;
        for (chunk, hash) in pass.compare()? {
            self.ledger.record(entry, chunk, hash);
            let bytes = self.targets.get(entry).map_or(0, |target| target.chunk_bytes(chunk));
            self.targets.verified(entry, bytes);
        }
        if pass.is_complete() {
            self.committed(entry);
        }
        Ok(())
    }

    fn confirm(&mut self, entry: EntryId, bytes: u64) {
        if self.targets.verified(entry, bytes) {
            self.complete(entry);
        }
    }

    /// Has an entry named whose chunks are all there; what goes to a pipe or a person has no name.
    fn complete(&mut self, entry: EntryId) {
        let is_passed = self.pass.as_ref().is_some_and(|pass| pass.entry == entry);
        match self.targets.get(entry).map(|target| target.kind) {
            Some(EntryKind::Text) => {
                self.report(Event::Text(entry, Untrusted::default()));
                self.committed(entry);
            }
            Some(_) if is_passed => self.committed(entry),
            Some(EntryKind::File | EntryKind::Dir | EntryKind::Stream) => {
                self.outputs.push_back(Output::Commit(entry));
            }
            None => {}
        }
    }

    /// Takes note of a chunk that is not what was promised.
    pub(super) fn corrupt(&mut self, entry: EntryId, offset: u64) -> Result<(), TransferError> {
        self.assembly.written(entry, offset / CHUNK_BYTES);
        let Some(target) = self.targets.get_mut(entry) else { return Ok(()) };
        if target.retries == CHUNK_RETRIES_MAX {
            return Err(TransferError::Corrupt);
        }
        target.retries += 1;
        self.fetch_again(entry, offset / CHUNK_BYTES);
        Ok(())
    }

    fn fetch_again(&mut self, entry: EntryId, chunk: u64) {
        if let Some(target) = self.targets.get(entry) {
            let start = chunk * CHUNK_BYTES;
            self.plan.add_missing(entry, start..start + target.chunk_bytes(chunk));
        }
    }

    /// Takes note of an entry that has its final name.
    pub(super) fn committed(&mut self, entry: EntryId) {
        if self.targets.settle(entry) {
            let root = self.ledger.entry_root(entry);
            self.report(Event::EntryDone(entry, root));
        }
    }

    /// Takes note of an entry that the sender cannot go on with.
    pub(super) fn skip(&mut self, entry: EntryId, reason: SkipReason) -> Result<(), Violation> {
        if !self.give_up(entry, reason) {
            return self.targets.expect_given_up(entry, "skip");
        }
        if reason == SkipReason::Changed {
            self.outputs.push_back(Output::Discard(entry));
        }
        Ok(())
    }

    /// Gives an entry up; returns whether that is news.
    pub(super) fn give_up(&mut self, entry: EntryId, reason: SkipReason) -> bool {
        if !self.targets.give_up(entry) {
            return false;
        }
        self.plan.remove(entry);
        self.assembly.remove(entry);
        self.ledger.remove(entry);
        self.pass = self.pass.take().filter(|pass| pass.entry != entry);
        self.report(Event::Skipped { entry, reason });
        true
    }

    /// Asks for what the window and the consumer allow.
    pub(super) fn ask(&mut self, now: Instant) -> Option<Ctl> {
        let mut ranges = Vec::new();
        while ranges.len() < WANT_RANGES_MAX {
            let Some(entry) = self.plan.next_entry() else { break };
            let is_full = self.targets.open() == ENTRIES_OPEN_MAX && !self.targets.is_open(entry);
            if is_full || self.backlog() >= WRITE_BACKLOG_BYTES_MAX {
                break;
            }
            let outstanding = self.plan.outstanding();
            let window = self.window_of(entry);
            let room = window.saturating_sub(outstanding).min(self.span_of(entry));
            let Some(range) = self.plan.next_range(room, window / 4) else { break };
            self.targets.opened(entry);
            self.window.requested(outstanding, now);
            ranges.push(range);
        }
        (!ranges.is_empty()).then_some(Ctl::Want { ranges })
    }

    /// The bytes in memory that the disk or the pipe has not taken.
    fn backlog(&self) -> u64 {
        self.assembly.bytes() + self.pass.as_ref().map_or(0, Pass::bytes)
    }

    /// A sender can repeat only so much of a stream after a reconnect.
    fn window_of(&self, entry: EntryId) -> u64 {
        let window = self.window.bytes();
        if self.is_stream(entry) { window.min(STREAM_REPLAY_BYTES) } else { window }
    }

    /// The same where a part of it is late: the rest does not run away from that.
    fn span_of(&self, entry: EntryId) -> u64 {
        if self.is_stream(entry) { self.plan.room_within(STREAM_REPLAY_BYTES) } else { u64::MAX }
    }

    fn is_stream(&self, entry: EntryId) -> bool {
        self.targets.get(entry).is_some_and(|target| target.kind == EntryKind::Stream)
    }

    /// Starts over on a new channel; returns what to say first.
    pub(super) fn reconnect(&mut self, now: Instant) -> Vec<Ctl> {
        self.window = Window::new(now);
        self.plan.interrupt();
        let given_up = self.targets.given_up().iter();
        let skips = given_up.map(|&entry| Ctl::Skip { entry, reason: SkipReason::Unwritable });
        skips.chain(self.verify_again()).collect()
    }

    /// Asks for the hashes of chunks that are all here but for them: a lost connection may have taken them along.
    pub(super) fn verify_again(&self) -> Vec<Ctl> {
        let mut runs = self.plan.verify_runs();
        let length = |entry, chunk| self.targets.get(entry).map_or(0, |target| target.chunk_bytes(chunk));
        runs.extend(self.assembly.without_hash(length).into_iter().map(|(entry, chunk)| (entry, chunk, 1)));
        if let Some(pass) = &self.pass {
            runs.extend(pass.unverified().map(|(first, count)| (pass.entry, first, count)));
        }
        verify_frames(&runs)
    }

    fn report(&mut self, event: Event) {
        self.outputs.push_back(Output::Report(event));
    }
}

fn verify_frames(runs: &[(EntryId, u64, u64)]) -> Vec<Ctl> {
    runs.chunks(WANT_RANGES_MAX).map(|chunks| Ctl::Verify { chunks: chunks.to_vec() }).collect()
}
