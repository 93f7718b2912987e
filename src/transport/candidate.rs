//! An address at which a peer may be reached, as it travels between the two sides.

use std::net::{IpAddr, SocketAddr};

/// An ICE candidate in the form browsers use (`RTCIceCandidateInit`). Comes from the peer as it is; nothing in it has been
/// checked until [`Dialing::add_candidate`](super::Dialing::add_candidate) does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The candidate attribute, starting with `candidate:`. Empty means that there are no more.
    pub candidate: String,
    /// The media section it belongs to; we have one, `"0"`.
    pub sdp_mid: Option<String>,
    /// The index of that section.
    pub sdp_m_line_index: Option<u16>,
}

impl Candidate {
    /// A candidate of our single media section.
    pub(super) fn new(candidate: String) -> Self {
        Self { candidate, sdp_mid: Some("0".to_owned()), sdp_m_line_index: Some(0) }
    }

    /// Its address and port; `None` where it hides behind a name.
    pub(super) fn address(&self) -> Option<SocketAddr> {
        let mut words = self.candidate.split(' ').skip(4);
        let ip = words.next()?.parse().ok()?;
        Some(SocketAddr::new(ip, words.next()?.parse().ok()?))
    }

    /// Whether it is an address at a relay.
    pub(super) fn is_of_relay(&self) -> bool {
        self.candidate.contains(" typ relay")
    }

    /// Whether the library may be given this: UDP, one component, and an address that can be somebody's. TCP candidates
    /// are refused since a peer could otherwise have us connect to services of its choice.
    pub(super) fn is_usable(&self) -> bool {
        let line = self.candidate.strip_prefix("candidate:").unwrap_or(&self.candidate);
        if line.len() > MAX_CANDIDATE_BYTES || !line.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
            return false;
        }
        let words: Vec<&str> = line.split(' ').collect();
        let [_foundation, component, transport, priority, address, port, typ, kind, ..] = words.as_slice() else {
            return false;
        };
        *component == "1"
            && transport.eq_ignore_ascii_case("udp")
            && priority.parse::<u32>().is_ok()
            && is_somebodys(address)
            && port.parse::<u16>().is_ok_and(|port| port != 0)
            && *typ == "typ"
            && ["host", "srflx", "prflx", "relay"].contains(kind)
    }
}

/// Whether an address can be that of one device: no wildcard, broadcast or multicast, and no name but one of mDNS, which
/// is asked for on the local network only.
fn is_somebodys(address: &str) -> bool {
    match address.parse::<IpAddr>() {
        Ok(IpAddr::V4(ip)) => !ip.is_unspecified() && !ip.is_broadcast() && !ip.is_multicast(),
        Ok(IpAddr::V6(ip)) => !ip.is_unspecified() && !ip.is_multicast(),
        Err(_) => address.strip_suffix(".local").is_some_and(|name| !name.is_empty() && !name.contains('.')),
    }
}

/// Longest candidate line looked at, in bytes. Browsers' are below 250.
const MAX_CANDIDATE_BYTES: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, usable: bool) {
        assert_eq!(Candidate::new(line.to_owned()).is_usable(), usable, "{line}");
    }

    #[test]
    fn addresses_of_devices_are_usable() {
        check("candidate:1 1 udp 2130706431 192.168.1.7 50000 typ host", true);
        check("candidate:1 1 UDP 2130706431 2001:db8::7 50000 typ host generation 0 ufrag abcd", true);
        check("1 1 udp 1 203.0.113.9 50000 typ srflx raddr 0.0.0.0 rport 0", true);
        check("candidate:1 1 udp 1 0b7f3c8e-4f3e-4b6a-9d52-2f4f1d1d1d1d.local 50000 typ host", true);
    }

    #[test]
    fn addresses_of_nobody_and_everybody_are_not() {
        for address in
            ["0.0.0.0", "::", "255.255.255.255", "224.0.0.251", "ff02::fb", "example.org", ".local", "a.b.local"]
        {
            check(&format!("candidate:1 1 udp 1 {address} 50000 typ host"), false);
        }
    }

    #[test]
    fn other_transports_and_junk_are_not_usable() {
        check("candidate:1 1 tcp 1 192.168.1.7 9 typ host tcptype active", false);
        check("candidate:1 2 udp 1 192.168.1.7 50000 typ host", false);
        check("candidate:1 1 udp 1 192.168.1.7 0 typ host", false);
        check("candidate:1 1 udp 1 192.168.1.7 70000 typ host", false);
        check("candidate:1 1 udp 1 192.168.1.7 50000 typ host\r\na=setup:active", false);
        check("candidate:", false);
        check("\u{1f4a9}", false);
        check(&format!("candidate:1 1 udp 1 192.168.1.7 50000 typ host {}", "x".repeat(600)), false);
    }
}
