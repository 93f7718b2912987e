//! The sending side: drives a `Sender` with the line and the source.

use std::sync::Arc;
use std::time::Instant;

use p2pshare_protocol::ctl::{AbortCode, SkipReason};
use p2pshare_protocol::sender::{Event as SenderEvent, Input, Output, Sender};
use p2pshare_protocol::streams::Stripe;

use super::browser::is_browser;
use super::context::Context;
use super::event::{Event, Summary};
use super::lanes::Lanes;
use super::line::{Line, found};
use super::link_watch::LinkWatch;
use crate::error::Error;
use crate::storage::source::{ReadDone, ReadError, ReadRequest, Reader, Source};
use crate::transport::{Channel, Incoming};

/// Sends the entries of `source` over a bound line, until the receiver has them.
pub(super) async fn send(line: &mut Line, source: &Arc<Source>, context: &mut Context) -> Result<Summary, Error> {
    let payload_bytes = line.channel.sender().max_payload_bytes();
    let machine = Sender::new(Arc::clone(source.offer()), context.hello(), payload_bytes, Instant::now());
    let mut sending = Sending {
        machine,
        reader: source.reader(),
        context,
        is_browser: false,
        has_greeted: false,
        accepted: None,
        confirmed: (0, 0),
        served: 0,
        stripes: Vec::new(),
        sharers: 0,
    };
    loop {
        let lanes = Lanes::new(line.channel.sender(), sending.context.pace.clone());
        let result = sending.run(line, &lanes).await;
        sending.served += lanes.sent();
        if let Ok(None) = result {
            sending.reconnected();
            continue;
        }
        lanes.flush().await;
        match result {
            Err(error) if error.is_interruption() && line.can_renew() => {
                let is_broken = line.channel.broke_by_further();
                line.renew(error, sending.context).await?;
                if is_broken {
                    sending.take(Input::Broken);
                }
                sending.reconnected();
            }
            result => return result.map(Option::unwrap_or_default),
        }
    }
}

struct Sending<'a> {
    machine: Sender,
    reader: Reader,
    context: &'a mut Context,
    /// Set when the peer turns out to be one, until that is taken note of.
    is_browser: bool,
    /// Set when the peer has greeted, until the path is looked at: it decides about further connections.
    has_greeted: bool,
    accepted: Option<Instant>,
    /// Bytes and entries that the receiver's disk has confirmed.
    confirmed: (u64, u32),
    /// Bytes of file data that went over the channels before the present one.
    served: u64,
    /// What is to be done about further connections.
    stripes: Vec<(u8, Option<Stripe>)>,
    /// How many senders the memory of this channel is shared among; 0 before that was looked at.
    sharers: u32,
}

