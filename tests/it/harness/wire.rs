//! A wire that is listened to: all datagrams between the program and a peer pass through it.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex};
use std::thread;

/// Who sent a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Origin {
    Program,
    Peer,
}

/// The wire. It carries until the test ends.
#[derive(Clone)]
pub(crate) struct Wire {
    /// The ports at which the program believes its peer to be, and the peer the program.
    ends: [u16; 2],
    seen: Seen,
}

impl Wire {
    pub(crate) fn lay() -> Self {
        let sockets = [(); 2].map(|()| Arc::new(UdpSocket::bind("0.0.0.0:0").unwrap()));
        let ends = [0, 1].map(|end: usize| sockets[end].local_addr().unwrap().port());
        // Both are learned from what they send.
        let (homes, seen) = (Arc::new(Mutex::new([None; 2])), Seen::default());
        for (end, origin) in [(0, Origin::Program), (1, Origin::Peer)] {
            let (sockets, homes, seen) = (sockets.clone(), Arc::clone(&homes), Arc::clone(&seen));
            thread::spawn(move || carry(&sockets, end, origin, &homes, &seen));
        }
        Self { ends, seen }
    }

    /// A candidate of the peer, as the program is to see it.
    pub(crate) fn as_peers(&self, candidate: &str) -> Option<String> {
        at(candidate, self.ends[0])
    }

    /// A candidate of the program, as the peer is to see it.
    pub(crate) fn as_programs(&self, candidate: &str) -> Option<String> {
        at(candidate, self.ends[1])
    }

    /// All that passed.
    pub(crate) fn seen(&self) -> Vec<(Origin, Vec<u8>)> {
        self.seen.lock().unwrap().clone()
    }
}

/// What passed, and from whom.
type Seen = Arc<Mutex<Vec<(Origin, Vec<u8>)>>>;

type Homes = Mutex<[Option<SocketAddr>; 2]>;

/// Carries what arrives at one end on from the other.
fn carry(sockets: &[Arc<UdpSocket>; 2], end: usize, origin: Origin, homes: &Homes, seen: &Seen) {
    let mut buffer = [0; 2048];
    while let Ok((length, from)) = sockets[end].recv_from(&mut buffer) {
        let mut homes = homes.lock().unwrap();
        homes[end] = Some(from);
        let to = homes[1 - end];
        drop(homes);
        seen.lock().unwrap().push((origin, buffer[..length].to_vec()));
        if let Some(to) = to {
            // Lost datagrams are what both sides live with.
            let _ = sockets[1 - end].send_to(&buffer[..length], to);
        }
    }
}

/// The candidate with another port: `candidate:FOUNDATION COMPONENT udp PRIORITY ADDRESS PORT typ …`. The wire is one of
/// this machine and of IPv4, so what is elsewhere cannot pass through it.
fn at(candidate: &str, port: u16) -> Option<String> {
    let mut words: Vec<_> = candidate.split(' ').map(str::to_owned).collect();
    words[4].parse::<Ipv4Addr>().ok()?;
    words[5] = port.to_string();
    Some(words.join(" "))
}
