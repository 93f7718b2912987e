//! `Receiver`: the machine of the side that gets the files. It drives the transfer.
//!
//! It asks for ranges, never has more outstanding than its window, and asks for more only while its disk keeps up. Feed it
//! [`Input`]s, then drain [`Receiver::poll_output`] until it says [`Output::Wait`].

mod assembly;
mod fetch;
mod messages;
mod pass;
mod plan;
mod targets;

pub use messages::{Acceptance, Event, Input, Output};

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use crate::ctl::{Ctl, Hello, Role, SkipReason, accept_frames};
use crate::data_frame::DataFrame;
use crate::error::{TransferError, Violation};
use crate::hash::Hash;
use crate::limits::{FAREWELL_MAX, OFFER_BYTES_MAX, PROGRESS_INTERVAL};
use crate::liveness::Liveness;
use crate::offer::{Entry, EntryId, Offer};
use crate::streams::Stripes;
use fetch::Fetch;

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

/// The receiving side of one transfer.
#[derive(Debug)]
pub struct Receiver {
    phase: Phase,
    hello: Hello,
    offer: Offer,
    offer_bytes: usize,
    pages: u32,
    /// What was taken of the offer.
    taken: Vec<EntryId>,
    fetch: Fetch,
    reported: (u64, u32),
    report_due: Instant,
    outputs: VecDeque<Output>,
    liveness: Liveness,
    closing_since: Instant,
    stripes: Stripes,
    /// Whether frames that were said before may come again.
    is_reconnected: bool,
}

impl Receiver {
    /// Starts a transfer on a channel that both sides have bound to the pairing.
    #[must_use]
    pub fn new(hello: Hello, now: Instant) -> Self {
        let mut receiver = Self {
            phase: Phase::Greeting,
            stripes: Stripes::new(Role::Receives, &hello),
            hello: Hello { role: Role::Receives, ..hello },
            offer: Offer::default(),
            offer_bytes: 0,
            pages: 0,
            taken: Vec::new(),
            fetch: Fetch::new(now),
            reported: (0, 0),
            report_due: now,
            outputs: VecDeque::new(),
            liveness: Liveness::new(now),
            closing_since: now,
            is_reconnected: false,
        };
        receiver.send(&Ctl::Hello(receiver.hello.clone()), now);
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
        let result = self.take(input, now);
        result.inspect_err(|error| self.say_why(error, now))?;
        if self.phase == Phase::Receiving {
            while let Some(want) = self.fetch.ask(now) {
                self.send(&want, now);
            }
        }
        self.outputs.append(&mut self.fetch.outputs);
        if self.phase == Phase::Receiving && self.fetch.is_done() {
            self.phase = Phase::Settling;
            self.outputs.push_back(Output::Settle);
        }
        Ok(())
    }

    fn take(&mut self, input: Input, now: Instant) -> Result<(), TransferError> {
        match input {
            Input::Ctl(bytes) => self.handle_frame(&bytes, now)?,
            Input::Data(message) => self.handle_data(message, now)?,
            Input::Accept(acceptance) => self.accept(&acceptance, now),
            Input::Decline(reason) => {
                self.send(&Ctl::Decline { reason }, now);
                return Err(TransferError::Declined(reason));
            }
            Input::Written { entry, offset } => self.fetch.written(entry, offset),
            Input::Passed(bytes) => self.fetch.passed(bytes)?,
            Input::Corrupt { entry, offset } => self.fetch.corrupt(entry, offset)?,
            Input::Committed(entry) => self.fetch.committed(entry),
            Input::Failed(entry) => {
                if self.fetch.give_up(entry, SkipReason::Unwritable) {
                    self.send(&Ctl::Skip { entry, reason: SkipReason::Unwritable }, now);
                }
            }
            Input::Settled => self.conclude(now),
            Input::Paced(is_paced) => self.fetch.pace(is_paced),
            Input::Spread(connections) => self.fetch.spread(connections),
            Input::Broken => self.stripes.refuse(&mut self.hello),
            Input::Reconnected => self.reconnect(now),
            Input::Stop(code) => return Err(TransferError::Stopped(code)),
            Input::TimedOut => self.handle_timeout(now)?,
        }
        Ok(())
    }

