//! The server as a command, shared by `p2pshare-signal` and `p2pshare serve`.

use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use p2pshare_protocol::server_config::IceServer;

use crate::client_address::Network;
use crate::config::{Config, RelayConfig};
use crate::limits::Limits;
use crate::listen::{ListenError, listen_all};
use crate::origin::Origin;
use crate::relay::credentials::RelaySecret;
use crate::server::Server;

/// The server's arguments.
#[derive(Debug, Clone, Args)]
pub struct ServeArgs {
    /// Address to listen on, repeatable [default: port 8765 on all addresses]
    #[arg(long, value_name = "ADDR")]
    pub listen: Vec<SocketAddr>,

    /// Origin of a web page from elsewhere that may connect, scheme and host; repeatable
    #[arg(long, value_name = "ORIGIN")]
    pub allow_origin: Vec<Origin>,

    /// Proxy or network of proxies whose X-Forwarded-For is believed; repeatable
    #[arg(long, value_name = "CIDR")]
    pub trusted_proxy: Vec<Network>,

    /// STUN server recommended to clients, such as stun:stun.example.org:3478; repeatable
    #[arg(long, value_name = "URL", value_parser = parse_ice_url)]
    pub ice_server: Vec<String>,

    /// UDP address where STUN is answered and the relay listens, repeatable [default: as --listen]
    #[arg(long, value_name = "ADDR")]
    pub udp_listen: Vec<SocketAddr>,

    /// Relay for devices that find no direct path (what it carries stays encrypted from end to end)
    #[arg(long, conflicts_with = "turn_url")]
    pub relay: bool,

    /// Public address of the relay, where this machine's own is not public; repeatable, one for IPv4 and one for IPv6
    #[arg(long, value_name = "IP", requires = "relay")]
    pub relay_address: Vec<IpAddr>,

    /// UDP ports of the relay
    #[arg(long, value_name = "FROM-TO", default_value = "49152-65535", value_parser = parse_ports)]
    pub relay_ports: Ports,

    /// Network that the relay may send to, beyond the public Internet; repeatable
    #[arg(long, value_name = "CIDR", requires = "relay")]
    pub relay_allow: Vec<Network>,

    /// What the relay carries at most for one side of a share, in Mbit/s each way
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub relay_rate: u64,

    /// What the relay carries at most for one side of a share, in MiB; it connects anew then
    #[arg(long, value_name = "N", default_value_t = 2048, value_parser = clap::value_parser!(u64).range(1..=1 << 40))]
    pub relay_mib: u64,

    /// Address of a TURN server with time-limited credentials, such as coturn's turn:turn.example.org:3478; repeatable
    #[arg(long, value_name = "URL", value_parser = parse_turn_url, requires = "turn_secret_file")]
    pub turn_url: Vec<String>,

    /// File with the secret of that server (coturn: static-auth-secret)
    #[arg(long, value_name = "FILE", requires = "turn_url")]
    pub turn_secret_file: Option<PathBuf>,

    /// How long a share lives unless its sender asks for something else (at most 24h)
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = parse_lifetime)]
    pub room_lifetime: Duration,

    /// How many rooms to hold
    #[arg(long, value_name = "N", default_value_t = Limits::default().rooms_max)]
    pub max_rooms: usize,

    /// How many connections to hold [default: what the limit on open files leaves]
    #[arg(long, value_name = "N")]
    pub max_connections: Option<usize>,

    /// Bound requests from this machine as well
    #[arg(long)]
    pub limit_loopback: bool,
}

impl ServeArgs {
    /// The configuration that was asked for.
    ///
    /// # Errors
    /// The file with the relay's secret cannot be read.
    pub fn config(&self) -> Result<Config, RunError> {
        let mut limits = Limits { room_lifetime: self.room_lifetime, rooms_max: self.max_rooms, ..Limits::default() };
        limits.socket.open_max = self.max_connections;
        limits.source.loopback = self.limit_loopback;
        let ice_server = |url: &String| IceServer { urls: vec![url.clone()], username: None, credential: None };
        limits.relay.bytes_per_second = self.relay_rate * 1_000_000 / 8;
        limits.relay.bytes_per_second_total = limits.relay.bytes_per_second_total.max(limits.relay.bytes_per_second);
        limits.relay.bytes_per_credential_max = self.relay_mib << 20;
        Ok(Config {
            limits,
            allowed_origins: self.allow_origin.clone(),
            trusted_proxies: self.trusted_proxy.clone(),
            ice_servers: self.ice_server.iter().map(ice_server).collect(),
            udp_listen: (!self.udp_listen.is_empty()).then(|| self.udp_listen.clone()),
            tells_nat_kinds: true,
            is_inside_device: false,
            relay: self.relay_config()?,
            nameplate_last_digit: None,
            nameplates_elsewhere: Vec::new(),
        })
    }

