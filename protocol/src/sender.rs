//! `Sender`: the machine of the side that has the files.
//!
//! It serves what the receiver asks for, from a frozen offer, and nothing else. Feed it [`Input`]s, then drain
//! [`Sender::poll_output`] until it says [`Output::Wait`]; while the data channel has room, take frames from
//! [`Sender::poll_data`] and drain the outputs again.

mod feed;
mod jobs;
mod messages;
mod requests;

pub use messages::{Event, Input, Output};

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use crate::ctl::{Ctl, Hello, Role, SkipReason, offer_pages};
use crate::data_frame::DataFrame;
use crate::error::{TransferError, Violation};
use crate::hash::Hash;
use crate::ledger::Ledger;
use crate::limits::{HASHES_PER_FRAME_MAX, STALL_MAX};
use crate::liveness::Liveness;
use crate::offer::{EntryId, Offer};
use crate::streams::Stripes;
use feed::Feed;
use jobs::Jobs;

#[derive(Debug, PartialEq, Eq)]
enum Phase {
    /// The receiver has not said hello.
    Greeting,
    /// The offer is out; the receiver has not taken it, or not all of its selection came.
    Offered,
    /// Ranges are served.
    Serving,
    /// The last word is to be said.
    Closing,
    /// It was.
    Finished,
}

/// The sending side of one transfer.
#[derive(Debug)]
pub struct Sender {
    offer: Arc<Offer>,
    payload_bytes: usize,
    phase: Phase,
    selected: BTreeSet<EntryId>,
    skipped: BTreeMap<EntryId, SkipReason>,
    jobs: Jobs,
    /// The stream, if one was accepted.
    feed: Option<Feed>,
    ledger: Ledger,
    /// Hashes that are to be sent with the next control frame.
    hashes: Vec<(EntryId, u64, Hash)>,
    outputs: VecDeque<Output>,
    liveness: Liveness,
    /// When the receiver last asked for something or confirmed something.
    moved: Instant,
    paused: bool,
    hello: Hello,
    stripes: Stripes,
    /// Bytes that the receiver has from before, as it says.
    present: u64,
    /// Whether frames that were said before may come again.
    is_reconnected: bool,
}

impl Sender {
    /// Starts a transfer on a channel that both sides have bound to the pairing.
    ///
    /// `payload_bytes` is the most payload of one data frame.
    #[must_use]
    pub fn new(offer: Arc<Offer>, hello: Hello, payload_bytes: usize, now: Instant) -> Self {
        let mut sender = Self {
            jobs: Jobs::new(Arc::clone(&offer)),
            offer,
            payload_bytes,
            phase: Phase::Greeting,
            selected: BTreeSet::new(),
            skipped: BTreeMap::new(),
            feed: None,
            stripes: Stripes::new(Role::Sends, &hello),
            hello: Hello { role: Role::Sends, ..hello },
            present: 0,
            is_reconnected: false,
            ledger: Ledger::default(),
            hashes: Vec::new(),
            outputs: VecDeque::new(),
            liveness: Liveness::new(now),
            moved: now,
            paused: false,
        };
        sender.introduce(now);
        sender
    }

