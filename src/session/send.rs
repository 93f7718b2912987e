//! The sending side: drives a `Sender` with the channel and the source.

use std::sync::Arc;
use std::time::Instant;

use p2pshare_protocol::ctl::{AbortCode, SkipReason};
use p2pshare_protocol::sender::{Event as SenderEvent, Input, Output, Sender};

use super::context::Context;
use super::event::{Event, Events, PeerId, Summary};
use super::lanes::Lanes;
use super::link_watch::LinkWatch;
use super::stop::Stop;
use crate::error::Error;
use crate::storage::source::{ReadDone, ReadError, ReadRequest, Reader, Source};
use crate::transport::{Channel, Incoming};

/// Sends the entries of `source` over a bound channel, until the receiver has them.
pub(super) async fn send(channel: &mut Channel, source: &Arc<Source>, context: &mut Context) -> Result<Summary, Error> {
    let payload_bytes = channel.sender().max_payload_bytes();
    let machine = Sender::new(Arc::new(source.offer().clone()), context.hello(), payload_bytes, Instant::now());
    let lanes = Lanes::new(channel.sender());
    let (peer, events) = (context.peer, context.events.clone());
    let reader = source.reader();
    let mut sending = Sending { machine, reader, lanes, peer, events, accepted: None, moved: (0, 0) };
    let result = sending.run(channel, &mut context.stop).await;
    sending.lanes.flush().await;
    result
}

struct Sending {
    machine: Sender,
    reader: Reader,
    lanes: Lanes,
    peer: PeerId,
    events: Events,
    accepted: Option<Instant>,
    /// Bytes and entries that the receiver's disk has confirmed.
    moved: (u64, u32),
}

impl Sending {
    async fn run(&mut self, channel: &mut Channel, stop: &mut Stop) -> Result<Summary, Error> {
        let mut watch = LinkWatch::new(self.peer, &self.events, channel);
        loop {
            let Some(deadline) = self.carry_out()? else { return Ok(self.summary(channel).await) };
            let input = tokio::select! {
                biased;
                () = stop.requested() => Input::Stop(AbortCode::Canceled),
                incoming = channel.next() => match watch.incoming(incoming)? {
                    Some(Incoming::Ctl(frame)) => Input::Ctl(frame),
                    Some(Incoming::Data(_)) => Input::Data,
                    Some(Incoming::Disturbed | Incoming::Recovered | Incoming::Lost(_)) | None => continue,
                },
                read = self.reader.next() => self.was_read(read),
                permits = self.lanes.data_room(), if self.machine.has_data() => {
                    for permit in permits {
                        let Some(frame) = self.machine.poll_data() else { break };
                        permit.send(frame);
                    }
                    continue;
                }
                () = watch.due() => {
                    watch.look(channel).await;
                    continue;
                }
                () = tokio::time::sleep_until(deadline.into()) => Input::TimedOut,
            };
            self.feed(input)?;
        }
    }

    /// Gives the machine an input; its last words are queued also when it gives up.
    fn feed(&mut self, input: Input) -> Result<(), Error> {
        if let Err(error) = self.machine.handle_input(input, Instant::now()) {
            self.carry_out()?;
            return Err(error.into());
        }
        Ok(())
    }

    /// Does what the machine asks for; returns until when it waits, or `None` when all is done.
    fn carry_out(&mut self) -> Result<Option<Instant>, Error> {
        loop {
            match self.machine.poll_output(Instant::now()) {
                Output::Send(frame) => self.lanes.send_ctl(frame)?,
                Output::Read { entry, chunk } => self.reader.submit(ReadRequest { entry, chunk }),
                Output::Report(event) => self.report(event),
                Output::Finish => return Ok(None),
                Output::Wait(deadline) => return Ok(Some(deadline)),
            }
        }
    }

    fn was_read(&self, read: ReadDone) -> Input {
        let ReadDone { entry, chunk, result } = read;
        let result = result.map(|read| (read.bytes, read.hash)).map_err(|error| {
            tracing::debug!(%error, "a source entry cannot be read");
            match error {
                ReadError::Changed => SkipReason::Changed,
                _ => SkipReason::Unreadable,
            }
        });
        Input::Read { entry, chunk, result }
    }

    fn report(&mut self, event: SenderEvent) {
        let peer = self.peer;
        self.events.report(match event {
            SenderEvent::Peer(hello) => Event::Named(peer, hello.name),
            SenderEvent::Accepted { entries, bytes } => {
                self.accepted = Some(Instant::now());
                Event::Accepted { peer, entries, bytes }
            }
            SenderEvent::Progress { bytes, entries } => {
                self.moved = (bytes, entries);
                Event::Progress { peer, bytes, entries }
            }
            SenderEvent::Skipped { entry, reason } => Event::Skipped { peer, entry, reason },
            SenderEvent::Paused(paused) => Event::Disturbed(peer, paused),
        });
    }

    async fn summary(&self, channel: &Channel) -> Summary {
        let (bytes, entries) = self.moved;
        let skipped = u32::try_from(self.machine.skipped().len()).unwrap_or(u32::MAX);
        let took = self.accepted.map_or_else(Default::default, |since| since.elapsed());
        Summary { bytes, entries, skipped, took, path: channel.path().await }
    }
}
