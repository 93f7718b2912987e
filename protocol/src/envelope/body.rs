//! `Body`: what one side says to the other through the server, as base64url in an envelope.

use std::fmt;

use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};

use crate::limits::BODY_BYTES_MAX;

/// A message between the two sides that the server cannot read, at most [`BODY_BYTES_MAX`] long.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Body(Vec<u8>);

impl Body {
    /// Wraps a peer message.
    ///
    /// # Errors
    /// It is longer than [`BODY_BYTES_MAX`].
    pub fn new(bytes: Vec<u8>) -> Result<Self, BodyError> {
        if bytes.len() > BODY_BYTES_MAX { Err(BodyError::TooLong) } else { Ok(Self(bytes)) }
    }

    /// The peer message.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The peer message, without a copy.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Body({} bytes)", self.0.len())
    }
}

impl From<Body> for String {
    fn from(body: Body) -> Self {
        BASE64URL_NOPAD.encode(&body.0)
    }
}

impl TryFrom<String> for Body {
    type Error = BodyError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::new(BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| BodyError::NotBase64)?)
    }
}

/// A text is no body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// More bytes than a body may have.
    #[error("a body is at most {BODY_BYTES_MAX} bytes")]
    TooLong,
    /// Not unpadded base64url.
    #[error("a body is base64url without padding")]
    NotBase64,
}
