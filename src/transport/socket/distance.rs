//! `Distance`: how far the peer is, by the connectivity checks that it answers.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    time::{Duration, Instant},
};

/// What is known of the way to the peer.
#[derive(Debug, Default)]
pub(super) struct Distance {
    /// Checks that were not answered, and when they left.
    checks: VecDeque<([u8; 12], Instant)>,
    /// The lowest that was seen.
    round_trip: Option<Duration>,
    /// Whether the peer is on this machine, where a long round trip only means that the machine is busy.
    is_loopback: bool,
}

impl Distance {
    /// Notes where a packet of the connection went.
    pub(super) fn sent(&mut self, from: SocketAddr, to: SocketAddr) {
        self.is_loopback = to.ip().is_loopback() || to.ip() == from.ip();
    }

    /// Notes a check that leaves.
    pub(super) fn check_left(&mut self, datagram: &[u8], now: Instant) {
        let Some(id) = transaction(datagram) else { return };
        if self.checks.len() == CHECKS {
            self.checks.pop_front();
        }
        self.checks.push_back((id, now));
    }

    /// Learns from the answer to a check.
    pub(super) fn check_answered(&mut self, datagram: &[u8], now: Instant) {
        let id = transaction(datagram);
        let Some(at) = self.checks.iter().position(|(known, _)| Some(*known) == id) else { return };
        let Some((_, left)) = self.checks.remove(at) else { return };
        let seen = now.saturating_duration_since(left);
        self.round_trip = Some(self.round_trip.map_or(seen, |known| known.min(seen)));
    }

    /// Whether a peer acknowledges about as soon as it reads. One of whom nothing is known does.
    pub(super) fn is_near(&self) -> bool {
        self.is_loopback || self.round_trip.is_none_or(|time| time <= NEAR)
    }
}

fn transaction(datagram: &[u8]) -> Option<[u8; 12]> {
    datagram.get(8..20)?.try_into().ok()
}

/// The longest round trip of a peer nearby.
const NEAR: Duration = Duration::from_millis(4);

/// Checks that are remembered; one a second leaves, and more while there is no path.
const CHECKS: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(round_trips_ms: &[u64], to: &str, is_near: bool) {
        let start = Instant::now();
        let mut distance = Distance::default();
        distance.sent("192.0.2.1:5".parse().unwrap(), to.parse().unwrap());
        for (n, time) in round_trips_ms.iter().enumerate() {
            let mut datagram = [n as u8; 20];
            distance.check_left(&datagram, start);
            distance.check_answered(&datagram, start + Duration::from_millis(*time));
            distance.check_answered(&datagram, start);
            datagram[19] = 99;
            distance.check_answered(&datagram, start);
        }
        assert_eq!(distance.is_near(), is_near, "{round_trips_ms:?} to {to}");
    }

    #[test]
    fn the_quickest_answer_says_how_far_a_peer_is() {
        check(&[], "192.0.2.2:6", true);
        check(&[30], "192.0.2.2:6", false);
        check(&[30, 1, 30], "192.0.2.2:6", true);
        check(&[30], "192.0.2.1:6", true);
        check(&[30], "127.0.0.1:6", true);
    }
}
