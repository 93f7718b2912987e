//! `Line`: the way to a peer that this side has paired with, renewed when it is lost.

use std::sync::Arc;
use std::time::Duration;

use p2pshare_protocol::envelope::{Cid, ClientMessage, RoomKind, ServerMessage};
use p2pshare_protocol::keys::SessionKeys;
use p2pshare_protocol::pairing::{
    Entropy, GuestOptions, GuestPairing, GuestSecret, HostOptions, HostPairing, HostSecret, Input,
};
use p2pshare_protocol::role::Role;
use p2pshare_protocol::room::RoomId;
use tokio::time::{sleep, timeout};

use super::context::Context;
use super::event::Event;
use super::guest::enter;
use super::mailbox::Mailbox;
use super::pair::{Machine, Pairing};
use super::random::rng;
use crate::error::Error;
use crate::signaling::{ServerUrl, Signaling};
use crate::transport::{Channel, Dialing, TransportConfig};

/// A channel, and what it takes to get another one to the same peer.
pub(super) struct Line {
    pub(super) channel: Channel,
    keys: SessionKeys,
    /// The keys before: the peer may not have got as far as the newest.
    previous: Option<SessionKeys>,
    way: Way,
}

/// Where and how long the peer is looked for.
#[derive(Debug, Clone)]
pub(super) struct Way {
    pub(super) server: ServerUrl,
    pub(super) config: Arc<TransportConfig>,
    pub(super) retry: Duration,
}

impl Line {
    pub(super) const fn new(channel: Channel, keys: SessionKeys, way: Way) -> Self {
        Self { channel, keys, previous: None, way }
    }

    /// Whether a lost connection is worth waiting for.
    pub(super) const fn can_renew(&self) -> bool {
        !self.way.retry.is_zero()
    }

    /// Finds the peer again after the connection was lost with `error`.
    ///
    /// # Errors
    /// The peer did not come back in time (`error` then), or this side is told to stop.
    pub(super) async fn renew(&mut self, error: Error, context: &mut Context) -> Result<(), Error> {
        context.events.report(Event::Reconnecting(context.peer));
        context.lend_slot();
        let mut stop = context.stop.clone();
        let found = tokio::select! {
            () = stop.requested() => Err(Error::Stopped),
            found = timeout(self.way.retry, self.search(context)) => found.map_err(|_| error),
        };
        let (channel, keys) = found?;
        context.take_back_slot();
        self.channel = channel;
        self.previous = Some(std::mem::replace(&mut self.keys, keys));
        Ok(())
    }

    async fn search(&self, context: &mut Context) -> (Channel, SessionKeys) {
        let mut pause = PAUSE_FIRST;
        loop {
            let attempt = match self.keys.role() {
                Role::Host => self.await_guest(context).await,
                Role::Guest => self.find_host(context).await,
            };
            match attempt {
                Ok(found) => return found,
                Err(error) => tracing::debug!(%error, "the peer is not back yet"),
            }
            sleep(pause).await;
            pause = (pause * 3 / 2).min(PAUSE_MAX);
        }
    }

    /// The keys of this line, newest first.
    fn all_keys(&self) -> impl Iterator<Item = &SessionKeys> {
        std::iter::once(&self.keys).chain(&self.previous)
    }

    /// Opens the rooms that the keys name, and pairs with the guest that comes.
    async fn await_guest(&self, context: &mut Context) -> Result<(Channel, SessionKeys), Error> {
        let mut signaling = Signaling::connect(&self.way.server).await?;
        for keys in self.all_keys() {
            let room = Some(keys.resume_room());
            let create =
                ClientMessage::Create { v: 1, kind: RoomKind::Resume, room, token: None, ttl: None, max: None };
            signaling.send(create).await?;
        }
        let (cid, room) = match timeout(TURN_MAX, next_guest(&mut signaling)).await {
            Ok(guest) => guest?,
            Err(_) => {
                signaling.send(ClientMessage::Bye { room: None }).await?;
                signaling.close().await;
                return Err(Error::Expired);
            }
        };
        let Some(keys) = self.all_keys().find(|keys| keys.resume_room() == room) else { return Err(Error::BadServer) };
        let secret = HostSecret::Resume(keys.resume_key().clone());
        let options = HostOptions { password: None, short_number: false };
        let machine = HostPairing::new(&secret, &room, options, Entropy::generate(&mut rng()), now());
        let dialing = Dialing::prepare(&self.way.config).await?;
        self.pair(Machine::Host(machine, None), dialing, Mailbox::over(signaling, cid), context).await
    }

    /// Enters one of the rooms that the keys name, and pairs with the host.
    async fn find_host(&self, context: &mut Context) -> Result<(Channel, SessionKeys), Error> {
        let mut last = Error::Expired;
        for keys in self.all_keys() {
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
            let (dialing, offer) = Dialing::offer(&self.way.config).await?;
            machine.handle_input(Input::LocalDescription(offer), now())?;
            let mailbox = Mailbox::over(signaling, Cid::HOST);
            return self.pair(Machine::Guest(Box::new(machine)), dialing, mailbox, context).await;
        }
        Err(last)
    }

    async fn pair(
        &self,
        machine: Machine,
        dialing: Dialing,
        mut mailbox: Mailbox,
        context: &mut Context,
    ) -> Result<(Channel, SessionKeys), Error> {
        let mut pairing = Pairing::new(machine, dialing, &self.way.server, &mut mailbox, context);
        let paired = pairing.until_paired().await;
        pairing.finish(paired).await
    }
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

/// The first pause between two attempts; the other side needs about as long to notice.
const PAUSE_FIRST: Duration = Duration::from_millis(300);

/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// How long a host waits on one connection to the server before it makes sure with another.
const TURN_MAX: Duration = Duration::from_secs(30);
