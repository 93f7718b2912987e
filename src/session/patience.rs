//! `Patience`: how often and how long it is tried to join a share.

use std::time::{Duration, Instant};

use p2pshare_protocol::envelope::{ErrorCode, Why};
use p2pshare_protocol::share_guard::CodeGuard;

use super::event::Stage;
use crate::error::Error;

/// How far an attempt to join got before it failed.
#[derive(Debug, Default)]
pub(super) struct Attempt {
    /// Whether the server let this side into the room.
    pub(super) has_entered: bool,
    /// Whether this side's proof was out and the host had not proven itself.
    pub(super) is_exposed: bool,
}

/// How often and how long it is tried to join.
#[derive(Debug)]
pub(super) struct Patience {
    began: Instant,
    /// Since when the server is away that had let this side in.
    server_lost: Option<Instant>,
    guard: CodeGuard,
}

impl Patience {
    /// Begins now.
    pub(super) fn new(now: Instant) -> Self {
        Self { began: now, server_lost: None, guard: CodeGuard::default() }
    }

    /// Takes note of an attempt that failed.
    pub(super) const fn failed(&mut self, attempt: &Attempt) {
        self.guard.failed(attempt.is_exposed);
    }

    /// Whether the code may be tried again.
    pub(super) const fn may_try(&self) -> bool {
        self.guard.may_try()
    }

    /// What is waited for before the next attempt, and how long; the error if there shall be none.
    pub(super) fn after(&mut self, error: Error, attempt: &Attempt, now: Instant) -> Result<(Stage, Duration), Error> {
        // Whoever plays host tests a guess at the code with each proof, and may say as often as it likes that it is busy.
        if matches!(error, Error::PeerLeft(_)) && !self.may_try() {
            return Err(Error::Unproven);
        }
        if let Error::Refused { code: ErrorCode::RateLimited, retry_after: Some(wait), .. } = error
            && now + seconds(wait) < self.began + CROWDED_MAX
        {
            return Ok((Stage::Crowded(seconds(wait)), seconds(wait)));
        }
        let is_busy = is_busy(&error) && now < self.began + BUSY_MAX;
        if !is_busy && !self.waits_for_server(&error, attempt, now) {
            return Err(error);
        }
        if !self.may_try() {
            return Err(Error::Unproven);
        }
        Ok((if is_busy { Stage::Busy } else { Stage::Server }, PAUSE))
    }

    /// Whether the server went away in the middle and may come back, with the host.
    #[expect(clippy::wildcard_enum_match_arm, reason = "what is not named here has nothing to do with the server")]
    fn waits_for_server(&mut self, error: &Error, attempt: &Attempt, now: Instant) -> bool {
        let is_gone = match error {
            Error::Signaling(error) => error.is_transient(),
            Error::PeerLeft(why) => *why == Why::Lost,
            // Until the host is back.
            Error::NotActive { .. } => true,
            _ => false,
        };
        let since = match self.server_lost {
            Some(since) => since,
            None if is_gone && attempt.has_entered => *self.server_lost.insert(now),
            None => return false,
        };
        is_gone && now < since + SERVER_MAX
    }
}

/// Whether the share serves others, or as many as a server lets in at once are just pairing with it.
const fn is_busy(error: &Error) -> bool {
    matches!(error, Error::PeerLeft(Why::Kicked) | Error::Refused { code: ErrorCode::Busy, .. })
}

/// The time that a server tells to wait.
pub(super) fn seconds(wait: u32) -> Duration {
    Duration::from_secs(wait.max(1).into())
}

/// How long to wait before it is tried again.
const PAUSE: Duration = Duration::from_secs(1);

/// How long a server is given that asks to wait; a person would wait no longer.
pub(super) const CROWDED_MAX: Duration = Duration::from_secs(60);

/// How long a share that is busy with somebody else, or with a lost connection of our own, is waited for.
const BUSY_MAX: Duration = Duration::from_secs(60);

/// How long a server is waited for that went away while the two sides were proving themselves.
const SERVER_MAX: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signaling::SignalingError;

    const EXPOSED: Attempt = Attempt { has_entered: true, is_exposed: true };
    const ENTERED: Attempt = Attempt { has_entered: true, is_exposed: false };

    #[test]
    fn b_056_a_host_that_is_busy_after_each_proof_gets_two_of_them() {
        let now = Instant::now();
        let mut patience = Patience::new(now);
        let busy = || Error::PeerLeft(Why::Kicked);
        assert!(matches!(after(&mut patience, busy(), &EXPOSED), Ok(Stage::Busy)));
        assert!(matches!(after(&mut patience, busy(), &EXPOSED), Err(Error::Unproven)));
    }

    fn after(patience: &mut Patience, error: Error, attempt: &Attempt) -> Result<Stage, Error> {
        patience.failed(attempt);
        patience.after(error, attempt, patience.began).map(|(stage, _)| stage)
    }

    #[test]
    fn a_server_that_asks_to_wait_is_given_as_long_as_it_asks_for_and_a_minute_at_most() {
        let now = Instant::now();
        let mut patience = Patience::new(now);
        let mut wait = |seconds, passed| {
            let server = "http://127.0.0.1:1".parse().unwrap();
            let limited = Error::Refused { server, code: ErrorCode::RateLimited, retry_after: Some(seconds) };
            patience.after(limited, &Attempt::default(), now + Duration::from_secs(passed))
        };
        let four = Duration::from_secs(4);
        assert!(matches!(wait(4, 0), Ok((Stage::Crowded(shown), pause)) if (shown, pause) == (four, four)));
        // Not at once again, whatever it says.
        assert!(matches!(wait(0, 0), Ok((_, pause)) if pause == Duration::from_secs(1)));
        assert!(wait(4, 55).is_ok());
        assert!(wait(4, 57).is_err());
        assert!(wait(u32::MAX, 0).is_err());
    }

    #[test]
    fn a_share_that_is_busy_is_waited_for_and_not_for_ever() {
        let now = Instant::now();
        let mut patience = Patience::new(now);
        let busy = || Error::PeerLeft(Why::Kicked);
        for second in 0..60 {
            assert!(patience.after(busy(), &ENTERED, now + Duration::from_secs(second)).is_ok());
        }
        assert!(patience.after(busy(), &ENTERED, now + BUSY_MAX).is_err());
        let server = "http://127.0.0.1:1".parse().unwrap();
        let crowded = Error::Refused { server, code: ErrorCode::Busy, retry_after: None };
        assert!(matches!(Patience::new(now).after(crowded, &Attempt::default(), now), Ok((Stage::Busy, _))));
    }

    #[test]
    fn a_server_is_waited_for_only_if_it_was_there() {
        let now = Instant::now();
        let gone = || Error::Signaling(SignalingError::Closed { code: None });
        let nobody = || Error::NotActive { room: "12".to_owned(), asked: Vec::new(), on_lan: false };
        let outside = Attempt::default();
        assert!(Patience::new(now).after(gone(), &outside, now).is_err());
        assert!(Patience::new(now).after(nobody(), &outside, now).is_err());
        let mut patience = Patience::new(now);
        assert!(matches!(patience.after(gone(), &ENTERED, now), Ok((Stage::Server, _))));
        assert!(patience.after(gone(), &outside, now).is_ok());
        assert!(patience.after(nobody(), &outside, now).is_ok());
        assert!(patience.after(nobody(), &outside, now + SERVER_MAX).is_err());
    }
}
