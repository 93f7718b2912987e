//! `Sockets`: the sockets of one connection, and the way its packets take.
//!
//! The library tells neither reliably: a candidate may be a NAT's or hide behind an mDNS name. But it sends its DTLS records
//! along the nominated pair and nowhere else, and its allocation requests to relays and to nobody else.

use std::{
    io::IoSliceMut,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use noq::udp::{RecvMeta, Transmit};
use tokio::sync::watch;

use super::{SharedSocket, announced::Announced, distance::Distance, pacer::Pacer, records};
use crate::transport::webrtc::{interface_mtu, is_own};

/// A socket, and the address of the peer as seen from it.
#[derive(Clone, Debug)]
pub(in crate::transport) struct Route {
    pub(in crate::transport) socket: Weak<SharedSocket>,
    pub(in crate::transport) local: SocketAddr,
    pub(in crate::transport) remote: SocketAddr,
    /// Whether WebRTC goes that way; otherwise it is where the peer was heard from first.
    pub(in crate::transport) is_nominated: bool,
}

impl Route {
    pub(in crate::transport) fn is_same(&self, other: &Self) -> bool {
        self.remote == other.remote && self.local == other.local
    }

    /// Whether both ends are this machine.
    pub(in crate::transport) fn is_loopback(&self) -> bool {
        is_own(self.remote.ip())
    }
}

/// What is known of a connection's sockets.
#[derive(Debug)]
pub(in crate::transport) struct Sockets {
    /// Whether datagrams that look like QUIC are; before, everything is WebRTC's.
    quic: AtomicBool,
    /// Whether the peer's socket holds so little that it is spared.
    paced: AtomicBool,
    pub(super) pacer: Arc<Pacer>,
    /// Whether several records may leave in one datagram to this machine itself.
    carries_records: OnceLock<bool>,
    /// Bytes of a message in each packet of SCTP.
    fragment_bytes: AtomicUsize,
    distance: Mutex<Distance>,
    all: Mutex<Vec<Weak<SharedSocket>>>,
    relays: Mutex<Vec<SocketAddr>>,
    /// Where the peer was heard from: it knew the password of the ICE session.
    peers: Mutex<Vec<(IpAddr, u16)>>,
    /// When the first relay was asked for an address.
    relayed_since: OnceLock<Instant>,
    /// What the peer says its addresses are.
    announced: Mutex<Announced>,
    /// Whether what is sent goes through a relay of this side.
    relayed: AtomicBool,
    /// Whether it goes to a relay of the peer, for which only WebRTC's packets are packed out.
    relayed_there: AtomicBool,
    route: watch::Sender<Option<Route>>,
    #[cfg(test)]
    pub(in crate::transport) faults: crate::transport::quic::Faults,
}

impl Sockets {
    pub(in crate::transport) fn new() -> Arc<Self> {
        Arc::new(Self {
            quic: AtomicBool::new(false),
            paced: AtomicBool::new(false),
            pacer: Arc::default(),
            carries_records: OnceLock::new(),
            fragment_bytes: AtomicUsize::new(0),
            distance: Mutex::default(),
            all: Mutex::default(),
            relays: Mutex::default(),
            peers: Mutex::default(),
            relayed_since: OnceLock::new(),
            announced: Mutex::default(),
            relayed: AtomicBool::new(false),
            relayed_there: AtomicBool::new(false),
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

    /// Sends the peer no more at once than a browser's socket holds, from now on. Needs a Tokio
    /// runtime.
    pub(in crate::transport) fn pace(&self) {
        if !self.paced.swap(true, Ordering::Relaxed) {
            tokio::spawn(Arc::clone(&self.pacer).run());
        }
    }

    /// Takes note of how much of a message goes into each packet.
    pub(in crate::transport) fn note_fragments(&self, bytes: usize) {
        self.fragment_bytes.store(bytes, Ordering::Relaxed);
    }

    /// Bytes of a message that fill so many packets.
    pub(in crate::transport) fn bytes_of(&self, packets: usize) -> usize {
        self.fragment_bytes.load(Ordering::Relaxed) * packets
    }

    pub(in crate::transport) fn is_paced(&self) -> bool {
        self.paced.load(Ordering::Relaxed)
    }

    /// Whether several records may leave in one datagram to this machine itself.
    pub(super) fn carries_records(&self) -> bool {
        *self.carries_records.get_or_init(|| records::fit(interface_mtu(Ipv4Addr::LOCALHOST.into())))
    }

    /// Whether the peer acknowledges about as soon as it reads.
    pub(in crate::transport) fn is_near(&self) -> bool {
        self.distance().is_near()
    }

    fn distance(&self) -> MutexGuard<'_, Distance> {
        self.distance.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether QUIC can go where WebRTC's packets went lately: not where a relay of either side passes them on.
    pub(in crate::transport) fn may_use_quic(&self) -> bool {
        !self.is_relayed() && !self.relayed_there.load(Ordering::Relaxed)
    }

    /// Whether WebRTC's packets went through a relay of this side lately.
    pub(in crate::transport) fn is_relayed(&self) -> bool {
        self.relayed.load(Ordering::Relaxed)
    }

    /// The route of the nominated pair, and its changes; none as long as everything went through a relay. Where QUIC is expected, that on which
    /// the peer was heard from first until then.
    pub(in crate::transport) fn routes(&self) -> watch::Receiver<Option<Route>> {
        self.route.subscribe()
    }

    /// Learns from what WebRTC sends.
    pub(super) fn note_sent(&self, socket: &SharedSocket, transmit: &Transmit<'_>) {
        for datagram in transmit.contents.chunks(transmit.segment_size.unwrap_or(usize::MAX)) {
            match datagram {
                [20..=63, ..] => {
                    self.relayed.store(false, Ordering::Relaxed);
                    let is_relayed_there = self.is_peers_relay(transmit.destination);
                    self.relayed_there.store(is_relayed_there, Ordering::Relaxed);
                    if !is_relayed_there {
                        self.note_route(socket, transmit.destination, true);
                    }
                }
                [0, 1, ..] => self.distance().check_left(datagram, Instant::now()),
                [0, 3, ..] => self.note_relay(transmit.destination),
                // Channel data and indications; QUIC's packets are not sent by WebRTC.
                [64..=79, ..] | [0, 22, ..] => self.relayed.store(true, Ordering::Relaxed),
                // A binding success: the library answers so only to who knows the password of the session.
                [1, 1, ..] => {
                    self.note_peer(transmit.destination);
                    if self.quic.load(Ordering::Relaxed) && !self.is_peers_relay(transmit.destination) {
                        self.note_route(socket, transmit.destination, false);
                    }
                }
                _ => {}
            }
        }
    }

    /// Learns from what the sockets receive.
    pub(super) fn note_received(&self, bufs: &[IoSliceMut<'_>], metas: &[RecvMeta]) {
        for (buf, meta) in bufs.iter().zip(metas) {
            for datagram in buf[..meta.len].chunks(meta.stride.max(1)) {
                if matches!(datagram, [1, 1, ..]) {
                    self.distance().check_answered(datagram, Instant::now());
                }
            }
        }
    }

    fn note_route(&self, socket: &SharedSocket, remote: SocketAddr, is_nominated: bool) {
        self.route.send_if_modified(|route| {
            let is_known = |known: &Route| {
                !is_nominated || known.is_nominated && known.remote == remote && known.local == socket.local
            };
            if route.as_ref().is_some_and(is_known) {
                return false;
            }
            let all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
            let is_it = |weak: &&Weak<SharedSocket>| std::ptr::eq(weak.as_ptr(), socket);
            let Some(socket_ref) = all.iter().find(is_it) else { return false };
            self.distance().sent(socket.local, remote);
            *route = Some(Route { socket: Weak::clone(socket_ref), local: socket.local, remote, is_nominated });
            true
        });
    }

    /// Has QUIC knock at an address, as if the peer had been heard from there first.
    #[cfg(test)]
    pub(in crate::transport) fn lead_to(&self, remote: SocketAddr) {
        let all = self.all.lock().unwrap().clone();
        let socket = all.iter().filter_map(Weak::upgrade).find(|socket| socket.local.ip() == remote.ip()).unwrap();
        self.note_peer(remote);
        self.note_route(&socket, remote, false);
    }

    /// The addresses of all sockets.
    #[cfg(test)]
    pub(in crate::transport) fn locals(&self) -> Vec<SocketAddr> {
        self.all.lock().unwrap().iter().filter_map(Weak::upgrade).map(|socket| socket.local).collect()
    }

    fn is_peers_relay(&self, address: SocketAddr) -> bool {
        self.announced().is_relayed(address)
    }

    /// Takes note of an address that the peer says it has, and whether it is at a relay; `None` is one behind a name.
    pub(in crate::transport) fn note_announced(&self, address: Option<SocketAddr>, is_of_relay: bool) {
        self.announced().note(address, is_of_relay);
    }

    fn announced(&self) -> MutexGuard<'_, Announced> {
        self.announced.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a check came from a relay's machine before the peer's word that it has an address there, which is on its way.
    /// Taken at once the address would count as the peer's own, and be preferred to those that are.
    pub(super) fn is_unannounced_relay(&self, from: SocketAddr) -> bool {
        let is_early = self.relayed_since.get().is_some_and(|since| since.elapsed() < ANNOUNCED_WITHIN);
        let is_of_relay = || {
            let relays = self.relays.lock().unwrap_or_else(PoisonError::into_inner);
            relays.iter().any(|relay| relay.ip() == from.ip() && *relay != from)
        };
        is_early && is_of_relay() && self.announced().excludes(from)
    }

    fn note_relay(&self, relay: SocketAddr) {
        self.relayed_since.get_or_init(Instant::now);
        let mut relays = self.relays.lock().unwrap_or_else(PoisonError::into_inner);
        if relays.len() < MAX_RELAYS && !relays.contains(&relay) {
            relays.push(relay);
        }
    }

    fn note_peer(&self, peer: SocketAddr) {
        let mut peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        let peer = (peer.ip(), peer.port());
        if !peers.contains(&peer) {
            if peers.len() == MAX_PEERS {
                peers.remove(0);
            }
            peers.push(peer);
        }
    }

    /// Whether more than connectivity checks is taken from an address: the peer's, or a relay's.
    pub(super) fn is_known(&self, from: SocketAddr) -> bool {
        let is_peer = self.peers.lock().unwrap_or_else(PoisonError::into_inner).contains(&(from.ip(), from.port()));
        is_peer || self.relays.lock().unwrap_or_else(PoisonError::into_inner).contains(&from)
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

impl Drop for Sockets {
    fn drop(&mut self) {
        self.pacer.end();
    }
}

/// Relays that are remembered. One beyond them only loses its channel data while QUIC is on.
const MAX_RELAYS: usize = 32;

/// Addresses of the peer that are remembered; it has a few at a time, and new ones when it moves.
pub(super) const MAX_PEERS: usize = 64;

/// How long a peer's word about an address at a relay is waited for.
const ANNOUNCED_WITHIN: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests;
