//! What a host may do: open rooms, take them back, end them, and judge its guests.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use p2pshare_protocol::envelope::{Body, Cid, ErrorCode, Outcome, RoomKind, ServerMessage, Token, Why};
use p2pshare_protocol::room::RoomId;
use p2pshare_protocol::server_config::VersionRange;
use rand_core::Rng;

use super::state::{Due, Host, Part, Room};
use super::{ConnectionId, Farewell, Rooms};
use crate::sources::Request;

/// The fields of a `create` message.
pub(super) struct Create {
    pub(super) v: u32,
    pub(super) kind: RoomKind,
    pub(super) room: Option<RoomId>,
    pub(super) token: Option<Token>,
    pub(super) ttl: Option<u32>,
    pub(super) max: Option<NonZeroU32>,
}

impl Rooms {
    pub(super) fn create(&mut self, from: ConnectionId, request: Create, now: Instant) {
        let refused = |code, retry_after| ServerMessage::Error { code, room: request.room.clone(), retry_after };
        if !VersionRange::OURS.contains(request.v) {
            return self.send(from, refused(ErrorCode::Version, None));
        }
        let Some(connection) = self.connections.get(&from) else { return };
        if let Err(wait) = self.sources.request(connection.source, Request::Create, now) {
            return self.send(from, refused(ErrorCode::RateLimited, Some(seconds(wait))));
        }
        match (request.kind, request.room.clone(), &request.token) {
            (_, Some(room), Some(token)) => self.reattach(from, room, token, now),
            (RoomKind::Code, None, None) => self.open(from, None, &request, now),
            (RoomKind::Code, Some(room), None) if room.is_nameplate() => self.open(from, Some(room), &request, now),
            (RoomKind::Link | RoomKind::Resume, Some(room), None) if !room.is_nameplate() => {
                self.open(from, Some(room), &request, now);
            }
            (RoomKind::Code | RoomKind::Link | RoomKind::Resume, ..) => self.refuse(from),
        }
    }

    /// Opens a room under the given name, or under a fresh nameplate.
    fn open(&mut self, from: ConnectionId, name: Option<RoomId>, request: &Create, now: Instant) {
        let refused = |code, retry_after| ServerMessage::Error { code, room: request.room.clone(), retry_after };
        let hosted = self.connections.get(&from).map_or(0, |c| c.hosted().len());
        if hosted >= self.limits.rooms_per_socket_max || self.rooms.len() >= self.limits.rooms_max {
            return self.send(from, refused(ErrorCode::ServerFull, Some(SERVER_FULL_RETRY_S)));
        }
        if let Some(taken) = name.as_ref().and_then(|n| self.rooms.get(n)) {
            let retry_after = match taken.host {
                Host::Attached(_) => None,
                Host::AwayUntil(until) => Some(seconds(until.saturating_duration_since(now))),
            };
            return self.send(from, refused(ErrorCode::Taken, retry_after));
        }
        if let Some(claimed) = name.as_ref().filter(|name| name.is_nameplate()) {
            self.nameplates.claim(claimed);
        }
        let Some(name) = name.or_else(|| self.nameplates.take(&mut self.rng, now)) else {
            return self.send(from, refused(ErrorCode::ServerFull, Some(SERVER_FULL_RETRY_S)));
        };
        let asked = request.ttl.map_or(self.limits.room_lifetime, |s| Duration::from_secs(u64::from(s.max(1))));
        let lifetime = asked.min(self.limits.room_lifetime_max);
        let room = Room {
            host: Host::Attached(from),
            token: self.draw_token(),
            expires: now + lifetime,
            max: request.max,
            proven: 0,
            greeting: None,
            guests: Default::default(),
        };
        self.deadlines.insert((room.expires, Due::Expiry(name.clone())));
        self.rooms.insert(name.clone(), room);
        self.attach(from, name, now);
    }

