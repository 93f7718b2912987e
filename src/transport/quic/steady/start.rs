//! `Start`: how a connection over a long path gets up to speed.
//!
//! BBR doubles what is under way once a round trip, and when it has reached the end of the path goes on with twice as much as that
//! holds for three more round trips, to be sure.
//! - Packets that leave together arrive one after the other, as fast as the narrowest part of the path lets them. When the
//!   first ones are acknowledged it is known about how fast that is, and the next may follow at that speed, up to four times as many.
//! - When acknowledgements have come for a whole round trip without a pause, and packets wait on the way, the path is full. More
//!   of them would be dropped.

use std::time::{Duration, Instant};

use super::{JITTER, RoundTrip};

#[derive(Clone, Debug, Default)]
pub(super) struct Start {
    /// The packets that are being acknowledged, one after the other.
    train: Option<Train>,
    /// The highest speed at which a part of one came, in bytes a second.
    speed: f64,
    has_lost: bool,
    /// What is acknowledged at this moment, and the shortest time that a packet of it took.
    bytes: u64,
    took: Option<Duration>,
}

#[derive(Clone, Debug)]
struct Train {
    /// What was under way when its first packet was acknowledged.
    flight: u64,
    began: Instant,
    /// The part that is looked at.
    part: Part,
    /// What came behind the first packet, and when.
    bytes: u64,
    last: Instant,
    /// Whether it has filled the path.
    is_full: bool,
}

#[derive(Clone, Debug)]
struct Part {
    began: Instant,
    bytes: u64,
}

/// What may be sent beyond what BBR would.
pub(super) struct Ahead {
    /// In bytes.
    pub(super) window: u64,
    /// In bytes a second.
    pub(super) speed: u64,
}

impl Start {
    /// How much may be under way, in terms of what BBR thinks that the path holds.
    pub(super) fn enough(&self, holds: f64, lowest: Duration) -> f64 {
        match &self.train {
            Some(train) if train.is_full => ENOUGH * holds.max(train.speed() * lowest.as_secs_f64()),
            Some(_) | None => 2.0 * holds,
        }
    }

    pub(super) fn ahead(&self, lowest: Duration) -> Option<Ahead> {
        let train = self.train.as_ref().filter(|_| !self.has_lost)?;
        let window = (self.speed * lowest.as_secs_f64() * SURE) as u64;
        Some(Ahead { window: window.min(4 * train.flight), speed: (self.speed * QUICKER) as u64 })
    }

    pub(super) fn on_ack(&mut self, took: Duration, bytes: u64) {
        self.bytes += bytes;
        self.took = Some(self.took.map_or(took, |shortest| shortest.min(took)));
    }

    /// Called when everything is counted that was acknowledged at once, with what was under way before.
    pub(super) fn on_end_acks(&mut self, now: Instant, flight: u64, round_trip: &RoundTrip) {
        let bytes = std::mem::take(&mut self.bytes);
        let Some(took) = self.took.take() else { return };
        let lowest = round_trip.lowest;
        match &mut self.train {
            Some(train) if now.saturating_duration_since(train.last) < pause(lowest) => {
                self.speed = self.speed.max(train.add(now, bytes, span(lowest)));
                train.is_full |= round_trip.is_queueing() && now - train.began > lowest;
            }
            // Acknowledged late, as single packets are: it does not lead a train.
            Some(_) | None if took > lowest.mul_f64(1.125) + JITTER => {}
            Some(_) | None if lowest < FAR => {}
            Some(_) | None => self.train = Some(Train::new(now, flight)),
        }
    }

    pub(super) const fn on_loss(&mut self) {
        self.has_lost = true;
    }
}

impl Train {
    const fn new(now: Instant, flight: u64) -> Self {
        let part = Part { began: now, bytes: 0 };
        Self { flight, began: now, part, bytes: 0, last: now, is_full: false }
    }

    /// Takes in what came now; returns how fast it comes, in bytes a second.
    fn add(&mut self, now: Instant, bytes: u64, span: Duration) -> f64 {
        self.bytes += bytes;
        self.last = now;
        self.part.bytes += bytes;
        let took = now - self.part.began;
        let speed = self.part.bytes as f64 / took.max(span).as_secs_f64();
        if took >= span {
            self.part = Part { began: now, bytes: 0 };
        }
        speed
    }

    /// In bytes a second, from the first to the last packet.
    fn speed(&self) -> f64 {
        self.bytes as f64 / (self.last - self.began).max(JITTER).as_secs_f64()
    }
}

/// After a pause of so long, packets are another train.
fn pause(lowest: Duration) -> Duration {
    (lowest / 8).max(2 * JITTER)
}

/// The time over which a speed is believed: longer than somebody is woken late, mostly.
fn span(lowest: Duration) -> Duration {
    (lowest / 16).max(2 * JITTER)
}

/// Nearer than this it starts soon enough, and being woken late looks like a queue.
const FAR: Duration = Duration::from_millis(30);

/// The part of what the path seems to hold that is sent before BBR knows.
const SURE: f64 = 0.75;

/// In terms of the speed at which packets came: it may be the one at which they left.
const QUICKER: f64 = 1.25;

/// In terms of what the path holds: it is never empty, and little waits.
const ENOUGH: f64 = 1.25;
