//! What a signalling server says about itself at `GET /api/config`.

use serde::{Deserialize, Serialize};

/// The lowest protocol version that this build speaks.
pub const VERSION_MIN: u32 = 1;

/// The highest protocol version that this build speaks.
pub const VERSION_MAX: u32 = 1;

/// A server's description of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerConfig {
    /// The version of the server's program, for people.
    pub version: String,
    /// The protocol versions it speaks.
    pub protocol: VersionRange,
    /// Its limits.
    pub limits: ServerLimits,
    /// The STUN and TURN servers it recommends; empty if it has none.
    #[serde(default)]
    pub ice_servers: Vec<IceServer>,
    /// Whether two sides that have paired may ask for access to a relay.
    #[serde(default)]
    pub relay: bool,
    /// The UDP ports where it answers STUN under the name it is asked by: none, the usual one, or that and another one,
    /// which tells kinds of NAT apart.
    #[serde(default)]
    pub stun_ports: Vec<u16>,
    /// Its address on the network, said to a page of its own machine whose own address means another machine on every other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub elsewhere: Option<String>,
}

/// A closed range of protocol versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionRange {
    /// The lowest version.
    pub min: u32,
    /// The highest version.
    pub max: u32,
}

impl VersionRange {
    /// The versions that this build speaks.
    pub const OURS: Self = Self { min: VERSION_MIN, max: VERSION_MAX };

    /// Whether a version lies in the range.
    #[must_use]
    pub const fn contains(self, version: u32) -> bool {
        self.min <= version && version <= self.max
    }
}

/// The limits that a client may want to know before it creates a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerLimits {
    /// The longest message, in bytes.
    pub message_bytes: u32,
    /// The longest relayed body, in bytes before base64url.
    pub body_bytes: u32,
    /// How long a room lives unless its host asks for something else, in seconds.
    pub room_lifetime_s: u32,
    /// The longest life that a host may ask for, in seconds.
    pub room_lifetime_max_s: u32,
    /// How long a guest may take to prove that it knows the code, in seconds.
    pub handshake_s: u32,
}

/// A STUN or TURN server, in the shape of WebRTC's `RTCIceServer`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IceServer {
    /// Its addresses, `stun:`, `turn:` or `turns:`.
    pub urls: Vec<String>,
    /// The user name, for TURN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// The password, for TURN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
}

impl std::fmt::Debug for IceServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IceServer").field("urls", &self.urls).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_keys_of_a_newer_server_are_ignored() {
        let config: ServerConfig = serde_json::from_str(
            r#"{"version":"9.0.0","protocol":{"min":1,"max":4},"motd":"hi","limits":{"message_bytes":1,"body_bytes":2,
                "room_lifetime_s":3,"room_lifetime_max_s":4,"handshake_s":5,"more":6}}"#,
        )
        .unwrap();
        assert!(config.protocol.contains(3));
        assert!(config.ice_servers.is_empty() && !config.relay);
    }

    #[test]
    fn a_relay_credential_is_not_printed() {
        let server = IceServer {
            urls: vec!["turn:relay.example.org".into()],
            username: Some("1700000000:ab".into()),
            credential: Some("hunter2".into()),
        };
        assert!(!format!("{server:?}").contains("hunter2"));
    }
}
