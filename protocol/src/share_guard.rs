//! `ShareGuard` and `CodeGuard`: what each side remembers of failed handshakes, so that guesses stay few.

use crate::limits::{PASSWORD_ATTEMPTS_MAX, UNPROVEN_HANDSHAKES_MAX, WRONG_PASSWORDS_MAX, WRONG_PROOFS_MAX};

/// The host's memory of one share, over all its guests.
///
/// Only wrong proofs count: a guest that vanishes before its proof has tested nothing. A link is not guarded: its
/// 128 bits cannot be guessed, and so nobody can burn it. Count before the guest is answered, and when the
/// code is retired, retire every handshake in flight as well.
#[derive(Debug, Clone)]
pub struct ShareGuard {
    wrong_codes: u8,
    wrong_codes_max: u8,
    wrong_passwords: u8,
    short_number_due: bool,
}

/// What follows from a wrong code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeVerdict {
    /// The code stays; this many wrong ones are left.
    Stays {
        /// How many more wrong codes it takes to retire it.
        left: u8,
    },
    /// The code is retired: show a new one.
    Retired,
}

impl ShareGuard {
    /// A share without failures. A strict one retires its code at the first wrong proof.
    #[must_use]
    pub const fn new(strict: bool) -> Self {
        let wrong_codes_max = if strict { 1 } else { WRONG_PROOFS_MAX };
        Self { wrong_codes: 0, wrong_codes_max, wrong_passwords: 0, short_number_due: false }
    }

    /// Counts a wrong proof for the code.
    pub const fn wrong_code(&mut self) -> CodeVerdict {
        self.wrong_codes = self.wrong_codes.saturating_add(1);
        self.short_number_due = true;
        if self.is_code_retired() {
            CodeVerdict::Retired
        } else {
            CodeVerdict::Stays { left: self.wrong_codes_max - self.wrong_codes }
        }
    }

    /// Whether no handshake over the code may be started or answered any more.
    #[must_use]
    pub const fn is_code_retired(&self) -> bool {
        self.wrong_codes >= self.wrong_codes_max
    }

    /// The share has a new code. The next guest still compares the short number.
    pub const fn code_replaced(&mut self) {
        self.wrong_codes = 0;
    }

    /// A guest is paired.
    pub const fn paired(&mut self) {
        self.short_number_due = false;
    }

    /// Whether the next guest compares the short number because a wrong proof came before.
    #[must_use]
    pub const fn is_short_number_due(&self) -> bool {
        self.short_number_due
    }

    /// Counts a wrong password. Returns whether the share is locked; lock every handshake in flight then.
    pub const fn wrong_password(&mut self) -> bool {
        self.wrong_passwords = self.wrong_passwords.saturating_add(1);
        self.password_attempts() == 0
    }

    /// How many attempts at the password the next guest has. With none the share is locked.
    #[must_use]
    pub const fn password_attempts(&self) -> u8 {
        let left = WRONG_PASSWORDS_MAX.saturating_sub(self.wrong_passwords);
        if left < PASSWORD_ATTEMPTS_MAX { left } else { PASSWORD_ATTEMPTS_MAX }
    }

    /// The host's person allows passwords again.
    pub const fn unlock_password(&mut self) {
        self.wrong_passwords = 0;
    }
}

/// The guest's memory of one code.
///
/// Whoever plays host tests one guess with each proof, and can say that the peer is gone as often as the guest
/// tries again. So the guest stops.
#[derive(Debug, Clone, Default)]
pub struct CodeGuard {
    unproven: u8,
}

impl CodeGuard {
    /// A handshake failed. `exposed` is whether the proof was out and the host did not prove itself.
    pub const fn failed(&mut self, exposed: bool) {
        if exposed {
            self.unproven = self.unproven.saturating_add(1);
        }
    }

    /// Whether the code may be tried again. If not, the person needs a new one.
    #[must_use]
    pub const fn may_try(&self) -> bool {
        self.unproven < UNPROVEN_HANDSHAKES_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_wrong_proofs_retire_the_code() {
        let mut guard = ShareGuard::new(false);
        assert_eq!(guard.wrong_code(), CodeVerdict::Stays { left: 2 });
        assert_eq!(guard.wrong_code(), CodeVerdict::Stays { left: 1 });
        assert_eq!(guard.wrong_code(), CodeVerdict::Retired);
        assert_eq!(guard.wrong_code(), CodeVerdict::Retired, "one that was in flight");
        guard.code_replaced();
        assert!(!guard.is_code_retired());
        assert!(guard.is_short_number_due(), "a new code does not make the stranger a friend");
    }

    #[test]
    fn a_strict_share_retires_its_code_at_once() {
        assert_eq!(ShareGuard::new(true).wrong_code(), CodeVerdict::Retired);
    }

    #[test]
    fn a_wrong_proof_makes_the_next_guest_compare_the_short_number() {
        let mut guard = ShareGuard::new(false);
        assert!(!guard.is_short_number_due());
        guard.wrong_code();
        assert!(guard.is_short_number_due());
        guard.paired();
        assert!(!guard.is_short_number_due());
    }

    #[test]
    fn ten_wrong_passwords_lock_the_share_until_the_host_unlocks_it() {
        let mut guard = ShareGuard::new(false);
        for count in 1..=10 {
            assert_eq!(guard.password_attempts(), (11 - count).min(3));
            assert_eq!(guard.wrong_password(), count == 10);
        }
        assert_eq!(guard.password_attempts(), 0);
        guard.unlock_password();
        assert_eq!(guard.password_attempts(), 3);
    }

    #[test]
    fn two_exposed_handshakes_are_enough_for_a_guest() {
        let mut guard = CodeGuard::default();
        guard.failed(false);
        guard.failed(true);
        assert!(guard.may_try());
        guard.failed(true);
        assert!(!guard.may_try());
    }
}
