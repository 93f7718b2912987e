//! What an operator decides.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;

use p2pshare_protocol::room::Nameplate;
use p2pshare_protocol::server_config::IceServer;

use crate::client_address::Network;
use crate::limits::Limits;
use crate::origin::Origin;
use crate::relay::credentials::RelaySecret;

/// A relay for devices that find no direct path.
#[derive(Debug, Clone)]
pub enum RelayConfig {
    /// The one inside this server.
    Embedded {
        /// Its public addresses, where they are not those of the machine's interfaces.
        addresses: Vec<IpAddr>,
        /// The UDP ports that relayed datagrams come and go by.
        ports: RangeInclusive<u16>,
        /// Networks that it may send to, beyond the public Internet.
        allowed: Vec<Network>,
    },
    /// A TURN server of the operator's with time-limited credentials, such as coturn.
    External {
        /// Its addresses, such as `turn:turn.example.org:3478`.
        urls: Vec<String>,
        /// The secret that it shares with this server.
        secret: RelaySecret,
    },
}

impl RelayConfig {
    /// The embedded relay as it is without any options.
    #[must_use]
    pub const fn embedded() -> Self {
        Self::Embedded { addresses: Vec::new(), ports: RELAY_PORTS, allowed: Vec::new() }
    }
}

/// The ports that nobody has by name.
pub const RELAY_PORTS: RangeInclusive<u16> = 49152..=65535;

/// A server's configuration. The default is right for a server without a proxy in front.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// The bounds.
    pub limits: Limits,
    /// Web pages from elsewhere that may connect.
    pub allowed_origins: Vec<Origin>,
    /// The proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<Network>,
    /// The STUN and TURN servers recommended to clients.
    pub ice_servers: Vec<IceServer>,
    /// Where STUN is answered and the relay listens; the listeners' own addresses if absent.
    pub udp_listen: Option<Vec<SocketAddr>>,
    /// Whether STUN is answered on a second port as well, the next one, so that clients can tell kinds of NAT apart.
    pub tells_nat_kinds: bool,
    /// Whether the server is inside a device, and its clients are on that device's network.
    pub is_inside_device: bool,
    /// What is relayed where no direct path works, if anything is.
    pub relay: Option<RelayConfig>,
    /// The digit that all nameplates end in, if they shall.
    pub nameplate_last_digit: Option<u8>,
    /// Nameplates that other servers on the same network gave out, and this one should not.
    pub nameplates_elsewhere: Vec<Nameplate>,
}

impl Config {
    /// Whether an address is that of a proxy whose `X-Forwarded-For` is believed.
    pub(crate) fn trusts(&self, address: IpAddr) -> bool {
        self.trusted_proxies.iter().any(|network| network.contains(address))
    }
}
