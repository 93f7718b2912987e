//! The reflectors and relays that a signalling server recommends.

use crate::signaling::{ServerUrl, fetch_config};
use crate::transport::{IceServer, PathPolicy, TransportConfig};

/// `config` with the server's ICE servers, unless the person named some, and with whether a relay's address follows.
///
/// A server that does not describe itself is no reason to stop: two devices on one network need no ICE server, and the
/// connection to `/ws` says what is wrong.
pub(super) async fn with_ice_servers(server: &ServerUrl, config: &TransportConfig) -> TransportConfig {
    let mut config = config.clone();
    match fetch_config(server).await {
        Ok(described) => {
            config.servers_follow =
                described.relay && config.path_policy != PathPolicy::DirectOnly && !names_relay(&config.ice_servers);
            if config.ice_servers.is_empty() {
                config.ice_servers = described.ice_servers.into_iter().map(into_transport).collect();
            }
        }
        Err(error) => tracing::debug!(%error, "the server does not describe itself"),
    }
    config
}

fn names_relay(servers: &[IceServer]) -> bool {
    servers.iter().flat_map(|server| &server.urls).any(|url| url.starts_with("turn"))
}

fn into_transport(server: p2pshare_protocol::server_config::IceServer) -> IceServer {
    IceServer {
        urls: server.urls,
        username: server.username.unwrap_or_default(),
        credential: server.credential.unwrap_or_default(),
    }
}
