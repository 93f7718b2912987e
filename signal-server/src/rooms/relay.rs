//! Who gets access to the relay: both sides of a pairing, once each, after the guest's proof.

use p2pshare_protocol::envelope::{Cid, ErrorCode};
use rand_core::Rng;

use super::state::{Part, Wish};
use super::{Command, ConnectionId, Rooms};

impl Rooms {
    /// Takes in that a side of a pairing would like to use the relay. It may ask before the proof, and gets the answer after.
    pub(super) fn wish_for_relay(&mut self, from: ConnectionId, cid: Cid) {
        if !self.has_relay {
            return self.error(from, ErrorCode::NoRelay);
        }
        let (guest, side) = match self.guest_of(from, cid) {
            Some(guest) => (guest, HOST),
            None if cid.is_host() => (from, GUEST),
            None => return self.late_or_wrong(from, cid),
        };
        let Some(place) = self.place_of(guest) else {
            return self.error(from, ErrorCode::NotActive);
        };
        if place.relay_wishes[side] == Wish::Granted {
            return self.error(from, ErrorCode::RateLimited);
        }
        place.relay_wishes[side] = Wish::Waits;
        if place.handshake_until.is_none() {
            self.grant_relay(guest);
        }
    }

    /// Grants what both sides of a pairing wished for, now that the guest has proved itself.
    pub(super) fn grant_relay(&mut self, guest: ConnectionId) {
        let Some((room, cid)) = self.place_of(guest).map(|place| (place.room.clone(), place.cid)) else { return };
        let host = self.rooms.get(&room).and_then(|room| room.attached_host());
        for (side, to, cid) in [(GUEST, Some(guest), Cid::HOST), (HOST, host, cid)] {
            let Some(place) = self.place_of(guest) else { return };
            if place.relay_wishes[side] == Wish::Waits
                && let Some(to) = to
            {
                place.relay_wishes[side] = Wish::Granted;
                let session = self.session_of(guest);
                self.commands.push_back(Command::Grant { to, cid, session: format!("{session}-{}", SIDES[side]) });
            }
        }
    }

    /// The name of a pairing's session at the relay, which nobody can foresee.
    fn session_of(&mut self, guest: ConnectionId) -> String {
        let mut drawn = [0; 16];
        self.rng.fill_bytes(&mut drawn);
        let drawn = data_encoding::HEXLOWER.encode(&drawn);
        self.place_of(guest).map_or_else(String::new, |place| place.session.get_or_insert(drawn).clone())
    }

    fn place_of(&mut self, guest: ConnectionId) -> Option<&mut super::state::Guest> {
        match self.connections.get_mut(&guest).map(|connection| &mut connection.part) {
            Some(Part::Guest(place)) => Some(place),
            Some(Part::Bystander | Part::Host(_)) | None => None,
        }
    }
}

/// The sides, as places in a pair.
const GUEST: usize = 0;
const HOST: usize = 1;

const SIDES: [&str; 2] = ["guest", "host"];
