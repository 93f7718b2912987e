//! `Rate`: how fast bytes were confirmed in the last seconds.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// A sliding measurement.
#[derive(Debug, Default)]
pub(crate) struct Rate {
    samples: VecDeque<(Instant, u64)>,
    /// What was there before anything moved.
    base: u64,
}

impl Rate {
    /// A measurement of what moves beyond the bytes that are there already, which are confirmed in no time.
    pub(crate) fn beyond(base: u64) -> Self {
        Self { samples: VecDeque::new(), base }
    }

    /// Notes how many bytes are confirmed by now; returns bytes a second, once two samples are far enough apart.
    pub(crate) fn note(&mut self, bytes: u64, now: Instant) -> Option<f64> {
        while self.samples.len() > 2 && self.samples.front().is_some_and(|(at, _)| now - *at > SPAN) {
            self.samples.pop_front();
        }
        let bytes = bytes.max(self.base);
        self.samples.push_back((now, bytes));
        let (since, before) = self.samples.front()?;
        let elapsed = now - *since;
        (elapsed >= LEAST).then(|| bytes.saturating_sub(*before) as f64 / elapsed.as_secs_f64())
    }
}

const SPAN: Duration = Duration::from_secs(3);
const LEAST: Duration = Duration::from_millis(300);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_follows_the_last_seconds() {
        let start = Instant::now();
        let mut rate = Rate::default();
        assert_eq!(rate.note(0, start), None);
        for second in 1..=10 {
            rate.note(second * 100, start + Duration::from_secs(second));
        }
        assert_eq!(rate.note(1200, start + Duration::from_secs(11)), Some(400.0 / 3.0));
    }

    #[test]
    fn what_was_there_already_is_no_speed() {
        let start = Instant::now();
        let mut rate = Rate::beyond(1000);
        rate.note(0, start);
        assert_eq!(rate.note(900, start + Duration::from_secs(1)), Some(0.0));
        assert_eq!(rate.note(1200, start + Duration::from_secs(2)), Some(100.0));
    }
}
