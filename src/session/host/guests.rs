//! The guests of a share, each in a task of its own.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use p2pshare_protocol::envelope::{Cid, ServerMessage};
use p2pshare_protocol::pairing::{Entropy, HostOptions, HostPairing, HostSecret, Output, PasswordGate};
use p2pshare_protocol::password::StretchedPassword;
use p2pshare_protocol::room::RoomId;
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::guard::Guard;
use crate::error::Error;
use crate::session::context::Context;
use crate::session::event::{PeerId, Stage, Summary};
use crate::session::line::{Line, Way};
use crate::session::mailbox::{Mail, Mailbox};
use crate::session::pair::{Machine, Pairing};
use crate::session::random::rng;
use crate::session::slot::Slot;
use crate::session::work::Work;
use crate::signaling::SignalingSender;
use crate::transport::Dialing;

/// What became of a guest.
#[derive(Debug)]
pub(super) struct GuestEnd {
    pub(super) cid: Cid,
    pub(super) peer: PeerId,
    /// Whether it was the one that the share is for: it proved itself, and what failed after that was not the server.
    pub(super) is_final: bool,
    /// Whether the present connection to the server knows it.
    pub(super) is_known: bool,
    pub(super) result: Result<Summary, Error>,
}

/// The guests that are being served.
pub(super) struct Guests {
    way: Way,
    work: Work,
    context: Context,
    password: Option<StretchedPassword>,
    verify: bool,
    guard: Guard,
    tasks: JoinSet<Served>,
    /// The mailboxes of the guests that the present connection to the server knows.
    mail: HashMap<Cid, (PeerId, mpsc::Sender<Mail>)>,
    next_peer: u32,
    /// How many of the guests have proved themselves and are not done.
    paired: Arc<AtomicU32>,
}

