//! Where shares meet: at a server that was named, or at one that the share runs itself.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;

use p2pshare_protocol::code::Code;
use p2pshare_protocol::link::Origin;
use p2pshare_protocol::room::Nameplate;
use p2pshare_signal::{Config, Server, listen_all, network_address};
use rand_core::Rng;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::random::rng;
use crate::error::Error;
use crate::lan::Announcer;
use crate::signaling::ServerUrl;
use crate::transport::local_ips;

/// The ports of embedded signalling servers. The last digit of a nameplate says which of them gave it out, so that two
/// senders on one machine never answer to the same code.
pub const LOCAL_PORTS: RangeInclusive<u16> = 8765..=8774;

/// A signalling server for a share, and how its links begin.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) server: ServerUrl,
    pub(super) origin: Origin,
    /// Tells the local network of the embedded server.
    pub(super) announcer: Option<Announcer>,
    /// Ends the embedded server when it is dropped.
    _running: Option<oneshot::Sender<()>>,
}

/// The place of a share: `server`, or a server inside this process, which the local network is told of if it may be.
pub(super) async fn place(server: Option<&ServerUrl>, code: Option<&Code>, on_lan: bool) -> Result<Place, Error> {
    match server {
        Some(server) => {
            let origin = server.to_string().parse().map_err(Error::Origin)?;
            Ok(Place { server: server.clone(), origin, announcer: None, _running: None })
        }
        None => embedded(code.map(|code| port_of(code.nameplate())), on_lan).await,
    }
}

/// Runs a signalling server in this process: on the port that an agreed code names, or on the first of the range that is
/// free, or else on any.
async fn embedded(port: Option<u16>, on_lan: bool) -> Result<Place, Error> {
    let (listeners, digit) = listen(port).map_err(Error::Listen)?;
    let port = listeners[0].local_addr().map_err(Error::Listen)?.port();
    let around = if on_lan { Announcer::start(rng().next_u64(), port).await } else { None };
    let (announcer, nameplates_elsewhere) = around.unzip();
    let nameplates_elsewhere = nameplates_elsewhere.unwrap_or_default();
    let is_inside_device = true;
    let config = Config { is_inside_device, nameplate_last_digit: digit, nameplates_elsewhere, ..Config::default() };
    let server = Server::new(config).map_err(Error::Listen)?;
    let (running, ended) = oneshot::channel::<()>();
    tokio::spawn(server.serve(listeners, async {
        let _ = ended.await;
    }));
    let address = SocketAddr::new(lan_address(), port);
    let origin = format!("http://{address}").parse().map_err(Error::Origin)?;
    Ok(Place { server: ServerUrl::local(port), origin, announcer, _running: Some(running) })
}

/// Listens on all addresses of one port of the range; the digit is the one its nameplates end in. A port that nobody
/// looks at serves links all the same.
fn listen(wanted: Option<u16>) -> std::io::Result<(Vec<TcpListener>, Option<u8>)> {
    let is_wanted = |(_, port): &(u8, u16)| wanted.is_none_or(|wanted| wanted == *port);
    for (digit, port) in (0..).zip(LOCAL_PORTS).filter(is_wanted) {
        if let Ok(listeners) = listen_all(&any_address(port)) {
            return Ok((listeners, Some(digit)));
        }
    }
    if let Some(port) = wanted {
        return listen_all(&any_address(port)).map(|listeners| (listeners, None)).map_err(|error| error.source);
    }
    let listeners = listen_all(&any_address(0)[..1]).map_err(|error| error.source)?;
    Ok((listeners, None))
}

fn any_address(port: u16) -> [SocketAddr; 2] {
    [(Ipv4Addr::UNSPECIFIED, port).into(), (Ipv6Addr::UNSPECIFIED, port).into()]
}

/// The embedded server that gave out a nameplate, if it is on this machine.
pub(super) fn server_of(nameplate: &Nameplate) -> ServerUrl {
    ServerUrl::local(port_of(nameplate))
}

fn port_of(nameplate: &Nameplate) -> u16 {
    let last = nameplate.as_str().bytes().last().unwrap_or(b'0');
    LOCAL_PORTS.start() + u16::from(last.wrapping_sub(b'0') % 10)
}

/// This machine's address on its network, as another device would call it.
fn lan_address() -> IpAddr {
    // A network that leads nowhere else has no such route.
    let by_interface = || local_ips().into_iter().min_by_key(|ip| (ip.is_loopback(), ip.is_ipv6()));
    network_address().or_else(by_interface).unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nameplate_names_the_port_of_its_server() {
        for (nameplate, port) in [("10", 8765), ("17", 8772), ("129", 8774)] {
            let nameplate = nameplate.parse().unwrap();
            assert_eq!(server_of(&nameplate), ServerUrl::local(port));
        }
    }
}
