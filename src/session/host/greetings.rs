//! `Greetings`: what waits at the server for the next guest of each room, so that the guest need not wait for it.

use std::collections::HashMap;
use std::time::Instant;

use p2pshare_protocol::envelope::{Body, Cid, ClientMessage};
use p2pshare_protocol::pairing::{Entropy, HostOptions, HostPairing, HostSecret, Output};
use p2pshare_protocol::room::RoomId;

use crate::session::random::rng;

/// The handshakes whose first message was left at the server, one a room.
#[derive(Default)]
pub(super) struct Greetings {
    waiting: HashMap<RoomId, HostPairing>,
    /// The guest that got one and has not been told of yet.
    greeted: Option<Cid>,
}

impl Greetings {
    /// Begins a handshake with the next guest of a room; returns what to leave for it. One that waited there is given up.
    pub(super) fn leave(&mut self, room: &RoomId, secret: &HostSecret) -> Option<ClientMessage> {
        let entropy = Entropy::generate(&mut rng());
        let mut machine = HostPairing::new(secret, room, HostOptions::default(), entropy, Instant::now());
        let Output::Send(hello) = machine.poll_output() else { return None };
        self.waiting.insert(room.clone(), machine);
        Some(ClientMessage::Greet { room: room.clone(), body: Body::new(hello).ok()? })
    }

    /// Takes note of a guest that got what waited for it.
    pub(super) const fn was_taken(&mut self, by: Cid) {
        self.greeted = Some(by);
    }

    /// The handshake that has begun with a guest that entered a room, if one has.
    pub(super) fn begun(&mut self, with: Cid, room: &RoomId) -> Option<HostPairing> {
        let is_greeted = self.greeted.take() == Some(with);
        self.waiting.remove(room).filter(|_| is_greeted)
    }

    /// Forgets what waits in rooms that are gone.
    pub(super) fn keep(&mut self, is_open: impl Fn(&RoomId) -> bool) {
        self.waiting.retain(|room, _| is_open(room));
    }
}
