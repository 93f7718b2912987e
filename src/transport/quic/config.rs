//! How QUIC is set up.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use noq::{
    ClientConfig, EndpointConfig, MtuDiscoveryConfig, ServerConfig, TransportConfig, VarInt,
    crypto::rustls::{QuicClientConfig, QuicServerConfig},
};

use super::{CertificateHash, credentials::Credentials, steady::SteadyConfig};
use crate::transport::{error::TransportError, socket::Route, webrtc::interface_mtu};

/// What is the same for every attempt to connect.
pub(super) struct Configs {
    client: Arc<QuicClientConfig>,
    server: Arc<QuicServerConfig>,
}

impl Configs {
    /// # Errors
    /// [`TransportError::Setup`].
    pub(super) fn new(credentials: &Credentials, peer: &CertificateHash) -> Result<Self, TransportError> {
        fn setup(error: impl std::fmt::Display) -> TransportError {
            TransportError::Setup(error.to_string())
        }
        let client = credentials.client_config(*peer).map_err(setup)?;
        let server = credentials.server_config(*peer).map_err(setup)?;
        Ok(Self {
            client: Arc::new(QuicClientConfig::try_from(client).map_err(setup)?),
            server: Arc::new(QuicServerConfig::try_from(server).map_err(setup)?),
        })
    }

    pub(super) fn client(&self, route: &Route) -> ClientConfig {
        let mut config = ClientConfig::new(Arc::clone(&self.client) as Arc<_>);
        config.transport_config(Arc::new(transport_on(route)));
        config
    }

    pub(super) fn server(&self, route: &Route) -> ServerConfig {
        let mut config = ServerConfig::with_crypto(Arc::clone(&self.server) as Arc<_>);
        config.transport_config(Arc::new(transport_on(route))).max_incoming(MAX_INCOMING);
        config
    }
}

pub(super) fn endpoint() -> EndpointConfig {
    let mut config = EndpointConfig::default();
    // The fixed bit tells QUIC from STUN and DTLS.
    config.grease_quic_bit(false);
    // The limit is there; an error would leave the default, which is smaller.
    let _ = config.max_udp_payload_size(MAX_DATAGRAM_BYTES);
    config
}

/// Datagrams of a route's largest size that the system takes in one go.
pub(super) fn max_segments(route: &Route) -> usize {
    usize::from(MAX_DATAGRAM_BYTES / largest_datagram(route))
}

fn transport_on(route: &Route) -> TransportConfig {
    let largest = largest_datagram(route);
    let mut config = transport(largest);
    if route.is_loopback() {
        config.initial_mtu(largest);
    }
    config
}

/// What is the same on every path, but for the largest datagram worth trying.
pub(super) fn transport(largest: u16) -> TransportConfig {
    let mut discovery = MtuDiscoveryConfig::default();
    discovery.upper_bound(largest).black_hole_cooldown(SMALL_PACKETS_MIN);
    let mut config = TransportConfig::default();
    config
        .max_concurrent_bidi_streams(VarInt::from_u32(0))
        .max_concurrent_uni_streams(VarInt::from_u32(MAX_STREAMS))
        .stream_receive_window(VarInt::from_u32(STREAM_WINDOW_BYTES))
        .receive_window(VarInt::from_u32(WINDOW_BYTES))
        .send_window(SEND_BUFFER_BYTES)
        // Older blocks first: the receiver finishes, checks and stores them one after the other.
        .send_fairness(false)
        .datagram_receive_buffer_size(None)
        .initial_rtt(INITIAL_ROUND_TRIP)
        .mtu_discovery_config(Some(discovery))
        .max_idle_timeout(Some(VarInt::from_u32(IDLE_MS).into()))
        .keep_alive_interval(Some(KEEPALIVE))
        // Not `ack_frequency_config`, although it halves the sender's processor time on a 100 Mbit/s link: noq 1.4.0 writes that frame
        // without looking whether it fits, and panics when it rides behind a handshake.
        .congestion_controller_factory(Arc::new(SteadyConfig::new(INITIAL_WINDOW_BYTES)));
    config
}

/// The largest datagram worth trying, in bytes.
fn largest_datagram(route: &Route) -> u16 {
    if route.is_loopback() {
        return LOOPBACK_DATAGRAM_BYTES;
    }
    let headers = match route.remote {
        SocketAddr::V4(_) => 28,
        SocketAddr::V6(_) => 48,
    };
    let mtu = interface_mtu(route.local.ip()).unwrap_or(ETHERNET_MTU).saturating_sub(headers);
    u16::try_from(mtu).unwrap_or(u16::MAX).clamp(MIN_DATAGRAM_BYTES, LARGEST_DATAGRAM_BYTES)
}

/// The largest UDP payload over IPv4, and what the system coalesces at most.
const MAX_DATAGRAM_BYTES: u16 = 65_507;

/// Seven of them are sent at once.
const LOOPBACK_DATAGRAM_BYTES: u16 = 9_000;

/// How long only small packets are sent where larger ones seem to get lost. By bad luck all kinds of losses look so, and where it is true
/// the right size is found.
const SMALL_PACKETS_MIN: Duration = Duration::from_secs(2);

/// Jumbo frames; beyond that there is nothing to gain.
const LARGEST_DATAGRAM_BYTES: u16 = 9_000;

/// What every QUIC path must carry.
const MIN_DATAGRAM_BYTES: u16 = 1200;

const ETHERNET_MTU: u32 = 1500;

/// Streams that the peer may have open: blocks of files under way, or bundles of small files.
const MAX_STREAMS: u32 = 64;

/// What may arrive of one stream before it is read. More than a stream is long.
const STREAM_WINDOW_BYTES: u32 = 2 << 20;

/// What may arrive before it is read; more than rate times round trip of 1 Gbit/s over 150 ms.
const WINDOW_BYTES: u32 = 24 << 20;

/// What may wait for being sent and confirmed; twice the rate times the round trip of 300 Mbit/s over 200 ms.
const SEND_BUFFER_BYTES: u64 = 16 << 20;

/// The round trip before it is known. The path has just been used, so a lost first packet may be noticed soon.
const INITIAL_ROUND_TRIP: Duration = Duration::from_millis(100);

/// What is sent before anything is known of the path: some 90 packets, two bursts of a TCP sender. The usual ten cost a long path
/// three round trips more.
const INITIAL_WINDOW_BYTES: u64 = 128 << 10;

/// Silence after which the connection counts as dead, in milliseconds. Nothing is lost with it but time.
const IDLE_MS: u32 = 10_000;

/// How often a quiet connection is kept alive.
const KEEPALIVE: Duration = Duration::from_secs(3);

/// Clients that may knock at once. There is one.
pub(super) const MAX_INCOMING: usize = 8;
