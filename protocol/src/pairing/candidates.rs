//! Candidates of both sides, kept back until they may go on.

use super::Outbox;
use super::error::Violation;
use crate::limits::TRICKLED_CANDIDATES_MAX;
use crate::pairing::Output;
use crate::sdp::Candidate;

/// The candidates of the own WebRTC stack, kept back until the peer is proven.
#[derive(Default)]
pub(super) struct LocalCandidates {
    waiting: Vec<Candidate>,
    taken: usize,
    is_open: bool,
}

impl LocalCandidates {
    /// Takes a candidate in, and returns it if it may go now. More than a peer would take are dropped.
    pub(super) fn take(&mut self, candidate: Candidate) -> Option<Candidate> {
        if self.taken == TRICKLED_CANDIDATES_MAX || self.waiting.iter().any(|c| c.as_str() == candidate.as_str()) {
            return None;
        }
        self.taken += 1;
        if self.is_open {
            return Some(candidate);
        }
        self.waiting.push(candidate);
        None
    }

    /// Lets everything go from here on, and returns what waited.
    pub(super) fn open(&mut self) -> Vec<Candidate> {
        self.is_open = true;
        std::mem::take(&mut self.waiting)
    }
}

/// The candidates of the peer, kept back until its description is out.
#[derive(Default)]
pub(super) struct RemoteCandidates {
    waiting: Vec<Candidate>,
    taken: usize,
    is_open: bool,
}

impl RemoteCandidates {
    pub(super) fn take(&mut self, candidate: Candidate, outbox: &mut Outbox) -> Result<(), Violation> {
        if self.taken == TRICKLED_CANDIDATES_MAX {
            return Err(Violation::TooManyCandidates);
        }
        self.taken += 1;
        if self.is_open {
            outbox.push(Output::RemoteCandidate(candidate));
        } else {
            self.waiting.push(candidate);
        }
        Ok(())
    }

    /// Lets everything go from here on, to be called right after the description.
    pub(super) fn open(&mut self, outbox: &mut Outbox) {
        self.is_open = true;
        for candidate in self.waiting.drain(..) {
            outbox.push(Output::RemoteCandidate(candidate));
        }
    }
}
