//! `Search`: looks for another connection to the same peer, in a task of its own, while the present one may still work.

use std::sync::Arc;
use std::time::Duration;

use p2pshare_protocol::envelope::{Cid, ClientMessage, RoomKind, ServerMessage};
use p2pshare_protocol::keys::SessionKeys;
use p2pshare_protocol::pairing::{
    Entropy, GuestOptions, GuestPairing, GuestSecret, HostOptions, HostPairing, HostSecret, Input,
};
use p2pshare_protocol::role::Role;
use p2pshare_protocol::room::RoomId;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::context::Context;
use super::detour::DetourUse;
use super::event::Events;
use super::guest::enter;
use super::line::Way;
use super::mailbox::Mailbox;
use super::pair::{Machine, Pairing};
use super::random::rng;
use crate::error::Error;
use crate::signaling::Signaling;
use crate::transport::{Channel, Dialing, PathPolicy, TransportConfig};

/// What is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Goal {
    /// Any connection: the present one is lost or silent.
    Any,
    /// One without a relay: the present one goes through one.
    Direct,
    /// One of datagrams: the present one is the server's WebSocket.
    Datagrams,
}

/// A connection that was found, and its keys.
pub(super) type Found = (Channel, SessionKeys);

/// A search that is under way. It ends when this is dropped.
#[derive(Debug)]
pub(super) struct Search {
    goal: watch::Sender<Goal>,
    task: JoinSet<Found>,
}

impl Search {
    /// Looks for the peer that holds one of these keys, newest first.
    ///
    /// Where the server's WebSocket was needed before, it will not be waited for again.
    pub(super) fn start(
        keys: Vec<Arc<SessionKeys>>,
        way: Way,
        context: &Context,
        goal: Goal,
        needed_detour: bool,
    ) -> Self {
        let (goal, goals) = watch::channel(goal);
        // What it goes through concerns nobody until it succeeds.
        let context = Context { events: Events::channel().0, slot: None, ..context.clone() };
        let mut task = JoinSet::new();
        task.spawn(Seeker { keys, way, context, goal: goals, needed_detour }.run());
        Self { goal, task }
    }

    pub(super) fn goal(&self) -> Goal {
        *self.goal.borrow()
    }

    /// Looks for something else from now on. What is about to succeed is given a moment.
    pub(super) fn change(&self, goal: Goal) {
        self.goal.send_replace(goal);
    }

    /// Waits until it has found something. Cancel-safe.
    pub(super) async fn found(&mut self) -> Found {
        match self.task.join_next().await {
            Some(Ok(found)) => found,
            Some(Err(error)) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => std::future::pending().await,
            },
            None => std::future::pending().await,
        }
    }
}

/// Who looks.
struct Seeker {
    keys: Vec<Arc<SessionKeys>>,
    way: Way,
    context: Context,
    goal: watch::Receiver<Goal>,
    needed_detour: bool,
}

impl Seeker {
    async fn run(mut self) -> Found {
        let mut pause = None;
        loop {
            let goal = *self.goal.borrow_and_update();
            let pace = self.pace(goal);
            let mut goals = self.goal.clone();
            let now = *pause.get_or_insert(pace.first);
            let attempt = async {
                sleep(now).await;
                self.attempt(goal).await
            };
            let attempt = tokio::select! {
                attempt = attempt => attempt,
                () = is_void(&mut goals) => {
                    pause = None;
                    continue;
                }
            };
            match attempt {
                Ok(found) => return found,
                Err(error) => tracing::debug!(%error, ?goal, "no other connection yet"),
            }
            pause = Some((now * pace.grows).clamp(pace.least, pace.most));
        }
    }

    fn pace(&self, goal: Goal) -> Pace {
        match (goal, self.role()) {
            (Goal::Any, _) => EAGER,
            // The host only has to be there.
            (Goal::Direct | Goal::Datagrams, Role::Host) => WAITING,
            (Goal::Direct | Goal::Datagrams, Role::Guest) => PATIENT,
        }
    }

    fn role(&self) -> Role {
        self.keys.first().map_or(Role::Guest, |keys| keys.role())
    }

    async fn attempt(&mut self, goal: Goal) -> Result<Found, Error> {
        match self.role() {
            Role::Host => self.await_guest(goal).await,
            Role::Guest => self.find_host(goal).await,
        }
    }

