//! Where shares meet: at a server that was named, or at one that the share runs itself.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::ops::RangeInclusive;

use p2pshare_protocol::link::Origin;
use p2pshare_protocol::room::Nameplate;

use crate::error::Error;
use crate::signaling::ServerUrl;

/// The ports of embedded signalling servers. The last digit of a nameplate says which of them gave it out, so that two
/// senders on one machine never answer to the same code.
pub const LOCAL_PORTS: RangeInclusive<u16> = 8765..=8774;

/// A signalling server for a share, and how its links begin.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) server: ServerUrl,
    pub(super) origin: Origin,
}

/// The place of a share: `server`, or a server inside this process.
pub(super) async fn place(server: Option<&ServerUrl>) -> Result<Place, Error> {
    match server {
        Some(server) => {
            let origin = server.to_string().parse().map_err(Error::Origin)?;
            Ok(Place { server: server.clone(), origin })
        }
        None => unimplemented!(),
    }
}

/// The embedded server that gave out a nameplate, if it is on this machine.
pub(super) fn server_of(nameplate: &Nameplate) -> ServerUrl {
    let last = nameplate.as_str().bytes().last().unwrap_or(b'0');
    ServerUrl::local(LOCAL_PORTS.start() + u16::from(last.wrapping_sub(b'0') % 10))
}

/// This machine's address on its network, as another device would call it.
fn lan_address() -> IpAddr {
    // Connecting a datagram socket sends nothing: it only asks the kernel which address would be used.
    let probe = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))
        .and_then(|socket| socket.connect(SocketAddr::from(([192, 0, 2, 1], 9))).and_then(|()| socket.local_addr()));
    probe.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |address| address.ip())
}
