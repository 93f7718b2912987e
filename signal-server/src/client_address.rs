//! Whose request it is, when proxies stand in between.

use std::net::IpAddr;
use std::str::FromStr;

/// A network of addresses, as in `10.0.0.0/8` or `2001:db8::/32`; a bare address is a network of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// Whether an address lies in the network. An IPv4 address that is mapped into IPv6 counts as IPv4.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(ours), IpAddr::V4(theirs)) => {
                same_prefix(ours.to_bits().into(), theirs.to_bits().into(), 32, self.prefix)
            }
            (IpAddr::V6(ours), IpAddr::V6(theirs)) => same_prefix(ours.to_bits(), theirs.to_bits(), 128, self.prefix),
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refused = || NetworkError { value: text.to_owned() };
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| refused())?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Ok(bits), str::parse).map_err(|_| refused())?;
        if prefix > bits { Err(refused()) } else { Ok(Self { address, prefix }) }
    }
}

/// A text is no network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{value}` is no network; write for example 10.0.0.0/8 or 2001:db8::/32")]
pub struct NetworkError {
    value: String,
}

/// The address that a request counts for: the socket's, unless that is a trusted proxy; then the right-most one in
/// `X-Forwarded-For` that is not.
///
/// Proxies append, so everything to the left of that one is the client's own claim. At an entry that is no address
/// the last proxy is answerable.
pub(crate) fn client_address<'a>(
    peer: IpAddr,
    forwarded_for: impl DoubleEndedIterator<Item = &'a str>,
    trusted: &[Network],
) -> IpAddr {
    let is_trusted = |address| trusted.iter().any(|network| network.contains(address));
    let mut answerable = peer.to_canonical();
    for entry in forwarded_for.flat_map(|header| header.split(',')).rev() {
        if !is_trusted(answerable) {
            break;
        }
        let Some(address) = parse_entry(entry) else { break };
        answerable = address;
    }
    answerable
}

/// Reads one entry; some proxies add the port.
fn parse_entry(entry: &str) -> Option<IpAddr> {
    let entry = entry.trim();
    let bare = entry.parse().ok();
    let with_port = || entry.parse::<std::net::SocketAddr>().ok().map(|a| a.ip());
    let bracketed = || entry.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    bare.or_else(with_port).or_else(bracketed).map(|a: IpAddr| a.to_canonical())
}

fn same_prefix(ours: u128, theirs: u128, bits: u8, prefix: u8) -> bool {
    prefix == 0 || (ours ^ theirs) >> (bits - prefix) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(peer: &str, headers: &[&str], trusted: &[&str], expected: &str) {
        let trusted: Vec<Network> = trusted.iter().map(|t| t.parse().unwrap()).collect();
        let address = client_address(peer.parse().unwrap(), headers.iter().copied(), &trusted);
        assert_eq!(address, expected.parse::<IpAddr>().unwrap(), "{peer} {headers:?}");
    }

    #[test]
    fn b_084_without_a_trusted_proxy_the_header_is_ignored() {
        check("192.0.2.1", &["1.2.3.4"], &[], "192.0.2.1");
        check("192.0.2.1", &["1.2.3.4"], &["10.0.0.0/8"], "192.0.2.1");
    }

    #[test]
    fn b_084_behind_proxies_the_right_most_stranger_counts() {
        let proxies = ["10.0.0.0/8", "::1"];
        check("10.0.0.1", &["198.51.100.7"], &proxies, "198.51.100.7");
        check("::ffff:10.0.0.1", &["198.51.100.7"], &proxies, "198.51.100.7");
        check("10.0.0.1", &["1.2.3.4, 198.51.100.7 , 10.9.9.9"], &proxies, "198.51.100.7");
        check("10.0.0.1", &["1.2.3.4", "198.51.100.7,10.9.9.9"], &proxies, "198.51.100.7");
        check("::1", &["2001:db8::7"], &proxies, "2001:db8::7");
        check("10.0.0.1", &["198.51.100.7:5000"], &proxies, "198.51.100.7");
        check("10.0.0.1", &["[2001:db8::7]:5000"], &proxies, "2001:db8::7");
        check("10.0.0.1", &["[2001:db8::7]"], &proxies, "2001:db8::7");
    }

    #[test]
    fn nonsense_counts_for_the_proxy_that_passed_it_on() {
        check("10.0.0.1", &["198.51.100.7, unknown, 10.0.0.2"], &["10.0.0.0/8"], "10.0.0.2");
        check("10.0.0.1", &[""], &["10.0.0.0/8"], "10.0.0.1");
        check("10.0.0.1", &[], &["10.0.0.0/8"], "10.0.0.1");
        check("10.0.0.1", &["10.0.0.3, 10.0.0.2"], &["10.0.0.0/8"], "10.0.0.3");
    }

    #[test]
    fn networks_hold_what_their_prefix_says() {
        let contains =
            |network: &str, address: &str| network.parse::<Network>().unwrap().contains(address.parse().unwrap());
        assert!(contains("0.0.0.0/0", "8.8.8.8"));
        assert!(!contains("0.0.0.0/0", "::1"));
        assert!(contains("192.0.2.128/25", "192.0.2.200"));
        assert!(!contains("192.0.2.128/25", "192.0.2.100"));
        assert!(contains("2001:db8::/32", "2001:db8:ffff::1"));
        assert!(contains("::/0", "2001:db8::1"));
        assert!(contains("127.0.0.1", "127.0.0.1") && !contains("127.0.0.1", "127.0.0.2"));
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in ["", "10.0.0.0/33", "10.0.0/8", "::/129", "10.0.0.0/-1", "10.0.0.0/", "example.org"] {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
    }
}
