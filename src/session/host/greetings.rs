//! `Greetings`: what waits at the server for the next guest of each room, so that the guest need not wait for it.

use std::collections::HashMap;
use std::time::Instant;

use p2pshare_protocol::envelope::{Body, Cid, ClientMessage};
use p2pshare_protocol::pairing::{Entropy, HostOptions, HostPairing, HostSecret, Output};
use p2pshare_protocol::room::RoomId;

use crate::session::random::rng;

/// The handshakes whose first message was left at the server, one a room: another is left only once the server has told who got
/// that one, so that it is always known which of them a guest has.
#[derive(Default)]
pub(super) struct Greetings {
    waiting: HashMap<RoomId, HostPairing>,
    /// The guest that got one and has not been told of yet.
    greeted: Option<Cid>,
}

impl Greetings {
    /// Begins a handshake with the next guest of a room; returns what to leave for it, unless something waits there.
    pub(super) fn leave(&mut self, room: &RoomId, secret: &HostSecret) -> Option<ClientMessage> {
        if self.waiting.contains_key(room) {
            return None;
        }
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
        if self.greeted.take() == Some(with) { self.waiting.remove(room) } else { None }
    }

    /// Forgets what waits in rooms that are gone.
    pub(super) fn keep(&mut self, is_open: impl Fn(&RoomId) -> bool) {
        self.waiting.retain(|room, _| is_open(room));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret() -> (RoomId, HostSecret) {
        (RoomId::parse("41").unwrap(), HostSecret::Code("41-1234".parse().unwrap()))
    }

    #[test]
    fn only_the_guest_that_got_a_greeting_has_begun() {
        let ((room, secret), mut greetings) = (secret(), Greetings::default());
        assert!(matches!(greetings.leave(&room, &secret), Some(ClientMessage::Greet { .. })));
        greetings.was_taken(Cid(1));
        let mut begun = greetings.begun(Cid(1), &room).expect("the handshake of the greeting");
        assert!(matches!(begun.poll_output(), Output::Wait(_)), "its hello is said");
        assert!(greetings.begun(Cid(1), &room).is_none(), "it serves once");

        assert!(greetings.leave(&room, &secret).is_some());
        assert!(greetings.begun(Cid(2), &room).is_none(), "nobody was told to have got it");
        // One that comes meanwhile does not change what the next one gets.
        assert!(greetings.leave(&room, &secret).is_none(), "one waits already");
        greetings.was_taken(Cid(3));
        assert!(greetings.begun(Cid(3), &room).is_some());
    }

    #[test]
    fn what_waits_in_a_room_that_is_gone_is_forgotten() {
        let ((room, secret), mut greetings) = (secret(), Greetings::default());
        greetings.leave(&room, &secret);
        greetings.keep(|_| false);
        assert!(greetings.waiting.is_empty());
    }
}
