//! What each side brings to a pairing.

use zeroize::Zeroizing;

use super::error::{PairingError, Violation};
use crate::code::Code;
use crate::host_identity::{HostAuth, HostIdentity};
use crate::keys::Mode;
use crate::link::Link;

/// How guests come to a host.
pub enum HostSecret {
    /// With a code.
    Code(Code),
    /// With a link, whose host proves its key to every guest.
    Link {
        /// The link.
        link: Link,
        /// The key whose hash the link carries.
        identity: HostIdentity,
    },
    /// Again, after an earlier pairing.
    Resume(Zeroizing<[u8; 32]>),
}

/// How a guest comes to a host.
pub enum GuestSecret {
    /// With a code.
    Code(Code),
    /// With a link.
    Link(Link),
    /// Again, after an earlier pairing.
    Resume(Zeroizing<[u8; 32]>),
}

impl HostSecret {
    pub(super) const fn mode(&self) -> Mode {
        match self {
            Self::Code(_) => Mode::Code,
            Self::Link { .. } => Mode::Link,
            Self::Resume(_) => Mode::Resume,
        }
    }

    pub(super) fn prs(&self) -> Zeroizing<Vec<u8>> {
        self.mode().prs(match self {
            Self::Code(code) => code.secret().as_bytes(),
            Self::Link { link, .. } => link.secret(),
            Self::Resume(key) => &**key,
        })
    }

    pub(super) fn identity(&self) -> Option<HostIdentity> {
        match self {
            Self::Link { identity, .. } => Some(identity.clone()),
            Self::Code(_) | Self::Resume(_) => None,
        }
    }
}

impl GuestSecret {
    pub(super) const fn mode(&self) -> Mode {
        match self {
            Self::Code(_) => Mode::Code,
            Self::Link(_) => Mode::Link,
            Self::Resume(_) => Mode::Resume,
        }
    }

    pub(super) fn prs(&self) -> Zeroizing<Vec<u8>> {
        self.mode().prs(match self {
            Self::Code(code) => code.secret().as_bytes(),
            Self::Link(link) => link.secret(),
            Self::Resume(key) => &**key,
        })
    }

    pub(super) const fn host_key(&self) -> ExpectedHostKey {
        match self {
            Self::Link(link) => ExpectedHostKey(Some(*link.host_key_hash())),
            Self::Code(_) | Self::Resume(_) => ExpectedHostKey(None),
        }
    }
}

/// Which key the host has to prove: the link's, or none.
pub(super) struct ExpectedHostKey(Option<[u8; 16]>);

impl ExpectedHostKey {
    /// Checks what came with the host's proof.
    pub(super) fn check(&self, auth: Option<&HostAuth>, th: &[u8; 64], nonce: &[u8; 16]) -> Result<(), PairingError> {
        match (self.0, auth) {
            (None, None) => Ok(()),
            (Some(hash), Some(auth)) if auth.is_valid(&hash, th, nonce) => Ok(()),
            (Some(_), Some(_)) => Err(PairingError::HostKeyMismatch),
            (None, Some(_)) | (Some(_), None) => Err(Violation::HostAuth.into()),
        }
    }
}
