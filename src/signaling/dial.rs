//! Reaches a TCP address by name, over IPv6 or IPv4, whichever works first.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::sleep;

use super::ServerUrl;

/// Makes ring the process's TLS provider. Nothing happens if one is there already.
pub(super) fn install_crypto() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// Connects to a server, through its proxy if it has one.
///
/// # Errors
/// As [`connect`], or the proxy refuses.
pub(super) async fn connect_to(server: &ServerUrl) -> io::Result<TcpStream> {
    let Some(proxy) = server.proxy() else { return connect(server.host(), server.port()).await };
    let reached = connect(proxy.host(), proxy.port()).await;
    let mut stream = reached.map_err(|error| io::Error::new(error.kind(), format!("the proxy {proxy}: {error}")))?;
    proxy.lead(&mut stream, server.host(), server.port()).await?;
    Ok(stream)
}

/// Connects to the first address of a host that answers.
///
/// # Errors
/// The name is unknown, or no address of it answers; the first address's error is given.
async fn connect(host: &str, port: u16) -> io::Result<TcpStream> {
    let addresses = alternate(lookup_host((host, port)).await?.collect());
    let mut attempts: FuturesUnordered<_> = addresses
        .into_iter()
        .zip(0_u32..)
        .map(|(address, turn)| async move {
            sleep(HEAD_START * turn).await;
            (turn, TcpStream::connect(address).await)
        })
        .collect();
    let mut first_error = None;
    while let Some((turn, attempt)) = attempts.next().await {
        match attempt {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(error) if turn == 0 || first_error.is_none() => first_error = Some(error),
            Err(_) => {}
        }
    }
    Err(first_error.unwrap_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the name has no address")))
}

/// Orders addresses so that the families take turns, as RFC 8305 asks, and keeps the first few.
fn alternate(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first_is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (preferred, other): (Vec<_>, Vec<_>) = addresses.into_iter().partition(|a| a.is_ipv6() == first_is_v6);
    let mut other = other.into_iter();
    let mut ordered = Vec::new();
    for address in preferred {
        ordered.push(address);
        ordered.extend(other.next());
    }
    ordered.extend(other);
    ordered.truncate(ADDRESSES_MAX);
    ordered
}

/// How long an address is tried alone before the next one joins (RFC 8305 section 5).
const HEAD_START: Duration = Duration::from_millis(250);

/// How many addresses of one name are tried.
const ADDRESSES_MAX: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_families_take_turns() {
        let parse = |texts: &[&str]| texts.iter().map(|t| t.parse().unwrap()).collect::<Vec<SocketAddr>>();
        let given = parse(&["[::1]:1", "[::2]:1", "[::3]:1", "10.0.0.1:1"]);
        assert_eq!(alternate(given), parse(&["[::1]:1", "10.0.0.1:1", "[::2]:1", "[::3]:1"]));
        let given = parse(&["10.0.0.1:1", "[::1]:1", "[::2]:1"]);
        assert_eq!(alternate(given), parse(&["10.0.0.1:1", "[::1]:1", "[::2]:1"]));
    }
}
