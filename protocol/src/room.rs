//! The name of a room: all that the server knows of a share.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Names a room: the digits of a nameplate, or the 32 lower-case hex digits that a link or a resume key gives.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RoomId(String);

impl RoomId {
    /// Reads a room's name.
    ///
    /// # Errors
    /// The text is neither 2 to 8 digits without a leading zero nor 32 lower-case hex digits.
    pub fn parse(text: &str) -> Result<Self, RoomIdError> {
        if is_nameplate(text) || is_hex(text) { Ok(Self(text.to_owned())) } else { Err(RoomIdError) }
    }

    /// Whether this is a nameplate, given out by the server, and not a name that the host chose.
    #[must_use]
    pub const fn is_nameplate(&self) -> bool {
        self.0.len() <= NAMEPLATE_DIGITS_MAX
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RoomId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<RoomId> for String {
    fn from(room: RoomId) -> Self {
        room.0
    }
}

impl TryFrom<String> for RoomId {
    type Error = RoomIdError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

/// A text names no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a room is 2 to 8 digits without a leading zero, or 32 lower-case hex digits")]
pub struct RoomIdError;

fn is_nameplate(text: &str) -> bool {
    (NAMEPLATE_DIGITS_MIN..=NAMEPLATE_DIGITS_MAX).contains(&text.len())
        && !text.starts_with('0')
        && text.bytes().all(|b| b.is_ascii_digit())
}

fn is_hex(text: &str) -> bool {
    text.len() == HEX_DIGITS && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// The shortest nameplate, in digits.
pub const NAMEPLATE_DIGITS_MIN: usize = 2;

/// The longest nameplate, in digits: room for 50 million shares at once.
pub const NAMEPLATE_DIGITS_MAX: usize = 8;

const HEX_DIGITS: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nameplates_and_hex_names_are_rooms() {
        for text in ["12", "99999999", "00112233445566778899aabbccddeeff"] {
            assert_eq!(RoomId::parse(text).unwrap().to_string(), text);
        }
        assert!(RoomId::parse("12").unwrap().is_nameplate());
        assert!(!RoomId::parse("00112233445566778899aabbccddeeff").unwrap().is_nameplate());
    }

    #[test]
    fn anything_else_is_no_room() {
        let too_long_hex = "0".repeat(33);
        let upper_hex = "A".repeat(32);
        for text in ["", "1", "01", "123456789", "1a", "١٢", "12 ", &too_long_hex, &upper_hex] {
            assert_eq!(RoomId::parse(text), Err(RoomIdError), "{text:?}");
        }
    }
}
