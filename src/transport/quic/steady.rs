//! `Steady`: BBRv3 as noq has it, made to keep the speed that it found.
//!
//! Some things cost BBR a tenth of its speed on a quiet machine, and most of it on one where programs are woken late:
//! 1. *It never catches up.* It cruises 1 % below its estimate, or slower where it is woken late, takes what it then measures for the
//!    path (noq 1.4.0 forgets within two round trips what a probe found), and so falls until it probes again, seconds later. While less
//!    is under way than the path holds, it may send twice as fast: that makes up for what was missed, and makes no queue that stays.
//! 2. *Every lost packet slows it down* until it probes again, also those that no queue dropped. What is lost while nothing
//!    waits is kept from it, up to a part that it bears when it probes as well.
//! 3. *It starts with too much under way* where acknowledgements come in bursts. Twice what the path holds has to do.
//! 4. *It is told the wrong time.* noq 1.4.0 looks at the clock, then reads the socket: what was sent and acknowledged in between seems to
//!    have taken no time. One such round trip of 0 ms is the lowest for ten seconds, in which BBR takes the path to hold nothing. So the
//!    clock is looked at when an acknowledgement is counted.
//! 5. *It sends in turns that a short path does not wait for.* noq's timer has a resolution of 1 ms. Where a round trip takes about as
//!    long, the path is empty before the next turn; there the next packet follows as soon as less is under way than the path holds,
//!    together with what arrives while the two sides wait for being woken.

mod start;
#[cfg(test)]
mod tests;

