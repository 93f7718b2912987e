//! `Pipe`: one direction of a link, as a value without clock or device.
//!
//! ```text
//!   enter ──▶ lost at random ──▶ queue, drops what it has no room for ──▶ rate ──▶ delay ──▶ leave
//! ```

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::link::Link;

/// What became of the packets that entered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Packets that entered.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Packets lost at random, or because the link was cut.
    pub lost: u64,
    /// Packets that found the queue full.
    pub dropped: u64,
    /// Packets that left at the far end.
    pub delivered: u64,
}

/// Packets under way in one direction.
#[derive(Debug)]
pub struct Pipe<P> {
    link: Link,
    is_cut: bool,
    random: Random,
    /// When each leaves at the far end.
    under_way: VecDeque<(Instant, P)>,
    /// When the last byte that waits has been sent.
    free_at: Option<Instant>,
    counters: Counters,
}

impl<P> Pipe<P> {
    /// Makes an empty one. `direction` tells the two of a link apart, so that they lose different packets.
    #[must_use]
    pub const fn new(link: Link, direction: u64) -> Self {
        // By other factors than the step from one number to the next, so that none continues another.
        let from_direction = direction.wrapping_mul(0xbea2_25f9_eb34_556d);
        let random = Random(link.seed.wrapping_mul(0xd134_2543_de82_ef95).wrapping_add(from_direction));
        Self {
            link,
            is_cut: false,
            random,
            under_way: VecDeque::new(),
            free_at: None,
            counters: Counters { packets: 0, bytes: 0, lost: 0, dropped: 0, delivered: 0 },
        }
    }

    /// Changes its properties for the packets that enter from now on.
    pub const fn change(&mut self, link: Link) {
        self.link = link;
    }

    /// Cuts it, or mends it. What is under way still arrives.
    pub const fn cut(&mut self, is_cut: bool) {
        self.is_cut = is_cut;
    }

    /// Takes in a packet of so many bytes.
    pub fn enter(&mut self, packet: P, bytes: u64, now: Instant) {
        self.counters.packets += 1;
        self.counters.bytes += bytes;
        if self.is_cut || self.random.fraction() < self.link.loss {
            self.counters.lost += 1;
            return;
        }
        let start = self.free_at.map_or(now, |free_at| free_at.max(now));
        if start - now > self.sending_time(self.link.queue_bytes) {
            self.counters.dropped += 1;
            return;
        }
        let sent = start + self.sending_time(bytes + FRAME_BYTES);
        self.free_at = Some(sent);
        self.under_way.push_back((sent + self.link.delay, packet));
    }

    /// When the next packet leaves.
    pub fn next_due(&self) -> Option<Instant> {
        self.under_way.front().map(|(due, _)| *due)
    }

    /// Takes the next packet out, if its time has come.
    pub fn leave(&mut self, now: Instant) -> Option<P> {
        self.under_way.front().filter(|(due, _)| *due <= now)?;
        self.counters.delivered += 1;
        self.under_way.pop_front().map(|(_, packet)| packet)
    }

    /// What became of the packets so far.
    pub const fn counters(&self) -> Counters {
        self.counters
    }

    fn sending_time(&self, bytes: u64) -> Duration {
        self.link.rate.map_or(Duration::ZERO, |rate| Duration::from_secs_f64(bytes as f64 * 8.0 / rate as f64))
    }
}

/// Numbers that look random and are the same each time (SplitMix64).
#[derive(Debug)]
struct Random(u64);

impl Random {
    /// A number from 0 to 1, without 1.
    fn fraction(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// What Ethernet adds to each packet.
const FRAME_BYTES: u64 = 14;

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends packets of `bytes` each `every`, and returns when each arrives, or not at all.
    fn run(link: Link, count: u32, bytes: u64, every: Duration) -> Vec<Option<Duration>> {
        let start = Instant::now();
        let mut pipe = Pipe::new(link, 0);
        let mut arrived = vec![None; count as usize];
        for number in 0..count {
            pipe.enter(number, bytes, start + every * number);
        }
        while let Some(due) = pipe.next_due() {
            assert!(pipe.leave(due - Duration::from_nanos(1)).is_none(), "nothing leaves before its time");
            let number = pipe.leave(due).unwrap();
            arrived[number as usize] = Some(due - start);
        }
        arrived
    }

    #[test]
    fn a_packet_takes_the_delay_and_its_sending_time() {
        // 8 Mbit/s: a microsecond a byte.
        let arrived = run(Link::new(8, 40.0, 0.0), 2, 986, Duration::from_millis(100));
        assert_eq!(arrived, [Some(Duration::from_millis(21)), Some(Duration::from_millis(121))]);
    }

    #[test]
    fn packets_that_come_at_once_leave_at_the_rate_of_the_link() {
        let arrived = run(Link::new(8, 40.0, 0.0), 100, 986, Duration::ZERO);
        assert_eq!(arrived[99], Some(Duration::from_millis(20 + 100)));
    }

    #[test]
    fn what_finds_the_queue_full_is_dropped_and_nothing_else_is() {
        let link = Link { queue_bytes: 10_000, ..Link::new(8, 0.0, 0.0) };
        let arrived = run(link, 100, 986, Duration::ZERO);
        // One is being sent, ten wait.
        assert_eq!(arrived.iter().filter(|at| at.is_some()).count(), 11);
        assert!(arrived[..11].iter().all(Option::is_some));
        let arrived = run(link, 100, 986, Duration::from_millis(1));
        assert!(arrived.iter().all(Option::is_some), "at the rate of the link nothing piles up");
    }

    #[test]
    fn losses_are_as_frequent_as_said_and_the_same_each_time() {
        let link = Link { rate: None, ..Link::new(1, 0.0, 1.0) };
        let lost = |link, direction| {
            let mut pipe = Pipe::new(link, direction);
            let now = Instant::now();
            (0..100_000).for_each(|number| pipe.enter(number, 10, now));
            let arrived: Vec<u32> = std::iter::from_fn(|| pipe.leave(now + Duration::from_secs(60))).collect();
            (100_000 - arrived.len(), arrived)
        };
        let first = lost(link, 0);
        assert!((900..1100).contains(&first.0), "{} of 100 000", first.0);
        assert_eq!(first, lost(link, 0));
        assert_ne!(first, lost(Link { seed: 2, ..link }, 0));
        assert_ne!(first, lost(link, 1), "the two directions lose different packets");
    }

    #[test]
    fn a_link_that_is_cut_loses_everything_until_it_is_mended() {
        let now = Instant::now();
        let mut pipe = Pipe::new(Link::new(8, 0.0, 0.0), 0);
        pipe.cut(true);
        pipe.enter("lost", 100, now);
        pipe.cut(false);
        pipe.enter("kept", 100, now);
        let later = now + Duration::from_secs(1);
        assert_eq!((pipe.leave(later), pipe.leave(later)), (Some("kept"), None));
        assert_eq!(pipe.counters(), Counters { packets: 2, bytes: 200, lost: 1, dropped: 0, delivered: 1 });
    }
}
