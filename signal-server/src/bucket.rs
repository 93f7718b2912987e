//! A token bucket in one instant of memory.

use std::time::{Duration, Instant};

use crate::limits::Rate;

/// Counts events against a [`Rate`]: `count` at once, then one each `per / count`.
///
/// Kept as the time at which the bucket would be full again (the generic cell rate algorithm).
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Bucket {
    full_at: Option<Instant>,
}

impl Bucket {
    /// Counts one event.
    ///
    /// # Errors
    /// There have been too many; says how long to wait. The event is not counted then.
    pub(crate) fn take(&mut self, rate: Rate, now: Instant) -> Result<(), Duration> {
        self.check(rate, now)?;
        self.charge(rate, now);
        Ok(())
    }

    /// Whether one more event is within the rate.
    ///
    /// # Errors
    /// It is not; says how long to wait.
    pub(crate) fn check(&self, rate: Rate, now: Instant) -> Result<(), Duration> {
        let after = self.debt(now) + rate.interval();
        if after > rate.per { Err(after - rate.per) } else { Ok(()) }
    }

    /// Counts one event that cannot be refused, up to an empty bucket.
    pub(crate) fn charge(&mut self, rate: Rate, now: Instant) {
        let debt = (self.debt(now) + rate.interval()).min(rate.per);
        self.full_at = Some(now + debt);
    }

    /// Whether nothing of what was counted matters any more.
    pub(crate) fn is_full(&self, now: Instant) -> bool {
        self.debt(now).is_zero()
    }

    fn debt(&self, now: Instant) -> Duration {
        self.full_at.map_or(Duration::ZERO, |full_at| full_at.saturating_duration_since(now))
    }
}

impl Rate {
    fn interval(self) -> Duration {
        self.per / self.count.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEN_A_MINUTE: Rate = Rate { count: 10, per: Duration::from_secs(60) };

    #[test]
    fn a_whole_burst_passes_and_then_one_at_a_time() {
        let now = Instant::now();
        let mut bucket = Bucket::default();
        for _ in 0..10 {
            bucket.take(TEN_A_MINUTE, now).unwrap();
        }
        assert_eq!(bucket.take(TEN_A_MINUTE, now), Err(Duration::from_secs(6)));
        let later = now + Duration::from_secs(6);
        bucket.take(TEN_A_MINUTE, later).unwrap();
        assert!(bucket.take(TEN_A_MINUTE, later).is_err());
    }

    #[test]
    fn refused_events_do_not_count() {
        let now = Instant::now();
        let mut bucket = Bucket::default();
        for _ in 0..1000 {
            let _ = bucket.take(TEN_A_MINUTE, now);
        }
        assert!(bucket.take(TEN_A_MINUTE, now + Duration::from_secs(6)).is_ok());
    }

    #[test]
    fn charges_never_dig_deeper_than_empty() {
        let now = Instant::now();
        let mut bucket = Bucket::default();
        for _ in 0..1000 {
            bucket.charge(TEN_A_MINUTE, now);
        }
        assert_eq!(bucket.check(TEN_A_MINUTE, now), Err(Duration::from_secs(6)));
    }
}