impl Sending<'_> {
    /// Runs until all is done, or, without a summary, until another channel takes over.
    async fn run(&mut self, line: &mut Line, lanes: &Lanes) -> Result<Option<Summary>, Error> {
        let mut watch = LinkWatch::new(self.context, &line.channel);
        loop {
            self.share_memory(&line.channel);
            let Some(deadline) = self.carry_out(lanes)? else {
                let sent = self.served + lanes.sent();
                return Ok(Some(self.summary(&line.channel, sent).await));
            };
            self.spread(line);
            if std::mem::take(&mut self.has_greeted) {
                watch.hurry();
            }
            if std::mem::take(&mut self.is_browser) {
                line.channel.pace();
            }
            line.look_for(watch.wish(), self.context);
            let input = tokio::select! {
                biased;
                () = self.context.stop.requested() => Input::Stop(AbortCode::Canceled),
                incoming = line.channel.next() => match watch.incoming(incoming)? {
                    Some(Incoming::Ctl(frame)) => Input::Ctl(frame),
                    Some(Incoming::Data(_)) => Input::Data,
                    Some(_) | None => continue,
                },
                read = self.reader.next() => was_read(read),
                permits = lanes.data_room(), if self.machine.has_data() => {
                    for permit in permits {
                        let Some(frame) = self.machine.poll_data() else { break };
                        permit.send(frame);
                    }
                    continue;
                }
                () = watch.due() => {
                    match watch.look_at_spare(&line.channel, lanes.sent()).await {
                        Some(look) => Input::Path(look),
                        None => continue,
                    }
                }
                news = line.further.news() => {
                    // Only the receiver says that it takes data.
                    if let (n, said @ (Stripe::Offer(_) | Stripe::Answer(_) | Stripe::Candidate(_))) = line.note(news) {
                        lanes.send_ctl(said.of(n).encode())?;
                    }
                    continue;
                }
                found = found(&mut line.search) => {
                    watch.replaced();
                    line.replace(found);
                    return Ok(None);
                }
                () = tokio::time::sleep_until(deadline.into()) => Input::TimedOut,
            };
            self.feed(input, lanes)?;
        }
    }

    /// Acts on what the machine says of further connections.
    fn spread(&mut self, line: &mut Line) {
        for (n, said) in self.stripes.drain(..) {
            match said {
                Some(said) => line.hear(n, said),
                None => line.connect(n),
            }
        }
    }

    /// Keeps to this sender's part of what all that serve the same source may hold.
    fn share_memory(&mut self, channel: &Channel) {
        let senders = self.reader.readers();
        if std::mem::replace(&mut self.sharers, senders) != senders {
            self.machine.share_memory_with(senders);
            channel.sender().keep_at_most(KEPT_BYTES_SHARED / senders.max(1) as usize);
        }
    }

    /// Gives the machine an input; its last words are queued also when it gives up.
    fn feed(&mut self, input: Input, lanes: &Lanes) -> Result<(), Error> {
        if let Err(error) = self.machine.handle_input(input, Instant::now()) {
            self.carry_out(lanes)?;
            return Err(error.into());
        }
        Ok(())
    }

    /// Does what the machine asks for; returns until when it waits, or `None` when all is done.
    fn carry_out(&mut self, lanes: &Lanes) -> Result<Option<Instant>, Error> {
        loop {
            match self.machine.poll_output(Instant::now()) {
                Output::Send(frame) => lanes.send_ctl(frame)?,
                Output::Read { entry, chunk } => self.reader.submit(ReadRequest::Chunk { entry, chunk }),
                Output::ReadStream { entry } => {
                    // What is read of a stream is gone for others.
                    self.context.hold_slot();
                    self.reader.submit(ReadRequest::Stream { entry });
                }
                Output::Connect(n) => self.stripes.push((n, None)),
                Output::Stripe(n, said) => self.stripes.push((n, Some(said))),
                Output::Report(event) => self.report(event),
                Output::Finish => return Ok(None),
                Output::Wait(deadline) => return Ok(Some(deadline)),
            }
        }
    }

    fn reconnected(&mut self) {
        self.sharers = 0;
        self.stripes.clear();
        self.take(Input::Reconnected);
    }

    /// Gives the machine what cannot be wrong.
    fn take(&mut self, input: Input) {
        let taken = self.machine.handle_input(input, Instant::now());
        debug_assert!(taken.is_ok(), "a machine that has not finished can always go on");
    }

    fn report(&mut self, event: SenderEvent) {
        let peer = self.context.peer;
        self.context.events.report(match event {
            SenderEvent::Peer(hello) => {
                self.is_browser = is_browser(&hello);
                self.has_greeted = true;
                Event::Named(peer, hello.name)
            }
            SenderEvent::Accepted { entries, bytes } => {
                self.accepted.get_or_insert_with(Instant::now);
                Event::Accepted { peer, entries, bytes }
            }
            SenderEvent::Present(bytes) => Event::Present(peer, bytes),
            SenderEvent::Progress { bytes, entries } => {
                self.confirmed = (bytes, entries);
                Event::Progress { peer, bytes, entries }
            }
            SenderEvent::Skipped { entry, reason } => Event::Skipped { peer, entry, reason },
            SenderEvent::Paused(is_paused) => Event::Paused(peer, is_paused),
        });
    }

    async fn summary(&self, channel: &Channel, sent: u64) -> Summary {
        let (bytes, entries) = self.confirmed;
        // What was lost with a connection was sent again.
        let moved = sent.min(bytes);
        let skipped = u32::try_from(self.machine.skipped().len()).unwrap_or(u32::MAX);
        let took = self.accepted.map_or_else(Default::default, |since| since.elapsed());
        Summary { bytes, moved, entries, skipped, took, path: channel.path().await }
    }
}

/// What the reader says, in the machine's words.
fn was_read(read: ReadDone) -> Input {
    match read {
        ReadDone::Chunk { entry, chunk, result } => {
            let result = result.map(|read| (read.bytes, read.hash)).map_err(reason);
            Input::Read { entry, chunk, result }
        }
        ReadDone::Stream { entry, result } => Input::StreamRead { entry, result: result.map_err(reason) },
    }
}

fn reason(error: ReadError) -> SkipReason {
    tracing::debug!(%error, "a source entry cannot be read");
    match error {
        ReadError::Changed => SkipReason::Changed,
        ReadError::Unreadable(_) | ReadError::NoSuchChunk | ReadError::Spent => SkipReason::Unreadable,
    }
}

/// What all senders of one source keep of what they sent until it is confirmed, in bytes: for a single one as much as its peer
/// lets be on the way.
const KEPT_BYTES_SHARED: usize = 40 << 20;
