//! Who waits for whom: rooms as a value, without sockets and without a clock.
//!
//! Feed what happened, then drain what to do:
//!
//! 1. call one of [`Rooms::connect`], [`Rooms::receive`], [`Rooms::refuse`], [`Rooms::disconnect`],
//!    [`Rooms::handle_timeout`];
//! 2. carry out [`Rooms::next_command`] until there is none;
//! 3. wait for the next event, but not beyond [`Rooms::poll_timeout`].
//!
//! The conversation is drawn in [`p2pshare_protocol::envelope`].

mod guests;
mod hosts;
mod nameplates;
mod nearby;
mod relay;
mod state;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::Instant;

use chacha20::ChaCha20Rng;
use p2pshare_protocol::envelope::{Cid, ClientMessage, ErrorCode, ServerMessage, Why};
use p2pshare_protocol::room::{Nameplate, RoomId};
use rand_core::SeedableRng;

use self::nameplates::Nameplates;
use self::state::{Connection, Due, Part, Room};
use crate::limits::Limits;
use crate::neighbourhood::Neighbourhood;
use crate::sources::{Source, Sources, TooManySockets};

/// Names a connection; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(u64);

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Send a message.
    Send {
        /// To whom.
        to: ConnectionId,
        /// What.
        message: ServerMessage,
    },
    /// Give a side of a pairing access to the relay.
    Grant {
        /// To whom.
        to: ConnectionId,
        /// The counterpart that it is to be used with.
        cid: Cid,
        /// What the credential is for: the same for both sides up to the dash.
        session: String,
    },
    /// Close a connection after what was sent to it; nothing it says counts from here on.
    Close {
        /// Which one.
        connection: ConnectionId,
        /// Why.
        why: Farewell,
    },
}

/// Why the server closes a connection that could go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Farewell {
    /// It said goodbye.
    Done,
    /// It broke the protocol.
    Protocol,
}

/// All rooms of a server, and what its connections may do.
///
/// - feed: [`connect`](Self::connect), [`receive`](Self::receive), [`refuse`](Self::refuse),
///   [`disconnect`](Self::disconnect), [`handle_timeout`](Self::handle_timeout)
/// - drain: [`next_command`](Self::next_command), [`poll_timeout`](Self::poll_timeout)
#[derive(Debug)]
pub struct Rooms {
    limits: Limits,
    rng: ChaCha20Rng,
    sources: Sources,
    nameplates: Nameplates,
    connections: HashMap<ConnectionId, Connection>,
    connections_ever: u64,
    rooms: HashMap<RoomId, Room>,
    deadlines: BTreeSet<(Instant, Due)>,
    commands: VecDeque<Command>,
    has_relay: bool,
    networks: BTreeMap<Neighbourhood, nearby::Network>,
}

impl Rooms {
    /// Starts without rooms. Nameplates and tokens are drawn from the seed, which nobody may know.
    #[must_use]
    pub fn new(limits: Limits, seed: [u8; 32]) -> Self {
        Self {
            rng: ChaCha20Rng::from_seed(seed),
            sources: Sources::new(limits.source.clone()),
            nameplates: Nameplates::new(limits.nameplate_rest),
            connections: HashMap::new(),
            connections_ever: 0,
            rooms: HashMap::new(),
            deadlines: BTreeSet::new(),
            commands: VecDeque::new(),
            has_relay: false,
            networks: BTreeMap::new(),
            limits,
        }
    }

    /// Gives out only nameplates that end in this digit, so that one can tell from a code which of several servers on
    /// one machine it belongs to.
    #[must_use]
    pub fn with_last_digit(mut self, digit: u8) -> Self {
        self.nameplates.set_last_digit(digit);
        self
    }

    /// Never gives out these nameplates, which others do; two people may still agree on one.
    #[must_use]
    pub fn without(mut self, elsewhere: &[Nameplate]) -> Self {
        self.nameplates.avoid(elsewhere);
        self
    }

    /// Grants access to a relay to those who have paired.
    #[must_use]
    pub const fn with_relay(mut self) -> Self {
        self.has_relay = true;
        self
    }

