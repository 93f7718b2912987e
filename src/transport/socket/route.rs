//! `Sockets`: the sockets of one connection, and the way its packets take.
//!
//! The library tells neither reliably: a candidate may be a NAT's or hide behind an mDNS name. But it sends its DTLS records
//! along the nominated pair and nowhere else, and its allocation requests to relays and to nobody else.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
};

use noq::udp::Transmit;
use tokio::sync::watch;

use super::SharedSocket;

/// A socket, and the address of the peer as seen from it.
#[derive(Clone, Debug)]
pub(in crate::transport) struct Route {
    pub(in crate::transport) socket: Weak<SharedSocket>,
    pub(in crate::transport) local: SocketAddr,
    pub(in crate::transport) remote: SocketAddr,
}

impl Route {
    pub(in crate::transport) fn is_same(&self, other: &Self) -> bool {
        self.remote == other.remote && self.local == other.local
    }

    /// Whether both ends are this machine.
    pub(in crate::transport) fn is_loopback(&self) -> bool {
        self.remote.ip().is_loopback() || self.remote.ip() == self.local.ip()
    }
}

/// What is known of a connection's sockets.
#[derive(Debug)]
pub(in crate::transport) struct Sockets {
    /// Whether datagrams that look like QUIC are; before, everything is WebRTC's.
    quic: AtomicBool,
    all: Mutex<Vec<Weak<SharedSocket>>>,
    relays: Mutex<Vec<SocketAddr>>,
    route: watch::Sender<Option<Route>>,
    #[cfg(test)]
    pub(in crate::transport) faults: crate::transport::quic::Faults,
}

impl Sockets {
    pub(in crate::transport) fn new() -> Arc<Self> {
        Arc::new(Self {
            quic: AtomicBool::new(false),
            all: Mutex::default(),
            relays: Mutex::default(),
            route: watch::Sender::new(None),
            #[cfg(test)]
            faults: crate::transport::quic::Faults::default(),
        })
    }

    pub(in crate::transport) fn register(&self, socket: &Arc<SharedSocket>) {
        self.all.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(socket));
    }

    /// Takes datagrams that look like QUIC away from WebRTC from now on.
    pub(in crate::transport) fn expect_quic(&self) {
        self.quic.store(true, Ordering::Relaxed);
    }

    /// The route of the nominated pair, and its changes; none as long as everything went through a relay.
    pub(in crate::transport) fn routes(&self) -> watch::Receiver<Option<Route>> {
        self.route.subscribe()
    }

    /// Learns from what WebRTC sends.
    pub(super) fn note_sent(&self, socket: &SharedSocket, transmit: &Transmit<'_>) {
        match transmit.contents {
            [20..=63, ..] => self.note_route(socket, transmit.destination),
            [0, 3, ..] => self.note_relay(transmit.destination),
            _ => {}
        }
    }

    fn note_route(&self, socket: &SharedSocket, remote: SocketAddr) {
        self.route.send_if_modified(|route| {
            if route.as_ref().is_some_and(|route| route.remote == remote && route.local == socket.local) {
                return false;
            }
            let all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
            let is_it = |weak: &&Weak<SharedSocket>| std::ptr::eq(weak.as_ptr(), socket);
            let Some(socket_ref) = all.iter().find(is_it) else { return false };
            *route = Some(Route { socket: Weak::clone(socket_ref), local: socket.local, remote });
            true
        });
    }

    fn note_relay(&self, relay: SocketAddr) {
        let mut relays = self.relays.lock().unwrap_or_else(PoisonError::into_inner);
        if relays.len() < MAX_RELAYS && !relays.contains(&relay) {
            relays.push(relay);
        }
    }

    /// Whether a datagram is QUIC's. A relay's channel data looks the same and is known by its sender.
    pub(super) fn is_quic(&self, datagram: &[u8], from: SocketAddr) -> bool {
        self.quic.load(Ordering::Relaxed)
            && match datagram {
                [64..=79, ..] => !self.relays.lock().unwrap_or_else(PoisonError::into_inner).contains(&from),
                [80..=127 | 192..=255, ..] => true,
                _ => false,
            }
    }
}

/// Relays that are remembered. One beyond them only loses its channel data while QUIC is on.
const MAX_RELAYS: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn transmit(contents: &[u8], destination: SocketAddr) -> Transmit<'_> {
        Transmit { destination, ecn: None, contents, segment_size: None, src_ip: None }
    }

    #[tokio::test]
    async fn the_route_is_where_dtls_goes() {
        let sockets = Sockets::new();
        let socket =
            SharedSocket::new(std::net::UdpSocket::bind("127.0.0.1:0").unwrap(), Arc::clone(&sockets)).unwrap();
        sockets.register(&socket);
        let mut routes = sockets.routes();
        sockets.note_sent(&socket, &transmit(&[0, 1], address("192.0.2.1:1")));
        sockets.note_sent(&socket, &transmit(&[22, 254], address("192.0.2.2:2")));
        sockets.note_sent(&socket, &transmit(&[0, 1], address("192.0.2.3:3")));
        let route = routes.borrow_and_update().clone().unwrap();
        assert_eq!((route.local, route.remote), (socket.local(), address("192.0.2.2:2")));
        sockets.note_sent(&socket, &transmit(&[23, 254], address("192.0.2.2:2")));
        assert!(!routes.has_changed().unwrap());
        sockets.note_sent(&socket, &transmit(&[23, 254], address("192.0.2.4:2")));
        assert!(routes.has_changed().unwrap());
    }

    #[tokio::test]
    async fn kinds_are_told_apart_by_the_first_byte_and_relays_by_their_address() {
        let sockets = Sockets::new();
        let socket =
            SharedSocket::new(std::net::UdpSocket::bind("127.0.0.1:0").unwrap(), Arc::clone(&sockets)).unwrap();
        let (peer, relay) = (address("192.0.2.1:1"), address("192.0.2.9:3478"));
        assert!(!sockets.is_quic(&[0xc0], peer), "before it is expected");
        sockets.expect_quic();
        sockets.note_sent(&socket, &transmit(&[0, 3, 0], relay));
        for (first, quic) in [(0, false), (3, false), (20, false), (63, false), (64, true), (79, true), (80, true)] {
            assert_eq!(sockets.is_quic(&[first], peer), quic, "{first}");
        }
        for (first, quic) in [(127, true), (128, false), (191, false), (192, true), (255, true)] {
            assert_eq!(sockets.is_quic(&[first], peer), quic, "{first}");
        }
        assert!(!sockets.is_quic(&[64], relay) && !sockets.is_quic(&[79], relay));
        assert!(!sockets.is_quic(&[], peer));
    }
}
