//! `diagnose`: what this machine's network lets through, found out in a few seconds and without any file.
//!
//! It collects facts over the same adapters as a transfer; what they mean is for the caller to say.

mod introduction;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::net::lookup_host;

use crate::api::Settings;
use crate::error::Error;
use crate::lan;
use crate::signaling::{Description, Proxies, ServerUrl, SignalingError, describe};
use crate::transport::{AllocationError, Reflections, RelayProbe, SocketBuffers, local_ips, look_through};
pub use introduction::{Introduction, RelayTrial};

/// What was found out.
#[derive(Debug)]
pub struct Diagnosis {
    /// The addresses of this machine, loopback ones only if there are no others.
    pub addresses: Vec<IpAddr>,
    /// Whether this machine hears what it says to everybody on its network; `None` if that was not to be tried.
    pub multicast: Option<bool>,
    /// What the system gives sockets to buffer.
    pub buffers: SocketBuffers,
    /// The way to the server, if one was named.
    pub server: Option<ServerDiagnosis>,
}

/// The way to a server.
#[derive(Debug)]
pub struct ServerDiagnosis {
    /// Which one.
    pub server: ServerUrl,
    /// What it says of itself.
    pub description: Result<Description, SignalingError>,
    /// What came of opening a share at it and joining that; `None` if it was not reached at all.
    pub introduction: Option<Result<Introduction, Error>>,
    /// What it sees of this machine's datagrams, over IPv4 and IPv6; `None` where there is no way to ask.
    pub reflections: [Option<Reflections>; 2],
}

impl Diagnosis {
    /// Whether this machine has an address that others could reach.
    #[must_use]
    pub fn has_network(&self) -> bool {
        self.addresses.iter().any(|ip| !ip.is_loopback())
    }

    /// Whether this machine has an IPv6 address of the Internet.
    #[must_use]
    pub fn has_public_ipv6(&self) -> bool {
        let is_public = |ip: &IpAddr| match ip {
            IpAddr::V4(_) => false,
            IpAddr::V6(ip) => !(ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local()),
        };
        self.addresses.iter().any(is_public)
    }
}

/// Tries this machine's network, and the way to a server if the settings name one. Takes a few seconds.
pub async fn diagnose(settings: &Settings) -> Diagnosis {
    let server = settings.server.clone().map(|server| server.through(&settings.proxies));
    let on_lan = async { if settings.lan { Some(lan::hears_itself().await) } else { None } };
    let at_server = async {
        match server {
            Some(server) => Some(of_server(server).await),
            None => None,
        }
    };
    let (multicast, server) = tokio::join!(on_lan, at_server);
    Diagnosis { addresses: local_ips(), multicast, buffers: SocketBuffers::probe(), server }
}

/// Asks the relay of a server for all that it must refuse: ways into its own network, addresses without a credential, more than its
/// share. For who runs one.
///
/// # Errors
/// The server is not reached, or has no relay. Within: the relay does not answer.
pub async fn examine_relay(
    server: &ServerUrl,
    proxies: &Proxies,
) -> Result<Result<Vec<RelayProbe>, AllocationError>, Error> {
    introduction::examine(&server.clone().through(proxies)).await
}

async fn of_server(server: ServerUrl) -> ServerDiagnosis {
    let description = describe(&server).await;
    let Ok(Description { config, .. }) = &description else {
        return ServerDiagnosis { server, description, introduction: None, reflections: [None, None] };
    };
    let urls: Vec<_> = config.ice_servers.iter().flat_map(|server| server.urls.clone()).collect();
    let (introduction, reflections) =
        tokio::join!(introduction::introduce(&server, config.relay), reflections(&server, &config.stun_ports, &urls));
    ServerDiagnosis { introduction: Some(introduction), reflections, server, description }
}

/// Asks the server, and those that it recommends, in both address families.
async fn reflections(server: &ServerUrl, ports: &[u16], urls: &[String]) -> [Option<Reflections>; 2] {
    let mut at_server = resolve(server.host(), 0).await;
    let mut elsewhere = Vec::new();
    for (host, port) in urls.iter().filter_map(|url| stun_place(url)).take(RECOMMENDED_MAX) {
        if host != server.host() {
            elsewhere.extend(resolve(host, port).await);
        }
    }
    // A server that answers no STUN itself leaves those that it recommends.
    if ports.is_empty() {
        at_server = elsewhere.clone();
    }
    let of_family = |is_v4: bool| {
        let first = at_server.iter().find(|address| address.is_ipv4() == is_v4).copied();
        let others: Vec<_> = elsewhere.iter().filter(|a| a.is_ipv4() == is_v4 && Some(**a) != first).copied().collect();
        async move {
            let first = first?;
            let one_port = [first.port()];
            let ports = if ports.is_empty() { &one_port[..] } else { ports };
            look_through(first.ip(), ports, &others).await.ok()
        }
    };
    let (v4, v6) = tokio::join!(of_family(true), of_family(false));
    [v4, v6]
}

async fn resolve(host: &str, port: u16) -> Vec<SocketAddr> {
    let found = tokio::time::timeout(RESOLVE_MAX, lookup_host((host, port))).await;
    found.ok().and_then(Result::ok).map(|found| found.take(ADDRESSES_MAX).collect()).unwrap_or_default()
}

/// The host and port of a URL such as `stun:stun.example.org:3478`.
fn stun_place(url: &str) -> Option<(&str, u16)> {
    let place = url.strip_prefix("stun:")?;
    let (host, port) = match place.rsplit_once(':') {
        Some((host, port)) => (host, port.parse().ok()?),
        None => (place, 3478),
    };
    Some((host.trim_start_matches('[').trim_end_matches(']'), port))
}

/// How long a name may take to be looked up.
const RESOLVE_MAX: Duration = Duration::from_secs(3);

/// How many addresses of a name count.
const ADDRESSES_MAX: usize = 8;

/// How many recommended servers are asked.
const RECOMMENDED_MAX: usize = 2;
