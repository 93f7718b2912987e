//! What is known of a connection and of a room.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Instant;

use p2pshare_protocol::envelope::{Body, Cid, Token};
use p2pshare_protocol::room::RoomId;

use super::ConnectionId;
use crate::neighbourhood::Neighbourhood;
use crate::sources::Source;

/// One socket.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) source: Source,
    /// The network that it is on, if that is known.
    pub(super) neighbourhood: Option<Neighbourhood>,
    /// What tells it apart from its neighbours there, if anything does.
    pub(super) address: Option<IpAddr>,
    pub(super) part: Part,
    /// The number of the next guest, if this is a host.
    pub(super) next_cid: Cid,
    /// Whether it was a guest and its host or room went: what it still says to them is late, not wrong.
    pub(super) was_guest: bool,
    /// Guests of this host that spoke and left before their proof was reported on.
    pub(super) vanished: VecDeque<(Cid, Source)>,
    /// Whether it has been told to go.
    pub(super) is_closing: bool,
}

impl Connection {
    pub(super) const fn new(source: Source) -> Self {
        Self {
            source,
            neighbourhood: None,
            address: None,
            part: Part::Bystander,
            next_cid: Cid(1),
            was_guest: false,
            vanished: VecDeque::new(),
            is_closing: false,
        }
    }

    /// The rooms that it hosts.
    pub(super) fn hosted(&self) -> &[RoomId] {
        match &self.part {
            Part::Host(rooms) => rooms,
            Part::Bystander | Part::Guest(_) => &[],
        }
    }

    /// Whether a guest of that number has ever been here.
    pub(super) const fn has_known(&self, cid: Cid) -> bool {
        !cid.is_host() && cid.0 < self.next_cid.0
    }

    pub(super) fn add_room(&mut self, room: RoomId) {
        match &mut self.part {
            Part::Host(rooms) => rooms.push(room),
            Part::Bystander | Part::Guest(_) => self.part = Part::Host(vec![room]),
        }
    }

    pub(super) fn remove_room(&mut self, room: &RoomId) {
        if let Part::Host(rooms) = &mut self.part {
            rooms.retain(|r| r != room);
            if rooms.is_empty() {
                self.part = Part::Bystander;
            }
        }
    }

    /// Remembers a guest that left in the middle of its handshake, so that a wrong proof is counted all the same.
    pub(super) fn remember_vanished(&mut self, cid: Cid, source: Source) {
        self.vanished.push_back((cid, source));
        if self.vanished.len() > VANISHED_MAX {
            self.vanished.pop_front();
        }
    }
}

/// What a socket is to the rooms.
#[derive(Debug)]
pub(super) enum Part {
    /// Neither host nor guest.
    Bystander,
    /// The host of these rooms, at least one.
    Host(Vec<RoomId>),
    /// A guest.
    Guest(Guest),
}

/// A guest's place.
#[derive(Debug)]
pub(super) struct Guest {
    pub(super) room: RoomId,
    pub(super) cid: Cid,
    /// When its handshake ends; `None` after the host's report.
    pub(super) handshake_until: Option<Instant>,
    /// Whether it has said anything to the host.
    pub(super) has_spoken: bool,
    /// The bytes relayed from and to it.
    pub(super) bytes: usize,
    /// Access to the relay for the guest and for its host.
    pub(super) relay_wishes: [Wish; 2],
    /// The name of its session at the relay, once one was granted.
    pub(super) session: Option<String>,
}

/// What became of a side's wish for access to the relay: it is granted once, and only after the guest's proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    /// Not said yet.
    Unsaid,
    /// Said; the proof is waited for.
    Waits,
    /// Granted.
    Granted,
}

/// One room.
#[derive(Debug)]
pub(super) struct Room {
    pub(super) host: Host,
    pub(super) token: Token,
    pub(super) expires: Instant,
    /// How many guests may prove themselves, if there is a bound.
    pub(super) max: Option<NonZeroU32>,
    /// How many have.
    pub(super) proven: u32,
    /// What the host left for its next guest.
    pub(super) greeting: Option<Body>,
    /// Who is attached, oldest first.
    pub(super) guests: BTreeMap<Cid, ConnectionId>,
}

impl Room {
    /// Its host's socket, if that is there.
    pub(super) const fn attached_host(&self) -> Option<ConnectionId> {
        match self.host {
            Host::Attached(host) => Some(host),
            Host::AwayUntil(_) => None,
        }
    }

    /// Whether no further guest may prove itself.
    pub(super) fn is_used_up(&self) -> bool {
        self.max.is_some_and(|max| self.proven >= max.get())
    }
}

/// Where a room's host is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Host {
    /// At this socket.
    Attached(ConnectionId),
    /// Lost; the room waits for it until then.
    AwayUntil(Instant),
}

/// What happens at a deadline.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Due {
    /// The room reaches the end of its life.
    Expiry(RoomId),
    /// The room's host has not come back.
    HostReturn(RoomId),
    /// The guest has not proven itself.
    Handshake(ConnectionId),
    /// Who looks around on a network is told what changed.
    Nearby(Neighbourhood),
}

/// How many vanished guests of a host are remembered: it reports within moments.
const VANISHED_MAX: usize = 16;
