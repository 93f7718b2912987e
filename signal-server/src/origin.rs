//! Which web pages may open a WebSocket here.

use std::str::FromStr;

/// The origin of a web page: scheme, host and port, in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin(String);

impl Origin {
    /// The part that a page on this origin sends as `Host`.
    fn authority(&self) -> &str {
        self.0.split_once("://").map_or("", |(_, authority)| authority)
    }
}

impl FromStr for Origin {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let lower = text.trim_end_matches('/').to_ascii_lowercase();
        let is_origin = lower
            .strip_prefix("https://")
            .or_else(|| lower.strip_prefix("http://"))
            .is_some_and(|a| !a.is_empty() && !a.contains(['/', '?', '#', '@', ' ', ',', '*']));
        if is_origin { Ok(Self(lower)) } else { Err(OriginError { value: text.to_owned() }) }
    }
}

/// A text is no origin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{value}` is no origin; write for example https://share.example.org")]
pub struct OriginError {
    value: String,
}

/// Whether a request with these headers may open a WebSocket.
///
/// Programs send no `Origin`. A browser always does, and a foreign page must not spend its visitors' addresses on
/// guesses: it has to be this server's own page, or one that was allowed.
pub(crate) fn is_allowed(origin: Option<&str>, host: Option<&str>, allowed: &[Origin]) -> bool {
    let Some(origin) = origin else { return true };
    let Ok(origin) = origin.parse::<Origin>() else { return false };
    let is_own = host.is_some_and(|host| origin.authority() == host.to_ascii_lowercase());
    is_own || allowed.contains(&origin)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b_083_only_programs_own_pages_and_allowed_pages_may_connect() {
        let allowed = ["https://app.example.org".parse().unwrap()];
        let check = |origin| is_allowed(origin, Some("share.example.org:8765"), &allowed);
        assert!(check(None));
        assert!(check(Some("http://share.example.org:8765")));
        assert!(check(Some("https://Share.Example.org:8765")));
        assert!(check(Some("https://app.example.org")));
        for foreign in [
            "https://evil.example",
            "null",
            "",
            "http://share.example.org",
            "http://app.example.org",
            "share.example.org:8765",
        ] {
            assert!(!check(Some(foreign)), "{foreign}");
        }
    }

    #[test]
    fn without_a_host_only_allowed_pages_may_connect() {
        assert!(!is_allowed(Some("https://share.example.org"), None, &[]));
        assert!(!is_allowed(Some("https://"), Some(""), &[]));
    }

    #[test]
    fn wildcards_and_paths_are_no_origins() {
        for text in ["*", "https://*.example.org", "https://example.org/app", "example.org", "ftp://example.org"] {
            assert!(text.parse::<Origin>().is_err(), "{text}");
        }
    }
}
