//! What an operator decides.

use p2pshare_protocol::room::Nameplate;
use p2pshare_protocol::server_config::IceServer;

use crate::client_address::Network;
use crate::limits::Limits;
use crate::origin::Origin;

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
    /// The digit that all nameplates end in, if they shall.
    pub nameplate_last_digit: Option<u8>,
    /// Nameplates that other servers on the same network gave out, and this one should not.
    pub nameplates_elsewhere: Vec<Nameplate>,
}