    /// Opens the rooms that the keys name, and pairs with the guest that comes.
    async fn await_guest(&mut self, goal: Goal) -> Result<Found, Error> {
        let mut signaling = Signaling::connect(&self.way.server).await?;
        for keys in &self.keys {
            let room = Some(keys.resume_room());
            let create =
                ClientMessage::Create { v: 1, kind: RoomKind::Resume, room, token: None, ttl: None, max: None };
            signaling.send(create).await?;
        }
        let turn = if goal == Goal::Any { TURN_MAX } else { BETTER_TURN_MAX };
        let (cid, room) = match timeout(turn, next_guest(&mut signaling)).await {
            Ok(guest) => guest?,
            Err(_) => {
                signaling.send(ClientMessage::Bye { room: None }).await?;
                signaling.close().await;
                return Err(Error::Expired);
            }
        };
        let Some(keys) = self.keys.iter().find(|keys| keys.resume_room() == room) else { return Err(Error::BadServer) };
        let secret = HostSecret::Resume(keys.resume_key().clone());
        let options = HostOptions::default();
        let machine = HostPairing::new(&secret, &room, options, Entropy::generate(&mut rng()), now());
        let dialing = Dialing::prepare(&self.config(goal)).await?;
        self.pair(Machine::Host(machine, None), dialing, Mailbox::over(signaling, cid), goal).await
    }

    /// Enters one of the rooms that the keys name, and pairs with the host.
    async fn find_host(&mut self, goal: Goal) -> Result<Found, Error> {
        let mut last = Error::Expired;
        for keys in &self.keys {
            let room = keys.resume_room();
            let signaling = match enter(&self.way.server, &room).await {
                Ok(signaling) => signaling,
                Err(error) => {
                    last = error;
                    continue;
                }
            };
            let secret = GuestSecret::Resume(keys.resume_key().clone());
            let options = GuestOptions::default();
            let mut machine = GuestPairing::new(&secret, &room, options, Entropy::generate(&mut rng()), now());
            let (dialing, offer) = Dialing::offer(&self.config(goal)).await?;
            machine.handle_input(Input::LocalDescription(offer), now())?;
            let mailbox = Mailbox::over(signaling, Cid::HOST);
            return self.pair(Machine::Guest(Box::new(machine)), dialing, mailbox, goal).await;
        }
        Err(last)
    }

    async fn pair(
        &mut self,
        machine: Machine,
        dialing: Dialing,
        mut mailbox: Mailbox,
        goal: Goal,
    ) -> Result<Found, Error> {
        let mut pairing = Pairing::new(machine, dialing, &self.way.server, &mut mailbox, &mut self.context);
        pairing.take_detour(match goal {
            Goal::Direct | Goal::Datagrams => DetourUse::Never,
            Goal::Any if self.needed_detour => DetourUse::Soon,
            Goal::Any => DetourUse::Late,
        });
        let paired = pairing.until_paired().await;
        pairing.finish(paired).await
    }

    fn config(&self, goal: Goal) -> TransportConfig {
        let config = TransportConfig::clone(&self.way.config);
        match goal {
            Goal::Any | Goal::Datagrams => config,
            Goal::Direct => TransportConfig { path_policy: PathPolicy::DirectOnly, servers_follow: false, ..config },
        }
    }
}

/// Waits until an attempt is not worth going on with: something else has been looked for during a moment.
async fn is_void(goals: &mut watch::Receiver<Goal>) {
    if goals.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
    sleep(GRACE).await;
}

#[expect(clippy::wildcard_enum_match_arm, reason = "nothing else is waited for")]
async fn next_guest(signaling: &mut Signaling) -> Result<(Cid, RoomId), Error> {
    loop {
        match signaling.next().await? {
            ServerMessage::Peer { cid, room } => return Ok((cid, room)),
            message => tracing::debug!(?message, "while waiting for the guest"),
        }
    }
}

fn now() -> std::time::Instant {
    std::time::Instant::now()
}

/// How often it is tried.
#[derive(Debug, Clone, Copy)]
struct Pace {
    /// The pause before the first attempt.
    first: Duration,
    /// The pause after that.
    least: Duration,
    /// The longest pause.
    most: Duration,
    /// How much longer each pause is than the one before.
    grows: u32,
}

/// The other side needs about as long to notice.
const EAGER: Pace =
    Pace { first: Duration::ZERO, least: Duration::from_millis(300), most: Duration::from_millis(2400), grows: 2 };

/// A path that is not there is rarely there a moment later.
const PATIENT: Pace =
    Pace { first: Duration::from_secs(5), least: Duration::from_secs(10), most: Duration::from_secs(160), grows: 2 };

const WAITING: Pace =
    Pace { first: Duration::from_secs(3), least: Duration::from_secs(3), most: Duration::from_secs(3), grows: 1 };

/// How long a host waits on one connection to the server before it makes sure with another.
const TURN_MAX: Duration = Duration::from_secs(15);

/// The same where nothing depends on it.
const BETTER_TURN_MAX: Duration = Duration::from_secs(600);

/// How long an attempt may go on after something else is looked for: the peer may have taken its connection already.
const GRACE: Duration = Duration::from_secs(2);
