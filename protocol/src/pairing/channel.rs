//! The sealed channel of one side: frames in, frames out.

use super::error::{PairingError, Violation};
use crate::keys::KeySchedule;
use crate::role::Role;
use crate::sdp::SdpError;
use crate::seal::{Opener, Sealer};
use crate::sealed_frame::SealedFrame;

pub(super) struct Channel {
    sealer: Sealer,
    opener: Opener,
}

impl Channel {
    /// Both directions at their first frame, seen from `role`.
    pub(super) fn new(keys: &KeySchedule, role: Role, sid: &[u8; 16]) -> Self {
        Self { sealer: Sealer::new(keys, role, sid), opener: Opener::new(keys, role.peer(), sid) }
    }

    /// Only a description of the own WebRTC stack can be too long.
    pub(super) fn seal(&mut self, frame: &SealedFrame) -> Result<Vec<u8>, PairingError> {
        let sealed = self.sealer.seal(&frame.to_json());
        sealed.map_err(|error| PairingError::LocalDescription(SdpError::TooLong(error.0)))
    }

    pub(super) fn open(&mut self, sealed: &[u8]) -> Result<SealedFrame, Violation> {
        let json = self.opener.open(sealed).map_err(|_| Violation::Sealed)?;
        SealedFrame::parse(&json).map_err(|_| Violation::Frame)
    }
}
