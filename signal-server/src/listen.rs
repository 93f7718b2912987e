//! Opens listening sockets.

use std::io;
use std::net::SocketAddr;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;

/// Listens on an address; on an IPv6 one for IPv6 only, so that its IPv4 twin can be listened on as well.
///
/// # Errors
/// The system refuses, most often because the port is taken.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // On Windows the option would let another program take the port over.
    if cfg!(unix) {
        socket.set_reuse_address(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Listens on each address; one of a family that this machine does not have is left out, if any other is left.
///
/// # Errors
/// The first address that cannot be listened on, and why.
pub fn listen_all(addresses: &[SocketAddr]) -> Result<Vec<TcpListener>, ListenError> {
    let mut listeners = Vec::new();
    let mut missing = None;
    for address in addresses {
        match listen(*address) {
            Ok(listener) => listeners.push(listener),
            Err(source) if is_missing_family(&source) => missing = Some(ListenError { address: *address, source }),
            Err(source) => return Err(ListenError { address: *address, source }),
        }
    }
    match missing {
        Some(error) if listeners.is_empty() => Err(error),
        Some(_) | None => Ok(listeners),
    }
}

/// An address that cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {source}")]
pub struct ListenError {
    /// Which address.
    pub address: SocketAddr,
    /// What the system said.
    pub source: io::Error,
}

/// Whether the machine does not do this address family.
fn is_missing_family(error: &io::Error) -> bool {
    let is_unsupported = cfg!(target_os = "linux") && error.raw_os_error() == Some(EAFNOSUPPORT_ON_LINUX);
    is_unsupported || matches!(error.kind(), io::ErrorKind::AddrNotAvailable | io::ErrorKind::Unsupported)
}

const EAFNOSUPPORT_ON_LINUX: i32 = 97;

/// How many connections may wait to be accepted; the system cuts it to its own limit.
const BACKLOG: i32 = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_same_port_serves_both_families() {
        let Ok(v6) = listen("[::]:0".parse().unwrap()) else { return };
        let port = v6.local_addr().unwrap().port();
        let v4 = listen(SocketAddr::from(([0, 0, 0, 0], port))).unwrap();
        assert_eq!(v4.local_addr().unwrap().port(), port);
    }

    #[tokio::test]
    async fn a_taken_port_is_named() {
        let first = listen("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = first.local_addr().unwrap();
        let error = listen_all(&[address]).unwrap_err();
        assert_eq!(error.address, address);
        assert_eq!(error.source.kind(), io::ErrorKind::AddrInUse);
    }

    #[tokio::test]
    async fn an_address_of_another_machine_is_left_out_only_if_others_are_left() {
        let elsewhere = "192.0.2.1:0".parse().unwrap();
        assert!(listen_all(&[elsewhere]).is_err());
        assert_eq!(listen_all(&[elsewhere, "127.0.0.1:0".parse().unwrap()]).unwrap().len(), 1);
    }
}
