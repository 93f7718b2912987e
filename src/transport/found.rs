//! What was found while a path was looked for.

use std::net::IpAddr;

use super::{
    candidate::Candidate,
    config::{IceServer, PathPolicy, TransportConfig},
};

/// Which ways in each side has, as far as this side knows. Enough to say why there is no path between them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Which paths this side may use.
    pub policy: PathPolicy,
    /// Whether this side asked a server for its public address.
    pub asked_stun: bool,
    /// Whether this side asked for a relay.
    pub asked_relay: bool,
    /// This side's ways in.
    pub local: WaysIn,
    /// The other side's.
    pub remote: WaysIn,
}

/// The sorts of address that a side has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WaysIn {
    /// Addresses of its own.
    pub own: bool,
    /// One of them is of the public Internet.
    pub public: bool,
    /// The address that a server on the Internet sees.
    pub reflected: bool,
    /// An address at a relay.
    pub relayed: bool,
}

impl Found {
    pub(super) fn servers(&mut self, config: &TransportConfig, granted: &[IceServer]) {
        self.policy = config.path_policy;
        for url in config.ice_servers.iter().chain(granted).flat_map(|server| &server.urls) {
            self.asked_relay |= url.starts_with("turn") && config.path_policy != PathPolicy::DirectOnly;
            self.asked_stun |= url.starts_with("stun");
        }
    }

    pub(super) fn local(&mut self, candidate: &Candidate) {
        self.local.add(candidate);
    }

    pub(super) fn remote(&mut self, candidate: &Candidate) {
        self.remote.add(candidate);
    }
}

fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => !(ip.is_private() || ip.is_loopback() || ip.is_link_local() || ip.is_unspecified()),
        IpAddr::V6(ip) => !(ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local()),
    }
}

impl WaysIn {
    fn add(&mut self, candidate: &Candidate) {
        let words: Vec<&str> = candidate.candidate.split(' ').collect();
        match words.get(7) {
            Some(&"host") => {
                self.own = true;
                self.public |= words[4].parse().is_ok_and(is_public);
            }
            Some(&("srflx" | "prflx")) => self.reflected = true,
            Some(&"relay") => self.relayed = true,
            Some(_) | None => {}
        }
    }

    /// Whether a datagram from another network may find it.
    pub const fn has_way_in(&self) -> bool {
        self.public || self.reflected || self.relayed
    }
}
