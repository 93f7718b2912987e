//! `Start`: how a connection over a long path gets up to speed.
//!
//! BBR doubles what is under way once a round trip, and when it has reached the end of the path goes on with twice as much as that
//! holds for three more round trips, to be sure.
//! - Packets that leave together arrive one after the other, as fast as the narrowest part of the path lets them. When the
//!   first ones are acknowledged it is known about how fast that is, and the next may follow at that speed, up to eight times as many.
//! - When packets have come for a whole round trip without a pause and now wait on the way, or have waited for half of one, the path is
//!   full, and what came meanwhile says how fast it is. More of them would be dropped. It is not forgotten when they come in bursts later.

use std::time::{Duration, Instant};

use super::JITTER;

#[derive(Clone, Debug, Default)]
pub(super) struct Start {
    /// The packets that are being acknowledged, one after the other.
    train: Option<Train>,
    /// The highest speed at which a part of one came, in bytes a second.
    speed: f64,
    has_lost: bool,
    /// Set while packets wait on the way.
    waiting: Option<Waiting>,
    /// The speed of the path in bytes a second, once it has been full.
    path: Option<f64>,
    /// What is acknowledged at this moment, when the last packet of it was sent, and the shortest time that one took.
    bytes: u64,
    sent: Option<Instant>,
    took: Option<Duration>,
    /// When something was acknowledged before.
    acked_at: Option<Instant>,
}

/// What came since packets wait on the way.
#[derive(Clone, Debug)]
struct Waiting {
    began: Instant,
    /// Behind the first packet.
    bytes: u64,
}

#[derive(Clone, Debug)]
struct Train {
    /// What was under way when its first packet was acknowledged.
    flight: u64,
    began: Instant,
    /// The part that is looked at.
    part: Part,
    /// When the last packet so far was acknowledged.
    last: Instant,
}

#[derive(Clone, Debug)]
struct Part {
    began: Instant,
    /// When the last packet before it was sent.
    sent: Instant,
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
        let at_most = 2.0 * holds;
        match self.path {
            Some(speed) => at_most.min(ENOUGH * holds.max(speed * lowest.as_secs_f64())),
            None => at_most,
        }
    }

    pub(super) fn ahead(&self, lowest: Duration) -> Option<Ahead> {
        let train = self.train.as_ref().filter(|_| !self.has_lost && self.path.is_none())?;
        let window = (self.speed * lowest.as_secs_f64() * SURE) as u64;
        Some(Ahead { window: window.min(AT_ONCE * train.flight), speed: (self.speed * QUICKER) as u64 })
    }

    pub(super) fn on_ack(&mut self, sent: Instant, took: Duration, bytes: u64) {
        self.bytes += bytes;
        self.sent = self.sent.max(Some(sent));
        self.took = Some(self.took.map_or(took, |shortest| shortest.min(took)));
    }

    /// Called when everything is counted that was acknowledged at once, with what was under way before.
    pub(super) fn on_end_acks(&mut self, now: Instant, flight: u64, lowest: Duration) {
        let bytes = std::mem::take(&mut self.bytes);
        let (Some(took), Some(sent)) = (self.took.take(), self.sent.take()) else { return };
        if lowest < FAR {
            *self = Self::default();
            return;
        }
        // What arrived while this side was asleep seems to have taken longer.
        let asleep = self.acked_at.replace(now).map_or(took, |before| now - before);
        let has_waited = took.saturating_sub(asleep) > lowest.mul_f64(WAITING) + JITTER;
        match &mut self.train {
            Some(train) if now.saturating_duration_since(train.last) < pause(lowest) => {
                self.speed = self.speed.max(train.add(now, sent, bytes, span(lowest)));
            }
            // Acknowledged late, as single packets are: it does not lead a train.
            Some(_) | None if took > lowest.mul_f64(1.125) + JITTER => {}
            Some(_) | None => self.train = Some(Train::new(now, sent, flight)),
        }
        self.note_waiting(now, bytes, has_waited, lowest);
    }

    fn note_waiting(&mut self, now: Instant, bytes: u64, has_waited: bool, lowest: Duration) {
        if !has_waited {
            self.waiting = None;
            return;
        }
        let Some(waiting) = &mut self.waiting else {
            self.waiting = Some(Waiting { began: now, bytes: 0 });
            return;
        };
        waiting.bytes += bytes;
        let took = now - waiting.began;
        if self.train.as_ref().is_some_and(|train| now - train.began > lowest) || took > lowest / 2 {
            let speed = waiting.bytes as f64 / took.max(lowest / 2).as_secs_f64();
            self.path = Some(self.path.map_or(speed, |path| path.max(speed)));
        }
    }

    pub(super) const fn on_loss(&mut self) {
        self.has_lost = true;
    }
}

impl Train {
    const fn new(now: Instant, sent: Instant, flight: u64) -> Self {
        Self { flight, began: now, part: Part { began: now, sent, bytes: 0 }, last: now }
    }

    /// Takes in what came now; returns how fast it comes, in bytes a second. It came no faster than it left: where acknowledgements
    /// were held up they come all at once.
    fn add(&mut self, now: Instant, sent: Instant, bytes: u64, span: Duration) -> f64 {
        self.last = now;
        let part = &mut self.part;
        part.bytes += bytes;
        let took = now - part.began;
        let speed = part.bytes as f64 / took.max(sent.saturating_duration_since(part.sent)).max(span).as_secs_f64();
        if took >= span {
            *part = Part { began: now, sent, bytes: 0 };
        }
        speed
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

/// How many times what was under way may follow at once.
const AT_ONCE: u64 = 8;

/// In terms of the speed at which packets came: it may be the one at which they left.
const QUICKER: f64 = 1.25;

/// In terms of the lowest round trip: what took longer has waited.
const WAITING: f64 = 1.0625;

/// In terms of what the path holds: it is never empty, and little waits.
const ENOUGH: f64 = 1.25;
