//! `Liveness`: signs of life both ways.

use std::time::Instant;

use crate::error::TransferError;
use crate::limits::{PING_INTERVAL, SILENCE_MAX};

/// When the peer was last heard and when it was last spoken to.
#[derive(Debug)]
pub(crate) struct Liveness {
    heard: Instant,
    spoke: Instant,
}

impl Liveness {
    pub(crate) const fn new(now: Instant) -> Self {
        Self { heard: now, spoke: now }
    }

    pub(crate) const fn heard(&mut self, now: Instant) {
        self.heard = now;
    }

    pub(crate) const fn spoke(&mut self, now: Instant) {
        self.spoke = now;
    }

    /// Whether a ping is due.
    ///
    /// # Errors
    /// The peer was silent for too long.
    pub(crate) fn check(&self, now: Instant) -> Result<bool, TransferError> {
        if now >= self.heard + SILENCE_MAX {
            return Err(TransferError::Silent);
        }
        Ok(now >= self.spoke + PING_INTERVAL)
    }

    /// When to check next.
    pub(crate) fn deadline(&self) -> Instant {
        (self.heard + SILENCE_MAX).min(self.spoke + PING_INTERVAL)
    }
}
