//! `Guard`: the share's memory of failed handshakes, exact also when guests prove themselves at the same time.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use p2pshare_protocol::pairing::PairingError;
use p2pshare_protocol::share_guard::{CodeVerdict, ShareGuard};

/// Shared by all guests of one share.
#[derive(Debug, Clone)]
pub(in crate::session) struct Guard(Arc<Mutex<ShareGuard>>);

impl Guard {
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(ShareGuard::new(false))))
    }

    /// Lets one guest's proof be looked at while no other is, and only while the code is active.
    pub(in crate::session) fn examine(
        &self,
        proof: impl FnOnce() -> Result<(), PairingError>,
    ) -> Result<(), PairingError> {
        let mut guard = self.lock();
        if guard.is_code_retired() {
            return Err(PairingError::NotActive);
        }
        let result = proof();
        if result == Err(PairingError::WrongCode) {
            guard.wrong_code();
        }
        result
    }

    /// Wrong codes that may still be tried before the code changes.
    pub(super) fn tries_left(&self) -> u8 {
        let mut probe = self.lock().clone();
        match (probe.is_code_retired(), probe.wrong_code()) {
            (true, _) => 0,
            (false, CodeVerdict::Retired) => 1,
            (false, CodeVerdict::Stays { left }) => left + 1,
        }
    }

    /// Whether the next guest compares the short number.
    pub(super) fn is_short_number_due(&self) -> bool {
        self.lock().is_short_number_due()
    }

    /// Notes that a guest is proven.
    pub(super) fn paired(&self) {
        self.lock().paired();
    }

    /// Notes that there is a new code.
    pub(super) fn code_replaced(&self) {
        self.lock().code_replaced();
    }

    fn lock(&self) -> MutexGuard<'_, ShareGuard> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
