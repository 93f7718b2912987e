//! `Allocation`: a relayed address, and whom it may exchange datagrams with.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use super::Client;
use crate::sources::Source;
use p2pshare_protocol::stun::Transaction;

#[derive(Debug)]
pub(super) struct Allocation {
    pub(super) client: Client,
    pub(super) source: Source,
    pub(super) username: String,
    /// With what the client vouches for its requests.
    pub(super) key: [u8; 16],
    /// The request that it answers, which may come again when the answer was lost.
    pub(super) asked: Transaction,
    /// The address that peers see; `None` until its socket is open.
    pub(super) relayed: Option<SocketAddr>,
    pub(super) is_v6: bool,
    pub(super) expires: Instant,
    /// When it ends, however often it is refreshed.
    pub(super) ends: Instant,
    /// Until when each peer's datagrams pass.
    pub(super) permissions: HashMap<IpAddr, Instant>,
    pub(super) channels: Vec<Binding>,
}

/// A channel number that stands for a peer.
#[derive(Debug)]
pub(super) struct Binding {
    pub(super) number: u16,
    pub(super) peer: SocketAddr,
    pub(super) until: Instant,
}

impl Allocation {
    pub(super) fn permits(&self, peer: IpAddr, now: Instant) -> bool {
        self.permissions.get(&peer).is_some_and(|until| now < *until)
    }

    pub(super) fn channel_of(&self, peer: SocketAddr, now: Instant) -> Option<u16> {
        self.channels.iter().find(|c| c.peer == peer && now < c.until).map(|c| c.number)
    }

    pub(super) fn peer_of(&self, number: u16, now: Instant) -> Option<SocketAddr> {
        self.channels.iter().find(|c| c.number == number && now < c.until).map(|c| c.peer)
    }
}
