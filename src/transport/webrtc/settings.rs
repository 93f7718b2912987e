//! Turns our settings into the library's.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use rtc::{
    ice::{
        mdns::MulticastDnsMode,
        url::{ProtoType, SchemeType, Url},
    },
    peer_connection::{certificate::CertificateParams, configuration::setting_engine::SctpMaxMessageSize},
};
use tracing::debug;
use webrtc::{
    error::Error,
    peer_connection::{
        CipherSuiteId, PeerConnection, PeerConnectionBuilder, RTCCertificate, RTCConfiguration,
        RTCConfigurationBuilder, RTCIceServer, RTCIceTransportPolicy, SettingEngine, SettingEngineBuilder,
        crypto::{self, RTCCryptoProvider, SignatureScheme},
    },
};

use super::{
    interfaces::{LocalAddress, local_addresses},
    keeper::Listener,
    runtime::{ConnectionRuntime, Hurry, SocketBuffers},
};
use crate::transport::{
    MAX_ACCEPTED_MESSAGE_BYTES,
    config::{IceServer, PacketSize, PathPolicy, TransportConfig},
    error::TransportError,
    socket::Sockets,
};

/// A connection that can be described and dialled, and the certificate it will present.
pub(super) struct Built {
    pub(super) pc: Arc<dyn PeerConnection>,
    pub(super) certificate_der: Vec<u8>,
    pub(super) buffers: SocketBuffers,
}

/// Makes a connection object: a fresh certificate, bound sockets, a running driver.
///
/// # Errors
/// [`TransportError::Setup`].
pub(super) async fn build(
    config: &TransportConfig,
    listener: &Arc<Listener>,
    hurry: &Arc<Hurry>,
    sockets: &Arc<Sockets>,
) -> Result<Built, TransportError> {
    let crypto = crypto::default_provider().map_err(|error| TransportError::Setup(error.to_string()))?;
    let certificate = certificate(crypto.as_ref()).map_err(super::setup)?;
    let certificate_der = certificate
        .dtls_certificate
        .certificate
        .first()
        .map(|der| der.to_vec())
        .ok_or_else(|| TransportError::Setup("no certificate".to_owned()))?;
    let addresses = local_addresses(config.loopback);
    let buffers = SocketBuffers::probe();
    sockets.note_fragments(rtc::sctp::max_payload_size_for_mtu(packet_bytes(config, &addresses)) as usize);
    let mut servers = ice_servers(config, &config.ice_servers);
    match check_relay(config.path_policy, &servers) {
        // The library wants one at once. It looks for addresses only after the real one has taken its place.
        Err(_) if config.servers_follow => servers.push(place_of_a_relay()),
        checked => checked?,
    }
    let configuration = configuration(config.path_policy, servers, vec![certificate]);
    let builder = |mdns| {
        PeerConnectionBuilder::new()
            .with_configuration(configuration.clone())
            .with_setting_engine(engine(config, &addresses, buffers, mdns, Arc::clone(&crypto)))
            .with_runtime(Arc::new(ConnectionRuntime::new(Arc::clone(hurry), Arc::clone(sockets))))
            .with_handler(Arc::clone(listener) as Arc<_>)
            .with_udp_addrs(addresses.iter().map(|address| SocketAddr::new(address.ip, 0)).collect())
            .with_data_channel_send_buffer_limit(SEND_BUFFER_BYTES)
    };
    // Without a multicast route the library refuses to start; without mDNS it misses only browsers that hide their address.
    let pc: Arc<dyn PeerConnection> = match builder(MulticastDnsMode::QueryOnly).build().await {
        Ok(pc) => Arc::new(pc),
        Err(error) => {
            debug!(%error, "starting without mDNS");
            Arc::new(builder(MulticastDnsMode::Disabled).build().await.map_err(super::setup)?)
        }
    };
    Ok(Built { pc, certificate_der, buffers })
}

/// Adds servers to those that a connection was made with, before it looks for addresses.
///
/// # Errors
/// [`TransportError::NoRelay`] when only a relay may be used and none is among them.
pub(super) async fn add_servers(
    pc: &dyn PeerConnection,
    config: &TransportConfig,
    granted: &[IceServer],
) -> Result<(), TransportError> {
    let all: Vec<_> = config.ice_servers.iter().chain(granted).cloned().collect();
    let servers = ice_servers(config, &all);
    check_relay(config.path_policy, &servers)?;
    if granted.is_empty() {
        return Ok(());
    }
    pc.set_configuration(configuration(config.path_policy, servers, Vec::new())).await.map_err(super::setup)
}

