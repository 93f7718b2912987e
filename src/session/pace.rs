//! `Pace`: spreads the bytes of a share over time, whoever they are for.

use std::num::NonZeroU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// A limit that all sessions of a share have in common; cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Pace {
    bytes_per_second: f64,
    /// When the bytes that were let go so far have had their time.
    free_at: Arc<Mutex<Instant>>,
}

impl Pace {
    pub(super) fn new(limit: NonZeroU64) -> Self {
        Self { bytes_per_second: limit.get() as f64, free_at: Arc::new(Mutex::new(Instant::now())) }
    }

    /// Waits until so many bytes may leave.
    pub(super) async fn wait_for(&self, bytes: usize) {
        sleep_until(self.reserve(bytes, Instant::now())).await;
    }

    /// When bytes that have come already have had their time, which takes it from whoever comes next.
    pub(super) fn took(&self, bytes: u64, now: Instant) -> Instant {
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        self.reserve(bytes, now) + self.cost(bytes)
    }

    /// When so many bytes may leave, which takes their time from whoever comes next.
    fn reserve(&self, bytes: usize, now: Instant) -> Instant {
        let cost = self.cost(bytes);
        let mut free_at = self.free_at.lock().unwrap_or_else(PoisonError::into_inner);
        // Time lost by waking up late may be made up for, a pause may not.
        let start = now.checked_sub(CATCH_UP).map_or(*free_at, |earliest| earliest.max(*free_at));
        *free_at = start + cost;
        start
    }

    fn cost(&self, bytes: usize) -> Duration {
        Duration::from_secs_f64(bytes as f64 / self.bytes_per_second)
    }
}

/// How far behind its pace a limited side may be and still catch up.
const CATCH_UP: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_receivers_share_the_limit_of_one() {
        let pace = Pace::new(NonZeroU64::new(1000).unwrap());
        let now = Instant::now();
        let starts = [&pace, &pace.clone(), &pace].map(|pace| pace.reserve(1000, now));
        assert_eq!(starts[1] - starts[0], Duration::from_secs(1));
        assert_eq!(starts[2] - starts[1], Duration::from_secs(1));
    }

    #[test]
    fn what_came_takes_its_time_before_the_next() {
        let pace = Pace::new(NonZeroU64::new(1000).unwrap());
        let now = Instant::now();
        let first = pace.took(1000, now);
        assert_eq!(pace.took(500, now) - first, Duration::from_millis(500));
    }
}
