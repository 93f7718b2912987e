//! What clients are told about STUN and the relay.

use std::net::IpAddr;
use std::time::SystemTime;

use p2pshare_protocol::envelope::{Cid, ServerMessage};
use p2pshare_protocol::server_config::IceServer;

use crate::relay::credentials::{CREDENTIAL_LIFETIME, Credential, RelaySecret};

/// Gives out credentials for a relay.
#[derive(Debug, Clone)]
pub(crate) struct RelayAccess {
    pub(crate) secret: RelaySecret,
    pub(crate) place: RelayUrls,
}

/// How clients name the relay.
#[derive(Debug, Clone)]
pub(crate) enum RelayUrls {
    /// As they name this server, at this UDP port.
    Here { port: u16 },
    /// As the operator says.
    Elsewhere(Vec<String>),
}

impl RelayAccess {
    /// Access for one side of a session, for a client that calls this server `host`.
    pub(crate) fn grant(&self, cid: Cid, session: &str, host: &str, now: SystemTime) -> ServerMessage {
        let Credential { username, password } = self.secret.issue(session, now);
        let urls = match &self.place {
            RelayUrls::Here { port } => vec![format!("turn:{host}:{port}?transport=udp")],
            RelayUrls::Elsewhere(urls) => urls.clone(),
        };
        let ttl = u32::try_from(CREDENTIAL_LIFETIME.as_secs()).unwrap_or(u32::MAX);
        ServerMessage::Turn { cid, urls, username, credential: password, ttl }
    }
}

/// The server itself as a STUN server, for a client that it sees from outside. A client in a network of our own would
/// learn nothing from us but the address that it has anyway.
pub(crate) fn own_stun(host: &str, port: u16, client: IpAddr) -> Option<IceServer> {
    let url = format!("stun:{host}:{port}");
    is_outside(client).then(|| IceServer { urls: vec![url], username: None, credential: None })
}

/// The name in a `Host` header, without the port; `None` if it is none.
pub(crate) fn host_name(header: &str) -> Option<&str> {
    let name = match header.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        Some(_) | None => header,
    };
    let is_v6 = name.strip_prefix('[').and_then(|n| n.strip_suffix(']')).is_some_and(|n| n.parse::<IpAddr>().is_ok());
    let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
    ((is_v6 || is_name) && name.len() <= HOST_BYTES_MAX).then_some(name)
}

fn is_outside(client: IpAddr) -> bool {
    match client.to_canonical() {
        IpAddr::V4(ip) => !(ip.is_private() || ip.is_loopback() || ip.is_link_local() || ip.is_unspecified()),
        IpAddr::V6(ip) => !(ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local()),
    }
}

/// The longest name of the DNS.
const HOST_BYTES_MAX: usize = 253;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_header_gives_a_name_or_nothing() {
        for (header, name) in [
            ("share.example.org", Some("share.example.org")),
            ("share.example.org:8765", Some("share.example.org")),
            ("192.0.2.7:8765", Some("192.0.2.7")),
            ("[2001:db8::7]:8765", Some("[2001:db8::7]")),
            ("[2001:db8::7]", Some("[2001:db8::7]")),
            ("", None),
            (":8765", None),
            ("a b", None),
            ("a?transport=tcp", None),
            ("[evil]:1", None),
            ("user@example.org", None),
        ] {
            assert_eq!(host_name(header), name, "{header}");
        }
    }

    #[test]
    fn stun_is_for_clients_from_outside() {
        let is_told = |ip: &str| own_stun("share.example.org", 8765, ip.parse().unwrap()).is_some();
        for inside in
            ["127.0.0.1", "192.168.1.7", "10.0.0.7", "169.254.0.7", "::1", "fd00::7", "fe80::7", "::ffff:10.0.0.7"]
        {
            assert!(!is_told(inside), "{inside}");
        }
        for outside in ["1.2.3.4", "203.0.113.7", "2001:db8::7"] {
            assert!(is_told(outside), "{outside}");
        }
    }

    #[test]
    fn both_sides_are_sent_to_the_same_relay_with_names_of_their_own() {
        let access = RelayAccess { secret: RelaySecret::new(b"north"), place: RelayUrls::Here { port: 8765 } };
        let granted = access.grant(Cid(3), "ab-guest", "share.example.org", SystemTime::UNIX_EPOCH);
        let ServerMessage::Turn { cid, urls, username, ttl, .. } = granted else { panic!("{granted:?}") };
        assert_eq!((cid, ttl, username.as_str()), (Cid(3), 600, "600:ab-guest"));
        assert_eq!(urls, ["turn:share.example.org:8765?transport=udp"]);
    }
}