fn configuration(
    policy: PathPolicy,
    servers: Vec<RTCIceServer>,
    certificates: Vec<RTCCertificate>,
) -> RTCConfiguration {
    RTCConfigurationBuilder::default()
        .with_ice_servers(servers)
        .with_ice_transport_policy(match policy {
            PathPolicy::RelayOnly => RTCIceTransportPolicy::Relay,
            PathPolicy::Any | PathPolicy::DirectOnly => RTCIceTransportPolicy::All,
        })
        .with_certificates(certificates)
        .build()
}

fn certificate(provider: &dyn RTCCryptoProvider) -> Result<RTCCertificate, Error> {
    let params =
        CertificateParams::new(vec!["p2pshare".to_owned()]).map_err(|error| Error::Other(error.to_string()))?;
    RTCCertificate::generate(provider.crypto(), SignatureScheme::EcdsaP256Sha256, params)
}

fn engine(
    config: &TransportConfig,
    addresses: &[LocalAddress],
    buffers: SocketBuffers,
    mdns: MulticastDnsMode,
    crypto: Arc<dyn RTCCryptoProvider>,
) -> SettingEngine {
    let relay_wait = match config.path_policy {
        PathPolicy::RelayOnly => Duration::ZERO,
        PathPolicy::Any | PathPolicy::DirectOnly => RELAY_WAIT,
    };
    SettingEngineBuilder::new()
        .with_crypto_provider(crypto)
        .with_dtls_cipher_suites(vec![CipherSuiteId::Tls_Ecdhe_Ecdsa_With_ChaCha20_Poly1305_Sha256])
        .with_ice_timeouts(Some(config.disturbed_after), Some(config.lost_after), Some(KEEPALIVE))
        .with_ice_connection_attempts(Some(CHECK_INTERVAL), Some(MAX_CHECKS))
        .with_prflx_acceptance_min_wait(Some(PEER_REFLEXIVE_WAIT))
        .with_relay_acceptance_min_wait(Some(relay_wait))
        .with_include_loopback_candidate(addresses.iter().any(|address| address.ip.is_loopback()))
        .with_multicast_dns_mode(mdns)
        .with_sctp_max_message_size(SctpMaxMessageSize::Bounded(MAX_ACCEPTED_MESSAGE_BYTES as u32))
        .with_sctp_max_receive_buffer_size(receive_window(config, buffers))
        .with_sctp_mtu(packet_bytes(config, addresses))
        .build()
}

/// Those of `servers` that the library can speak to, as far as the policy allows them.
fn ice_servers(config: &TransportConfig, servers: &[IceServer]) -> Vec<RTCIceServer> {
    let may_use = |url: &String| match Url::parse_url(url) {
        Ok(parsed) => match (parsed.scheme, parsed.proto) {
            (SchemeType::Stun, _) => true,
            (SchemeType::Turn, ProtoType::Udp) => config.path_policy != PathPolicy::DirectOnly,
            _ => false,
        },
        Err(error) => {
            debug!(%error, "ignoring an ICE server");
            false
        }
    };
    servers
        .iter()
        .map(|server| RTCIceServer {
            urls: server.urls.iter().filter(|url| may_use(url)).cloned().collect(),
            username: server.username.clone(),
            credential: server.credential.clone(),
        })
        .filter(|server| !server.urls.is_empty())
        .collect()
}

fn place_of_a_relay() -> RTCIceServer {
    RTCIceServer {
        urls: vec!["turn:localhost".to_owned()],
        username: "nobody".to_owned(),
        credential: "none".to_owned(),
    }
}

/// # Errors
/// [`TransportError::NoRelay`] when only a relay may be used and none is among the servers.
fn check_relay(policy: PathPolicy, servers: &[RTCIceServer]) -> Result<(), TransportError> {
    let has_relay = servers.iter().any(|server| server.urls.iter().any(|url| url.starts_with("turn")));
    if policy == PathPolicy::RelayOnly && !has_relay { Err(TransportError::NoRelay) } else { Ok(()) }
}

/// The SCTP receive window, in bytes. Larger than the socket buffer it invites bursts that the kernel then drops: with the
/// usual 208 KiB of buffer, loopback moves 235 MB/s through a window of 256 KiB, 25 through 512 KiB and 90 through 1 MiB.
/// A long path needs the megabyte, and paces the bursts itself. Larger than 4 MiB it makes selective acknowledgements that
/// do not fit a packet.
fn receive_window(config: &TransportConfig, buffers: SocketBuffers) -> u32 {
    match (buffers.are_capped(), config.is_local_only()) {
        (false, _) => 4 << 20,
        (true, true) => 256 << 10,
        (true, false) => 1 << 20,
    }
}

