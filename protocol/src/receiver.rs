//! `Receiver`: the machine of the side that gets the files. It drives the transfer.
//!
//! It asks for ranges, never has more outstanding than its window, and asks for more only while its disk keeps up. Feed it
//! [`Input`]s, then drain [`Receiver::poll_output`] until it says [`Output::Wait`].

mod assembly;
mod messages;
mod plan;

pub use messages::{Acceptance, Event, Input, Output};

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use crate::ctl::{Ctl, Hello, Role, SkipReason, accept_frames};
use crate::data_frame::DataFrame;
use crate::error::{TransferError, Violation};
use crate::hash::{Hash, chunk_count, chunk_range};
use crate::ledger::Ledger;
use crate::limits::{
    CHUNK_BYTES, CHUNK_RETRIES_MAX, ENTRIES_OPEN_MAX, FAREWELL_MAX, OFFER_BYTES_MAX, PROGRESS_INTERVAL,
    WANT_RANGES_MAX, WRITE_BACKLOG_BYTES_MAX,
};
use crate::liveness::Liveness;
use crate::offer::{EntryId, EntryKind, Offer};
use crate::window::Window;
use assembly::{Assembly, Whole};
use plan::Plan;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The sender has not said hello.
    Greeting,
    /// Pages of the offer come in.
    Listening,
    /// A person decides.
    Deciding,
    /// Ranges are asked for and written.
    Receiving,
    /// All entries are done; the disk settles.
    Settling,
    /// The sender has the last word.
    Closing,
    /// It was said.
    Finished,
}

/// One accepted entry.
#[derive(Debug)]
struct Target {
    kind: EntryKind,
    size: u64,
    /// Chunks that are not yet verified on disk.
    missing: u64,
    /// Whether any of its data was asked for and it has no final name yet.
    open: bool,
    retries: u8,
}

/// The receiving side of one transfer.
#[derive(Debug)]
pub struct Receiver {
    phase: Phase,
    offer: Offer,
    offer_bytes: usize,
    pages: u32,
    targets: BTreeMap<EntryId, Target>,
    /// Entries that were accepted and given up; frames about them may still be on their way.
    given_up: BTreeSet<EntryId>,
    /// Entries that have neither their final name nor been given up.
    unsettled: usize,
    open: usize,
    plan: Plan,
    assembly: Assembly,
    ledger: Ledger,
    window: Window,
    /// Bytes verified on disk and entries under their final name.
    confirmed: (u64, u32),
    reported: (u64, u32),
    report_due: Instant,
    outputs: VecDeque<Output>,
    liveness: Liveness,
    closing_since: Instant,
}

impl Receiver {
    /// Starts a transfer on a channel that both sides have bound to the pairing.
    #[must_use]
    pub fn new(hello: Hello, now: Instant) -> Self {
        let mut receiver = Self {
            phase: Phase::Greeting,
            offer: Offer::default(),
            offer_bytes: 0,
            pages: 0,
            targets: BTreeMap::new(),
            given_up: BTreeSet::new(),
            unsettled: 0,
            open: 0,
            plan: Plan::default(),
            assembly: Assembly::default(),
            ledger: Ledger::default(),
            window: Window::new(now),
            confirmed: (0, 0),
            reported: (0, 0),
            report_due: now,
            outputs: VecDeque::new(),
            liveness: Liveness::new(now),
            closing_since: now,
        };
        receiver.send(&Ctl::Hello(Hello { role: Role::Receives, ..hello }), now);
        receiver
    }

    /// Takes in what happened outside; drain `poll_output` afterwards, also after an error: its last words are there.
    ///
    /// # Errors
    /// The transfer cannot go on.
    pub fn handle_input(&mut self, input: Input, now: Instant) -> Result<(), TransferError> {
        if self.phase == Phase::Finished {
            return Ok(());
        }
        let result = match input {
            Input::Ctl(bytes) => self.handle_frame(&bytes, now),
            Input::Data(message) => self.handle_data(message, now),
            Input::Accept(acceptance) => {
                self.accept(acceptance, now);
                Ok(())
            }
            Input::Decline(reason) => {
                self.send(&Ctl::Decline { reason }, now);
                self.phase = Phase::Finished;
                Err(TransferError::Declined(reason))
            }
            Input::Written { entry, offset } => {
                self.was_written(entry, offset);
                Ok(())
            }
            Input::Corrupt { entry, offset } => self.was_corrupt(entry, offset),
            Input::Committed(entry) => {
                self.was_committed(entry);
                Ok(())
            }
            Input::Failed(entry) => {
                if self.give_up(entry, SkipReason::Unwritable) {
                    self.send(&Ctl::Skip { entry, reason: SkipReason::Unwritable }, now);
                }
                Ok(())
            }
            Input::Settled => {
                self.conclude(now);
                Ok(())
            }
            Input::Stop(code) => Err(TransferError::Stopped(code)),
            Input::TimedOut => self.handle_timeout(now),
        };
        result.inspect_err(|error| self.say_why(error, now))?;
        self.ask(now);
        self.settle();
        Ok(())
    }