    /// Gives a room back to its host, which proves itself by the token; the host may not know yet that its old socket
    /// is lost.
    fn reattach(&mut self, from: ConnectionId, name: RoomId, token: &Token, now: Instant) {
        let hosted = self.connections.get(&from).map_or(0, |c| c.hosted().len());
        let refused = |code| ServerMessage::Error { code, room: Some(name.clone()), retry_after: None };
        let Some(room) = self.rooms.get(&name).filter(|r| r.token == *token) else {
            return self.send(from, refused(ErrorCode::NotActive));
        };
        match room.host {
            Host::Attached(host) if host == from => return self.confirm(from, name, now),
            Host::Attached(_) | Host::AwayUntil(_) if hosted >= self.limits.rooms_per_socket_max => {
                return self.send(from, refused(ErrorCode::ServerFull));
            }
            Host::AwayUntil(until) => {
                self.deadlines.remove(&(until, Due::HostReturn(name.clone())));
            }
            Host::Attached(old) => {
                self.dismiss_all(&name, Why::Lost);
                self.unlist(old, &name, now);
                if let Some(connection) = self.connections.get_mut(&old) {
                    connection.remove_room(&name);
                }
                self.send(old, ServerMessage::Ended { room: name.clone(), why: Why::Replaced });
            }
        }
        self.attach(from, name, now);
    }

    fn attach(&mut self, host: ConnectionId, name: RoomId, now: Instant) {
        if let (Some(room), Some(connection)) = (self.rooms.get_mut(&name), self.connections.get_mut(&host)) {
            room.host = Host::Attached(host);
            // A host that was away may have forgotten what it left.
            room.greeting = None;
            connection.add_room(name.clone());
            self.confirm(host, name, now);
        }
    }

    fn confirm(&mut self, host: ConnectionId, name: RoomId, now: Instant) {
        if let Some(room) = self.rooms.get(&name) {
            let expires = seconds(room.expires.saturating_duration_since(now));
            let token = room.token.clone();
            self.send(host, ServerMessage::Created { room: name, token, expires });
        }
    }

    /// Keeps a greeting for the next guest. A room that has just ended is none of the host's, and no mistake.
    pub(super) fn greet(&mut self, host: ConnectionId, name: &RoomId, body: Body) {
        if body.as_bytes().len() > self.limits.greeting_bytes_max {
            return self.refuse(host);
        }
        let is_own = self.connections.get(&host).is_some_and(|c| c.hosted().contains(name));
        if let Some(room) = self.rooms.get_mut(name).filter(|_| is_own) {
            room.greeting = Some(body);
        }
    }

    /// Removes a guest because the host says so.
    pub(super) fn kick(&mut self, host: ConnectionId, cid: Cid, why: Why) {
        match self.guest_of(host, cid) {
            Some(guest) => self.dismiss(guest, why),
            None => self.late_or_wrong(host, cid),
        }
    }

    /// Takes a host's judgement on a guest's proof.
    pub(super) fn report(&mut self, host: ConnectionId, cid: Cid, what: Outcome, now: Instant) {
        let Some(guest) = self.guest_of(host, cid) else {
            return self.report_vanished(host, cid, what, now);
        };
        let Some(connection) = self.connections.get_mut(&guest) else { return };
        let Part::Guest(place) = &mut connection.part else { return };
        // A second report on the same guest has no effect.
        let Some(until) = place.handshake_until.take() else { return };
        self.deadlines.remove(&(until, Due::Handshake(guest)));
        match what {
            Outcome::Ok => {
                if let Some(room) = self.rooms.get_mut(&place.room) {
                    room.proven = room.proven.saturating_add(1);
                }
                self.grant_relay(guest);
            }
            Outcome::BadProof => {
                self.sources.bad_proof(connection.source, now);
                self.dismiss(guest, Why::BadProof);
            }
        }
    }