    fn relay_config(&self) -> Result<Option<RelayConfig>, RunError> {
        match &self.turn_secret_file {
            Some(file) => {
                let refused = |source| RunError::Secret { file: file.clone(), source };
                let secret = std::fs::read(file).map_err(refused)?;
                let secret = secret.trim_ascii();
                if secret.is_empty() {
                    return Err(refused(io::Error::new(io::ErrorKind::InvalidData, "it is empty")));
                }
                Ok(Some(RelayConfig::External { urls: self.turn_url.clone(), secret: RelaySecret::new(secret) }))
            }
            None => Ok(self.relay.then(|| RelayConfig::Embedded {
                addresses: self.relay_address.clone(),
                ports: self.relay_ports.0.clone(),
                allowed: self.relay_allow.clone(),
            })),
        }
    }

    fn addresses(&self) -> Vec<SocketAddr> {
        if self.listen.is_empty() {
            vec![(Ipv6Addr::UNSPECIFIED, DEFAULT_PORT).into(), (Ipv4Addr::UNSPECIFIED, DEFAULT_PORT).into()]
        } else {
            self.listen.clone()
        }
    }
}

/// Runs a server until `shutdown` is ready. `ready` is told the addresses that it listens on.
///
/// # Errors
/// An address cannot be listened on, or the system gives no random numbers.
pub async fn run(
    args: &ServeArgs,
    ready: impl FnOnce(&[SocketAddr]),
    shutdown: impl Future<Output = ()>,
) -> Result<(), RunError> {
    let server = Server::new(args.config()?).map_err(RunError::Random)?;
    let listeners = listen_all(&args.addresses())?;
    let bound: Vec<_> = listeners.iter().filter_map(|l| l.local_addr().ok()).collect();
    ready(&bound);
    server.serve(listeners, shutdown).await;
    Ok(())
}

/// Waits for the signal to stop: SIGTERM, or Ctrl-C.
///
/// # Errors
/// The system does not let us listen for signals.
pub async fn stop_signal() -> io::Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            interrupted = tokio::signal::ctrl_c() => interrupted,
            _ = terminate.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await
}

/// Allows this process as many open files as the system lets it, since each connection is one.
#[cfg(unix)]
pub fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    // A refusal leaves the lower limit, which the server keeps to.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}

/// Allows this process as many open files as the system lets it, since each connection is one.
#[cfg(not(unix))]
pub const fn raise_file_limit() {}

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// An address is not to be had.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The file with the relay's secret cannot be read.
    #[error("the relay's secret cannot be read from {}: {source}", file.display())]
    Secret {
        /// Which file.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The system gives no random numbers.
    #[error("the system gives no random numbers: {0}")]
    Random(io::Error),
}

fn parse_lifetime(text: &str) -> Result<Duration, String> {
    let longest = Limits::default().room_lifetime_max;
    let unit = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(unit);
    let seconds = match unit {
        "s" | "" => Some(1),
        "m" => Some(60),
        "h" => Some(3600),
        "d" => Some(24 * 3600),
        _ => None,
    };
    let number = number.parse::<u64>().ok();
    let lifetime = number.zip(seconds).and_then(|(n, s)| n.checked_mul(s)).map(Duration::from_secs);
    lifetime
        .filter(|l| !l.is_zero() && *l <= longest)
        .ok_or_else(|| "write a duration of at most 24h, such as 90s, 15m or 2h".to_owned())
}

/// A range of ports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ports(pub RangeInclusive<u16>);

fn parse_ports(text: &str) -> Result<Ports, String> {
    let range = text.split_once('-').and_then(|(from, to)| Some(from.parse::<u16>().ok()?..=to.parse::<u16>().ok()?));
    range
        .filter(|ports| *ports.start() >= 1024 && !ports.is_empty())
        .map(Ports)
        .ok_or_else(|| "write two ports from 1024 on, such as 50000-50999".to_owned())
}

fn parse_turn_url(text: &str) -> Result<String, String> {
    let has_scheme = ["turn:", "turns:"].iter().any(|scheme| text.starts_with(scheme));
    if has_scheme { Ok(text.to_owned()) } else { Err("write a URL such as turn:turn.example.org:3478".to_owned()) }
}

fn parse_ice_url(text: &str) -> Result<String, String> {
    let has_scheme = ["stun:", "stuns:", "turn:", "turns:"].iter().any(|scheme| text.starts_with(scheme));
    if has_scheme { Ok(text.to_owned()) } else { Err("write a URL such as stun:stun.example.org:3478".to_owned()) }
}

/// The port of a server that is told none.
pub const DEFAULT_PORT: u16 = 8765;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lifetimes_are_read_with_their_unit() {
        for (text, seconds) in [("90s", 90), ("90", 90), ("15m", 900), ("2h", 7200), ("1d", 86_400)] {
            assert_eq!(parse_lifetime(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for (text, ports) in [("50000-50999", Some(50_000..=50_999)), ("1024-1024", Some(1024..=1024))] {
            assert_eq!(parse_ports(text).ok().map(|p| p.0), ports, "{text}");
        }
        for text in ["", "50000", "2000-1000", "80-90", "1-70000"] {
            assert!(parse_ports(text).is_err(), "{text}");
        }
        for text in ["", "0s", "25h", "1w", "-1h", "h", "1.5h", "99999999999999999999d", "18446744073709551615d"] {
            assert!(parse_lifetime(text).is_err(), "{text}");
        }
    }
}
