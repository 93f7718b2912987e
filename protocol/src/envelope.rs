//! What a client and the signalling server say to each other: JSON in WebSocket text frames.
//!
//! ```text
//!        host                         server                        guest
//!  create{v, kind, ttl, max}  ─────────▶
//!        ◀───────── created{room, token, expires}
//!                                        ◀─────────  join{v, room}
//!        ◀───────── peer{cid, room}      ─────────▶  joined{cid, room}
//!  to{cid, body}              ─────────▶ ─────────▶  from{cid: 0, body}
//!        ◀───────── from{cid, body}      ◀─────────  to{body}
//!  report{cid, what: ok}      ─────────▶             (the 15 s of the handshake are over)
//!        ◀───────── left{cid, why}       ◀─────────  bye
//!  bye                        ─────────▶
//! ```
//!
//! - A host names its guests by `cid`, a number that the server gives out and never uses twice on one socket.
//!   A guest has one counterpart, the host, whose `cid` is 0 and may be left out.
//! - One socket is the host of up to four rooms (`room` says which) or the guest of one, never both.
//! - A host that lost its socket sends `create` with `room` and `token` within 60 s and has its room back. Its guests
//!   got `left` and have to join again.
//! - A host may leave a greeting for the next guest of a room: that guest gets it right behind `joined`, as if the host had sent it
//!   then, and the host gets `greeted` in front of `peer`. It waits for one guest, on the socket that left it.
//! - The host reports each guest's proof, once, before any password: `ok` ends the handshake's 15 s and counts towards
//!   `max`; `bad_proof` also removes the guest. A host that removes a guest itself gets no `left` for it.
//! - After `left` a guest's socket is free to join again; after `error` a socket stays open, except `protocol`.
//! - A client's first message may ride with the request for the WebSocket, in the header
//!   [`FIRST_MESSAGE_HEADER`]: that saves a round trip. A server that took it says so with the same header.
//!
//! Keys that are not known are ignored. A type that is not known, like anything else that is malformed, is refused.

mod body;
mod token;

pub use body::{Body, BodyError};
pub use token::{Token, TokenError};

use std::fmt;
use std::num::NonZeroU32;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::limits::{ENVELOPE_BYTES_MAX, ENVELOPE_DEPTH_MAX};
use crate::nearby::Device;
use crate::room::RoomId;

/// The header of the request for a WebSocket that holds the first message, and of a response that says that it was taken.
pub const FIRST_MESSAGE_HEADER: &str = "p2pshare-first-message";

/// What a client says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ClientMessage {
    /// Opens a room, or takes back one's own after a lost socket; answered by `created` or `error`.
    Create {
        /// The protocol version.
        v: u32,
        /// How guests find the room.
        kind: RoomKind,
        /// The room's name. Absent for a new code: the server then gives out a nameplate. A nameplate for a code that was
        /// agreed on beforehand.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        room: Option<RoomId>,
        /// The token of `created`, to take the room back.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        token: Option<Token>,
        /// How long the room shall live, in seconds; the server's default if absent, cut to its maximum.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ttl: Option<u32>,
        /// How many guests may prove themselves; any number if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max: Option<NonZeroU32>,
    },
    /// Enters a room as a guest; answered by `joined` or `error`.
    Join {
        /// The protocol version.
        v: u32,
        /// The room's name.
        room: RoomId,
    },
    /// Passes a body on to the other side.
    To {
        /// Which guest; 0, the host, if absent.
        #[serde(default, skip_serializing_if = "Cid::is_host")]
        cid: Cid,
        /// What only the other side understands.
        body: Body,
    },
    /// Leaves a body for the next guest of a room, which saves that guest a round trip (host only).
    Greet {
        /// Which of the host's rooms.
        room: RoomId,
        /// What only the guest understands; it takes the place of one that waits.
        body: Body,
    },
    /// Removes a guest (host only).
    Kick {
        /// Which guest.
        cid: Cid,
        /// What the guest is told.
        why: Why,
    },
    /// Says how a guest's proof went (host only).
    Report {
        /// Which guest.
        cid: Cid,
        /// The outcome.
        what: Outcome,
    },
    /// Asks for access to the relay for one pairing.
    Turn {
        /// Which guest; 0, the host, if absent.
        #[serde(default, skip_serializing_if = "Cid::is_host")]
        cid: Cid,
    },
    /// Lets others from the same network see a room with a link (host only), until the room ends or its host hides it.
    Show(Device),
    /// Takes that back.
    Hide {
        /// The room.
        room: RoomId,
    },
    /// Asks for the devices that let themselves be seen on the same network, and to be told of changes; answered by `nearby`.
    Look {},
    /// Ends one of the host's rooms, or leaves for good.
    Bye {
        /// Which room to end; everything, if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        room: Option<RoomId>,
    },
    /// Answers `need_pow`.
    Pow {
        /// The proof.
        stamp: String,
    },
}

