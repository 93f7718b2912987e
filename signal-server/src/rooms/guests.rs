//! What a guest may do: enter a room, talk to its host, leave. And how places in a handshake are shared.

use std::collections::HashMap;
use std::time::Instant;

use p2pshare_protocol::envelope::{Body, Cid, ErrorCode, ServerMessage, Why};
use p2pshare_protocol::room::RoomId;
use p2pshare_protocol::server_config::VersionRange;

use super::hosts::seconds;
use super::state::{Due, Guest, Host, Part, Wish};
use super::{ConnectionId, Rooms};
use crate::sources::{Request, Source};

impl Rooms {
    pub(super) fn join(&mut self, from: ConnectionId, v: u32, name: RoomId, now: Instant) {
        let Some(connection) = self.connections.get(&from) else { return };
        let source = connection.source;
        if !matches!(connection.part, Part::Bystander) {
            return self.refuse(from);
        }
        let admitted = match VersionRange::OURS.contains(v) {
            true => self
                .sources
                .request(source, Request::Join, now)
                .and_then(|()| self.knock(from, &name, now))
                .map_err(|wait| Denied { code: ErrorCode::RateLimited, retry_after: Some(seconds(wait)) }),
            false => Err(Denied { code: ErrorCode::Version, retry_after: None }),
        };
        match admitted.and_then(|()| self.admit(&name, source)) {
            Ok(host) => self.enter(from, host, name, now),
            Err(Denied { code, retry_after }) => {
                self.send(from, ServerMessage::Error { code, room: Some(name), retry_after });
            }
        }
    }

    /// Whether a room takes in a guest from that source, and who its host is. Makes a place if that is fair.
    fn admit(&mut self, name: &RoomId, source: Source) -> Result<ConnectionId, Denied> {
        let busy = Denied { code: ErrorCode::Busy, retry_after: Some(BUSY_RETRY_S) };
        let Some(room) = self.rooms.get(name).filter(|r| !r.is_used_up()) else {
            return Err(Denied { code: ErrorCode::NotActive, retry_after: None });
        };
        let Host::Attached(host) = room.host else { return Err(busy) };
        if room.guests.len() >= self.limits.guests_max {
            return Err(busy);
        }
        let proving: Vec<_> = room.guests.values().copied().filter(|g| self.is_proving(*g)).collect();
        if proving.len() >= self.limits.handshakes_max {
            let greedy = self.greedy(&proving, source).ok_or(busy)?;
            self.time_out(greedy);
        }
        Ok(host)
    }

    fn enter(&mut self, from: ConnectionId, host: ConnectionId, name: RoomId, now: Instant) {
        let Some(host_connection) = self.connections.get_mut(&host) else { return };
        let cid = host_connection.next_cid;
        host_connection.next_cid = Cid(cid.0.saturating_add(1));
        let until = now + self.limits.handshake;
        let place = Guest {
            room: name.clone(),
            cid,
            handshake_until: Some(until),
            has_spoken: false,
            bytes: 0,
            relay_wishes: [Wish::Unsaid; 2],
            session: None,
        };
        if let (Some(connection), Some(room)) = (self.connections.get_mut(&from), self.rooms.get_mut(&name)) {
            connection.part = Part::Guest(place);
            room.guests.insert(cid, from);
            let greeting = room.greeting.take();
            self.deadlines.insert((until, Due::Handshake(from)));
            if greeting.is_some() {
                self.send(host, ServerMessage::Greeted { cid });
            }
            self.send(host, ServerMessage::Peer { cid, room: name.clone() });
            self.send(from, ServerMessage::Joined { cid, room: name });
            if let Some(body) = greeting {
                self.send(from, ServerMessage::From { cid: Cid::HOST, body });
            }
        }
    }

    /// Passes a body on, from a guest to its host or from a host to one of its guests.
    pub(super) fn relay(&mut self, from: ConnectionId, cid: Cid, body: Body) {
        let Some(connection) = self.connections.get(&from) else { return };
        match &connection.part {
            Part::Guest(place) if cid.is_host() => {
                let Some(Host::Attached(host)) = self.rooms.get(&place.room).map(|r| r.host) else { return };
                let cid = place.cid;
                self.pass_on(from, from, host, ServerMessage::From { cid, body });
            }
            Part::Host(_) if !cid.is_host() => match self.guest_of(from, cid) {
                Some(guest) => self.pass_on(from, guest, guest, ServerMessage::From { cid: Cid::HOST, body }),
                None => self.late_or_wrong(from, cid),
            },
            Part::Bystander if cid.is_host() && connection.was_guest => {}
            Part::Bystander if connection.has_known(cid) => {}
            Part::Guest(_) | Part::Host(_) | Part::Bystander => self.refuse(from),
        }
    }

