//! Which devices let others on their network see them, and who is told.
//!
//! Changes are told together, a moment later, so that a device that comes and goes costs its neighbours little.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use p2pshare_protocol::envelope::{ErrorCode, ServerMessage};
use p2pshare_protocol::limits::NEARBY_DEVICES_MAX;
use p2pshare_protocol::nearby::Device;
use p2pshare_protocol::room::RoomId;

use super::state::Due;
use super::{ConnectionId, Rooms};
use crate::bucket::Bucket;
use crate::neighbourhood::Neighbourhood;

/// What is known of one network. It is forgotten when nobody shows anything there and nobody looks.
#[derive(Debug, Default)]
pub(super) struct Network {
    shown: BTreeMap<RoomId, Device>,
    looking: BTreeSet<ConnectionId>,
    /// Until when changes wait to be told.
    told_at: Option<Instant>,
    /// How often neighbours came to the doors of those that are shown.
    knocks: HashMap<(RoomId, IpAddr), Bucket>,
}

impl Rooms {
    /// Notes which network a connection is on, and at which address. Those of whom that is not known neither see anybody nor are
    /// seen.
    pub fn place(&mut self, connection: ConnectionId, neighbourhood: Neighbourhood, address: IpAddr) {
        if let Some(connection) = self.connections.get_mut(&connection) {
            connection.neighbourhood = Some(neighbourhood);
            connection.address = neighbourhood.tells_apart().then_some(address.to_canonical());
        }
    }

    /// Counts that a guest comes to the door of a device that shows itself. What is no such device has no such bound.
    ///
    /// # Errors
    /// This neighbour has been there too often; says how long to wait.
    pub(super) fn knock(&mut self, guest: ConnectionId, room: &RoomId, now: Instant) -> Result<(), Duration> {
        let address = self.connections.get(&guest).and_then(|connection| connection.address);
        let Some(address) = address.filter(|address| self.limits.source.loopback || !address.is_loopback()) else {
            return Ok(());
        };
        let host = self.rooms.get(room).and_then(|room| room.attached_host());
        let at = host.and_then(|host| self.neighbourhood_of(host));
        let network = at.and_then(|at| self.networks.get_mut(&at)).filter(|network| network.shown.contains_key(room));
        let Some(network) = network else { return Ok(()) };
        if network.knocks.len() >= self.limits.knockers_max {
            network.knocks.retain(|_, knocks| !knocks.is_full(now));
        }
        let key = (room.clone(), address);
        // Where more of them come than can be told apart, there is the bound that each device has of its own.
        if network.knocks.len() >= self.limits.knockers_max && !network.knocks.contains_key(&key) {
            return Ok(());
        }
        network.knocks.entry(key).or_default().take(self.limits.knocks, now)
    }

    /// Lists a room of its host's; the same room again changes its name.
    pub(super) fn show(&mut self, from: ConnectionId, device: Device, now: Instant) {
        let is_own = self.connections.get(&from).is_some_and(|c| c.hosted().contains(&device.room));
        if !is_own || device.room.is_nameplate() {
            // A room that has just ended is no mistake.
            return self.error(from, ErrorCode::NotActive);
        }
        let Some(at) = self.neighbourhood_of(from) else { return self.error(from, ErrorCode::NoNearby) };
        let network = self.networks.entry(at).or_default();
        if network.shown.len() >= NEARBY_DEVICES_MAX && !network.shown.contains_key(&device.room) {
            return self.error(from, ErrorCode::ServerFull);
        }
        if network.shown.get(&device.room) != Some(&device) {
            network.shown.insert(device.room.clone(), device);
            self.tell_soon(at, now);
        }
    }

    /// Takes one of its host's rooms off the list.
    pub(super) fn hide(&mut self, from: ConnectionId, room: &RoomId, now: Instant) {
        if self.connections.get(&from).is_some_and(|c| c.hosted().contains(room)) {
            self.unlist(from, room, now);
        }
    }

    /// Takes a room off the list of its host's network, if it is there.
    pub(super) fn unlist(&mut self, host: ConnectionId, room: &RoomId, now: Instant) {
        self.unlist_at(self.neighbourhood_of(host), room, now);
    }

    /// The same, for a host that may be gone already.
    pub(super) fn unlist_at(&mut self, at: Option<Neighbourhood>, room: &RoomId, now: Instant) {
        let Some(at) = at else { return };
        if let Some(network) = self.networks.get_mut(&at)
            && network.shown.remove(room).is_some()
        {
            network.knocks.retain(|(of, _), _| of != room);
            self.tell_soon(at, now);
        }
    }

    /// Tells a connection who is there, at once and whenever that changes.
    pub(super) fn look(&mut self, from: ConnectionId) {
        let Some(at) = self.neighbourhood_of(from) else { return self.error(from, ErrorCode::NoNearby) };
        let network = self.networks.entry(at).or_default();
        if network.looking.len() >= self.limits.looking_max && !network.looking.contains(&from) {
            return self.error(from, ErrorCode::ServerFull);
        }
        network.looking.insert(from);
        let devices = network.shown.values().cloned().collect();
        self.send(from, ServerMessage::Nearby { devices });
    }

    /// Forgets a connection that is gone; its rooms are taken off the list by themselves.
    pub(super) fn look_away(&mut self, connection: ConnectionId, at: Option<Neighbourhood>) {
        let Some(at) = at else { return };
        if let Some(network) = self.networks.get_mut(&at) {
            network.looking.remove(&connection);
        }
        self.tidy(at);
    }

    /// Tells everybody who looks about what changed on a network.
    pub(super) fn tell_network(&mut self, at: Neighbourhood) {
        let Some(network) = self.networks.get_mut(&at) else { return };
        network.told_at = None;
        let devices: Vec<_> = network.shown.values().cloned().collect();
        let looking: Vec<_> = network.looking.iter().copied().collect();
        for to in looking {
            self.send(to, ServerMessage::Nearby { devices: devices.clone() });
        }
        self.tidy(at);
    }

    fn tell_soon(&mut self, at: Neighbourhood, now: Instant) {
        let soon = now + self.limits.nearby_pause;
        if let Some(network) = self.networks.get_mut(&at)
            && network.told_at.is_none()
        {
            network.told_at = Some(soon);
            self.deadlines.insert((soon, Due::Nearby(at)));
        }
    }

    fn tidy(&mut self, at: Neighbourhood) {
        let is_idle = |n: &Network| n.shown.is_empty() && n.looking.is_empty() && n.told_at.is_none();
        if self.networks.get(&at).is_some_and(is_idle) {
            self.networks.remove(&at);
        }
    }

    fn neighbourhood_of(&self, connection: ConnectionId) -> Option<Neighbourhood> {
        self.connections.get(&connection)?.neighbourhood
    }
}
