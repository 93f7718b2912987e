//! Why there is no path between two devices, in words, as far as this side can tell.

use p2pshare::transport::{Found, PathPolicy};

/// The cause, and what to do about it.
pub(crate) fn explain(found: &Found) -> (&'static str, &'static str) {
    let Found { policy, asked_stun, asked_relay, local, remote } = *found;
    match policy {
        PathPolicy::RelayOnly if !local.relayed => (
            "no path: the relay cannot be reached from this network",
            "It is reached over UDP, which a firewall may block. Leave out --relay to try a direct path.",
        ),
        PathPolicy::RelayOnly => (
            "no path: the other device cannot be reached through the relay",
            "Its network may block UDP. Leave out --relay to try a direct path.",
        ),
        _ if found.is_blocked_here() => (
            "no path: this network seems to block UDP",
            "Allow outgoing UDP, or use another network, such as a phone's.",
        ),
        _ if local.has_way_in() && !remote.has_way_in() => (
            "no path: the other network seems to block UDP",
            "Allow outgoing UDP there, or let the other device use another network.",
        ),
        PathPolicy::DirectOnly => (
            "no direct path: the networks of both devices let nothing in",
            "Leave out --direct, so that a relay can help.",
        ),
        PathPolicy::Any if asked_relay => (
            "no path: neither a direct one nor one through the relay works",
            "Try again, or let one of the devices use another network.",
        ),
        PathPolicy::Any if asked_stun => (
            "no direct path: the networks of both devices let nothing in, and the server has no relay",
            "Use a server that runs with --relay, or let one of the devices use another network.",
        ),
        PathPolicy::Any => (
            "no path to the other device: the two have no network in common",
            "Connect both to the same network, or use a server on the Internet that both reach: --server.",
        ),
    }
}

#[cfg(test)]
mod tests {
    use p2pshare::transport::WaysIn;

    use super::*;

    const NOTHING: WaysIn = WaysIn { own: true, public: false, reflected: false, relayed: false };
    const REFLECTED: WaysIn = WaysIn { reflected: true, ..NOTHING };
    const RELAYED: WaysIn = WaysIn { relayed: true, ..REFLECTED };

    #[track_caller]
    fn check(policy: PathPolicy, asked_relay: bool, local: WaysIn, remote: WaysIn, words: &str) {
        let (message, _) = explain(&Found { policy, asked_stun: true, asked_relay, local, remote });
        assert!(message.contains(words), "{message:?} lacks {words:?}");
    }

    #[test]
    fn the_side_that_has_no_way_in_is_named() {
        check(PathPolicy::Any, false, NOTHING, REFLECTED, "this network seems to block UDP");
        check(PathPolicy::Any, true, NOTHING, RELAYED, "this network seems to block UDP");
        check(PathPolicy::Any, false, REFLECTED, NOTHING, "the other network seems to block UDP");
        check(PathPolicy::Any, true, RELAYED, NOTHING, "the other network seems to block UDP");
    }

    #[test]
    fn where_both_have_one_the_missing_relay_is() {
        check(PathPolicy::Any, false, REFLECTED, REFLECTED, "the server has no relay");
        check(PathPolicy::DirectOnly, false, REFLECTED, REFLECTED, "no direct path");
        check(PathPolicy::RelayOnly, true, NOTHING, RELAYED, "cannot be reached from this network");
        check(PathPolicy::RelayOnly, true, RELAYED, NOTHING, "other device");
    }

    #[test]
    fn a_public_address_is_a_way_in() {
        let public = WaysIn { public: true, ..NOTHING };
        check(PathPolicy::Any, false, public, NOTHING, "the other network");
    }
}
