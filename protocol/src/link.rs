//! `Link`: a share as an address, with everything secret behind the `#`.

use std::fmt;
use std::str::FromStr;

use data_encoding::BASE64URL_NOPAD;
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::host_identity::HostIdentity;
use crate::nearby::OpenLink;
use crate::room::RoomId;

/// A link to a share: `https://HOST[:PORT]/#v1.` and 43 characters of base64url.
///
/// The fragment holds a 128-bit secret and the hash of the host's key. Browsers do not send it to the server.
#[derive(Clone, PartialEq, Eq)]
pub struct Link {
    origin: Origin,
    secret: Zeroizing<[u8; 16]>,
    host_key_hash: [u8; 16],
}

impl Link {
    /// Makes a link with a random secret to a share that `identity` hosts.
    #[must_use]
    pub fn generate(origin: Origin, identity: &HostIdentity, rng: &mut impl CryptoRng) -> Self {
        let mut secret = Zeroizing::new([0; 16]);
        rng.fill_bytes(&mut *secret);
        Self { origin, secret, host_key_hash: identity.public_key_hash() }
    }

    /// The link that somebody's fragment makes with a server.
    ///
    /// # Errors
    /// They make none.
    pub fn at(origin: &Origin, fragment: &OpenLink) -> Result<Self, LinkError> {
        format!("{origin}/#{}", fragment.as_str()).parse()
    }

    /// What stands behind the `#`, for others to see.
    ///
    /// # Panics
    /// Never: a link's fragment is one.
    #[must_use]
    pub fn open(&self) -> OpenLink {
        let text = self.to_string();
        let fragment = text.split_once('#').map_or("", |(_, fragment)| fragment).to_owned();
        OpenLink::try_from(fragment).expect("a link's fragment is one")
    }

    /// The server's address.
    #[must_use]
    pub const fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The room at the server.
    #[must_use]
    pub fn room(&self) -> RoomId {
        RoomId::of_link_secret(&self.secret)
    }

    /// The 128-bit secret.
    #[must_use]
    pub fn secret(&self) -> &[u8; 16] {
        &self.secret
    }

    /// The first 16 bytes of SHA-256 of the host's public key.
    #[must_use]
    pub const fn host_key_hash(&self) -> &[u8; 16] {
        &self.host_key_hash
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut payload = Zeroizing::new([0; PAYLOAD_BYTES]);
        payload[..16].copy_from_slice(&*self.secret);
        payload[16..].copy_from_slice(&self.host_key_hash);
        write!(f, "{}/#{FRAGMENT_V1}{}", self.origin, BASE64URL_NOPAD.encode_display(&*payload))
    }
}

/// Shows the server's address only.
impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Link({}, secret)", self.origin)
    }
}

impl FromStr for Link {
    type Err = LinkError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let (address, fragment) = text.split_once('#').ok_or(LinkError::NoFragment)?;
        let origin = address.strip_suffix('/').unwrap_or(address).parse()?;
        let Some(payload) = fragment.strip_prefix(FRAGMENT_V1) else {
            return Err(if is_other_version(fragment) { LinkError::Version } else { LinkError::Fragment });
        };
        if payload.len() != PAYLOAD_CHARS {
            return Err(LinkError::Length(payload.len()));
        }
        let mut bytes = Zeroizing::new([0; PAYLOAD_BYTES]);
        BASE64URL_NOPAD.decode_mut(payload.as_bytes(), &mut *bytes).map_err(|_| LinkError::Encoding)?;
        let (mut secret, mut host_key_hash) = (Zeroizing::new([0; 16]), [0; 16]);
        secret.copy_from_slice(&bytes[..16]);
        host_key_hash.copy_from_slice(&bytes[16..]);
        Ok(Self { origin, secret, host_key_hash })
    }
}

/// The address of a server as `http(s)://HOST[:PORT]`, without path, user or query.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin(String);

impl Origin {
    /// The address as text, without a slash at the end.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Origin {
    type Err = LinkError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (scheme, authority) = text.split_once("://").ok_or(LinkError::Scheme)?;
        let scheme = scheme.to_ascii_lowercase();
        if scheme != "https" && scheme != "http" {
            return Err(LinkError::Scheme);
        }
        if authority.contains('/') {
            return Err(LinkError::Path);
        }
        let (host, port) = split_port(authority).ok_or(LinkError::Host)?;
        if port.is_some_and(|port| port.parse::<u16>().is_err() || !port.bytes().all(|b| b.is_ascii_digit())) {
            return Err(LinkError::Port);
        }
        let port = port.map_or(String::new(), |port| format!(":{port}"));
        Ok(Self(format!("{scheme}://{}{port}", host.to_ascii_lowercase())))
    }
}

