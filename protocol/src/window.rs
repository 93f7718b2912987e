//! `Window`: how many bytes the receiver may have asked for and not yet got.
//!
//! It follows twice the measured delivery rate times the lowest round-trip time. It is the outer congestion control of the
//! data channels, whose stacks recover badly from a queue that overflows, and it is what keeps memory flat. What paces itself, as
//! QUIC does, gets twice as much: there it only keeps memory flat, and what waits for a lost packet must not slow down the rest.

use std::time::{Duration, Instant};

use crate::limits::{
    WINDOW_BYTES_MAX, WINDOW_BYTES_MIN, WINDOW_BYTES_PACED_MIN, WINDOW_BYTES_START, WINDOW_BYTES_STRIPE, WINDOW_SLACK,
};

/// The size of the window, from what was seen of the path.
#[derive(Debug)]
pub(crate) struct Window {
    bytes: u64,
    /// Whether what carries the data has a congestion control that needs no help.
    is_paced: bool,
    /// How many connections share it.
    connections: u8,
    /// Lowest time from a request to its first byte, and when it was seen.
    round_trip: Option<(Duration, Instant)>,
    /// A request whose first byte has not come, and when it left.
    probe: Option<Instant>,
    sample: Sample,
    /// The last delivery rates, bytes a second, newest last.
    rates: [f64; RATES],
}

#[derive(Debug)]
struct Sample {
    since: Instant,
    bytes: u64,
}

impl Window {
    pub(crate) const fn new(now: Instant) -> Self {
        let sample = Sample { since: now, bytes: 0 };
        Self {
            bytes: WINDOW_BYTES_START,
            is_paced: false,
            connections: 1,
            round_trip: None,
            probe: None,
            sample,
            rates: [0.0; RATES],
        }
    }

    /// The most bytes to have outstanding.
    pub(crate) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Notes whether what carries the data paces itself.
    pub(crate) fn pace(&mut self, is_paced: bool) {
        self.is_paced = is_paced;
        self.resize();
    }

    /// Notes how many connections carry the data: each of them has to have something to do.
    pub(crate) fn spread(&mut self, connections: u8) {
        self.connections = connections.max(1);
        self.resize();
    }

    /// Notes that a request left while `outstanding` bytes were asked for before it.
    pub(crate) const fn requested(&mut self, outstanding: u64, now: Instant) {
        if outstanding == 0 {
            // Nothing was on its way, so the time until now says nothing about the rate.
            self.sample = Sample { since: now, bytes: 0 };
            self.probe = Some(now);
        }
    }

    /// Notes delivered bytes.
    pub(crate) fn delivered(&mut self, bytes: u64, now: Instant) {
        if let Some(left) = self.probe.take() {
            self.saw_round_trip(now.saturating_duration_since(left), now);
        }
        self.sample.bytes += bytes;
        let elapsed = now.saturating_duration_since(self.sample.since);
        if elapsed >= self.reach().max(SAMPLE_MIN) {
            self.rates.rotate_left(1);
            self.rates[RATES - 1] = self.sample.bytes as f64 / elapsed.as_secs_f64();
            self.sample = Sample { since: now, bytes: 0 };
            self.resize();
        }
    }

    fn saw_round_trip(&mut self, seen: Duration, now: Instant) {
        let stale = |at: Instant| now.saturating_duration_since(at) > ROUND_TRIP_VALID;
        if self.round_trip.is_none_or(|(lowest, at)| seen <= lowest || stale(at)) {
            self.round_trip = Some((seen, now));
        }
    }

    /// The time that a byte takes from being asked for to being here, with an idle path.
    fn reach(&self) -> Duration {
        self.round_trip.map_or(Duration::ZERO, |(lowest, _)| lowest) + WINDOW_SLACK
    }

    /// The smallest window: one of several connections may stand still with its part of it.
    fn least(&self) -> u64 {
        if self.connections == 1 { WINDOW_BYTES_MIN } else { WINDOW_BYTES_STRIPE * u64::from(self.connections) }
    }

    fn resize(&mut self) {
        let rate = self.rates.iter().copied().fold(0.0, f64::max);
        let (factor, least) = if self.is_paced { (4.0, WINDOW_BYTES_PACED_MIN) } else { (2.0, self.least()) };
        let bytes = factor * rate * self.reach().as_secs_f64();
        self.bytes = (bytes as u64).clamp(least, WINDOW_BYTES_MAX);
    }
}

/// Over how many samples the rate is the highest one: a short dip does not shrink the window.
const RATES: usize = 8;

/// The shortest sample, so that a burst of arrivals is not taken for a rate.
const SAMPLE_MIN: Duration = Duration::from_millis(10);

/// How long a lowest round trip is believed; the path may have changed after that.
const ROUND_TRIP_VALID: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_follows_twice_the_bandwidth_delay_product() {
        // 12.5 MB/s, 40 ms
        let settled = settle(12_500, Duration::from_millis(40));
        let product = 2 * 12_500 * 45;
        assert!((product - 1000..=product).contains(&settled), "{settled}, not {product}");
    }

    #[test]
    fn a_slow_path_keeps_the_smallest_window() {
        assert_eq!(settle(100, Duration::from_millis(100)), WINDOW_BYTES_MIN);
    }

    #[test]
    fn a_huge_path_stays_under_the_largest_window() {
        assert_eq!(settle(1_000_000, Duration::from_millis(200)), WINDOW_BYTES_MAX);
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test has to begin at some time")]
    fn what_paces_itself_has_several_chunks_under_way() {
        let mut window = Window::new(Instant::now());
        assert_eq!(window.bytes(), WINDOW_BYTES_START);
        window.pace(true);
        assert_eq!(window.bytes(), WINDOW_BYTES_PACED_MIN);
        window.pace(false);
        assert_eq!(window.bytes(), WINDOW_BYTES_MIN);
        let slow = settle(12_500, Duration::from_millis(100));
        let mut window = settled(12_500, Duration::from_millis(100));
        window.pace(true);
        assert_eq!(window.bytes(), (2 * slow).max(WINDOW_BYTES_PACED_MIN));
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test has to begin at some time")]
    fn several_connections_have_as_many_times_the_least() {
        let mut window = Window::new(Instant::now());
        window.spread(4);
        assert_eq!(window.bytes(), 4 * WINDOW_BYTES_STRIPE);
        let mut window = settled(12_500, Duration::from_millis(400));
        let before = window.bytes();
        window.spread(4);
        assert_eq!(window.bytes(), before, "it was larger already");
    }

    /// The window after a second of steady delivery, `rate` in bytes a millisecond.
    #[expect(clippy::disallowed_methods, reason = "a test has to begin at some time")]
    fn settled(rate: u64, round_trip: Duration) -> Window {
        let start = Instant::now();
        let mut window = Window::new(start);
        window.requested(0, start);
        let arrival = start + round_trip;
        window.delivered(1, arrival);
        for ms in 1..1000 {
            window.delivered(rate, arrival + Duration::from_millis(ms));
        }
        window
    }

    fn settle(rate: u64, round_trip: Duration) -> u64 {
        settled(rate, round_trip).bytes()
    }
}
