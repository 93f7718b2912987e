//! `Untrusted`: text that a peer chose.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::local_name::is_deceptive;

/// Text that somebody else chose. Its display escapes what could move the cursor, colour the screen or hide a name's
/// ending, and cuts what is too long for a line; so does its debug form, for logs.
#[derive(Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Untrusted<T = String>(
    /// The text as it came: to be compared or stored, not to be shown.
    pub T,
);

impl<T: AsRef<str>> fmt::Display for Untrusted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.as_ref();
        match text.char_indices().nth(COLUMNS_MAX) {
            None => f.write_str(&escape(text)),
            Some((end, _)) => write!(f, "{}…", escape(&text[..end])),
        }
    }
}

impl<T: AsRef<str>> fmt::Debug for Untrusted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

/// The whole of a text, escaped and not cut.
#[must_use]
pub fn escape(text: &str) -> String {
    text.chars().map(|c| if is_deceptive(c) { format!("\\u{{{:x}}}", u32::from(c)) } else { c.to_string() }).collect()
}

/// Longer texts are cut when they are shown.
const COLUMNS_MAX: usize = 120;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_and_bidi_characters_are_escaped() {
        let text = Untrusted("a\x1b[2J\u{202e}fdp.exe\u{9b}");
        assert_eq!(text.to_string(), "a\\u{1b}[2J\\u{202e}fdp.exe\\u{9b}");
        assert_eq!(format!("{text:?}"), "\"a\\u{1b}[2J\\u{202e}fdp.exe\\u{9b}\"");
        assert_eq!(Untrusted("é 🎬").to_string(), "é 🎬");
    }

    #[test]
    fn long_text_is_cut() {
        assert_eq!(Untrusted("x".repeat(500)).to_string().chars().count(), COLUMNS_MAX + 1);
        assert_eq!(Untrusted("x".repeat(COLUMNS_MAX)).to_string().chars().count(), COLUMNS_MAX);
    }

    #[test]
    fn on_the_wire_it_is_the_text() {
        let text: Untrusted = serde_json::from_str(r#""a\u0007""#).unwrap();
        assert_eq!(text.0, "a\u{7}");
        assert_eq!(serde_json::to_string(&text).unwrap(), r#""a\u0007""#);
    }
}