    /// Takes in a new connection.
    ///
    /// # Errors
    /// Its source has too many.
    pub fn connect(&mut self, source: Source) -> Result<ConnectionId, TooManySockets> {
        self.sources.connect(source)?;
        self.connections_ever += 1;
        let id = ConnectionId(self.connections_ever);
        self.connections.insert(id, Connection::new(source));
        Ok(id)
    }

    /// Takes in a message.
    pub fn receive(&mut self, from: ConnectionId, message: ClientMessage, now: Instant) {
        let Some(connection) = self.connections.get(&from).filter(|c| !c.is_closing) else { return };
        let is_guest = matches!(connection.part, Part::Guest(_));
        match message {
            ClientMessage::Create { v, kind, room, token, ttl, max } if !is_guest => {
                let request = hosts::Create { v, kind, room, token, ttl, max };
                self.create(from, request, now);
            }
            ClientMessage::Join { v, room } => self.join(from, v, room, now),
            ClientMessage::To { cid, body } => self.relay(from, cid, body),
            ClientMessage::Greet { room, body } if !is_guest => self.greet(from, &room, body),
            ClientMessage::Kick { cid, why } if !is_guest => self.kick(from, cid, why),
            ClientMessage::Report { cid, what } if !is_guest => self.report(from, cid, what, now),
            ClientMessage::Turn { cid } => self.wish_for_relay(from, cid),
            ClientMessage::Show(device) => self.show(from, device, now),
            ClientMessage::Hide { room } => self.hide(from, &room, now),
            ClientMessage::Look {} => self.look(from),
            ClientMessage::Bye { room: None } => self.leave(from, now),
            ClientMessage::Bye { room: Some(room) } => self.end_own(from, &room, now),
            ClientMessage::Create { .. }
            | ClientMessage::Greet { .. }
            | ClientMessage::Kick { .. }
            | ClientMessage::Report { .. }
            | ClientMessage::Pow { .. } => self.refuse(from),
        }
    }

    /// Takes in something that is no message, or none that the connection may send: it is told so and closed.
    pub fn refuse(&mut self, connection: ConnectionId) {
        self.error(connection, ErrorCode::Protocol);
        self.close(connection, Farewell::Protocol);
    }

    /// Takes in that a connection is gone.
    pub fn disconnect(&mut self, id: ConnectionId, now: Instant) {
        let Some(connection) = self.connections.remove(&id) else { return };
        self.sources.disconnect(connection.source);
        self.look_away(id, connection.neighbourhood);
        match connection.part {
            Part::Bystander => {}
            Part::Host(rooms) => rooms.iter().for_each(|room| {
                self.unlist_at(connection.neighbourhood, room, now);
                self.host_lost(room, now);
            }),
            Part::Guest(guest) => self.guest_left(id, &guest, connection.source, Why::Lost),
        }
    }

    /// Takes in that it is later than [`Rooms::poll_timeout`].
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some((_, due)) = self.deadlines.first().filter(|(at, _)| *at <= now).cloned() {
            self.deadlines.pop_first();
            match due {
                Due::Expiry(room) | Due::HostReturn(room) => self.expire(&room, now),
                Due::Handshake(guest) => self.time_out(guest),
                Due::Nearby(network) => self.tell_network(network),
            }
        }
    }

    /// The next thing to do.
    pub fn next_command(&mut self) -> Option<Command> {
        self.commands.pop_front()
    }

    /// When to call [`Rooms::handle_timeout`], if nothing else happens before.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// How many rooms there are.
    #[must_use]
    pub fn room_count(&self) -> usize {
        self.rooms.len()
    }

    fn send(&mut self, to: ConnectionId, message: ServerMessage) {
        self.commands.push_back(Command::Send { to, message });
    }

    fn error(&mut self, to: ConnectionId, code: ErrorCode) {
        self.send(to, ServerMessage::Error { code, room: None, retry_after: None });
    }

    fn close(&mut self, id: ConnectionId, why: Farewell) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.is_closing = true;
            self.commands.push_back(Command::Close { connection: id, why });
        }
    }
}
