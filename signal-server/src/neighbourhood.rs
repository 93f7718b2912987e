//! Which clients count as on one network: those that the server sees under one public address, or that are in its own network.

use std::net::IpAddr;

use crate::sources::Source;

/// The network that a client is on, as the server sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Neighbourhood {
    /// The server's own network, or the server's own machine.
    Own,
    /// Behind a public IPv4 address, or on an IPv6 /64.
    Behind(IpAddr),
}

impl Neighbourhood {
    /// The neighbourhood of a client's address.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        let address = address.to_canonical();
        let is_own = match address {
            IpAddr::V4(ip) => ip.is_private() || ip.is_loopback() || ip.is_link_local(),
            IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
        };
        if is_own { Self::Own } else { Self::Behind(Source::new(address).address()) }
    }

    /// Whether its devices have addresses of their own, as the server sees them.
    #[must_use]
    pub const fn tells_apart(self) -> bool {
        !matches!(self, Self::Behind(IpAddr::V4(_)))
    }

    /// The same for a server inside a device: what reaches that from its own range of addresses is on its network, also where
    /// networks have public ones.
    #[must_use]
    pub fn around(address: IpAddr, own: IpAddr) -> Self {
        let is_near = match (address.to_canonical(), own.to_canonical()) {
            (IpAddr::V4(ip), IpAddr::V4(own)) => ip.octets()[..3] == own.octets()[..3],
            (IpAddr::V6(ip), IpAddr::V6(own)) => ip.segments()[..4] == own.segments()[..4],
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        };
        if is_near { Self::Own } else { Self::of(address) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(address: &str) -> Neighbourhood {
        Neighbourhood::of(address.parse().unwrap())
    }

    #[test]
    fn one_public_address_is_one_network_and_so_is_an_ipv6_64() {
        assert_eq!(of("203.0.113.7"), of("::ffff:203.0.113.7"));
        assert_ne!(of("203.0.113.7"), of("203.0.113.8"));
        assert_eq!(of("2001:db8:0:1::7"), of("2001:db8:0:1:ffff::8"));
        assert_ne!(of("2001:db8:0:1::7"), of("2001:db8:0:2::7"));
    }

    #[test]
    fn a_server_inside_a_device_is_among_neighbours_with_public_addresses_too() {
        let around = |address: &str, own: &str| Neighbourhood::around(address.parse().unwrap(), own.parse().unwrap());
        assert_eq!(around("203.0.113.7", "203.0.113.200"), Neighbourhood::Own);
        assert_eq!(around("2001:db8:0:1::7", "2001:db8:0:1::8"), Neighbourhood::Own);
        assert_eq!(around("203.0.114.7", "203.0.113.200"), of("203.0.114.7"));
        assert_eq!(around("2001:db8:0:2::7", "2001:db8:0:1::8"), of("2001:db8:0:2::7"));
    }

    #[test]
    fn whom_the_server_sees_by_a_private_address_is_on_its_own_network() {
        for address in ["192.168.1.7", "10.1.2.3", "127.0.0.1", "169.254.1.1", "::1", "fd00::1", "fe80::1"] {
            assert_eq!(of(address), Neighbourhood::Own, "{address}");
        }
    }
}
