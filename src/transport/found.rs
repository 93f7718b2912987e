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

/// Why a path goes through a relay, as far as this side can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RelayReason {
    /// This side wants nothing else.
    AskedHere,
    /// The other side wants nothing else.
    AskedThere,
    /// No datagram of this side gets anywhere.
    BlockedHere,
    /// None of the other side's does.
    BlockedThere,
    /// Neither side's do.
    BlockedBoth,
    /// Datagrams of both sides get out, and none gets in from the other one.
    NothingGetsIn,
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

    /// Whether this side's network seems to let no datagram out.
    pub const fn is_blocked_here(&self) -> bool {
        if self.asked_relay { !self.local.relayed } else { self.asked_stun && !self.local.has_way_in() }
    }

    /// Why a path goes through a relay; datagrams reach it, or they do not.
    pub(super) const fn relay_reason(&self, by_datagrams: bool) -> RelayReason {
        let is_asked_there = self.remote.relayed && !self.remote.own && !self.remote.reflected;
        match (self.is_blocked_here(), !self.remote.has_way_in()) {
            _ if matches!(self.policy, PathPolicy::RelayOnly) => RelayReason::AskedHere,
            _ if is_asked_there => RelayReason::AskedThere,
            (true, true) if !by_datagrams => RelayReason::BlockedBoth,
            (true, false) if !by_datagrams => RelayReason::BlockedHere,
            (false, true) if !by_datagrams => RelayReason::BlockedThere,
            _ => RelayReason::NothingGetsIn,
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

#[cfg(test)]
mod tests {
    use super::*;

    const INSIDE: WaysIn = WaysIn { own: true, public: false, reflected: false, relayed: false };
    const OUTSIDE: WaysIn = WaysIn { reflected: true, relayed: true, ..INSIDE };
    const ONLY_RELAYED: WaysIn = WaysIn { own: false, reflected: false, ..OUTSIDE };

    #[track_caller]
    fn check(policy: PathPolicy, local: WaysIn, remote: WaysIn, by_datagrams: bool, reason: RelayReason) {
        let found = Found { policy, asked_stun: true, asked_relay: true, local, remote };
        assert_eq!(found.relay_reason(by_datagrams), reason, "{found:?}");
    }

    #[test]
    fn the_reason_for_a_relay_is_what_keeps_the_two_apart() {
        use PathPolicy::{Any, RelayOnly};
        use RelayReason::{AskedHere, AskedThere, BlockedBoth, BlockedHere, BlockedThere, NothingGetsIn};
        check(Any, OUTSIDE, OUTSIDE, true, NothingGetsIn);
        check(Any, OUTSIDE, OUTSIDE, false, NothingGetsIn);
        check(Any, INSIDE, OUTSIDE, false, BlockedHere);
        check(Any, OUTSIDE, INSIDE, false, BlockedThere);
        check(Any, INSIDE, INSIDE, false, BlockedBoth);
        check(RelayOnly, OUTSIDE, OUTSIDE, true, AskedHere);
        check(Any, OUTSIDE, ONLY_RELAYED, true, AskedThere);
        // Datagrams reach the relay, so nobody blocks them; what is missing has only not been heard of yet.
        check(Any, INSIDE, OUTSIDE, true, NothingGetsIn);
        check(Any, OUTSIDE, INSIDE, true, NothingGetsIn);
    }
}
