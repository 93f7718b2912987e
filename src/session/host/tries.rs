//! `Tries`: how many wrong proofs a code still takes, exact also when guests prove themselves at the same time.

use std::sync::{Arc, Mutex, PoisonError};

use p2pshare_protocol::limits::WRONG_PROOFS_MAX;
use p2pshare_protocol::pairing::PairingError;

/// Shared by all guests of one code.
#[derive(Debug, Clone)]
pub(in crate::session) struct Tries(Arc<Mutex<u8>>);

impl Default for Tries {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(WRONG_PROOFS_MAX)))
    }
}

impl Tries {
    /// Lets one guest's message be looked at while no other is, and only while a try is left.
    pub(in crate::session) fn examine(
        &self,
        proof: impl FnOnce() -> Result<(), PairingError>,
    ) -> Result<(), PairingError> {
        let mut left = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if *left == 0 {
            return Err(PairingError::Canceled);
        }
        let result = proof();
        *left -= u8::from(result == Err(PairingError::WrongCode));
        result
    }

    /// Wrong proofs that may still come.
    pub(super) fn left(&self) -> u8 {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
