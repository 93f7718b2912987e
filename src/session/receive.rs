//! The receiving side: drives a `Receiver` with the line and the store.

use std::collections::HashMap;
use std::future::pending;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use p2pshare_protocol::ctl::{AbortCode, DeclineReason};
use p2pshare_protocol::entry_path::EntryPath;
use p2pshare_protocol::offer::{EntryId, Offer};
use p2pshare_protocol::receiver::{Event as ReceiverEvent, Input, Output, Receiver};
use p2pshare_protocol::streams::Stripe;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::browser::is_browser;
use super::context::Context;
use super::event::{Decision, Event, OfferRequest, Summary};
use super::lanes::Lanes;
use super::line::{Line, found};
use super::link_watch::LinkWatch;
use super::store::{Store, Stored, next_stored_after};
use crate::error::Error;
use crate::storage::sink::{Opened, SinkError, SinkJob, SinkOptions, SinkOutcome};
use crate::transport::{Channel, DataPlane, Incoming};

mod place;

/// Where received files go, and how.
#[derive(Debug, Clone)]
pub enum Destination {
    /// Into a folder, which must exist.
    Folder {
        /// The folder.
        path: PathBuf,
        /// How entries are stored in it.
        options: SinkOptions,
    },
    /// Under a path of its own: one file or stream becomes it, for anything else it becomes a folder.
    File {
        /// The folder, which must exist.
        folder: PathBuf,
        /// The name in it, of a file or of a new folder.
        name: EntryPath,
        /// How it is stored.
        options: SinkOptions,
    },
    /// To standard output; what is taken must be one file, text or stream.
    Stdout,
}

/// Receives over a bound line into `destination`, until everything is verified and on disk.
pub(super) async fn receive(
    line: &mut Line,
    destination: &Destination,
    context: &mut Context,
) -> Result<Summary, Error> {
    let mut receiving = Receiving {
        machine: Receiver::new(context.hello(), Instant::now()),
        destination,
        offer: Arc::default(),
        taken: Vec::new(),
        decision: None,
        opening: None,
        store: None,
        placed: HashMap::new(),
        new_folder: None,
        context,
        is_browser: false,
        accepted: None,
        stored: (0, 0),
        resumed: 0,
        arrived: 0,
        skipped: 0,
        stripes: Vec::new(),
        is_paced: false,
        stores_until: None,
    };
    let result = receiving.keep_running(line).await;
    if let Some(store) = receiving.store {
        store.close();
    }
    result
}

type Opening = JoinHandle<Result<Opened, SinkError>>;

struct Receiving<'a> {
    machine: Receiver,
    destination: &'a Destination,
    offer: Arc<Offer>,
    /// The entries that were chosen.
    taken: Vec<EntryId>,
    /// Set while a person decides.
    decision: Option<oneshot::Receiver<Decision>>,
    /// Set while the destination is prepared.
    opening: Option<Opening>,
    store: Option<Store>,
    /// Where entries went whose commit the machine has not taken note of.
    placed: HashMap<EntryId, PathBuf>,
    /// The folder that was made in the destination for what came, by its name.
    new_folder: Option<PathBuf>,
    context: &'a mut Context,
    /// Set when the peer turns out to be one, until that is taken note of.
    is_browser: bool,
    accepted: Option<Instant>,
    /// Bytes and entries verified on disk.
    stored: (u64, u32),
    /// Bytes that were here before.
    resumed: u64,
    /// Bytes of file data that came over the present connection.
    arrived: u64,
    skipped: u32,
    /// What the peer said of further connections.
    stripes: Vec<(u8, Stripe)>,
    /// Whether QUIC carries the data, as far as the machine knows.
    is_paced: bool,
    /// With a limit: when what is on disk has had its time. The machine hears of more only then, so it asks no faster.
    stores_until: Option<tokio::time::Instant>,
}

