//! What can go wrong between a client and its signalling server.

use std::io;

use p2pshare_protocol::envelope::EnvelopeError;
use tokio_tungstenite::tungstenite;

use super::ServerUrl;

/// Why there is no connection to the signalling server, or no longer one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignalingError {
    /// No connection could be made: no such name, nobody listening, no network.
    #[error("the server {server} cannot be reached: {source}")]
    Unreachable {
        /// Which server.
        server: ServerUrl,
        /// What the system said.
        source: io::Error,
    },
    /// The server did not answer in time.
    #[error("the server {server} did not answer within 10 s")]
    TimedOut {
        /// Which server.
        server: ServerUrl,
    },
    /// The server's certificate is not trusted, or it speaks no TLS.
    #[error("no trusted TLS connection to {server}: {source}")]
    Tls {
        /// Which server.
        server: ServerUrl,
        /// What is wrong with it.
        source: io::Error,
    },
    /// The server answered the request with an HTTP error.
    #[error("the server {server} refused with HTTP status {status}")]
    Refused {
        /// Which server.
        server: ServerUrl,
        /// The HTTP status, e.g. 429 (too many from this address) or 503 (full).
        status: u16,
    },
    /// What answered is no signalling server.
    #[error("{server} does not answer like a p2pshare server")]
    NotAServer {
        /// Which address.
        server: ServerUrl,
    },
    /// The connection ended: 1001 means the server is going down, 1013 that this side read too slowly, `None` that the
    /// socket just broke or was closed before.
    #[error("the connection to the server is closed")]
    Closed {
        /// The WebSocket close code, if one was given.
        code: Option<u16>,
    },
    /// The connection broke.
    #[error("the connection to the server broke: {0}")]
    Lost(io::Error),
    /// Nothing was heard for 75 s.
    #[error("the server has gone silent")]
    Silent,
    /// The server sent something that is no message.
    #[error("the server broke the protocol: {0}")]
    Malformed(#[from] EnvelopeError),
    /// The server broke the rules of WebSocket.
    #[error("the server broke the WebSocket protocol")]
    WebSocket,
    /// The server sent a binary frame.
    #[error("the server sent a binary frame")]
    Binary,
    /// 256 messages are waiting and nobody reads them.
    #[error("the server sends faster than it is read")]
    Overrun,
}

impl SignalingError {
    /// Whether connecting again may help: the network or the server failed, and nobody misbehaved.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::TimedOut { .. } | Self::Closed { .. } | Self::Lost(_) | Self::Silent => {
                true
            }
            Self::Refused { status, .. } => matches!(status, 429 | 500..=599),
            Self::Tls { .. }
            | Self::NotAServer { .. }
            | Self::Malformed(_)
            | Self::WebSocket
            | Self::Binary
            | Self::Overrun => false,
        }
    }

    pub(super) fn from_handshake(server: &ServerUrl, error: tungstenite::Error) -> Self {
        let server = server.clone();
        match error {
            tungstenite::Error::Http(response) => Self::Refused { server, status: response.status().as_u16() },
            tungstenite::Error::Io(source) if is_tls(&source) => Self::Tls { server, source },
            tungstenite::Error::Io(source) => Self::Unreachable { server, source },
            // Something before the server takes connections also while the server is down.
            tungstenite::Error::Protocol(tungstenite::error::ProtocolError::HandshakeIncomplete) => {
                Self::Unreachable { server, source: io::ErrorKind::ConnectionAborted.into() }
            }
            tungstenite::Error::Tls(source) => Self::Tls { server, source: io::Error::other(source) },
            tungstenite::Error::ConnectionClosed
            | tungstenite::Error::AlreadyClosed
            | tungstenite::Error::Capacity(_)
            | tungstenite::Error::Protocol(_)
            | tungstenite::Error::WriteBufferFull(_)
            | tungstenite::Error::Utf8(_)
            | tungstenite::Error::AttackAttempt
            | tungstenite::Error::Url(_)
            | tungstenite::Error::HttpFormat(_) => Self::NotAServer { server },
        }
    }

    pub(super) fn from_socket(error: tungstenite::Error) -> Self {
        match error {
            tungstenite::Error::ConnectionClosed | tungstenite::Error::AlreadyClosed => Self::Closed { code: None },
            tungstenite::Error::Io(source) => Self::Lost(source),
            // The other side dropped the connection without a goodbye.
            tungstenite::Error::Protocol(tungstenite::error::ProtocolError::ResetWithoutClosingHandshake) => {
                Self::Closed { code: None }
            }
            tungstenite::Error::Tls(_)
            | tungstenite::Error::Capacity(_)
            | tungstenite::Error::Protocol(_)
            | tungstenite::Error::WriteBufferFull(_)
            | tungstenite::Error::Utf8(_)
            | tungstenite::Error::AttackAttempt
            | tungstenite::Error::Url(_)
            | tungstenite::Error::Http(_)
            | tungstenite::Error::HttpFormat(_) => Self::WebSocket,
        }
    }
}

/// Whether rustls is behind an error of the stream.
fn is_tls(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>())
}