/// The SCTP packet size, in bytes.
fn packet_bytes(config: &TransportConfig, addresses: &[LocalAddress]) -> u32 {
    match config.packet_size {
        PacketSize::Bytes(bytes) => bytes.into(),
        PacketSize::Auto if config.is_local_only() => addresses
            .iter()
            .filter(|address| !address.ip.is_loopback())
            .map(|address| address.mtu.unwrap_or(0).saturating_sub(PACKET_OVERHEAD_BYTES))
            .fold(LOCAL_PACKET_BYTES, u32::min)
            .max(SAFE_PACKET_BYTES),
        PacketSize::Auto => SAFE_PACKET_BYTES,
    }
}

/// Bytes that may wait in a lane for being sent and acknowledged before sending waits. With 1 MiB a fast path is a quarter
/// slower, with more than this it is no faster, and control messages wait behind more data.
const SEND_BUFFER_BYTES: usize = 2 << 20;

/// How often a quiet path is checked. The state "disturbed" depends on these alone, so several must fit its limit.
const KEEPALIVE: Duration = Duration::from_secs(1);

/// How often each pair of addresses is tried while there is no path; every step of the search waits for this.
const CHECK_INTERVAL: Duration = Duration::from_millis(20);

/// How often a pair is tried before it is given up: 8 s, for descriptions that cross on a slow way.
const MAX_CHECKS: u16 = 400;

/// How long a path to an address that only showed itself by its packets waits for a better one. Often it is the best one,
/// and the packet was merely faster than the candidate, or the peer is a browser that hides its addresses.
const PEER_REFLEXIVE_WAIT: Duration = Duration::from_millis(50);

/// How long a relayed path waits for a direct one, which itself waits half a second for a local one.
const RELAY_WAIT: Duration = Duration::from_millis(700);

/// Fits IPv6's smallest path with DTLS and a relay's framing around it: 1280 - 40 - 8 - 4 - 37.
const SAFE_PACKET_BYTES: u32 = 1191;

/// Fits Ethernet; saves 15 to 25 % of the processor time.
const LOCAL_PACKET_BYTES: u32 = 1400;

/// DTLS, UDP and IPv6 around an SCTP packet.
const PACKET_OVERHEAD_BYTES: u32 = 37 + 8 + 40;

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_packets(config: &TransportConfig, mtus: &[Option<u32>], expected: u32) {
        let addresses: Vec<_> =
            mtus.iter().map(|mtu| LocalAddress { ip: "192.168.1.7".parse().unwrap(), mtu: *mtu }).collect();
        assert_eq!(packet_bytes(config, &addresses), expected, "{mtus:?}");
    }

    #[test]
    fn packets_are_large_only_where_every_interface_carries_them() {
        let local = TransportConfig::default();
        check_packets(&local, &[Some(1500), Some(9000)], 1400);
        check_packets(&local, &[Some(1500), Some(1420)], 1335);
        check_packets(&local, &[Some(1280)], 1195);
        check_packets(&local, &[None], 1191);
        check_packets(&local, &[], 1400);
        let global = TransportConfig {
            ice_servers: vec![IceServer { urls: vec!["stun:example.org".into()], ..IceServer::default() }],
            ..TransportConfig::default()
        };
        check_packets(&global, &[Some(9000)], 1191);
        check_packets(&TransportConfig { packet_size: PacketSize::Bytes(8000), ..global }, &[Some(1500)], 8000);
    }

    #[test]
    fn servers_the_library_or_the_policy_cannot_use_are_left_out() {
        let servers = |urls: &[&str], path_policy| {
            let urls = urls.iter().map(|url| (*url).to_owned()).collect();
            let config = TransportConfig {
                ice_servers: vec![IceServer { urls, ..IceServer::default() }],
                path_policy,
                ..TransportConfig::default()
            };
            let servers = ice_servers(&config, &config.ice_servers);
            let checked = check_relay(path_policy, &servers);
            checked.map(|()| servers.into_iter().flat_map(|server| server.urls).collect::<Vec<_>>())
        };
        let all = ["stun:a", "stuns:b", "turn:c", "turns:d", "http://e", "turn:f?transport=tcp", "stun:", ""];
        assert_eq!(servers(&all, PathPolicy::Any).unwrap(), ["stun:a", "turn:c"]);
        assert_eq!(servers(&all, PathPolicy::DirectOnly).unwrap(), ["stun:a"]);
        assert_eq!(servers(&all, PathPolicy::RelayOnly).unwrap(), ["stun:a", "turn:c"]);
        assert!(servers(&["turns:d"], PathPolicy::Any).unwrap().is_empty());
        assert!(matches!(servers(&["stun:a", "turns:d"], PathPolicy::RelayOnly), Err(TransportError::NoRelay)));
    }
}