    /// Says hello and makes the offer.
    fn introduce(&mut self, now: Instant) {
        self.send(&Ctl::Hello(self.hello.clone()), now);
        for page in offer_pages(self.offer.clone().entries()) {
            self.send(&page, now);
        }
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
            Input::Data => Err(Violation::Unrequested.into()),
            Input::Read { entry, chunk, result } => {
                self.moved = now;
                self.handle_read(entry, chunk, result, now);
                Ok(())
            }
            Input::StreamRead { entry, result } => {
                self.moved = now;
                self.handle_stream(entry, result, now);
                Ok(())
            }
            Input::Path(look) => {
                self.outputs.extend(self.stripes.look(look).map(Output::Connect));
                Ok(())
            }
            Input::Broken => {
                self.stripes.refuse(&mut self.hello);
                Ok(())
            }
            Input::Reconnected => {
                self.reconnect(now);
                Ok(())
            }
            Input::Stop(code) => Err(TransferError::Stopped(code)),
            Input::TimedOut => self.handle_timeout(now),
        };
        result.inspect_err(|error| self.say_why(error, now))
    }

    /// Returns the next thing to do, ending in `Output::Wait`.
    pub fn poll_output(&mut self, now: Instant) -> Output {
        if let Some(output) = self.outputs.pop_front() {
            return output;
        }
        if let Some(hashes) = self.next_hashes() {
            self.liveness.spoke(now);
            return Output::Send(hashes.encode());
        }
        if self.phase == Phase::Serving
            && let Some((entry, chunk)) = self.jobs.next_read()
        {
            return Output::Read { entry, chunk };
        }
        if self.phase == Phase::Serving
            && let Some(feed) = &mut self.feed
            && feed.next_read()
        {
            return Output::ReadStream { entry: feed.entry() };
        }
        if self.phase == Phase::Closing {
            self.phase = Phase::Finished;
            return Output::Finish;
        }
        Output::Wait(self.deadline())
    }

    /// The next data frame, if one can be sent now.
    pub fn poll_data(&mut self) -> Option<DataFrame> {
        if self.phase != Phase::Serving || self.paused {
            return None;
        }
        let payload_bytes = self.payload_bytes;
        self.jobs.next_frame(payload_bytes).or_else(|| self.feed.as_mut()?.next_frame(payload_bytes))
    }

    /// Takes note of how many senders the share has at the moment: their memory is bounded together.
    pub fn share_memory_with(&mut self, senders: u32) {
        self.jobs.share_with(senders);
    }

    /// Whether `poll_data` would return a frame.
    #[must_use]
    pub fn has_data(&self) -> bool {
        self.phase == Phase::Serving
            && !self.paused
            && (self.jobs.has_frame() || self.feed.as_ref().is_some_and(Feed::has_frame))
    }

    /// The entries that were given up, by either side.
    #[must_use]
    pub const fn skipped(&self) -> &BTreeMap<EntryId, SkipReason> {
        &self.skipped
    }

    fn handle_frame(&mut self, bytes: &[u8], now: Instant) -> Result<(), TransferError> {
        self.liveness.heard(now);
        let frame = Ctl::decode(bytes).map_err(Violation::from)?;
        match (&self.phase, frame) {
            (_, Ctl::Abort { code }) => return Err(TransferError::Aborted(code)),
            // The driver has checked the first one; more of them say nothing new.
            (_, Ctl::Ping) | (Phase::Greeting, Ctl::Bind { .. }) => {}
            (_, Ctl::Bind { .. }) if self.is_reconnected => {}
            (Phase::Greeting, Ctl::Hello(hello)) => self.greet(hello)?,
            (_, frame) if frame.is_of_stripe() => {
                let (n, said) = self.stripes.hear(frame)?;
                self.outputs.push_back(Output::Stripe(n, said));
            }
            (Phase::Offered, Ctl::Accept { select, last }) => self.accept(select.as_deref(), last, now)?,
            (Phase::Offered, Ctl::Decline { reason }) => return Err(TransferError::Declined(reason)),
            (Phase::Serving, Ctl::Want { ranges }) => self.want(&ranges, now)?,
            (Phase::Serving, Ctl::Verify { chunks }) => self.verify(&chunks, now)?,
            (Phase::Serving, Ctl::Skip { entry, reason }) => self.skip(entry, reason)?,
            (Phase::Serving, Ctl::Progress { bytes, entries }) => {
                self.moved = now;
                self.report(Event::Progress { bytes, entries });
            }
            (Phase::Serving, Ctl::Pause) => self.pause(true, now),
            (Phase::Serving, Ctl::Resume) => self.pause(false, now),
            (Phase::Serving, Ctl::Done { root }) => self.conclude(root, now)?,
            // Said before the last connection was lost, and heard then.
            // Said until it is heard, so several of them may come.
            (_, Ctl::Bind { .. }) if self.is_reconnected => {}
            (Phase::Serving, Ctl::Hello(hello)) if self.is_reconnected => {
                self.stripes.greet(&hello);
                self.report(Event::Peer(hello));
            }
            (Phase::Serving, Ctl::Accept { .. }) if self.is_reconnected => {}
            (_, frame) => return Err(Violation::Unexpected(frame.name()).into()),
        }
        Ok(())
    }

    /// Starts over on a new channel: what was not taken is offered again, what was taken is served as asked for anew.
    fn reconnect(&mut self, now: Instant) {
        self.is_reconnected = true;
        self.stripes.reset();
        self.liveness = Liveness::new(now);
        self.moved = now;
        self.outputs.retain(|output| matches!(output, Output::Report(_)));
        self.hashes.clear();
        self.jobs.interrupt();
        match self.phase {
            Phase::Greeting | Phase::Offered => {
                self.phase = Phase::Greeting;
                self.selected.clear();
                self.introduce(now);
            }
            Phase::Serving => {
                self.send(&Ctl::Hello(self.hello.clone()), now);
                self.tell_again(now);
            }
            Phase::Closing | Phase::Finished => {}
        }
    }

    /// Says again what the lost connection may not have delivered.
    fn tell_again(&mut self, now: Instant) {
        for (entry, reason) in self.skipped.clone() {
            self.send(&Ctl::Skip { entry, reason }, now);
        }
        if let Some(feed) = &mut self.feed {
            feed.interrupt();
            let entry = feed.entry();
            if let Some(size) = self.ledger.size(entry) {
                self.send(&Ctl::Eof { entry, size }, now);
            }
        }
    }

    fn greet(&mut self, hello: Hello) -> Result<(), TransferError> {
        if hello.v != 1 {
            return Err(TransferError::Version(hello.v));
        }
        if hello.role == Role::Sends {
            return Err(TransferError::SameRole(Role::Sends));
        }
        self.stripes.greet(&hello);
        self.report(Event::Peer(hello));
        self.phase = Phase::Offered;
        Ok(())
    }

    fn handle_read(&mut self, entry: EntryId, chunk: u64, result: Result<(Bytes, Hash), SkipReason>, now: Instant) {
        match result {
            Ok((bytes, hash)) => self.jobs.was_read(entry, chunk, bytes, hash),
            Err(reason) if !self.skipped.contains_key(&entry) => {
                self.give_up(entry, reason);
                self.send(&Ctl::Skip { entry, reason }, now);
            }
            Err(_) => {}
        }
    }

    fn handle_stream(&mut self, entry: EntryId, result: Result<Option<Bytes>, SkipReason>, now: Instant) {
        let Some(feed) = &mut self.feed else { return };
        match result {
            Ok(Some(bytes)) => feed.was_read(bytes),
            Ok(None) => {
                let size = feed.was_ended();
                self.ledger.set_size(entry, size);
                self.send(&Ctl::Eof { entry, size }, now);
            }
            Err(reason) => {
                self.give_up(entry, reason);
                self.send(&Ctl::Skip { entry, reason }, now);
            }
        }
    }

    /// Notes the hashes that the jobs and the stream announced.
    fn note_hashes(&mut self) {
        while let Some(feed) = &mut self.feed
            && let Some((chunk, hash)) = feed.next_hash()
        {
            let entry = feed.entry();
            self.ledger.record(entry, chunk, hash);
            self.hashes.push((entry, chunk, hash));
        }
        for (entry, chunk, hash) in self.jobs.take_announcements() {
            self.ledger.record(entry, chunk, hash);
            self.hashes.push((entry, chunk, hash));
        }
    }

    /// The hashes that wait to be sent, as one frame.
    fn next_hashes(&mut self) -> Option<Ctl> {
        self.note_hashes();
        let rest = self.hashes.split_off(self.hashes.len().min(HASHES_PER_FRAME_MAX));
        let chunks = std::mem::replace(&mut self.hashes, rest);
        (!chunks.is_empty()).then_some(Ctl::Hashes { chunks })
    }

    fn pause(&mut self, paused: bool, now: Instant) {
        self.paused = paused;
        self.moved = now;
        self.report(Event::Paused(paused));
    }

    fn conclude(&mut self, root: Hash, now: Instant) -> Result<(), Violation> {
        self.note_hashes();
        if self.ledger.share_root() != Some(root) {
            return Err(Violation::RootMismatch);
        }
        self.send(&Ctl::Done { root }, now);
        self.phase = Phase::Closing;
        Ok(())
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), TransferError> {
        if self.stalls() && now >= self.moved + STALL_MAX {
            return Err(TransferError::Stalled);
        }
        if self.liveness.check(now)? {
            self.send(&Ctl::Ping, now);
        }
        Ok(())
    }

    /// Whether it is the receiver's turn, to ask for something or to take it, and not the source's.
    fn stalls(&self) -> bool {
        let waits_for_source = self.jobs.waits_for_source() || self.feed.as_ref().is_some_and(Feed::waits_for_source);
        self.phase == Phase::Serving && !self.paused && !waits_for_source
    }

    fn deadline(&self) -> Instant {
        let deadline = self.liveness.deadline();
        if self.stalls() { deadline.min(self.moved + STALL_MAX) } else { deadline }
    }

    fn send(&mut self, frame: &Ctl, now: Instant) {
        self.liveness.spoke(now);
        self.outputs.push_back(Output::Send(frame.encode()));
    }

    fn report(&mut self, event: Event) {
        self.outputs.push_back(Output::Report(event));
    }

    /// Tells the peer why this side gives up, if it can still use that.
    fn say_why(&mut self, error: &TransferError, now: Instant) {
        if *error == TransferError::Silent {
            // Only the connection is lost, and another one may take over.
            return;
        }
        self.phase = Phase::Finished;
        if let Some(code) = error.abort_code() {
            self.send(&Ctl::Abort { code }, now);
        }
    }
}