/// What the server says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ServerMessage {
    /// The room is there. Answers to several `create` come in their order.
    Created {
        /// The room's name.
        room: RoomId,
        /// Takes the room back after a lost socket.
        token: Token,
        /// How long the room lives from now, in seconds.
        expires: u32,
    },
    /// The guest is in the room.
    Joined {
        /// The guest's number at the host.
        cid: Cid,
        /// The room's name.
        room: RoomId,
    },
    /// The guest of the `peer` that follows has got the greeting that waited.
    Greeted {
        /// The guest's number.
        cid: Cid,
    },
    /// A guest has entered one of the host's rooms.
    Peer {
        /// The guest's number.
        cid: Cid,
        /// The room it entered.
        room: RoomId,
    },
    /// A body from the other side.
    From {
        /// Which guest; 0, the host, if absent.
        #[serde(default)]
        cid: Cid,
        /// What only the two sides understand.
        body: Body,
    },
    /// The other side is gone.
    Left {
        /// Which guest; 0, the host, if absent.
        #[serde(default)]
        cid: Cid,
        /// Why.
        why: Why,
    },
    /// One of the host's rooms is gone; its guests are as well.
    Ended {
        /// The room's name.
        room: RoomId,
        /// Why.
        why: Why,
    },
    /// Access to the relay.
    Turn {
        /// The counterpart to use it with; 0, the host, if absent.
        #[serde(default, skip_serializing_if = "Cid::is_host")]
        cid: Cid,
        /// The relay's addresses.
        urls: Vec<String>,
        /// The user name.
        username: String,
        /// The password.
        credential: String,
        /// How long this access lasts, in seconds.
        ttl: u32,
    },
    /// The devices on the same network, as the server sees that; said again when they change.
    Nearby {
        /// All of them.
        devices: Vec<Device>,
    },
    /// A request was refused.
    Error {
        /// Why.
        code: ErrorCode,
        /// The room that was asked for, if one was named.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        room: Option<RoomId>,
        /// When trying again may help, in seconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after: Option<u32>,
    },
    /// The request is done after a proof of work.
    NeedPow {
        /// How many leading zero bits the proof has to have.
        bits: u8,
        /// What the proof is made over.
        salt: String,
    },
}

/// How guests find a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RoomKind {
    /// By a code; the server gives out the nameplate.
    Code,
    /// By a link; the host names the room.
    Link,
    /// By the key of an interrupted session; the host names the room.
    Resume,
}

/// The outcome of a guest's proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The guest knows the code.
    Ok,
    /// It does not.
    BadProof,
}

/// Why a side or a room is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// It said `bye`.
    Left,
    /// Its socket was lost.
    Lost,
    /// The host removed it.
    Kicked,
    /// The guest's proof was wrong.
    BadProof,
    /// The handshake took too long, or a guest from elsewhere needed the place.
    TimedOut,
    /// The room reached the end of its life.
    Expired,
    /// Another socket with the room's token took it over.
    Replaced,
}

/// Why the server refused a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// No such room: it never existed, has expired, or is used up. Which of these is not told.
    NotActive,
    /// Too many handshakes in this room, or its host is away: try again soon.
    Busy,
    /// Too many requests from this source.
    RateLimited,
    /// The server does not speak this protocol version.
    Version,
    /// The server has no room for more.
    ServerFull,
    /// The name is in use by another host.
    Taken,
    /// This server has no relay.
    NoRelay,
    /// The server cannot tell which network the client is on.
    NoNearby,
    /// The message broke the rules; the server closes the socket.
    Protocol,
}

/// A guest's number on its host's socket, from 1; 0 is the host.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cid(pub u32);

impl Cid {
    /// The host, as its guests name it.
    pub const HOST: Self = Self(0);

    /// Whether this is the host.
    #[must_use]
    pub const fn is_host(&self) -> bool {
        self.0 == 0
    }
}

impl fmt::Display for Cid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl ClientMessage {
    /// Reads a client's message.
    ///
    /// # Errors
    /// The text is too long, too deep, or no message.
    pub fn decode(text: &str) -> Result<Self, EnvelopeError> {
        decode(text)
    }

    /// The message as the server reads it.
    #[must_use]
    pub fn encode(&self) -> String {
        encode(self)
    }
}

impl ServerMessage {
    /// Reads a server's message.
    ///
    /// # Errors
    /// The text is too long, too deep, or no message.
    pub fn decode(text: &str) -> Result<Self, EnvelopeError> {
        decode(text)
    }

    /// The message as a client reads it.
    #[must_use]
    pub fn encode(&self) -> String {
        encode(self)
    }
}

/// A text is no message.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EnvelopeError {
    /// More bytes than a message may have.
    #[error("a message is at most {ENVELOPE_BYTES_MAX} bytes")]
    TooLong,
    /// Nested deeper than any message is.
    #[error("a message is nested at most {ENVELOPE_DEPTH_MAX} deep")]
    TooDeep,
    /// Not a message of the list.
    #[error("not a message: {0}")]
    Malformed(#[from] serde_json::Error),
}

fn decode<T: DeserializeOwned>(text: &str) -> Result<T, EnvelopeError> {
    if text.len() > ENVELOPE_BYTES_MAX {
        return Err(EnvelopeError::TooLong);
    }
    if depth(text) > ENVELOPE_DEPTH_MAX {
        return Err(EnvelopeError::TooDeep);
    }
    Ok(serde_json::from_str(text)?)
}

fn encode<T: Serialize>(message: &T) -> String {
    serde_json::to_string(message).expect("messages have string keys and infallible fields")
}

/// How deep the brackets of a JSON text are nested; an upper bound if the text is malformed.
fn depth(text: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let (mut in_string, mut escaped) = (false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => depth += 1,
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

#[cfg(test)]
mod tests;