    /// Takes a judgement on a guest that is gone: leaving early does not make a wrong guess free.
    fn report_vanished(&mut self, host: ConnectionId, cid: Cid, what: Outcome, now: Instant) {
        let Some(connection) = self.connections.get_mut(&host) else { return };
        let place = connection.vanished.iter().position(|(c, _)| *c == cid);
        match (place.and_then(|p| connection.vanished.remove(p)), what) {
            (Some((_, source)), Outcome::BadProof) => self.sources.bad_proof(source, now),
            (Some(_), Outcome::Ok) => {}
            (None, Outcome::Ok | Outcome::BadProof) => self.late_or_wrong(host, cid),
        }
    }

    /// Ends one of the host's rooms, at its wish. A room that has just expired is none of its rooms, and no mistake.
    pub(super) fn end_own(&mut self, host: ConnectionId, name: &RoomId, now: Instant) {
        if self.connections.get(&host).is_some_and(|c| c.hosted().contains(name)) {
            self.end(name, Why::Left, now);
        }
    }

    /// Lets a connection go that said goodbye.
    pub(super) fn leave(&mut self, id: ConnectionId, now: Instant) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let source = connection.source;
        match std::mem::replace(&mut connection.part, Part::Bystander) {
            Part::Bystander => {}
            Part::Host(rooms) => rooms.iter().for_each(|room| self.end(room, Why::Left, now)),
            Part::Guest(guest) => self.guest_left(id, &guest, source, Why::Left),
        }
        self.close(id, Farewell::Done);
    }

    /// Keeps a room for a while whose host's socket is gone.
    pub(super) fn host_lost(&mut self, name: &RoomId, now: Instant) {
        self.dismiss_all(name, Why::Lost);
        let until = now + self.limits.host_return;
        if let Some(room) = self.rooms.get_mut(name) {
            room.host = Host::AwayUntil(until);
            self.deadlines.insert((until, Due::HostReturn(name.clone())));
        }
    }

    /// Ends a room whose time is over.
    pub(super) fn expire(&mut self, name: &RoomId, now: Instant) {
        let host = self.rooms.get(name).map(|r| r.host);
        self.end(name, Why::Expired, now);
        if let Some(Host::Attached(host)) = host {
            self.send(host, ServerMessage::Ended { room: name.clone(), why: Why::Expired });
        }
    }

    fn end(&mut self, name: &RoomId, why: Why, now: Instant) {
        self.dismiss_all(name, why);
        let Some(room) = self.rooms.remove(name) else { return };
        self.deadlines.remove(&(room.expires, Due::Expiry(name.clone())));
        match room.host {
            Host::AwayUntil(until) => {
                self.deadlines.remove(&(until, Due::HostReturn(name.clone())));
            }
            Host::Attached(host) => {
                self.unlist(host, name, now);
                if let Some(connection) = self.connections.get_mut(&host) {
                    connection.remove_room(name);
                }
            }
        }
        self.nameplates.rest(name, now);
    }

    /// The guest of a host that has this number.
    pub(super) fn guest_of(&self, host: ConnectionId, cid: Cid) -> Option<ConnectionId> {
        let rooms = self.connections.get(&host)?.hosted();
        rooms.iter().filter_map(|name| self.rooms.get(name)).find_map(|room| room.guests.get(&cid).copied())
    }

    /// Refuses a host that names a guest it never had; a guest that left a moment ago is no mistake.
    pub(super) fn late_or_wrong(&mut self, host: ConnectionId, cid: Cid) {
        if !self.connections.get(&host).is_some_and(|c| c.has_known(cid)) {
            self.refuse(host);
        }
    }

    fn draw_token(&mut self) -> Token {
        let mut random = [0; 16];
        self.rng.fill_bytes(&mut random);
        Token::new(random)
    }
}

/// A time to wait, in whole seconds, rounded up so that waiting is enough.
pub(super) fn seconds(time: Duration) -> u32 {
    let up = time.as_secs() + u64::from(time.subsec_nanos() > 0);
    up.try_into().unwrap_or(u32::MAX)
}

/// When it may be worth asking a full server again: rooms end all the time.
const SERVER_FULL_RETRY_S: u32 = 30;
