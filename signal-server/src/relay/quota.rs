//! How much each credential and each source may use. Anybody can pair with himself and get credentials: these bounds keep
//! the relay from being a free way through the Internet.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::credentials::CREDENTIAL_LIFETIME;
use crate::limits::RelayLimits;
use crate::sources::Source;

#[derive(Debug)]
pub(crate) struct Quota {
    limits: RelayLimits,
    credentials: HashMap<String, Used>,
    sources: HashMap<Source, u32>,
    /// What all of them carry together.
    total: Meter,
}

/// Which way data goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    ToPeer,
    ToClient,
}

/// What to do with a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Carry,
    /// Too fast: pass it on then.
    Later(Instant),
    /// Far too fast: the two ends notice, as with any full link, and slow down.
    Drop,
    /// The credential has carried all that it may.
    UsedUp,
}

/// No further allocation is to be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// For this credential or source.
    Quota,
    /// For anybody.
    Capacity,
}

#[derive(Debug)]
struct Used {
    began: Instant,
    allocations: u32,
    bytes: u64,
    to_peer: Meter,
    to_client: Meter,
}

impl Quota {
    pub(crate) fn new(limits: RelayLimits) -> Self {
        Self { limits, credentials: HashMap::new(), sources: HashMap::new(), total: Meter::default() }
    }

    /// Counts a new allocation; says when it has to end at the latest.
    pub(crate) fn take(&mut self, username: &str, source: Source, now: Instant) -> Result<Instant, Refused> {
        let limits = &self.limits;
        let held: u32 = self.sources.values().sum();
        if held >= limits.allocations_max {
            return Err(Refused::Capacity);
        }
        if self.sources.get(&source).is_some_and(|held| *held >= limits.allocations_per_source_max) {
            return Err(Refused::Quota);
        }
        if !self.credentials.contains_key(username) && self.credentials.len() >= limits.credentials_max {
            self.credentials.retain(|_, used| used.allocations > 0 || now < used.began + CREDENTIAL_LIFETIME);
            if self.credentials.len() >= limits.credentials_max {
                return Err(Refused::Capacity);
            }
        }
        let used = self.credentials.entry(username.to_owned()).or_insert_with(|| Used::new(now));
        let is_used_up = used.bytes >= limits.bytes_per_credential_max || now >= used.began + limits.session_max;
        if is_used_up || used.allocations >= limits.allocations_per_credential_max {
            return Err(Refused::Quota);
        }
        used.allocations += 1;
        *self.sources.entry(source).or_insert(0) += 1;
        Ok(used.began + limits.session_max)
    }

    /// Gives an allocation back.
    pub(crate) fn release(&mut self, username: &str, source: Source) {
        if let Some(used) = self.credentials.get_mut(username) {
            used.allocations = used.allocations.saturating_sub(1);
        }
        if let Some(held) = self.sources.get_mut(&source) {
            *held -= 1;
            if *held == 0 {
                self.sources.remove(&source);
            }
        }
    }

    /// Counts data.
    pub(crate) fn carry(&mut self, username: &str, bytes: usize, direction: Direction, now: Instant) -> Verdict {
        let Some(used) = self.credentials.get_mut(username) else { return Verdict::UsedUp };
        if used.bytes + bytes as u64 > self.limits.bytes_per_credential_max {
            return Verdict::UsedUp;
        }
        let meter = match direction {
            Direction::ToPeer => &mut used.to_peer,
            Direction::ToClient => &mut used.to_client,
        };
        if !meter.has_room(now) || !self.total.has_room(now) {
            return Verdict::Drop;
        }
        used.bytes += bytes as u64;
        let at = meter.take(bytes, self.limits.bytes_per_second, now);
        let at = at.max(self.total.take(bytes, self.limits.bytes_per_second_total, now));
        if at > now { Verdict::Later(at) } else { Verdict::Carry }
    }
}

impl Used {
    fn new(now: Instant) -> Self {
        Self { began: now, allocations: 0, bytes: 0, to_peer: Meter::default(), to_client: Meter::default() }
    }
}

/// Lets so many bytes a second pass.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    free_at: Option<Instant>,
}

impl Meter {
    /// Whether more may be taken in.
    fn has_room(&self, now: Instant) -> bool {
        self.free_at.is_none_or(|at| at <= now + QUEUE)
    }

    /// When so many more bytes may pass.
    fn take(&mut self, bytes: usize, per_second: u64, now: Instant) -> Instant {
        let free_at = self.free_at.map_or(now, |at| at.max(now));
        self.free_at = Some(free_at + cost(bytes, per_second));
        free_at.checked_sub(BURST).unwrap_or(now).max(now)
    }
}

fn cost(bytes: usize, per_second: u64) -> Duration {
    Duration::from_nanos((bytes as u64).saturating_mul(1_000_000_000) / per_second.max(1))
}

/// How far ahead of its rate a flow may be without being held back.
const BURST: Duration = Duration::from_millis(10);

/// How long a queue a flow may have in front of its rate. Without one, each burst of a congestion control would lose
/// packets, and the flow reach a fraction of its rate.
const QUEUE: Duration = Duration::from_millis(100);
