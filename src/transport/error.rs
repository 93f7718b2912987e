//! Why a connection could not be made, and why one ended.

use std::time::Duration;

/// Why a connection is over. Ends every operation on it, and stays the same for ever.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Lost {
    /// This side closed it or dropped its last handle.
    #[error("the connection was closed here")]
    ClosedHere,
    /// The other side closed it, or its process ended.
    #[error("the other device closed the connection")]
    ClosedByPeer,
    /// No path to the other side worked, or the one in use went silent for too long.
    #[error("the other device cannot be reached any more")]
    Unreachable,
    /// A path was found, but no encrypted channel came up on it within the limit: a certificate that does not match the
    /// description, another protocol on that port, or a path that drops large packets.
    #[error("no encrypted channel came up within {} s", .0.as_secs())]
    HandshakeTimedOut(Duration),
    /// The local sockets or the protocol stack failed.
    #[error("the local network stack stopped")]
    Stopped,
    /// The other side did what no honest peer does.
    #[error("the other device broke the protocol: {0}")]
    Violation(&'static str),
}

/// Why no connection could be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// The connection object could not be made: no socket, no certificate, an ICE server URL that does not parse.
    #[error("cannot open a connection: {0}")]
    Setup(String),
    /// Only a relay may be used, and there is none that can be.
    #[error("only a relay may be used, and there is none")]
    NoRelay,
    /// The description of the other side is malformed or not of a data connection.
    #[error("the other device's connection description is unusable: {0}")]
    Description(String),
    /// A call that needs another one first, such as a channel before it opened.
    #[error("out of order: {0}")]
    OutOfOrder(&'static str),
    /// The connection ended while it was being set up.
    #[error(transparent)]
    Lost(#[from] Lost),
}
