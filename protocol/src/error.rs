//! How a transfer ends other than well.

use crate::ctl::{AbortCode, CtlError, DeclineReason, Role};
use crate::data_frame::DataFrameError;
use crate::offer::OfferError;

/// Why a transfer cannot go on. Only `Violation` blames the peer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TransferError {
    /// The peer broke the protocol.
    #[error("the other side broke the protocol: {0}")]
    Violation(#[from] Violation),
    /// The peer speaks another version of the protocol.
    #[error("the other side speaks protocol version {0}, this one 1")]
    Version(u32),
    /// Both sides want to do the same.
    #[error("both sides want to {}", match .0 { Role::Sends => "send", Role::Receives => "receive" })]
    SameRole(Role),
    /// The receiver does not take the offer.
    #[error("the receiver did not take the offer ({0:?})")]
    Declined(DeclineReason),
    /// The peer ended the session.
    #[error("the other side ended the transfer ({0:?})")]
    Aborted(AbortCode),
    /// This side ended the session.
    #[error("the transfer was stopped here ({0:?})")]
    Stopped(AbortCode),
    /// The peer gives no sign of life.
    #[error("the other side does not answer")]
    Silent,
    /// The peer lives and asks for nothing.
    #[error("the other side stopped asking for data")]
    Stalled,
    /// Bytes did not verify, again.
    #[error("received data does not match its hash")]
    Corrupt,
}

impl TransferError {
    /// What to tell the peer, if anything.
    pub(crate) const fn abort_code(&self) -> Option<AbortCode> {
        match self {
            Self::Violation(_) | Self::Version(_) | Self::SameRole(_) => Some(AbortCode::Violation),
            Self::Stopped(code) => Some(*code),
            Self::Stalled => Some(AbortCode::Stalled),
            Self::Corrupt => Some(AbortCode::Corrupt),
            Self::Declined(DeclineReason::Declined | DeclineReason::Limit | DeclineReason::Disk)
            | Self::Aborted(_)
            | Self::Silent => None,
        }
    }
}

/// A rule of the protocol that the peer broke.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Violation {
    /// A control frame that is none.
    #[error(transparent)]
    Ctl(#[from] CtlError),
    /// A data frame that is none.
    #[error(transparent)]
    Data(#[from] DataFrameError),
    /// A known frame at a time when it is not allowed.
    #[error("`{0}` is not allowed at this point")]
    Unexpected(&'static str),
    /// An offer that cannot be taken.
    #[error(transparent)]
    Offer(#[from] OfferError),
    /// A frame speaks of an entry or a range that is not on offer or was not accepted.
    #[error("`{0}` speaks of something that is not on offer")]
    OutOfOffer(&'static str),
    /// Data that was not asked for.
    #[error("data arrived that was not asked for")]
    Unrequested,
    /// More requests than the limits allow.
    #[error("the other side asks for too much at once")]
    TooMuch,
    /// The roots of both sides differ at the end.
    #[error("both sides disagree on what was moved")]
    RootMismatch,
}
