//! `Error`: one variant for each thing that a caller can act on.

use p2pshare_protocol::code::CodeError;
use p2pshare_protocol::envelope::{ErrorCode, Why};
use p2pshare_protocol::error::TransferError;
use p2pshare_protocol::link::LinkError;
use p2pshare_protocol::pairing::PairingError;
use p2pshare_protocol::password::PasswordError;

use crate::signaling::{ServerUrl, ServerUrlError, SignalingError};
use crate::storage::sink::SinkError;
use crate::storage::source::SourceError;
use crate::transport::{Found, Lost, TransportError};

/// Why a share or a transfer ended other than well.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The signalling server cannot be reached or does not behave.
    #[error(transparent)]
    Signaling(#[from] SignalingError),
    /// The signalling server refused.
    #[error("the server refused: {code:?}")]
    Refused {
        /// The server.
        server: ServerUrl,
        /// Why.
        code: ErrorCode,
        /// When trying again may help, in seconds.
        retry_after: Option<u32>,
    },
    /// The server named a room in a way that no server does.
    #[error("the server gave out an impossible nameplate")]
    BadServer,
    /// No code can be made as asked for.
    #[error(transparent)]
    Code(#[from] CodeError),
    /// The share has a password, and none was given.
    #[error("this share has a password")]
    PasswordNeeded,
    /// The text is no password.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// A server's address is none.
    #[error(transparent)]
    ServerUrl(#[from] ServerUrlError),
    /// A server's address does not go into a link.
    #[error(transparent)]
    Origin(LinkError),
    /// No share has this nameplate, as far as the asked servers know.
    #[error("no share answers to {room}")]
    NotActive {
        /// The nameplate or the room of the link.
        room: String,
        /// The servers that were asked.
        asked: Vec<ServerUrl>,
        /// Whether the local network was asked too.
        on_lan: bool,
    },
    /// The pairing failed.
    #[error(transparent)]
    Pairing(#[from] PairingError),
    /// Somebody took this side's proof more than once and never proved to know the code.
    #[error("could not verify the other side: it took the proof of this code twice and gave none")]
    Unproven,
    /// The peer's connection to the server ended during the pairing.
    #[error("the other side went away ({0:?})")]
    PeerLeft(Why),
    /// No connection could be set up.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// No path between the two devices works.
    #[error("no path to the other device works")]
    NoPath(Found),
    /// The connection was lost.
    #[error(transparent)]
    Lost(Lost),
    /// The channel does not belong to the pairing: somebody is in between, or a stack is broken.
    #[error("the connection is not the one that was paired")]
    BindMismatch,
    /// The peer did not prove that the channel belongs to the pairing.
    #[error("the other side did not confirm the connection")]
    BindMissing,
    /// The transfer ended.
    #[error(transparent)]
    Transfer(#[from] TransferError),
    /// What is to be sent cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// Standard output does not take what arrives.
    #[error("standard output cannot be written: {0}")]
    Pipe(std::io::Error),
    /// More or less than one file was to be taken into one.
    #[error("{0} entries are offered where one file is wanted")]
    NotOneFile(usize),
    /// What arrives cannot be stored.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// The embedded server cannot listen.
    #[error("the embedded signalling server cannot listen: {0}")]
    Listen(std::io::Error),
    /// Nobody came before the share expired.
    #[error("nobody fetched the share in time")]
    Expired,
    /// This side asked to stop before a transfer began.
    #[error("stopped")]
    Stopped,
}

impl Error {
    /// Whether a connection did not come up because nothing gets through to the peer.
    pub(crate) const fn is_without_path(&self) -> bool {
        matches!(self, Self::Transport(TransportError::Lost(Lost::Unreachable | Lost::HandshakeTimedOut(_))))
    }

    /// Whether only the connection is to blame, so that another one can take over.
    pub(crate) const fn is_interruption(&self) -> bool {
        matches!(self, Self::Lost(_) | Self::Transfer(TransferError::Silent))
    }
}
