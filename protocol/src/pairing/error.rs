//! Why a pairing failed, told apart as far as a caller acts differently.

use crate::peer_message::FailCode;
use crate::sdp::SdpError;
use crate::sealed_frame::AbortCode;

/// Why a pairing failed. The machine is over then; drain its last outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PairingError {
    /// Host: a guest proved a wrong code; count it and report it to the server. Guest: the host says so.
    #[error("wrong code")]
    WrongCode,
    /// The code is retired: too many wrong ones were tried. A new one is needed.
    #[error("the code is no longer active")]
    NotActive,
    /// Guest: the host did not prove that it knows the code. It may have tested one guess.
    #[error("the other side could not be verified: {0}")]
    PeerNotVerified(Unverified),
    /// Guest: the host is not the one that the link was made for. Do not retry.
    #[error("the host is not the one that the link was made for")]
    HostKeyMismatch,
    /// What the peer opened is not what it committed to. Do not retry.
    #[error("the other side did not keep to what it committed to")]
    SecurityMismatch,
    /// The last attempt at the password was wrong.
    #[error("wrong password")]
    PasswordWrong,
    /// The share takes no more attempts at its password.
    #[error("the share takes no more passwords until its host allows them")]
    PasswordLocked,
    /// A person said that the two sides show different numbers.
    #[error("the two sides showed different numbers")]
    ShortNumberRejected,
    /// The peer, or somebody in between, broke the rules. Not counted as a wrong code.
    #[error("the other side broke the protocol: {0}")]
    ProtocolViolation(Violation),
    /// The two sides have no version of the protocol in common.
    #[error("the other side speaks another version of the protocol")]
    Version,
    /// The peer's person or program stopped.
    #[error("the other side stopped")]
    Canceled,
    /// Host: the guest fell silent. Either side: a person took too long.
    #[error("nothing came in time")]
    TimedOut,
    /// The own WebRTC stack gave a description that no peer would take.
    #[error("the own session description cannot be used: {0}")]
    LocalDescription(SdpError),
}

/// Why a host counts as not verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unverified {
    /// Its proof is wrong.
    #[error("its proof is wrong")]
    WrongProof,
    /// No proof came in time.
    #[error("no proof came in time")]
    Silence,
}

/// Which rule was broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// A message of unknown type or wrong length.
    #[error("a malformed message")]
    Malformed,
    /// A message or frame that has no place at this point.
    #[error("a message out of place")]
    Unexpected,
    /// A key exchange element that no honest peer sends.
    #[error("an invalid element")]
    InvalidElement,
    /// Our own message came back.
    #[error("a reflected message")]
    Reflected,
    /// A message that is not the next sealed frame: altered, lost, repeated or out of order.
    #[error("a sealed frame that was altered, lost or repeated")]
    Sealed,
    /// A sealed frame with malformed contents.
    #[error("a malformed frame")]
    Frame,
    /// A session description that must not reach a WebRTC stack.
    #[error("{0}")]
    Sdp(SdpError),
    /// More candidates than any device has addresses.
    #[error("too many candidates")]
    TooManyCandidates,
    /// A host's signature where none belongs, or none where one does.
    #[error("a signature out of place")]
    HostAuth,
    /// A password cost that would exhaust this device.
    #[error("an excessive password cost")]
    PasswordCost,
    /// The host skipped the short number that this side asked for.
    #[error("the short number was skipped")]
    SkippedShortNumber,
    /// The peer says that we broke a rule.
    #[error("the other side says that this side did")]
    ReportedByPeer,
}

impl From<Violation> for PairingError {
    fn from(violation: Violation) -> Self {
        Self::ProtocolViolation(violation)
    }
}

/// What a peer's last message means. Nobody answers it.
impl From<FailCode> for PairingError {
    fn from(code: FailCode) -> Self {
        match code {
            FailCode::WrongCode => Self::WrongCode,
            FailCode::Version => Self::Version,
            FailCode::Violation => Violation::ReportedByPeer.into(),
            FailCode::Canceled => Self::Canceled,
            FailCode::NotActive => Self::NotActive,
        }
    }
}

/// What a peer's last frame means. Nobody answers it.
impl From<AbortCode> for PairingError {
    fn from(code: AbortCode) -> Self {
        match code {
            AbortCode::Canceled => Self::Canceled,
            AbortCode::NotConfirmed => Self::ShortNumberRejected,
            AbortCode::WrongPassword => Self::PasswordWrong,
            AbortCode::PasswordLocked => Self::PasswordLocked,
            AbortCode::Violation => Violation::ReportedByPeer.into(),
            AbortCode::SecurityMismatch => Self::SecurityMismatch,
            AbortCode::TimedOut => Self::TimedOut,
        }
    }
}

impl PairingError {
    /// What the peer is told when there is a sealed channel.
    pub(super) const fn abort_code(self) -> AbortCode {
        match self {
            Self::Canceled | Self::LocalDescription(_) => AbortCode::Canceled,
            Self::ShortNumberRejected => AbortCode::NotConfirmed,
            Self::PasswordWrong => AbortCode::WrongPassword,
            Self::PasswordLocked => AbortCode::PasswordLocked,
            Self::SecurityMismatch | Self::HostKeyMismatch => AbortCode::SecurityMismatch,
            Self::TimedOut => AbortCode::TimedOut,
            Self::WrongCode
            | Self::NotActive
            | Self::PeerNotVerified(_)
            | Self::ProtocolViolation(_)
            | Self::Version => AbortCode::Violation,
        }
    }

    /// What the peer is told when there is none.
    pub(super) const fn fail_code(self) -> FailCode {
        match self {
            Self::WrongCode => FailCode::WrongCode,
            Self::Version => FailCode::Version,
            Self::NotActive => FailCode::NotActive,
            Self::Canceled
            | Self::TimedOut
            | Self::LocalDescription(_)
            | Self::PeerNotVerified(Unverified::Silence) => FailCode::Canceled,
            Self::PeerNotVerified(Unverified::WrongProof)
            | Self::HostKeyMismatch
            | Self::SecurityMismatch
            | Self::PasswordWrong
            | Self::PasswordLocked
            | Self::ShortNumberRejected
            | Self::ProtocolViolation(_) => FailCode::Violation,
        }
    }
}
