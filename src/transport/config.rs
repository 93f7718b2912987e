//! What a caller may choose about a connection.

use std::{fmt, time::Duration};

/// Settings of one peer connection. The default connects devices on one network or one machine.
#[derive(Clone, Debug)]
pub struct TransportConfig {
    /// STUN and TURN servers. Those with a scheme the library cannot speak (`stuns:`, `turns:`, TURN over TCP) are skipped.
    pub ice_servers: Vec<IceServer>,
    /// Whether servers are to follow once the two sides have paired, in [`Dialing::begin`](super::Dialing::begin).
    pub servers_follow: bool,
    /// Which paths may be used.
    pub path_policy: PathPolicy,
    /// Offers loopback addresses as well. They are always offered when the machine has no other address.
    pub loopback: bool,
    /// Whether QUIC may carry file data where the other side can do that too and no relay is needed.
    pub quic: bool,
    /// Size of the packets sent.
    pub packet_size: PacketSize,
    /// Silence after which a connection counts as disturbed ([`Incoming::Disturbed`](super::Incoming::Disturbed)).
    /// Only keepalives break the silence, data does not, and a full uplink may drop several of them.
    pub disturbed_after: Duration,
    /// Further silence after which a disturbed connection is lost, and the longest search for a first path.
    pub lost_after: Duration,
    /// Longest time from the first working path to open channels.
    pub handshake_limit: Duration,
}

impl Default for TransportConfig {
    fn default() -> Self {
        Self {
            ice_servers: Vec::new(),
            servers_follow: false,
            path_policy: PathPolicy::Any,
            loopback: false,
            quic: true,
            packet_size: PacketSize::Auto,
            disturbed_after: Duration::from_secs(6),
            lost_after: Duration::from_secs(20),
            handshake_limit: Duration::from_secs(15),
        }
    }
}

impl TransportConfig {
    /// Whether the connection can only be to a device on the same network: nothing tells either side its public address.
    pub(super) fn is_local_only(&self) -> bool {
        self.ice_servers.is_empty() && !self.servers_follow
    }
}

/// Which paths a connection may take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PathPolicy {
    /// The best that works.
    #[default]
    Any,
    /// Only through a relay, so that the other device never learns this one's addresses.
    RelayOnly,
    /// Never through a relay.
    DirectOnly,
}

/// The size of SCTP packets sent. Each travels in one UDP datagram with about 37 bytes around it and may not be fragmented:
/// one that is larger than the path allows vanishes without a word, and the connection with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PacketSize {
    /// 1400 bytes where only the local network can be reached and every interface carries that; otherwise 1191, which fits
    /// the smallest path IPv6 permits, relay included.
    #[default]
    Auto,
    /// This many bytes.
    Bytes(u16),
}

/// A STUN or TURN server.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct IceServer {
    /// URLs such as `stun:example.org:3478` or `turn:example.org:3478`.
    pub urls: Vec<String>,
    /// User name for TURN, empty for STUN.
    pub username: String,
    /// Password for TURN, empty for STUN.
    pub credential: String,
}

impl fmt::Debug for IceServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IceServer").field("urls", &self.urls).finish_non_exhaustive()
    }
}
