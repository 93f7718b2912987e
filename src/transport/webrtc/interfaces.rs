//! The local addresses a connection uses.
//!
//! The library expands a wildcard by itself, but leaves out link-local IPv4 (two laptops and a cable) and, on a machine
//! with nothing but loopback, offers `0.0.0.0`, which connects nobody.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use tracing::debug;

/// One address to bind, and the largest packet its interface carries, where the system says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LocalAddress {
    pub(super) ip: IpAddr,
    pub(super) mtu: Option<u32>,
}

/// Lists the addresses to bind: every usable one, and loopback when wanted or when there is nothing else.
pub(super) fn local_addresses(loopback: bool) -> Vec<LocalAddress> {
    let interfaces = rtc::shared::ifaces::ifaces().unwrap_or_else(|error| {
        debug!(%error, "cannot list the network interfaces");
        Vec::new()
    });
    let named = interfaces.into_iter().filter_map(|interface| Some((interface.addr?.ip(), interface.name)));
    let mut addresses = choose(named.map(|(ip, name)| LocalAddress { ip, mtu: mtu(&name) }), loopback);
    addresses.truncate(MAX_ADDRESSES);
    addresses
}

/// The addresses at which peers may reach this machine; loopback when there is nothing else.
#[must_use]
pub fn local_ips() -> Vec<IpAddr> {
    local_addresses(false).into_iter().map(|address| address.ip).collect()
}

/// Whether this machine has that address: what is sent there never leaves it, from whichever other one.
pub(in crate::transport) fn is_own(ip: IpAddr) -> bool {
    let interfaces = rtc::shared::ifaces::ifaces().unwrap_or_default();
    ip.is_loopback() || interfaces.iter().any(|interface| interface.addr.is_some_and(|addr| addr.ip() == ip))
}

/// The largest packet of the interface with this address, in bytes, where the system says so.
pub(in crate::transport) fn interface_mtu(ip: IpAddr) -> Option<u32> {
    let interfaces = rtc::shared::ifaces::ifaces().ok()?;
    interfaces
        .into_iter()
        .find(|interface| interface.addr.is_some_and(|addr| addr.ip() == ip))
        .and_then(|it| mtu(&it.name))
}

fn choose(all: impl Iterator<Item = LocalAddress>, loopback: bool) -> Vec<LocalAddress> {
    let mut usable: Vec<LocalAddress> = Vec::new();
    for address in all {
        if is_usable(address.ip) && !usable.iter().any(|other| other.ip == address.ip) {
            usable.push(address);
        }
    }
    if loopback || usable.is_empty() {
        usable.extend(LOOPBACK.map(|ip| LocalAddress { ip, mtu: None }));
    }
    usable
}

/// Whether a peer can reach us there. An IPv6 link-local address means nothing without its zone, which candidates lack.
fn is_usable(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => !ip.is_loopback() && !ip.is_unspecified(),
        IpAddr::V6(ip) => !ip.is_loopback() && !ip.is_unspecified() && !ip.is_unicast_link_local(),
    }
}

/// The interface's MTU in bytes, on Linux.
fn mtu(interface: &str) -> Option<u32> {
    std::fs::read_to_string(format!("/sys/class/net/{interface}/mtu")).ok()?.trim().parse().ok()
}

const LOOPBACK: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];

/// Addresses used at most. Each is a socket with its buffers, and a pair to check with each of the peer's.
const MAX_ADDRESSES: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_of_this_machine_is_its_own_and_no_other() {
        assert!(local_addresses(true).iter().all(|address| is_own(address.ip)));
        // RFC 5737: for documentation, of nobody.
        assert!(!is_own("203.0.113.77".parse().unwrap()));
    }

    #[track_caller]
    fn check(all: &[&str], loopback: bool, expected: &[&str]) {
        let address = |ip: &&str| LocalAddress { ip: ip.parse().unwrap(), mtu: None };
        let expected: Vec<_> = expected.iter().map(address).collect();
        assert_eq!(choose(all.iter().map(address), loopback), expected);
    }

    #[test]
    fn loopback_is_used_when_there_is_nothing_else_or_when_wanted() {
        check(&["127.0.0.1", "::1"], false, &["127.0.0.1", "::1"]);
        check(&[], false, &["127.0.0.1", "::1"]);
        check(&["127.0.0.1", "192.168.1.7"], false, &["192.168.1.7"]);
        check(&["192.168.1.7"], true, &["192.168.1.7", "127.0.0.1", "::1"]);
    }

    #[test]
    fn addresses_without_use_or_listed_twice_are_left_out() {
        check(&["10.0.0.1", "fe80::1", "0.0.0.0", "10.0.0.1", "2001:db8::1"], false, &["10.0.0.1", "2001:db8::1"]);
        check(&["169.254.3.4"], false, &["169.254.3.4"]);
    }
}
