//! The receiving side: drives a `Receiver` with the channel and the sink.

use std::collections::HashMap;
use std::future::pending;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use p2pshare_protocol::ctl::{AbortCode, DeclineReason};
use p2pshare_protocol::offer::{EntryId, Offer};
use p2pshare_protocol::receiver::{Acceptance, Event as ReceiverEvent, Input, Output, Receiver};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::context::Context;
use super::event::{Decision, Event, Events, OfferRequest, PeerId, Summary};
use super::lanes::Lanes;
use super::link_watch::LinkWatch;
use super::stop::Stop;
use crate::error::Error;
use crate::storage::sink::{Opened, Sink, SinkError, SinkJob, SinkOptions, SinkOutcome};
use crate::transport::{Channel, Incoming};

/// Where received files go, and how.
#[derive(Debug, Clone)]
pub struct Destination {
    /// The folder; it must exist.
    pub folder: PathBuf,
    /// How entries are stored in it.
    pub options: SinkOptions,
}

/// Receives over a bound channel into `destination`, until everything is verified and on disk.
pub(super) async fn receive(
    channel: &mut Channel,
    destination: &Destination,
    context: &mut Context,
) -> Result<Summary, Error> {
    let mut receiving = Receiving {
        machine: Receiver::new(context.hello(), Instant::now()),
        lanes: Lanes::new(channel.sender()),
        destination,
        offer: Arc::default(),
        taken: Vec::new(),
        decision: None,
        opening: None,
        sink: None,
        placed: HashMap::new(),
        peer: context.peer,
        events: context.events.clone(),
        accepted: None,
        moved: (0, 0),
        skipped: 0,
    };
    let result = receiving.run(channel, &mut context.stop).await;
    receiving.lanes.flush().await;
    if let Some(sink) = receiving.sink {
        sink.close();
    }
    result
}

type Opening = JoinHandle<Result<Opened, SinkError>>;

struct Receiving<'a> {
    machine: Receiver,
    lanes: Lanes,
    destination: &'a Destination,
    offer: Arc<Offer>,
    /// The entries that were chosen.
    taken: Vec<EntryId>,
    /// Set while a person decides.
    decision: Option<oneshot::Receiver<Decision>>,
    /// Set while the destination is prepared.
    opening: Option<Opening>,
    sink: Option<Sink>,
    /// Where entries went whose commit the machine has not taken note of.
    placed: HashMap<EntryId, PathBuf>,
    peer: PeerId,
    events: Events,
    accepted: Option<Instant>,
    /// Bytes and entries verified on disk.
    moved: (u64, u32),
    skipped: u32,
}