impl Guests {
    pub(super) fn new(
        way: Way,
        work: Work,
        context: Context,
        password: Option<StretchedPassword>,
        verify: bool,
    ) -> Self {
        Self {
            way,
            work,
            context,
            password,
            verify,
            guard: Guard::new(),
            tasks: JoinSet::new(),
            mail: HashMap::new(),
            next_peer: 0,
            paired: Arc::default(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    pub(super) const fn guard(&self) -> &Guard {
        &self.guard
    }

    pub(super) fn paired(&self) -> u32 {
        self.paired.load(Ordering::Relaxed)
    }

    /// How many are at the door: they have not proved themselves, or nobody has let them in.
    pub(super) fn waiting(&self) -> usize {
        self.tasks.len().saturating_sub(self.paired() as usize)
    }

    /// Begins to serve a guest.
    pub(super) fn serve(&mut self, arrival: Arrival, signaling: SignalingSender) {
        let Arrival { cid, room, secret, begun } = arrival;
        let peer = PeerId(self.next_peer);
        self.next_peer += 1;
        let (mailbox, mail) = Mailbox::shared(cid, signaling);
        self.mail.insert(cid, (peer, mail));
        let is_code = matches!(secret, HostSecret::Code(_));
        let guest = Guest {
            cid,
            room,
            secret,
            begun,
            guard: if is_code { self.guard.of_code() } else { self.guard.of_link() },
            password: self.password.clone(),
            verify: self.verify,
            way: self.way.clone(),
            work: self.work.clone(),
            context: Context { peer, ..self.context.clone() },
            paired: Arc::clone(&self.paired),
        };
        self.tasks.spawn(guest.run(mailbox));
    }

    /// Passes on what the server brings for a guest.
    pub(super) fn deliver(&mut self, message: ServerMessage) {
        let (cid, mail) = match Mail::of(message) {
            Ok(mail) => mail,
            Err(other) => {
                tracing::debug!(?other, "a message of the server that needs no answer");
                return;
            }
        };
        let Some((_, mailbox)) = self.mail.get(&cid) else { return };
        match mailbox.try_send(mail) {
            // The guest floods, and gets no more.
            Err(TrySendError::Full(_)) => drop(self.mail.remove(&cid)),
            // Its task has ended, which is told next; a guest that hears why and leaves may be quicker.
            Err(TrySendError::Closed(_)) | Ok(()) => {}
        }
    }

    /// Waits until a guest is done; for ever when there is none.
    pub(super) async fn next_end(&mut self) -> GuestEnd {
        match self.tasks.join_next().await {
            Some(Ok(end)) => self.sign_off(end),
            Some(Err(panic)) => std::panic::resume_unwind(panic.into_panic()),
            None => std::future::pending().await,
        }
    }

    fn sign_off(&mut self, end: Served) -> GuestEnd {
        let Served { cid, peer, reached, result } = end;
        // The same number may stand for another guest by now.
        let has_mail = self.mail.get(&cid).is_some_and(|(owner, _)| *owner == peer);
        if has_mail {
            self.mail.remove(&cid);
        }
        // A guest that breaks the protocol may hear so, leave, and have a server that goes with it, before this is looked at.
        let is_its_fault = matches!(result, Err(Error::Pairing(_)));
        let is_final = reached == Reached::Connection || reached == Reached::Proof && (has_mail || is_its_fault);
        GuestEnd { cid, peer, is_final, is_known: has_mail, result }
    }

    /// Notes that the connection to the server is gone, and with it the mail of every guest. Those that are proven may do
    /// without.
    pub(super) fn lose_mail(&mut self) {
        self.mail.clear();
    }

    /// Waits a short time for the guests that are left; they are told to stop by then.
    pub(super) async fn end(&mut self) {
        let _ = timeout(END_MAX, async { while self.tasks.join_next().await.is_some() {} }).await;
        self.tasks.shutdown().await;
    }
}

/// A guest that entered a room.
pub(super) struct Arrival {
    pub(super) cid: Cid,
    pub(super) room: RoomId,
    /// How it is to prove itself.
    pub(super) secret: HostSecret,
    /// The handshake, if its first message has waited for the guest at the server.
    pub(super) begun: Option<HostPairing>,
}

/// One guest and what it needs.
struct Guest {
    cid: Cid,
    room: RoomId,
    secret: HostSecret,
    begun: Option<HostPairing>,
    guard: Guard,
    password: Option<StretchedPassword>,
    verify: bool,
    way: Way,
    work: Work,
    context: Context,
    paired: Arc<AtomicU32>,
}

/// How far a guest got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reached {
    Nothing,
    /// It proved itself.
    Proof,
    /// The connection opened.
    Connection,
}

/// What a guest's task ends with.
struct Served {
    cid: Cid,
    peer: PeerId,
    reached: Reached,
    result: Result<Summary, Error>,
}

impl Guest {
    async fn run(mut self, mut mailbox: Mailbox) -> Served {
        let mut reached = Reached::Nothing;
        let result = self.serve(&mut mailbox, &mut reached).await;
        self.context.slot = None;
        Served { cid: self.cid, peer: self.context.peer, reached, result }
    }

    async fn serve(&mut self, mailbox: &mut Mailbox, reached: &mut Reached) -> Result<Summary, Error> {
        let mut machine = self.handshake();
        // The guest thinks about the greeting while sockets are bound here.
        while let Output::Send(greeting) = machine.poll_output() {
            mailbox.send(greeting).await?;
        }
        let dialing = Dialing::prepare(&self.way.config).await?;
        let machine = Machine::Host(machine, Some(self.guard.clone()));
        let mut pairing = Pairing::new(machine, dialing, &self.way.server, mailbox, &mut self.context);
        let paired = pairing.until_paired().await;
        if paired.is_ok() {
            *reached = Reached::Proof;
            self.guard.paired();
        }
        let slot = paired.is_ok().then(|| Arc::new(Slot::take(&self.paired)));
        let (channel, keys) = pairing.finish(paired).await?;
        *reached = Reached::Connection;
        self.context.remember();
        self.context.slot = slot;
        self.context.stage(Stage::Connected);
        self.work.run(Line::new(channel, keys, self.way.clone()), &mut self.context).await
    }
}

impl Guest {
    /// The handshake, which may have begun already.
    fn handshake(&mut self) -> HostPairing {
        let (options, now) = (self.options(), Instant::now());
        match self.begun.take() {
            Some(mut begun) => {
                begun.meet(options, now);
                begun
            }
            None => HostPairing::new(&self.secret, &self.room, options, Entropy::generate(&mut rng()), now),
        }
    }

    fn options(&self) -> HostOptions {
        let attempts = self.guard.password_attempts();
        let password = self.password.clone().map(|password| PasswordGate { password, attempts });
        let short_number = self.verify || self.guard.is_short_number_due();
        HostOptions { password, short_number, device: self.context.host_device() }
    }
}

/// How long guests may take to say goodbye when the share is stopped.
const END_MAX: Duration = Duration::from_secs(3);
