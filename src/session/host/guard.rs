//! `Guard`: the share's memory of failed handshakes, exact also when guests prove themselves at the same time.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use p2pshare_protocol::pairing::PairingError;
use p2pshare_protocol::share_guard::{CodeVerdict, ShareGuard};

/// Shared by all guests of one share.
#[derive(Debug, Clone)]
pub(in crate::session) struct Guard {
    share: Arc<Mutex<Share>>,
    /// Which of the share's codes a guest came with, from 0; `None` with the link.
    code: Option<u32>,
}

#[derive(Debug)]
struct Share {
    guard: ShareGuard,
    /// How often the code was replaced.
    codes: u32,
}

impl Guard {
    pub(super) fn new() -> Self {
        let share = Share { guard: ShareGuard::new(false), codes: 0 };
        Self { share: Arc::new(Mutex::new(share)), code: None }
    }

    /// The guard of a guest with the code that holds at the moment. A guest that is slow does not outlive its code: its guess
    /// would be one more at a code that had its three.
    pub(super) fn of_code(&self) -> Self {
        Self { share: Arc::clone(&self.share), code: Some(self.lock().codes) }
    }

    /// The guard of a guest with a link, whose 128 bits cannot be guessed: its wrong proofs do not count, so that nobody can
    /// burn the share.
    pub(super) fn of_link(&self) -> Self {
        Self { share: Arc::clone(&self.share), code: None }
    }

    /// Lets one guest's proof be looked at while no other is, and only while the code is active.
    pub(in crate::session) fn examine(
        &self,
        proof: impl FnOnce() -> Result<(), PairingError>,
    ) -> Result<(), PairingError> {
        let mut share = self.lock();
        if self.code.is_some_and(|code| code != share.codes || share.guard.is_code_retired()) {
            return Err(PairingError::NotActive);
        }
        let result = proof();
        if self.code.is_some() && result == Err(PairingError::WrongCode) {
            share.guard.wrong_code();
        }
        result
    }

    /// Wrong codes that may still be tried before the code changes.
    pub(super) fn tries_left(&self) -> u8 {
        let mut probe = self.lock().guard.clone();
        match (probe.is_code_retired(), probe.wrong_code()) {
            (true, _) => 0,
            (false, CodeVerdict::Retired) => 1,
            (false, CodeVerdict::Stays { left }) => left + 1,
        }
    }

    /// Whether the next guest compares the short number.
    pub(super) fn is_short_number_due(&self) -> bool {
        self.lock().guard.is_short_number_due()
    }

    /// Counts a wrong password. When the share takes no more of them, tells whether that is news.
    pub(in crate::session) fn wrong_password(&self) -> Option<bool> {
        let guard = &mut self.lock().guard;
        let was_locked = guard.password_attempts() == 0;
        guard.wrong_password().then_some(!was_locked)
    }

    /// Takes passwords again.
    pub(in crate::session) fn unlock_password(&self) {
        self.lock().guard.unlock_password();
    }

    /// How often the next guest may try the password.
    pub(in crate::session) fn password_attempts(&self) -> u8 {
        self.lock().guard.password_attempts()
    }

    /// Notes that a guest is proven.
    pub(super) fn paired(&self) {
        self.lock().guard.paired();
    }

    /// Notes that there is a new code.
    pub(super) fn code_replaced(&self) {
        let mut share = self.lock();
        share.guard.code_replaced();
        share.codes = share.codes.saturating_add(1);
    }

    fn lock(&self) -> MutexGuard<'_, Share> {
        self.share.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_of_a_retired_code_has_no_guess_at_it() {
        let share = Guard::new();
        let guests = [(); 4].map(|()| share.of_code());
        let guess = |guest: &Guard| guest.examine(|| Err(PairingError::WrongCode));
        for guest in &guests[..3] {
            assert_eq!(guess(guest), Err(PairingError::WrongCode));
        }
        assert_eq!(guess(&guests[3]), Err(PairingError::NotActive));
        share.code_replaced();
        assert_eq!(guess(&guests[3]), Err(PairingError::NotActive));
        assert_eq!(share.tries_left(), 3);
        assert_eq!(share.of_code().examine(|| Ok(())), Ok(()));
    }
}