/// Why a text is no link. None of them holds a part of the secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// There is no `#`, and so no secret.
    #[error("the link has nothing behind a '#': it was not copied whole")]
    NoFragment,
    /// Something else than `v1.` behind the `#`.
    #[error("what stands behind the '#' is not of a share")]
    Fragment,
    /// A link of a later version.
    #[error("the link needs a newer version of p2pshare")]
    Version,
    /// Neither `https://` nor `http://` in front.
    #[error("a link starts with https:// or http://")]
    Scheme,
    /// The host is empty or holds a character that no host has.
    #[error("the link names no host")]
    Host,
    /// The port is no number up to 65535.
    #[error("the link's port is not a number up to 65535")]
    Port,
    /// There is a path between host and `#`.
    #[error("a link has no path between host and '#'")]
    Path,
    /// Characters were lost or added; this many are left.
    #[error("{0} characters stand behind 'v1.' where a link has {PAYLOAD_CHARS}: it was not copied whole")]
    Length(usize),
    /// A character that is not base64url.
    #[error("what stands behind 'v1.' holds a character that no link has")]
    Encoding,
}

fn is_other_version(fragment: &str) -> bool {
    let digits = fragment.strip_prefix('v').and_then(|rest| rest.split_once('.')).map_or("", |(digits, _)| digits);
    !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
}

fn split_port(authority: &str) -> Option<(&str, Option<&str>)> {
    if let Some(rest) = authority.strip_prefix('[') {
        let (address, after) = rest.split_once(']')?;
        let host = &authority[..address.len() + 2];
        address.parse::<std::net::Ipv6Addr>().ok()?;
        return match after.strip_prefix(':') {
            Some(port) => Some((host, Some(port))),
            None => after.is_empty().then_some((host, None)),
        };
    }
    let (host, port) = authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port)));
    let is_name = !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-'));
    is_name.then_some((host, port))
}

const FRAGMENT_V1: &str = "v1.";
const PAYLOAD_BYTES: usize = 32;
const PAYLOAD_CHARS: usize = 43;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_parses_to_the_same_link() {
        for origin in ["https://share.example.org", "http://192.168.1.7:8787", "https://[2001:db8::1]:444"] {
            let link = link(origin);
            let text = link.to_string();
            assert!(text.starts_with(&format!("{origin}/#v1.")), "{text}");
            assert_eq!(text.len(), origin.len() + 5 + 43);
            assert_eq!(text.parse(), Ok(link));
        }
    }

    #[test]
    fn what_is_no_link_says_why() {
        let payload = "A".repeat(43);
        for (text, error) in [
            ("https://a.example/".to_owned(), LinkError::NoFragment),
            (format!("ftp://a.example/#v1.{payload}"), LinkError::Scheme),
            (format!("a.example/#v1.{payload}"), LinkError::Scheme),
            (format!("https:///#v1.{payload}"), LinkError::Host),
            (format!("https://user@a.example/#v1.{payload}"), LinkError::Host),
            (format!("https://[::g]/#v1.{payload}"), LinkError::Host),
            (format!("https://a.example:99999/#v1.{payload}"), LinkError::Port),
            (format!("https://a.example:+80/#v1.{payload}"), LinkError::Port),
            (format!("https://a.example/x/#v1.{payload}"), LinkError::Path),
            (format!("https://a.example/#v2.{payload}"), LinkError::Version),
            (format!("https://a.example/#{payload}"), LinkError::Fragment),
            (format!("https://a.example/#v1.{}", &payload[1..]), LinkError::Length(42)),
            (format!("https://a.example/#v1.{}B", &payload[1..]), LinkError::Encoding),
            (format!("https://a.example/#v1.{}/", &payload[1..]), LinkError::Encoding),
        ] {
            assert_eq!(text.parse::<Link>(), Err(error), "{text}");
        }
    }

    #[test]
    fn the_secret_is_not_in_the_debug_output() {
        assert_eq!(format!("{:?}", link("https://a.example")), "Link(https://a.example, secret)");
    }

    fn link(origin: &str) -> Link {
        Link { origin: origin.parse().unwrap(), secret: Zeroizing::new([0xfb; 16]), host_key_hash: [2; 16] }
    }
}
