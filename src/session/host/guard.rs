//! `Guard`: the share's memory of failed handshakes, exact also when guests prove themselves at the same time.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use p2pshare_protocol::pairing::PairingError;
use p2pshare_protocol::share_guard::{CodeVerdict, ShareGuard};

/// Shared by all guests of one share; the flag tells whether wrong proofs count.
#[derive(Debug, Clone)]
pub(in crate::session) struct Guard(Arc<Mutex<ShareGuard>>, bool);

impl Guard {
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(ShareGuard::new(false))), true)
    }

    /// The guard of a guest with a link, whose 128 bits cannot be guessed: its wrong proofs do not count, so that nobody can
    /// burn the share.
    pub(super) fn of_link(&self) -> Self {
        Self(Arc::clone(&self.0), false)
    }

    /// Lets one guest's proof be looked at while no other is, and only while the code is active.
    pub(in crate::session) fn examine(
        &self,
        proof: impl FnOnce() -> Result<(), PairingError>,
    ) -> Result<(), PairingError> {
        let mut guard = self.lock();
        if self.1 && guard.is_code_retired() {
            return Err(PairingError::NotActive);
        }
        let result = proof();
        if self.1 && result == Err(PairingError::WrongCode) {
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

    /// Counts a wrong password. When the share takes no more of them, tells whether that is news.
    pub(in crate::session) fn wrong_password(&self) -> Option<bool> {
        let mut guard = self.lock();
        let was_locked = guard.password_attempts() == 0;
        guard.wrong_password().then_some(!was_locked)
    }

    /// Takes passwords again.
    pub(in crate::session) fn unlock_password(&self) {
        self.lock().unlock_password();
    }

    /// How often the next guest may try the password.
    pub(in crate::session) fn password_attempts(&self) -> u8 {
        self.lock().password_attempts()
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