use std::{
    any::Any,
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use noq::congestion::{Bbr3Config, Controller, ControllerFactory, ControllerMetrics};
use noq_proto::RttEstimator;

use self::start::Start;

/// Makes the controllers of connections.
pub(super) struct SteadyConfig {
    bbr: Arc<Bbr3Config>,
    clock: Clock,
}

type Clock = Arc<dyn Fn() -> Instant + Send + Sync>;

impl SteadyConfig {
    /// Sends so many bytes before anything is known of the path.
    pub(super) fn new(initial_window: u64) -> Self {
        let mut bbr = Bbr3Config::default();
        bbr.initial_window(initial_window);
        Self { bbr: Arc::new(bbr), clock: Arc::new(Instant::now) }
    }
}

impl ControllerFactory for SteadyConfig {
    fn build(self: Arc<Self>, now: Instant, current_mtu: u16) -> Box<dyn Controller> {
        let bbr = Arc::clone(&self.bbr).build(now, current_mtu);
        let time = Time { clock: Arc::clone(&self.clock), looked: None };
        Box::new(Steady { bbr, time, round_trip: None, in_flight: 0, pardon: 0, start: Start::default() })
    }
}

#[derive(Debug)]
struct Steady {
    bbr: Box<dyn Controller>,
    time: Time,
    round_trip: Option<RoundTrip>,
    /// Bytes that were sent and neither acknowledged nor given up.
    in_flight: u64,
    /// Bytes that may get lost unnoticed.
    pardon: u64,
    start: Start,
}

/// What time it is, looked at once for all packets that are acknowledged together.
#[derive(Clone)]
struct Time {
    clock: Clock,
    looked: Option<Instant>,
}

impl Time {
    /// No earlier than `said`.
    fn now(&mut self, said: Instant) -> Instant {
        *self.looked.get_or_insert_with(|| (self.clock)().max(said))
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.looked.fmt(f)
    }
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
    /// What the path holds with an empty queue, and what comes while the two sides wait for being woken.
    holds: f64,
    lowest: Duration,
    is_long: bool,
}

impl Belief {
    /// Whether BBR starts on a long path.
    fn is_starting(&self) -> bool {
        self.is_long && self.speed > STARTING
    }

    /// How fast it sends while less is under way than the path holds, if that is faster than BBR would.
    fn catches_up(&self, is_path_good: bool) -> Option<u64> {
        let (flowing, gain) = match self.is_long {
            true if is_path_good => (CRUISING, CATCHING_UP),
            true => (CRUISING, CATCHING_UP_GENTLY),
            false => (DRAINING, AT_ONCE),
        };
        (flowing..PROBING).contains(&self.speed).then_some((self.bandwidth * gain) as u64)
    }
}

impl Steady {
    /// `None` before the first round trip.
    fn belief(&self, metrics: &ControllerMetrics) -> Option<Belief> {
        let round_trip = self.round_trip?;
        let is_long = round_trip.is_long();
        let bandwidth = metrics.bandwidth_estimate? as f64 / 8.0;
        let lowest = round_trip.lowest;
        let holds = bandwidth * (lowest + JITTER).as_secs_f64();
        Some(Belief { bandwidth, speed: metrics.pacing_rate? as f64 / bandwidth, holds, lowest, is_long })
    }

    /// The window, and while BBR starts on a long path no more than twice what that holds.
    fn window_within(&self, metrics: &ControllerMetrics, belief: Option<&Belief>) -> u64 {
        let Some(start) = belief.filter(|belief| belief.is_starting()) else { return metrics.congestion_window };
        let enough = self.start.enough(start.holds, start.lowest) + start.bandwidth * SLACK.as_secs_f64();
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
        let now = self.time.now(now);
        let took = now.saturating_duration_since(sent);
        let lowest = self.round_trip.map_or(took, |round_trip| round_trip.lowest.min(took));
        self.round_trip = Some(RoundTrip { lowest, smoothed: rtt.get() });
        self.start.on_ack(sent, took, bytes);
        self.pardon = (self.pardon + bytes / PARDONED_PART).min(PARDON_BYTES_MAX);
        self.bbr.on_ack(now, sent, bytes, pn, app_limited, rtt);
    }

    fn on_end_acks(&mut self, now: Instant, in_flight: u64, app_limited: bool, largest_acked: Option<u64>) {
        let acked_at = self.time.looked.take().unwrap_or(now);
        self.bbr.on_end_acks(now, in_flight, app_limited, largest_acked);
        if let Some(round_trip) = self.round_trip {
            self.start.on_end_acks(acked_at, self.in_flight, round_trip.lowest);
        }
        self.in_flight = in_flight;
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
            Some(_) | None => {
                self.start.on_loss();
                self.bbr.on_packet_lost(lost_bytes, pn, now);
            }
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
        self.metrics().congestion_window
    }

    fn metrics(&self) -> ControllerMetrics {
        let mut metrics = self.bbr.metrics();
        let belief = self.belief(&metrics);
        metrics.congestion_window = self.window_within(&metrics, belief.as_ref());
        let behind = belief.as_ref().filter(|belief| (self.in_flight as f64) < belief.holds);
        let is_path_good = self.pardon >= PARDON_BYTES_MAX / 2;
        metrics.pacing_rate = behind.and_then(|behind| behind.catches_up(is_path_good)).or(metrics.pacing_rate);
        let ahead = belief.filter(Belief::is_starting).and_then(|belief| self.start.ahead(belief.lowest));
        if let Some(ahead) = ahead.filter(|ahead| ahead.window > metrics.congestion_window) {
            if self.in_flight >= metrics.congestion_window {
                metrics.pacing_rate = metrics.pacing_rate.map(|speed| speed.min(ahead.speed));
            }
            metrics.congestion_window = ahead.window;
        }
        metrics
    }

    fn clone_box(&self) -> Box<dyn Controller> {
        Box::new(Self { bbr: self.bbr.clone_box(), time: self.time.clone(), start: self.start.clone(), ..*self })
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

/// Slower than this it empties a queue, at half the bandwidth.
const DRAINING: f64 = 0.5;

/// Twice as fast as the path: noq 1.4.0 forgets what it could have sent more than 2 ms ago at the present speed, and who is woken late by
/// more than that would fall behind for good.
const CATCHING_UP: f64 = 2.0;

/// As fast as a probe, where much gets lost: a short queue has no room for more at once.
const CATCHING_UP_GENTLY: f64 = 1.25;

/// So fast that the path and not the timer decides.
const AT_ONCE: f64 = 4.0;

/// The part of what arrives that may get lost, 1 in 64: less than the 2 % that end a probe.
const PARDONED_PART: u64 = 64;

/// Some 70 packets: what a good path saves up for a bad moment.
const PARDON_BYTES_MAX: u64 = 100_000;

/// Below this BBR hears of every loss, since it probes often, and starts as it likes: held back it finds too little there.
const SHORT: Duration = Duration::from_millis(5);

/// What round trips differ by without a queue, for the scheduling of both hosts.
const JITTER: Duration = Duration::from_millis(2);

/// How much time the acknowledgements that come together span where the path holds next to nothing.
const SLACK: Duration = Duration::from_millis(5);
