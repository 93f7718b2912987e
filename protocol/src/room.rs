//! `Nameplate` and `RoomId`: what the server knows a share by.

use std::fmt;
use std::str::FromStr;

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::limits::{NAMEPLATE_DIGITS_MAX, NAMEPLATE_DIGITS_MIN};

/// The leading digits of a code: 2 to 8 ASCII digits that do not start with 0. The server knows them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Nameplate(String);

impl Nameplate {
    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Nameplate {
    type Err = NameplateError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(other) = text.chars().find(|c| !c.is_ascii_digit()) {
            return Err(NameplateError::NotADigit(other));
        }
        match text.len() {
            short if short < NAMEPLATE_DIGITS_MIN => Err(NameplateError::TooShort(short)),
            long if long > NAMEPLATE_DIGITS_MAX => Err(NameplateError::TooLong(long)),
            _ if text.starts_with('0') => Err(NameplateError::LeadingZero),
            _ => Ok(Self(text.to_owned())),
        }
    }
}

impl TryFrom<String> for Nameplate {
    type Error = NameplateError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Nameplate> for String {
    fn from(nameplate: Nameplate) -> Self {
        nameplate.0
    }
}

impl fmt::Display for Nameplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a text is no nameplate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameplateError {
    /// A character other than 0 to 9.
    #[error("{0:?} is not a digit from 0 to 9")]
    NotADigit(char),
    /// Fewer digits than any server gives out.
    #[error("{0} leading digits are too few: at least {NAMEPLATE_DIGITS_MIN} name the share")]
    TooShort(usize),
    /// More digits than any server gives out.
    #[error("{0} leading digits are too many: at most {NAMEPLATE_DIGITS_MAX} name the share")]
    TooLong(usize),
    /// No server gives out a nameplate that starts with 0.
    #[error("no code starts with 0")]
    LeadingZero,
}

/// What the server knows of a share: a nameplate, or 128 bits in hex for links and reconnects.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RoomId(String);

impl RoomId {
    /// The room of a link: safe to show to the server, because 128 bits cannot be guessed from their hash.
    #[must_use]
    pub fn of_link_secret(secret: &[u8; 16]) -> Self {
        let hash = Sha256::new().chain_update(b"p2pshare/1 room").chain_update(secret).finalize();
        Self(HEXLOWER.encode(&hash[..16]))
    }

    /// The room in which two paired sides meet again.
    #[must_use]
    pub fn of_resume_id(resume_id: &[u8; 16]) -> Self {
        Self(HEXLOWER.encode(resume_id))
    }

    /// Reads a room's name.
    ///
    /// # Errors
    /// The text is neither a nameplate nor 32 lower-case hex digits.
    pub fn parse(text: &str) -> Result<Self, RoomIdError> {
        text.parse()
    }

    /// The nameplate that this is, unless it is a name that the host chose.
    #[must_use]
    pub fn nameplate(&self) -> Option<Nameplate> {
        self.0.parse().ok()
    }

    /// Whether this is a nameplate, given out by the server, and not a name that the host chose.
    #[must_use]
    pub const fn is_nameplate(&self) -> bool {
        self.0.len() <= NAMEPLATE_DIGITS_MAX
    }

    /// The room as it stands in messages and in the pairing transcript.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<Nameplate> for RoomId {
    fn from(nameplate: Nameplate) -> Self {
        Self(nameplate.0)
    }
}

impl FromStr for RoomId {
    type Err = RoomIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_hex = text.len() == 32 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if is_hex || text.parse::<Nameplate>().is_ok() { Ok(Self(text.to_owned())) } else { Err(RoomIdError) }
    }
}

impl TryFrom<String> for RoomId {
    type Error = RoomIdError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<RoomId> for String {
    fn from(room: RoomId) -> Self {
        room.0
    }
}

impl fmt::Display for RoomId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text is no room: neither a nameplate nor 32 lower-case hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a room is named by 2 to 8 digits or by 32 lower-case hex digits")]
pub struct RoomIdError;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nameplates_have_two_to_eight_ascii_digits_and_no_leading_zero() {
        assert!("12".parse::<Nameplate>().is_ok());
        assert!("12345678".parse::<Nameplate>().is_ok());
        assert_eq!("1".parse::<Nameplate>(), Err(NameplateError::TooShort(1)));
        assert_eq!("123456789".parse::<Nameplate>(), Err(NameplateError::TooLong(9)));
        assert_eq!("012".parse::<Nameplate>(), Err(NameplateError::LeadingZero));
        assert_eq!("1٣".parse::<Nameplate>(), Err(NameplateError::NotADigit('٣')));
    }

    #[test]
    fn a_room_is_parsed_at_the_door() {
        assert!(serde_json::from_str::<RoomId>("\"42\"").is_ok());
        assert!(serde_json::from_str::<RoomId>("\"00112233445566778899aabbccddeeff\"").is_ok());
        for bad in ["", "1", "../x", "00112233445566778899AABBCCDDEEFF", "00112233445566778899aabbccddeef"] {
            assert!(bad.parse::<RoomId>().is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn the_room_of_a_link_does_not_show_its_secret() {
        let room = RoomId::of_link_secret(&[7; 16]);
        assert_eq!(room.as_str().len(), 32);
        assert_ne!(room, RoomId::of_resume_id(&[7; 16]));
    }
}
