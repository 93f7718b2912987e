//! Whom the relay may send to: the public Internet and itself, and what the operator allows besides.
//!
//! Without this a relay is a way into the network that it stands in, its own machine first.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::client_address::Network;

/// What is allowed beyond the public Internet.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filter {
    allowed: Vec<Network>,
}

impl Filter {
    pub(crate) fn new(allowed: &[Network]) -> Self {
        Self { allowed: allowed.to_vec() }
    }

    /// Whether datagrams may go to this address. What IPv6 wraps counts as what is inside.
    pub(crate) fn allows(&self, address: IpAddr) -> bool {
        let inner = unwrapped(address);
        self.allowed.iter().any(|network| network.contains(inner)) || is_global(inner)
    }

    /// Whether they may go to this port: below 1024 are services, not peers.
    pub(crate) const fn allows_port(port: u16) -> bool {
        port >= 1024
    }
}

/// The IPv4 address inside an IPv6 one, wherever a translator or tunnel would take it from.
fn unwrapped(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    let segments = v6.segments();
    let v4 = |high: u16, low: u16| IpAddr::V4(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)));
    match segments {
        // The unspecified address and loopback look like IPv4-compatible ones and are not.
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => address,
        // Mapped; translated (SIIT); compatible; the well-known prefix of NAT64.
        [0, 0, 0, 0, 0, 0xffff, a, b]
        | [0, 0, 0, 0, 0xffff, 0, a, b]
        | [0, 0, 0, 0, 0, 0, a, b]
        | [0x64, 0xff9b, 0, 0, 0, 0, a, b] => v4(a, b),
        // 6to4.
        [0x2002, a, b, ..] => v4(a, b),
        // Teredo: the client's address, inverted.
        [0x2001, 0, .., a, b] => v4(!a, !b),
        _ => address,
    }
}

/// Whether an address is one of the public Internet, after the IANA registries of special-purpose addresses.
fn is_global(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(ip) => !SPECIAL_V4.iter().any(|(net, prefix)| is_in_v4(ip, *net, *prefix)),
        IpAddr::V6(ip) => !SPECIAL_V6.iter().any(|(net, prefix)| is_in_v6(ip, *net, *prefix)),
    }
}

fn is_in_v4(ip: Ipv4Addr, net: Ipv4Addr, prefix: u32) -> bool {
    prefix == 0 || (ip.to_bits() ^ net.to_bits()) >> (32 - prefix) == 0
}

fn is_in_v6(ip: Ipv6Addr, net: Ipv6Addr, prefix: u32) -> bool {
    prefix == 0 || (ip.to_bits() ^ net.to_bits()) >> (128 - prefix) == 0
}

const SPECIAL_V4: [(Ipv4Addr, u32); 15] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    (Ipv4Addr::new(240, 0, 0, 0), 4),
];

const SPECIAL_V6: [(Ipv6Addr, u32); 10] = [
    (Ipv6Addr::UNSPECIFIED, 128),
    (Ipv6Addr::LOCALHOST, 128),
    // NAT64 of an operator's own: where the IPv4 address is in it, nobody knows.
    (Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, 0, 0), 48),
    (Ipv6Addr::new(0x100, 0, 0, 0, 0, 0, 0, 0), 64),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
    (Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7),
    (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10),
    (Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, 0, 0), 10),
    (Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(filter: &Filter, addresses: &[&str], allowed: bool) {
        for address in addresses {
            assert_eq!(filter.allows(address.parse().unwrap()), allowed, "{address}");
        }
    }

    #[test]
    fn the_public_internet_is_allowed() {
        let public = ["1.1.1.1", "9.255.255.255", "11.0.0.0", "100.128.0.0", "172.32.0.1", "223.255.255.255"];
        check(&Filter::default(), &public, true);
        check(
            &Filter::default(),
            &["2606:4700::1", "2001:4860:4860::8888", "::ffff:1.1.1.1", "64:ff9b::808:808"],
            true,
        );
    }

    #[test]
    fn special_addresses_are_not() {
        let v4 = [
            "0.0.0.0",
            "0.255.255.255",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.255",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.251",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
        ];
        check(&Filter::default(), &v4, false);
        let v6 = [
            "::",
            "::1",
            "100::1",
            "2001:db8::1",
            "3fff::1",
            "fc00::1",
            "fdff::1",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "ff02::fb",
            "64:ff9b:1::1.1.1.1",
        ];
        check(&Filter::default(), &v6, false);
    }

    #[test]
    fn a_special_address_inside_another_is_found() {
        let wrapped = [
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::127.0.0.1",
            "::ffff:0:127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b::a9fe:a9fe",
            "2002:7f00:1::",
            "2002:a00:1::5",
            "2001:0:1:2:3:4:80ff:fffe",
        ];
        check(&Filter::default(), &wrapped, false);
    }

    #[test]
    fn what_an_operator_allows_is_allowed_and_nothing_else() {
        let filter = Filter::new(&["192.168.0.0/16".parse().unwrap()]);
        check(&filter, &["192.168.7.7", "::ffff:192.168.7.7", "1.1.1.1"], true);
        check(&filter, &["10.0.0.1", "127.0.0.1"], false);
    }
}
