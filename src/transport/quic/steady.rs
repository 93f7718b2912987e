//! `Steady`: BBRv3 as noq has it, made to keep the speed that it found.
//!
//! Three things cost BBR a tenth of its speed on a quiet machine, and most of it on one where programs are woken late:
//! 1. *It never catches up.* It cruises 1 % below its estimate, or slower where it is woken late, takes what it then measures for the
//!    path (noq 1.4.0 forgets within two round trips what a probe found), and so falls until it probes again, seconds later. While less
//!    is under way than the path holds, it may send faster: that makes up for what was missed, and makes no queue.
//! 2. *Every lost packet slows it down* until it probes again, also those that no queue dropped. What is lost while nothing
//!    waits is kept from it, up to a part that it bears when it probes as well.
//! 3. *It starts with too much under way* where acknowledgements come in bursts. Twice what the path holds has to do.

#[cfg(test)]
mod tests;

use std::{
    any::Any,
    sync::Arc,
    time::{Duration, Instant},
};

use noq::congestion::{Bbr3Config, Controller, ControllerFactory, ControllerMetrics};
use noq_proto::RttEstimator;

/// Makes the controllers of connections.
pub(super) struct SteadyConfig(pub(super) Arc<Bbr3Config>);

impl ControllerFactory for SteadyConfig {
    fn build(self: Arc<Self>, now: Instant, current_mtu: u16) -> Box<dyn Controller> {
        let bbr = Arc::clone(&self.0).build(now, current_mtu);
        Box::new(Steady { bbr, round_trip: None, in_flight: 0, pardon: 0 })
    }
}

#[derive(Debug)]
struct Steady {
    bbr: Box<dyn Controller>,
    round_trip: Option<RoundTrip>,
    /// Bytes that were sent and neither acknowledged nor given up.
    in_flight: u64,
    /// Bytes that may get lost unnoticed.
    pardon: u64,
}

#[derive(Clone, Copy, Debug)]
struct RoundTrip {
    lowest: Duration,
    smoothed: Duration,
}

impl RoundTrip {
    /// Whether it tells more of the path than of how late the two sides are woken.
    fn is_long(&self) -> bool {
        self.lowest >= SHORT
    }

    /// Whether packets wait on the way.
    fn is_queueing(&self) -> bool {
        self.smoothed > self.lowest.mul_f64(1.25) + JITTER
    }
}

/// What BBR believes, in bytes and seconds.
struct Belief {
    bandwidth: f64,
    /// Its speed, by its bandwidth: a little less than its gain.
    speed: f64,
    /// What the path holds with an empty queue.
    holds: f64,
}

impl Steady {
    /// `None` before the first round trip, and on a path too short for it to matter.
    fn belief(&self, metrics: &ControllerMetrics) -> Option<Belief> {
        let lowest = self.round_trip.filter(RoundTrip::is_long)?.lowest;
        let bandwidth = metrics.bandwidth_estimate? as f64 / 8.0;
        let holds = bandwidth * lowest.as_secs_f64();
        Some(Belief { bandwidth, speed: metrics.pacing_rate? as f64 / bandwidth, holds })
    }

    /// The window, and while BBR starts no more than twice what the path holds.
    fn window_within(&self, metrics: &ControllerMetrics, belief: Option<&Belief>) -> u64 {
        let Some(start) = belief.filter(|belief| belief.speed > STARTING) else { return metrics.congestion_window };
        let enough = 2.0 * start.holds + start.bandwidth * SLACK.as_secs_f64();
        metrics.congestion_window.min((enough as u64).max(self.bbr.initial_window()))
    }
}

impl Controller for Steady {
    fn on_sent(&mut self, now: Instant, bytes: u64, largest_pn: u64) {
        self.bbr.on_sent(now, bytes, largest_pn);
    }

    fn on_packet_sent(&mut self, now: Instant, bytes: u16, pn: u64) {
        self.in_flight += u64::from(bytes);
        self.bbr.on_packet_sent(now, bytes, pn);
    }

    fn on_cwnd_limited(&mut self) {
        self.bbr.on_cwnd_limited();
    }