    /// Sends a body unless the guest that it comes from or goes to has used up its share.
    fn pass_on(&mut self, from: ConnectionId, guest: ConnectionId, to: ConnectionId, message: ServerMessage) {
        let ServerMessage::From { body, .. } = &message else { return };
        let Some(Part::Guest(place)) = self.connections.get_mut(&guest).map(|c| &mut c.part) else { return };
        place.has_spoken |= from == guest;
        place.bytes += body.as_bytes().len();
        if place.bytes > self.limits.guest_bytes_max { self.refuse(from) } else { self.send(to, message) }
    }

    /// Lets a guest's place go and tells its host.
    pub(super) fn guest_left(&mut self, id: ConnectionId, place: &Guest, source: Source, why: Why) {
        if let Some(until) = place.handshake_until {
            self.deadlines.remove(&(until, Due::Handshake(id)));
        }
        let Some(room) = self.rooms.get_mut(&place.room) else { return };
        room.guests.remove(&place.cid);
        let Host::Attached(host) = room.host else { return };
        if let Some(connection) = self.connections.get_mut(&host)
            && place.handshake_until.is_some()
            && place.has_spoken
        {
            connection.remember_vanished(place.cid, source);
        }
        self.send(host, ServerMessage::Left { cid: place.cid, why });
    }

    /// Removes a guest that has not proven itself in time.
    pub(super) fn time_out(&mut self, guest: ConnectionId) {
        let Some(connection) = self.connections.get_mut(&guest) else { return };
        let source = connection.source;
        if let Part::Guest(place) = std::mem::replace(&mut connection.part, Part::Bystander) {
            connection.was_guest = true;
            self.guest_left(guest, &place, source, Why::TimedOut);
            self.send(guest, ServerMessage::Left { cid: Cid::HOST, why: Why::TimedOut });
        }
    }

    /// Removes a guest without a word to its host, who knows.
    pub(super) fn dismiss(&mut self, guest: ConnectionId, why: Why) {
        let Some(connection) = self.connections.get_mut(&guest) else { return };
        if let Part::Guest(place) = std::mem::replace(&mut connection.part, Part::Bystander) {
            connection.was_guest = true;
            if let Some(until) = place.handshake_until {
                self.deadlines.remove(&(until, Due::Handshake(guest)));
            }
            if let Some(room) = self.rooms.get_mut(&place.room) {
                room.guests.remove(&place.cid);
            }
            self.send(guest, ServerMessage::Left { cid: Cid::HOST, why });
        }
    }

    /// Removes all guests of a room.
    pub(super) fn dismiss_all(&mut self, name: &RoomId, why: Why) {
        let guests: Vec<_> = self.rooms.get(name).map_or_else(Vec::new, |r| r.guests.values().copied().collect());
        for guest in guests {
            self.dismiss(guest, why);
        }
    }

    fn is_proving(&self, guest: ConnectionId) -> bool {
        let part = self.connections.get(&guest).map(|c| &c.part);
        matches!(part, Some(Part::Guest(place)) if place.handshake_until.is_some())
    }

    /// Who has to go so that somebody from elsewhere gets a place: the oldest guest of the source that holds most
    /// places, if it holds several and is not the newcomer's own.
    fn greedy(&self, proving: &[ConnectionId], newcomer: Source) -> Option<ConnectionId> {
        let mut held: HashMap<Source, (usize, ConnectionId)> = HashMap::new();
        for guest in proving {
            let source = self.connections.get(guest)?.source;
            held.entry(source).or_insert((0, *guest)).0 += 1;
        }
        let most = held.iter().max_by_key(|(_, (places, oldest))| (*places, std::cmp::Reverse(*oldest)));
        most.filter(|(source, (places, _))| *places > 1 && **source != newcomer).map(|(_, (_, oldest))| *oldest)
    }
}

/// Why a guest is not let in.
struct Denied {
    code: ErrorCode,
    retry_after: Option<u32>,
}

/// When a place in a handshake may be free, or a host back.
const BUSY_RETRY_S: u32 = 2;