    /// Returns the next thing to do, ending in `Output::Wait`.
    pub fn poll_output(&mut self, now: Instant) -> Output {
        if let Some(output) = self.outputs.pop_front() {
            return output;
        }
        if self.phase == Phase::Receiving && self.confirmed != self.reported && now >= self.report_due {
            self.tell_progress(now);
            return self.outputs.pop_front().expect("progress was just told");
        }
        Output::Wait(self.deadline())
    }

    /// Whether everything is verified and on disk, so that losing the connection loses nothing.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        matches!(self.phase, Phase::Closing)
    }

    fn handle_frame(&mut self, bytes: &[u8], now: Instant) -> Result<(), TransferError> {
        self.liveness.heard(now);
        let frame = Ctl::decode(bytes).map_err(Violation::from)?;
        match (self.phase, frame) {
            (_, Ctl::Abort { code }) => return Err(TransferError::Aborted(code)),
            // The driver has checked the first one; more of them say nothing new.
            (_, Ctl::Ping) | (Phase::Greeting, Ctl::Bind { .. }) => {}
            (Phase::Greeting, Ctl::Hello(hello)) => self.greet(hello)?,
            (Phase::Listening, Ctl::Offer { page, entries, last }) => {
                self.listen(page, entries, last, bytes.len())?;
            }
            (Phase::Receiving, Ctl::Hashes { chunks }) => {
                for (entry, chunk, hash) in chunks {
                    self.handle_hash(entry, chunk, hash)?;
                }
            }
            (Phase::Receiving, Ctl::Skip { entry, reason }) => self.skip(entry, reason)?,
            (Phase::Closing, Ctl::Done { root }) => self.finish(root)?,
            (Phase::Settling | Phase::Closing, Ctl::Hashes { .. }) => {}
            (_, frame) => return Err(Violation::Unexpected(frame.name()).into()),
        }
        Ok(())
    }

    fn greet(&mut self, hello: Hello) -> Result<(), TransferError> {
        if hello.v != 1 {
            return Err(TransferError::Version(hello.v));
        }
        if hello.role == Role::Receives {
            return Err(TransferError::SameRole(Role::Receives));
        }
        self.report(Event::Peer(hello));
        self.phase = Phase::Listening;
        Ok(())
    }

    fn listen(
        &mut self,
        page: u32,
        entries: Vec<crate::offer::Entry>,
        last: bool,
        bytes: usize,
    ) -> Result<(), Violation> {
        self.offer_bytes += bytes;
        if page != self.pages {
            return Err(Violation::Unexpected("offer"));
        }
        if self.offer_bytes > OFFER_BYTES_MAX {
            return Err(Violation::TooMuch);
        }
        self.pages += 1;
        self.offer.extend(entries)?;
        if last {
            self.phase = Phase::Deciding;
            self.report(Event::Offered(Arc::new(self.offer.clone())));
        }
        Ok(())
    }

    fn accept(&mut self, acceptance: Acceptance, now: Instant) {
        debug_assert_eq!(self.phase, Phase::Deciding, "an offer is taken once, after it was reported");
        for frame in accept_frames(&acceptance.entries, self.offer.entries().len()) {
            self.send(&frame, now);
        }
        self.phase = Phase::Receiving;
        for &id in &acceptance.entries {
            let present = acceptance.present.get(&id).map_or(&[][..], Vec::as_slice);
            self.aim(id, present);
        }
        for chunks in self.plan.verify_runs().chunks(WANT_RANGES_MAX) {
            self.send(&Ctl::Verify { chunks: chunks.to_vec() }, now);
        }
        self.tell_progress(now);
    }

    fn aim(&mut self, id: EntryId, present: &[(u64, Hash)]) {
        let Some(entry) = self.offer.entry(id) else { return };
        let (kind, size) = (entry.kind, entry.size);
        let missing = chunk_count(size);
        self.targets.insert(id, Target { kind, size, missing, open: false, retries: 0 });
        self.unsettled += 1;
        if kind != EntryKind::Dir {
            self.ledger.insert(id, (kind != EntryKind::Stream).then_some(size));
            self.plan.add(id, size, present);
        }
        if missing == 0 {
            self.complete(id);
        }
    }

    fn handle_data(&mut self, message: Bytes, now: Instant) -> Result<(), TransferError> {
        self.liveness.heard(now);
        let frame = DataFrame::decode(message).map_err(Violation::from)?;
        if self.phase != Phase::Receiving {
            return Err(Violation::Unrequested.into());
        }
        let wanted = self.plan.deliver(&frame)?;
        let Some(target) = self.targets.get(&frame.entry).filter(|_| wanted) else { return Ok(()) };
        self.window.delivered(frame.bytes.len() as u64, now);
        let (entry, chunk) = (frame.entry, frame.offset / CHUNK_BYTES);
        let range = chunk_range(chunk, target.size);
        if let Some(whole) = self.assembly.add_data(frame, range.end - range.start) {
            self.store(entry, chunk, whole);
        }
        Ok(())
    }

    fn handle_hash(&mut self, entry: EntryId, chunk: u64, hash: Hash) -> Result<(), Violation> {
        let Some(target) = self.targets.get(&entry) else { return self.expect_given_up(entry, "hashes") };
        let range = chunk_range(chunk, target.size);
        if let Some(there) = self.plan.verified(entry, chunk) {
            if there == hash {
                self.ledger.record(entry, chunk, hash);
                self.confirm(entry, range.end - range.start);
            } else {
                self.plan.add_missing(entry, range);
            }
            return Ok(());
        }
        if !self.plan.asked_for(entry, chunk) {
            return Err(Violation::OutOfOffer("hashes"));
        }
        if let Some(whole) = self.assembly.add_hash(entry, chunk, hash, range.end - range.start) {
            self.store(entry, chunk, whole);
        }
        Ok(())
    }

    fn store(&mut self, entry: EntryId, chunk: u64, whole: Whole) {
        let Whole { pieces, hash } = whole;
        let offset = chunk * CHUNK_BYTES;
        if self.targets.get(&entry).is_some_and(|target| target.kind == EntryKind::Text) {
            self.show(entry, &pieces, hash);
            return;
        }
        self.ledger.record(entry, chunk, hash);
        self.outputs.push_back(Output::Write { entry, offset, pieces, hash });
    }

    /// Verifies a text here, as it touches no disk.
    fn show(&mut self, entry: EntryId, pieces: &[Bytes], hash: Hash) {
        let text = String::from_utf8(pieces.concat());
        match text {
            Ok(text) if Hash::of_chunk(text.as_bytes()) == hash => {
                self.ledger.record(entry, 0, hash);
                self.report(Event::Text(entry, text));
                self.was_written(entry, 0);
                self.was_committed(entry);
            }
            Ok(_) | Err(_) => {
                self.give_up(entry, SkipReason::Unwritable);
            }
        }
    }

    fn was_written(&mut self, entry: EntryId, offset: u64) {
        self.assembly.written(entry, offset / CHUNK_BYTES);
        let Some(target) = self.targets.get(&entry) else { return };
        let range = chunk_range(offset / CHUNK_BYTES, target.size);
        self.confirm(entry, range.end - range.start);
    }

    /// Counts a chunk that is verified on disk.
    fn confirm(&mut self, entry: EntryId, bytes: u64) {
        let Some(target) = self.targets.get_mut(&entry) else { return };
        target.missing -= 1;
        self.confirmed.0 += bytes;
        if target.missing == 0 && target.kind != EntryKind::Text {
            self.complete(entry);
        }
    }

    fn complete(&mut self, entry: EntryId) {
        self.outputs.push_back(Output::Commit(entry));
    }

    fn was_corrupt(&mut self, entry: EntryId, offset: u64) -> Result<(), TransferError> {
        self.assembly.written(entry, offset / CHUNK_BYTES);
        let Some(target) = self.targets.get_mut(&entry) else { return Ok(()) };
        if target.retries == CHUNK_RETRIES_MAX {
            return Err(TransferError::Corrupt);
        }
        target.retries += 1;
        let range = chunk_range(offset / CHUNK_BYTES, target.size);
        self.plan.add_missing(entry, range);
        Ok(())
    }

    fn was_committed(&mut self, entry: EntryId) {
        let Some(target) = self.targets.get_mut(&entry) else { return };
        self.open -= usize::from(std::mem::take(&mut target.open));
        self.unsettled -= 1;
        self.confirmed.1 += 1;
        let root = self.ledger.entry_root(entry);
        self.report(Event::EntryDone(entry, root));
    }

    fn skip(&mut self, entry: EntryId, reason: SkipReason) -> Result<(), Violation> {
        if !self.give_up(entry, reason) {
            return self.expect_given_up(entry, "skip");
        }
        if reason == SkipReason::Changed {
            self.outputs.push_back(Output::Discard(entry));
        }
        Ok(())
    }

    /// Accepts a late frame about an entry that was given up, and no other.
    fn expect_given_up(&self, entry: EntryId, frame: &'static str) -> Result<(), Violation> {
        if self.given_up.contains(&entry) { Ok(()) } else { Err(Violation::OutOfOffer(frame)) }
    }

    fn give_up(&mut self, entry: EntryId, reason: SkipReason) -> bool {
        let Some(target) = self.targets.remove(&entry) else { return false };
        self.given_up.insert(entry);
        self.open -= usize::from(target.open);
        self.unsettled -= 1;
        self.plan.remove(entry);
        self.assembly.remove(entry);
        self.ledger.remove(entry);
        self.report(Event::Skipped { entry, reason });
        true
    }

    /// Asks for what the window and the disk allow.
    fn ask(&mut self, now: Instant) {
        if self.phase != Phase::Receiving {
            return;
        }
        loop {
            let ranges = self.next_ranges(now);
            if ranges.is_empty() {
                return;
            }
            self.send(&Ctl::Want { ranges }, now);
        }
    }

    fn next_ranges(&mut self, now: Instant) -> Vec<(EntryId, u64, u64)> {
        let mut ranges = Vec::new();
        while ranges.len() < WANT_RANGES_MAX {
            let outstanding = self.plan.outstanding();
            let room = self.window.bytes().saturating_sub(outstanding);
            let Some(entry) = self.plan.next_entry() else { break };
            let opens = self.targets.get(&entry).is_some_and(|target| !target.open);
            if self.assembly.bytes() >= WRITE_BACKLOG_BYTES_MAX || opens && self.open == ENTRIES_OPEN_MAX {
                break;
            }
            let Some(range) = self.plan.next_range(room, self.window.bytes() / 4) else { break };
            if opens && let Some(target) = self.targets.get_mut(&entry) {
                target.open = true;
                self.open += 1;
            }
            self.window.requested(outstanding, now);
            ranges.push(range);
        }
        ranges
    }

    /// Lets the disk settle when nothing is left to move.
    fn settle(&mut self) {
        if self.phase == Phase::Receiving && self.unsettled == 0 {
            self.phase = Phase::Settling;
            self.outputs.push_back(Output::Settle);
        }
    }

    fn conclude(&mut self, now: Instant) {
        self.tell_progress(now);
        let root = self.ledger.share_root().expect("every entry that is left in the ledger is complete");
        self.send(&Ctl::Done { root }, now);
        self.phase = Phase::Closing;
        self.closing_since = now;
    }

    fn finish(&mut self, root: Hash) -> Result<(), Violation> {
        if self.ledger.share_root() != Some(root) {
            return Err(Violation::RootMismatch);
        }
        self.phase = Phase::Finished;
        self.outputs.push_back(Output::Finish);
        Ok(())
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), TransferError> {
        if self.phase == Phase::Closing && now >= self.closing_since + FAREWELL_MAX {
            self.phase = Phase::Finished;
            self.outputs.push_back(Output::Finish);
            return Ok(());
        }
        if self.liveness.check(now)? {
            self.send(&Ctl::Ping, now);
        }
        Ok(())
    }

    fn tell_progress(&mut self, now: Instant) {
        let (bytes, entries) = self.confirmed;
        self.reported = self.confirmed;
        self.report_due = now + PROGRESS_INTERVAL;
        self.send(&Ctl::Progress { bytes, entries }, now);
        self.report(Event::Progress { bytes, entries });
    }

    fn deadline(&self) -> Instant {
        let deadline = self.liveness.deadline();
        match self.phase {
            Phase::Receiving if self.confirmed != self.reported => deadline.min(self.report_due),
            Phase::Closing => deadline.min(self.closing_since + FAREWELL_MAX),
            Phase::Greeting
            | Phase::Listening
            | Phase::Deciding
            | Phase::Receiving
            | Phase::Settling
            | Phase::Finished => deadline,
        }
    }

    fn send(&mut self, frame: &Ctl, now: Instant) {
        self.liveness.spoke(now);
        self.outputs.push_back(Output::Send(frame.encode()));
    }

    fn report(&mut self, event: Event) {
        self.outputs.push_back(Output::Report(event));
    }

    fn say_why(&mut self, error: &TransferError, now: Instant) {
        self.phase = Phase::Finished;
        if let Some(code) = error.abort_code() {
            self.send(&Ctl::Abort { code }, now);
        }
    }
}