impl Receiving<'_> {
    async fn keep_running(&mut self, line: &mut Line) -> Result<Summary, Error> {
        loop {
            let lanes = Lanes::new(line.channel.sender(), None);
            let result = self.run(line, &lanes).await;
            tracing::debug!(bytes = std::mem::take(&mut self.arrived), "file data received");
            if let Ok(None) = result {
                self.reconnected();
                continue;
            }
            lanes.flush().await;
            match result {
                Err(error) if error.is_interruption() && self.machine.is_complete() => {
                    tracing::debug!(%error, "the sender was gone before its last word");
                    return Ok(self.summary(&line.channel).await);
                }
                Err(error) if error.is_interruption() && line.can_renew() => {
                    let is_broken = line.channel.broke_by_further();
                    line.renew(error, self.context).await?;
                    if is_broken {
                        self.take(Input::Broken);
                    }
                    self.reconnected();
                }
                result => return result.map(Option::unwrap_or_default),
            }
        }
    }

    /// Runs until all is done, or, without a summary, until another channel takes over.
    async fn run(&mut self, line: &mut Line, lanes: &Lanes) -> Result<Option<Summary>, Error> {
        let mut watch = LinkWatch::new(self.context, &line.channel);
        loop {
            self.notice_plane(&line.channel, lanes)?;
            let Some(deadline) = self.carry_out(lanes)? else { return Ok(Some(self.summary(&line.channel).await)) };
            for (n, said) in self.stripes.drain(..) {
                line.hear(n, said);
            }
            if std::mem::take(&mut self.is_browser) {
                line.channel.pace();
            }
            line.look_for(watch.wish(), self.context);
            tokio::select! {
                biased;
                () = self.context.stop.requested() => self.feed(Input::Stop(AbortCode::Canceled), lanes)?,
                incoming = line.channel.next() => match watch.incoming(incoming)? {
                    Some(Incoming::Ctl(frame)) => self.feed(Input::Ctl(frame), lanes)?,
                    Some(Incoming::Data(message)) => {
                        self.arrived += message.len() as u64;
                        self.feed(Input::Data(message), lanes)?;
                    }
                    Some(_) | None => {}
                },
                stored = next_stored_after(self.stores_until, &mut self.store) => self.was_stored(stored, lanes)?,
                decision = next_decision(&mut self.decision) => self.decided(decision, lanes)?,
                opened = next_opened(&mut self.opening) => self.opened(opened, lanes)?,
                () = watch.due() => watch.look(&line.channel).await,
                news = line.further.news() => {
                    let (n, said) = line.note(news);
                    lanes.send_ctl(said.of(n).encode())?;
                    let connections = u8::try_from(line.channel.connections()).unwrap_or(u8::MAX);
                    self.feed(Input::Spread(connections), lanes)?;
                }
                found = found(&mut line.search) => {
                    watch.replaced();
                    line.replace(found);
                    return Ok(None);
                }
                () = tokio::time::sleep_until(deadline.into()) => self.feed(Input::TimedOut, lanes)?,
            }
        }
    }

    /// Tells the machine when something else carries the data.
    fn notice_plane(&mut self, channel: &Channel, lanes: &Lanes) -> Result<(), Error> {
        let is_paced = channel.data_plane() == DataPlane::Quic;
        if is_paced == self.is_paced {
            return Ok(());
        }
        self.is_paced = is_paced;
        self.feed(Input::Paced(is_paced), lanes)
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
                Output::Write { entry, offset, pieces, hash } => {
                    self.store().submit(SinkJob::Write { entry, offset, pieces, hash });
                }
                Output::Pass(bytes) => self.store().pass(bytes),
                Output::Commit(entry) => self.store().submit(SinkJob::Commit { entry }),
                Output::Discard(entry) => self.store().submit(SinkJob::Discard { entry }),
                Output::Settle if self.store().settles() => self.store().submit(SinkJob::Finish),
                Output::Settle => self.feed(Input::Settled, lanes)?,
                Output::Stripe(n, said) => self.stripes.push((n, said)),
                Output::Report(event) => self.report(event),
                Output::Finish => return Ok(None),
                Output::Wait(deadline) => return Ok(Some(deadline)),
            }
        }
    }

    fn store(&mut self) -> &mut Store {
        self.store.as_mut().expect("the machine stores nothing before the offer is accepted")
    }

    fn was_stored(&mut self, stored: Result<Stored, Error>, lanes: &Lanes) -> Result<(), Error> {
        let outcome = match stored {
            Ok(Stored::Passed(bytes)) => {
                self.spend(bytes);
                return self.feed(Input::Passed(bytes), lanes);
            }
            Ok(Stored::Sink(outcome)) => outcome,
            Err(error) => return self.fail(error, lanes),
        };
        match outcome {
            SinkOutcome::Written { entry, offset, bytes } => {
                self.spend(bytes);
                self.feed(Input::Written { entry, offset }, lanes)
            }
            SinkOutcome::Corrupt { entry, offset } => self.feed(Input::Corrupt { entry, offset }, lanes),
            SinkOutcome::Committed { entry, path } => {
                let path = self.new_folder.as_ref().map_or_else(|| path.clone(), |folder| folder.join(&path));
                self.placed.insert(entry, path);
                self.feed(Input::Committed(entry), lanes)
            }
            SinkOutcome::Failed { entry: Some(entry), error } if concerns_one_entry(&error) => {
                self.context.events.report(Event::NotStored { peer: self.context.peer, entry, error });
                self.feed(Input::Failed(entry), lanes)
            }
            SinkOutcome::Failed { error, .. } => self.fail(Error::Sink(error), lanes),
            SinkOutcome::Finished => self.feed(Input::Settled, lanes),
        }
    }

    /// Counts stored bytes towards the limit.
    fn spend(&mut self, bytes: u64) {
        if let Some(pace) = &self.context.pace {
            self.stores_until = Some(pace.took(bytes, tokio::time::Instant::now()));
        }
    }

    /// Ends the transfer for a reason of this side's disk. The machine's last words tell the sender.
    fn fail(&mut self, error: Error, lanes: &Lanes) -> Result<(), Error> {
        // Who reads a pipe may have enough of it.
        let has_enough = matches!(&error, Error::Pipe(error) if error.kind() == std::io::ErrorKind::BrokenPipe);
        let code = if has_enough { AbortCode::Canceled } else { AbortCode::Disk };
        let _ = self.feed(Input::Stop(code), lanes);
        Err(error)
    }

    fn reconnected(&mut self) {
        self.stripes.clear();
        self.take(Input::Reconnected);
    }

    /// Gives the machine what cannot be wrong.
    fn take(&mut self, input: Input) {
        let taken = self.machine.handle_input(input, Instant::now());
        debug_assert!(taken.is_ok(), "a machine that has not finished can always go on");
    }

    fn report(&mut self, event: ReceiverEvent) {
        let (peer, events) = (self.context.peer, &self.context.events);
        match event {
            ReceiverEvent::Peer(hello) => {
                self.is_browser = is_browser(&hello);
                events.report(Event::Named(peer, hello.name));
            }
            ReceiverEvent::Offered(offer) => {
                self.offer = Arc::clone(&offer);
                let (answer, decision) = oneshot::channel();
                self.decision = Some(decision);
                events.report(Event::Offered(peer, OfferRequest { offer, answer }));
            }
            ReceiverEvent::Progress { bytes, entries } => {
                self.stored = (bytes, entries);
                events.report(Event::Progress { peer, bytes, entries });
            }
            ReceiverEvent::EntryDone(entry, root) => {
                if let Some(path) = self.placed.remove(&entry) {
                    let bytes = self.offer.entry(entry).map_or(0, |entry| entry.size);
                    events.report(Event::EntryDone { peer, entry, path, bytes, root });
                }
            }
            ReceiverEvent::Text(_, text) => events.report(Event::Text(peer, text)),
            ReceiverEvent::Skipped { entry, reason } => {
                self.skipped += 1;
                events.report(Event::Skipped { peer, entry, reason });
            }
        }
    }

    async fn summary(&self, channel: &Channel) -> Summary {
        let (bytes, entries) = self.stored;
        let moved = bytes.saturating_sub(self.resumed);
        let took = self.accepted.map_or_else(Default::default, |since| since.elapsed());
        Summary { bytes, moved, entries, skipped: self.skipped, took, path: channel.path().await }
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