impl Receiving<'_> {
    async fn run(&mut self, channel: &mut Channel, stop: &mut Stop) -> Result<Summary, Error> {
        let mut watch = LinkWatch::new(self.peer, &self.events, channel);
        loop {
            let Some(deadline) = self.carry_out()? else { return Ok(self.summary(channel).await) };
            tokio::select! {
                biased;
                () = stop.requested() => self.feed(Input::Stop(AbortCode::Canceled))?,
                incoming = channel.next() => match watch.incoming(incoming) {
                    Ok(Some(Incoming::Ctl(frame))) => self.feed(Input::Ctl(frame))?,
                    Ok(Some(Incoming::Data(message))) => self.feed(Input::Data(message))?,
                    Ok(Some(Incoming::Disturbed | Incoming::Recovered | Incoming::Lost(_)) | None) => {}
                    Err(_) if self.machine.is_complete() => return Ok(self.summary(channel).await),
                    Err(lost) => return Err(lost),
                },
                outcome = next_outcome(&mut self.sink) => self.was_stored(outcome)?,
                decision = next_decision(&mut self.decision) => self.decided(decision)?,
                opened = next_opened(&mut self.opening) => self.opened(opened)?,
                () = watch.due() => watch.look(channel).await,
                () = tokio::time::sleep_until(deadline.into()) => self.feed(Input::TimedOut)?,
            }
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
                Output::Write { entry, offset, pieces, hash } => {
                    self.submit(SinkJob::Write { entry, offset, pieces, hash });
                }
                Output::Commit(entry) => self.submit(SinkJob::Commit { entry }),
                Output::Discard(entry) => tracing::debug!(?entry, "the source of a part file changed"),
                Output::Settle => self.submit(SinkJob::Finish),
                Output::Report(event) => self.report(event),
                Output::Finish => return Ok(None),
                Output::Wait(deadline) => return Ok(Some(deadline)),
            }
        }
    }

    fn submit(&mut self, job: SinkJob) {
        let sink = self.sink.as_mut().expect("the machine stores nothing before the offer is accepted");
        sink.submit(job);
    }

    fn was_stored(&mut self, outcome: SinkOutcome) -> Result<(), Error> {
        match outcome {
            SinkOutcome::Written { entry, offset, .. } => self.feed(Input::Written { entry, offset }),
            SinkOutcome::Corrupt { entry, offset } => self.feed(Input::Corrupt { entry, offset }),
            SinkOutcome::Committed { entry, path } => {
                self.placed.insert(entry, path);
                self.feed(Input::Committed(entry))
            }
            SinkOutcome::Failed { entry: Some(entry), error } if concerns_one_entry(&error) => {
                self.events.report(Event::NotStored { entry, error });
                self.feed(Input::Failed(entry))
            }
            SinkOutcome::Failed { error, .. } => {
                // The machine's last words tell the sender; the disk's own error is the one to report.
                let _ = self.feed(Input::Stop(AbortCode::Disk));
                Err(Error::Sink(error))
            }
            SinkOutcome::Finished => self.feed(Input::Settled),
        }
    }

    fn decided(&mut self, decision: Decision) -> Result<(), Error> {
        match decision {
            Decision::Decline(reason) => self.feed(Input::Decline(reason)),
            Decision::Accept(entries) => {
                let (folder, options) = (self.destination.folder.clone(), self.destination.options.clone());
                let offer = Arc::clone(&self.offer);
                self.taken.clone_from(&entries);
                let open = move || Sink::open(&folder, &offer, &entries, &options);
                self.opening = Some(tokio::task::spawn_blocking(open));
                Ok(())
            }
        }
    }

    fn opened(&mut self, opened: Result<Opened, SinkError>) -> Result<(), Error> {
        let Opened { sink, plan, notices } = match opened {
            Ok(opened) => opened,
            Err(error) => {
                let _ = self.feed(Input::Decline(DeclineReason::Disk));
                return Err(Error::Sink(error));
            }
        };
        for notice in notices {
            self.events.report(Event::SinkNotice(notice));
        }
        self.sink = Some(sink);
        self.accepted = Some(Instant::now());
        let entries: Vec<_> = self.taken.iter().copied().filter(|id| !plan.skipped.contains(id)).collect();
        let bytes = entries.iter().filter_map(|&id| self.offer.entry(id)).map(|entry| entry.size).sum();
        let count = u32::try_from(entries.len()).unwrap_or(u32::MAX);
        self.events.report(Event::Accepted { peer: self.peer, entries: count, bytes });
        let present = plan.resumed.into_iter().collect();
        self.feed(Input::Accept(Acceptance { entries, present }))
    }

    fn report(&mut self, event: ReceiverEvent) {
        let peer = self.peer;
        match event {
            ReceiverEvent::Peer(hello) => self.events.report(Event::Named(peer, hello.name)),
            ReceiverEvent::Offered(offer) => {
                self.offer = Arc::clone(&offer);
                let (answer, decision) = oneshot::channel();
                self.decision = Some(decision);
                self.events.report(Event::Offered(peer, OfferRequest { offer, answer }));
            }
            ReceiverEvent::Progress { bytes, entries } => {
                self.moved = (bytes, entries);
                self.events.report(Event::Progress { peer, bytes, entries });
            }
            ReceiverEvent::EntryDone(entry, root) => {
                if let Some(path) = self.placed.remove(&entry) {
                    let bytes = self.offer.entry(entry).map_or(0, |entry| entry.size);
                    self.events.report(Event::EntryDone { entry, path, bytes, root });
                }
            }
            ReceiverEvent::Text(_, text) => self.events.report(Event::Text(text)),
            ReceiverEvent::Skipped { entry, reason } => {
                self.skipped += 1;
                self.events.report(Event::Skipped { peer, entry, reason });
            }
        }
    }

    async fn summary(&self, channel: &Channel) -> Summary {
        let (bytes, entries) = self.moved;
        let took = self.accepted.map_or_else(Default::default, |since| since.elapsed());
        Summary { bytes, entries, skipped: self.skipped, took, path: channel.path().await }
    }
}

/// Whether the other entries can still be stored.
const fn concerns_one_entry(error: &SinkError) -> bool {
    use SinkError::{Busy, Exists, Incomplete, NotADirectory, NotSelected, Symlink};
    matches!(
        error,
        Busy { .. } | Exists { .. } | Incomplete { .. } | NotADirectory { .. } | NotSelected | Symlink { .. }
    )
}

async fn next_outcome(sink: &mut Option<Sink>) -> SinkOutcome {
    match sink {
        Some(sink) => sink.next().await,
        None => pending().await,
    }
}

/// The answer of the person; an answer that never comes declines.
async fn next_decision(decision: &mut Option<oneshot::Receiver<Decision>>) -> Decision {
    let Some(waiting) = decision else { return pending().await };
    let answer = waiting.await.unwrap_or(Decision::Decline(DeclineReason::Declined));
    *decision = None;
    answer
}

async fn next_opened(opening: &mut Option<Opening>) -> Result<Opened, SinkError> {
    let Some(task) = opening else { return pending().await };
    let opened = task.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
    *opening = None;
    opened
}
