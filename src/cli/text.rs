//! Text from a peer, made safe to print.

use p2pshare_protocol::local_name::is_deceptive;
pub(crate) use p2pshare_protocol::untrusted::{Untrusted, escape};

/// A text of several lines, each of them made safe.
pub(crate) fn untrusted_lines(text: &str) -> String {
    text.lines().map(escape).collect::<Vec<_>>().join("\n")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_keeps_its_meaning_and_loses_its_effect() {
        let text = "a\u{85}b\u{202e}c\u{7f}\u{1b}[m";
        let safe = untrusted_json(&serde_json::json!(text).to_string());
        assert_eq!(safe, r#""a\u0085b\u202ec\u007f\u001b[m""#);
        assert_eq!(serde_json::from_str::<String>(&safe).unwrap(), text);
    }

    #[test]
    fn lines_of_a_text_stay_lines() {
        assert_eq!(untrusted_lines("one\ntwo\x07"), "one\ntwo\\u{7}");
    }
}