    fn on_ack(&mut self, now: Instant, sent: Instant, bytes: u64, pn: u64, app_limited: bool, rtt: &RttEstimator) {
        self.round_trip = Some(RoundTrip { lowest: rtt.min(), smoothed: rtt.get() });
        self.pardon = (self.pardon + bytes / PARDONED_PART).min(PARDON_BYTES_MAX);
        self.bbr.on_ack(now, sent, bytes, pn, app_limited, rtt);
    }

    fn on_end_acks(&mut self, now: Instant, in_flight: u64, app_limited: bool, largest_acked: Option<u64>) {
        self.in_flight = in_flight;
        self.bbr.on_end_acks(now, in_flight, app_limited, largest_acked);
    }

    fn on_congestion_event(
        &mut self,
        now: Instant,
        sent: Instant,
        is_persistent_congestion: bool,
        is_ecn: bool,
        lost_bytes: u64,
        largest_lost_pn: u64,
    ) {
        self.bbr.on_congestion_event(now, sent, is_persistent_congestion, is_ecn, lost_bytes, largest_lost_pn);
    }

    fn on_packet_lost(&mut self, lost_bytes: u16, pn: u64, now: Instant) {
        let is_queueing = self.round_trip.is_none_or(|round_trip| round_trip.is_queueing() || !round_trip.is_long());
        match self.pardon.checked_sub(u64::from(lost_bytes)) {
            Some(left) if !is_queueing => self.pardon = left,
            Some(_) | None => self.bbr.on_packet_lost(lost_bytes, pn, now),
        }
    }

    fn on_spurious_congestion_event(&mut self) {
        self.bbr.on_spurious_congestion_event();
    }

    fn on_mtu_update(&mut self, new_mtu: u16) {
        self.bbr.on_mtu_update(new_mtu);
    }

    fn on_ack_frequency_update(&mut self, ack_eliciting_threshold: u64, requested_max_ack_delay: Duration) {
        self.bbr.on_ack_frequency_update(ack_eliciting_threshold, requested_max_ack_delay);
    }

    fn window(&self) -> u64 {
        let metrics = self.bbr.metrics();
        self.window_within(&metrics, self.belief(&metrics).as_ref())
    }

    fn metrics(&self) -> ControllerMetrics {
        let mut metrics = self.bbr.metrics();
        let belief = self.belief(&metrics);
        metrics.congestion_window = self.window_within(&metrics, belief.as_ref());
        let is_behind =
            |belief: &Belief| (CRUISING..PROBING).contains(&belief.speed) && (self.in_flight as f64) < belief.holds;
        if let Some(behind) = belief.filter(is_behind) {
            metrics.pacing_rate = Some((behind.bandwidth * CATCHING_UP) as u64);
        }
        metrics
    }

    fn clone_box(&self) -> Box<dyn Controller> {
        Box::new(Self { bbr: self.bbr.clone_box(), ..*self })
    }

    fn initial_window(&self) -> u64 {
        self.bbr.initial_window()
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

/// Faster than this BBR starts, at 2.77 times the bandwidth.
const STARTING: f64 = 2.0;

/// Faster than this it probes, at 1.25 times the bandwidth.
const PROBING: f64 = 1.1;

/// Faster than this it cruises, at 0.99 times the bandwidth; slower it empties a queue or gives way.
const CRUISING: f64 = 0.95;

/// As fast as a probe.
const CATCHING_UP: f64 = 1.25;

/// The part of what arrives that may get lost, 1 in 64: less than the 2 % that end a probe.
const PARDONED_PART: u64 = 64;

/// Some 70 packets: what a good path saves up for a bad moment.
const PARDON_BYTES_MAX: u64 = 100_000;

/// Below this BBR is left alone: it probes often enough, and a start that is held back there finds too little.
const SHORT: Duration = Duration::from_millis(5);

/// What round trips differ by without a queue, for the scheduling of both hosts.
const JITTER: Duration = Duration::from_millis(2);

/// How much time the acknowledgements that come together span where the path holds next to nothing.
const SLACK: Duration = Duration::from_millis(5);
