//! Text from a peer, made safe to print.

use std::fmt;

use p2pshare_protocol::local_name::is_deceptive;

/// Text that somebody else chose. Its display escapes what could move the cursor, colour the screen or hide a name's
/// ending, and cuts what is too long for a line.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Untrusted<'a>(pub(crate) &'a str);

impl fmt::Display for Untrusted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (column, c) in self.0.chars().enumerate() {
            if column == COLUMNS_MAX {
                return f.write_str("…");
            }
            if is_deceptive(c) { write!(f, "\\u{{{:x}}}", u32::from(c))? } else { write!(f, "{c}")? }
        }
        Ok(())
    }
}

/// A text of several lines, each of them made safe.
pub(crate) fn untrusted_lines(text: &str) -> String {
    text.lines().map(escape).collect::<Vec<_>>().join("\n")
}

/// The whole of a text, escaped and not cut.
pub(crate) fn escape(text: &str) -> String {
    text.chars().map(|c| if is_deceptive(c) { format!("\\u{{{:x}}}", u32::from(c)) } else { c.to_string() }).collect()
}

/// JSON with every character that could act on a terminal in the form `\uXXXX`; it says the same to whoever parses it.
pub(crate) fn untrusted_json(json: &str) -> String {
    let mut safe = String::with_capacity(json.len());
    for c in json.chars() {
        if is_deceptive(c) {
            safe.extend(c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")));
        } else {
            safe.push(c);
        }
    }
    safe
}

/// Longer texts are cut when they are shown.
const COLUMNS_MAX: usize = 120;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_and_bidi_characters_are_escaped() {
        assert_eq!(Untrusted("a\x1b[2J\u{202e}fdp.exe\u{9b}").to_string(), "a\\u{1b}[2J\\u{202e}fdp.exe\\u{9b}");
        assert_eq!(Untrusted("é 🎬").to_string(), "é 🎬");
    }

    #[test]
    fn json_keeps_its_meaning_and_loses_its_effect() {
        let text = "a\u{85}b\u{202e}c\u{7f}\u{1b}[m";
        let safe = untrusted_json(&serde_json::json!(text).to_string());
        assert_eq!(safe, r#""a\u0085b\u202ec\u007f\u001b[m""#);
        assert_eq!(serde_json::from_str::<String>(&safe).unwrap(), text);
    }

    #[test]
    fn long_text_is_cut() {
        assert_eq!(Untrusted(&"x".repeat(500)).to_string().chars().count(), COLUMNS_MAX + 1);
    }

    #[test]
    fn lines_of_a_text_stay_lines() {
        assert_eq!(untrusted_lines("one\ntwo\x07"), "one\ntwo\\u{7}");
    }
}
