//! Devices that let others on their network see them: their names, and which one is meant by a name.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::limits::{DEVICE_NAME_BYTES_MAX, DEVICE_NAME_CHARS_MAX};
use crate::local_name::is_deceptive;
use crate::room::RoomId;

/// The name that a device shows: short, without anything that acts on a terminal or hides a part of it.
///
/// Anybody may take any name, so it says nothing about who it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DeviceName(String);

impl DeviceName {
    /// The nearest name to a text; `None` if nothing is left of it.
    #[must_use]
    pub fn nearest(text: &str) -> Option<Self> {
        let mut name = String::new();
        for c in text.trim().chars().filter(|c| !is_deceptive(*c)).take(DEVICE_NAME_CHARS_MAX) {
            if name.len() + c.len_utf8() <= DEVICE_NAME_BYTES_MAX {
                name.push(c);
            }
        }
        name.trim().parse().ok()
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a person means this name: case does not count.
    #[must_use]
    pub fn is_called(&self, wanted: &str) -> bool {
        self.0.to_lowercase() == wanted.to_lowercase()
    }
}

impl FromStr for DeviceName {
    type Err = DeviceNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() || text.trim() != text {
            return Err(DeviceNameError::Blank);
        }
        if text.len() > DEVICE_NAME_BYTES_MAX || text.chars().count() > DEVICE_NAME_CHARS_MAX {
            return Err(DeviceNameError::TooLong);
        }
        match text.chars().find(|c| is_deceptive(*c)) {
            Some(_) => Err(DeviceNameError::Deceptive),
            None => Ok(Self(text.to_owned())),
        }
    }
}

impl TryFrom<String> for DeviceName {
    type Error = DeviceNameError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<DeviceName> for String {
    fn from(name: DeviceName) -> Self {
        name.0
    }
}

impl fmt::Display for DeviceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a text is no name of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DeviceNameError {
    /// There is nothing in it, or blanks around it.
    #[error("a name has something in it, and no blanks around it")]
    Blank,
    /// Longer than a list shows.
    #[error("a name has at most {DEVICE_NAME_CHARS_MAX} characters")]
    TooLong,
    /// A character that cannot be seen, or that changes what is seen.
    #[error("a name has only characters that can be seen")]
    Deceptive,
}

/// What a device is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceKind {
    /// A command line.
    Terminal,
    /// A page in a browser.
    Page,
}

/// What stands behind the `#` of a link that everybody on the network may know. It opens a room; who comes in by it is nobody
/// until the people of both sides have compared a number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct OpenLink(String);

impl OpenLink {
    /// The text, `v1.` and what follows.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for OpenLink {
    type Error = NotALink;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let is_link = text.strip_prefix("v1.").is_some_and(|payload| {
            payload.len() == OPEN_LINK_CHARS && payload.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
        });
        if is_link { Ok(Self(text)) } else { Err(NotALink) }
    }
}

impl From<OpenLink> for String {
    fn from(link: OpenLink) -> Self {
        link.0
    }
}

/// A text is no fragment of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no fragment of a link")]
pub struct NotALink;

/// The characters of 32 bytes in base64url.
const OPEN_LINK_CHARS: usize = 43;

/// A device that lets itself be seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// The room where it takes things.
    pub room: RoomId,
    /// What it is called.
    pub name: DeviceName,
    /// What it is.
    pub kind: DeviceKind,
    /// What opens the room.
    pub link: OpenLink,
}

impl Device {
    /// What tells it from others of the same name.
    #[must_use]
    pub fn tag(&self) -> &str {
        let room = self.room.as_str();
        room.get(..TAG_CHARS).unwrap_or(room)
    }
}

/// The devices that a person means by a name, or by a name, `#` and a tag.
pub fn called<'a, D>(devices: &'a [D], wanted: &str, device: impl Fn(&D) -> &Device) -> Vec<&'a D> {
    let by_name: Vec<_> = devices.iter().filter(|d| device(d).name.is_called(wanted)).collect();
    match wanted.rsplit_once('#') {
        Some((name, tag)) if by_name.is_empty() => {
            let is_meant = |d: &&D| device(d).name.is_called(name) && device(d).tag() == tag.to_ascii_lowercase();
            devices.iter().filter(is_meant).collect()
        }
        Some(_) | None => by_name,
    }
}

/// How many characters of a room's name tell devices of one name apart.
const TAG_CHARS: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_can_be_seen_whole() {
        for good in ["ann", "Ann's phone", "büro", "电脑", "user@machine"] {
            assert_eq!(good.parse::<DeviceName>().map(String::from), Ok(good.to_owned()));
        }
        for bad in ["", " ", " ann", "a\nb", "a\u{202e}b", "a\u{1b}[2J", &"x".repeat(33), &"电".repeat(33)] {
            assert!(bad.parse::<DeviceName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn what_is_no_name_is_made_one_where_something_is_left() {
        let nearest = |text: &str| DeviceName::nearest(text).map(String::from);
        assert_eq!(nearest(" a\u{202e}n\nn "), Some("ann".to_owned()));
        assert_eq!(nearest(&"x".repeat(40)), Some("x".repeat(32)));
        assert_eq!(nearest("\u{200b} "), None);
    }

    #[test]
    fn a_link_is_a_fragment_and_nothing_else() {
        let link = |text: &str| OpenLink::try_from(text.to_owned()).is_ok();
        assert!(link(&format!("v1.{}", "A".repeat(43))));
        for bad in ["", "v1.", "http://evil.example/#v1.AAAA", "v2.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
            assert!(!link(bad), "{bad}");
        }
        assert!(!link(&format!("v1.{} ", "A".repeat(42))));
    }

    #[test]
    fn devices_of_one_name_are_told_apart_by_their_tags() {
        let device = |name: &str, room: &str| Device {
            room: RoomId::parse(&room.repeat(32)).unwrap(),
            name: name.parse().unwrap(),
            kind: DeviceKind::Terminal,
            link: OpenLink::try_from(format!("v1.{}", "A".repeat(43))).unwrap(),
        };
        let devices = [device("ann", "a"), device("Ann", "b"), device("bob#1", "c")];
        let rooms = |wanted: &str| -> Vec<_> { called(&devices, wanted, |d| d).iter().map(|d| d.tag()).collect() };
        assert_eq!(rooms("ANN"), ["aaaa", "bbbb"]);
        assert_eq!(rooms("ann#BBBB"), ["bbbb"]);
        assert_eq!(rooms("bob#1"), ["cccc"]);
        assert!(rooms("ann#cccc").is_empty() && rooms("carl").is_empty());
    }
}