    /// Returns the next thing to do, ending in `Output::Wait`.
    pub fn poll_output(&mut self, now: Instant) -> Output {
        if let Some(output) = self.outputs.pop_front() {
            return output;
        }
        if self.phase == Phase::Receiving && self.has_news() && now >= self.report_due {
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
            (_, Ctl::Ping | Ctl::Bind { .. }) => {}
            (Phase::Greeting, Ctl::Hello(hello)) => self.greet(hello)?,
            (_, frame) if frame.is_of_stripe() => {
                let (n, said) = self.stripes.hear(frame)?;
                self.outputs.push_back(Output::Stripe(n, said));
            }
            (Phase::Listening, Ctl::Offer { page, entries, last }) => self.listen(page, entries, last, bytes.len())?,
            (Phase::Receiving, Ctl::Hashes { chunks }) => {
                for (entry, chunk, hash) in chunks {
                    self.fetch.hash(entry, chunk, hash)?;
                }
            }
            (Phase::Receiving, Ctl::Eof { entry, size }) => self.end(entry, size, now)?,
            (Phase::Receiving, Ctl::Skip { entry, reason }) => self.fetch.skip(entry, reason)?,
            (Phase::Closing, Ctl::Done { root }) => self.finish(root)?,
            (Phase::Settling | Phase::Closing, Ctl::Hashes { .. }) => {}
            // Said before the last connection was lost, and heard then.
            (_, Ctl::Hello(hello)) if self.is_reconnected => self.report(Event::Peer(hello)),
            (_, Ctl::Offer { .. } | Ctl::Skip { .. } | Ctl::Eof { .. }) if self.is_reconnected => {}
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

    fn listen(&mut self, page: u32, entries: Vec<Entry>, last: bool, bytes: usize) -> Result<(), Violation> {
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

    fn accept(&mut self, acceptance: &Acceptance, now: Instant) {
        debug_assert_eq!(self.phase, Phase::Deciding, "an offer is taken once, after it was reported");
        self.taken.clone_from(&acceptance.entries);
        self.say_accept(now);
        self.phase = Phase::Receiving;
        for frame in self.fetch.aim(&self.offer, acceptance) {
            self.send(&frame, now);
        }
        self.tell_progress(now);
    }

    fn say_accept(&mut self, now: Instant) {
        for frame in accept_frames(&self.taken, self.offer.entries().len()) {
            self.send(&frame, now);
        }
    }

    fn handle_data(&mut self, message: Bytes, now: Instant) -> Result<(), TransferError> {
        self.liveness.heard(now);
        let frame = DataFrame::decode(message).map_err(Violation::from)?;
        match self.phase {
            // Of an entry that was given up some may be on its way when nothing else is missing.
            Phase::Receiving | Phase::Settling | Phase::Closing => self.fetch.data(frame, now),
            Phase::Greeting | Phase::Listening | Phase::Deciding | Phase::Finished => {
                Err(Violation::Unrequested.into())
            }
        }
    }

    /// Takes note of the end of a stream, with which its last chunk may turn out to be here.
    fn end(&mut self, entry: EntryId, size: u64, now: Instant) -> Result<(), TransferError> {
        self.fetch.end(entry, size)?;
        if self.is_reconnected {
            for frame in self.fetch.verify_again() {
                self.send(&frame, now);
            }
        }
        Ok(())
    }

    /// Starts over on a new channel: what was taken stays taken, what was on its way is asked for anew.
    fn reconnect(&mut self, now: Instant) {
        self.is_reconnected = true;
        self.stripes.reset();
        self.liveness = Liveness::new(now);
        self.outputs.retain(|output| !matches!(output, Output::Send(_)));
        self.send(&Ctl::Hello(self.hello.clone()), now);
        match self.phase {
            Phase::Greeting | Phase::Listening => {
                self.phase = Phase::Greeting;
                (self.offer, self.offer_bytes, self.pages) = (Offer::default(), 0, 0);
            }
            Phase::Receiving | Phase::Settling | Phase::Closing => {
                self.say_accept(now);
                for frame in self.fetch.reconnect(now) {
                    self.send(&frame, now);
                }
                if self.phase == Phase::Closing {
                    self.conclude(now);
                }
            }
            Phase::Deciding | Phase::Finished => {}
        }
    }

    fn conclude(&mut self, now: Instant) {
        self.tell_progress(now);
        let root = self.fetch.root().expect("every entry that is left is complete");
        self.send(&Ctl::Done { root }, now);
        self.phase = Phase::Closing;
        self.closing_since = now;
    }

    fn finish(&mut self, root: Hash) -> Result<(), Violation> {
        if self.fetch.root() != Some(root) {
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
            match self.phase {
                // A disk, a pipe or a source may take its time; the sender is not to think that nothing is wanted.
                Phase::Receiving | Phase::Settling => self.tell_progress(now),
                Phase::Greeting | Phase::Listening | Phase::Deciding | Phase::Closing | Phase::Finished => {
                    self.send(&Ctl::Ping, now);
                }
            }
        }
        Ok(())
    }

    fn has_news(&self) -> bool {
        self.fetch.confirmed() != self.reported
    }

    fn tell_progress(&mut self, now: Instant) {
        let (bytes, entries) = self.fetch.confirmed();
        self.reported = (bytes, entries);
        self.report_due = now + PROGRESS_INTERVAL;
        self.send(&Ctl::Progress { bytes, entries }, now);
        self.report(Event::Progress { bytes, entries });
    }

    fn deadline(&self) -> Instant {
        let deadline = self.liveness.deadline();
        match self.phase {
            Phase::Receiving if self.has_news() => deadline.min(self.report_due),
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
