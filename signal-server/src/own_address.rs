//! This machine's address on its network, for links that were made at an address that means another machine everywhere else.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

/// This machine's address on its network, as another device would call it, if a route leads out of it.
#[must_use]
pub fn network_address() -> Option<IpAddr> {
    // Connecting a datagram socket sends nothing: it only asks the kernel which address would be used.
    let probe = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    probe.connect(SocketAddr::from(([192, 0, 2, 1], 9))).ok()?;
    probe.local_addr().ok().map(|address| address.ip())
}

/// Whether a name means this machine on every machine.
pub(crate) fn is_of_every_machine(host: &str) -> bool {
    let ip = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    ip.map_or_else(|_| host.eq_ignore_ascii_case("localhost"), |ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_everybodys() {
        for host in ["localhost", "LOCALHOST", "127.0.0.1", "127.1.2.3", "[::1]"] {
            assert!(is_of_every_machine(host), "{host}");
        }
        for host in ["192.168.1.5", "localhost.example.org", "example.org", "[fe80::1]", ""] {
            assert!(!is_of_every_machine(host), "{host}");
        }
    }
}
