//! `Knocks`: how often strangers from the same network may ask for a person's attention.

use std::collections::VecDeque;
use std::time::Instant;

use crate::limits::{KNOCKS_MAX, KNOCKS_PERIOD};

/// The strangers that were let to the door a short while ago.
#[derive(Debug, Default)]
pub struct Knocks {
    recent: VecDeque<Instant>,
}

impl Knocks {
    /// Whether one more may come to the door, where so many stand already; takes note of it if so.
    pub fn admit(&mut self, waiting: usize, now: Instant) -> bool {
        self.recent.retain(|at| now.saturating_duration_since(*at) < KNOCKS_PERIOD);
        if waiting > 0 || self.recent.len() >= KNOCKS_MAX {
            return false;
        }
        self.recent.push_back(now);
        true
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn strangers_come_one_at_a_time_and_a_few_a_minute() {
        #![allow(clippy::disallowed_methods, reason = "some time to begin with")]
        let (mut knocks, start) = (Knocks::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        assert!(knocks.admit(0, at(0)));
        assert!(!knocks.admit(1, at(1)), "one is asked about");
        assert!((2..6).all(|second| knocks.admit(0, at(second))));
        assert!(!knocks.admit(0, at(7)), "the sixth within a minute");
        assert!(knocks.admit(0, at(60)), "the first was a minute ago");
        assert!(!knocks.admit(0, at(61)));
    }
}
