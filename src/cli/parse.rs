//! Reads the values that people type: codes, durations, sizes.

use std::num::{NonZeroU32, NonZeroU64};
use std::time::Duration;

use p2pshare::Invitation;
use p2pshare::transport::IceServer;
use p2pshare_protocol::code::{Code, CodeError};
use p2pshare_protocol::limits::STREAMS_MAX;
use p2pshare_protocol::link::Link;
use p2pshare_protocol::streams::Streams;

/// Reads a code or link.
pub(crate) fn parse_invitation(text: &str) -> Result<Invitation, String> {
    let text = text.trim();
    if text.contains("://") || text.contains('#') {
        text.parse::<Link>().map(Invitation::Link).map_err(|e| e.to_string())
    } else if text.chars().all(|c| c.is_ascii_digit() || c.is_whitespace()) && digits(text) < CODE_DIGITS_MIN {
        Err(format!("a code has at least {CODE_DIGITS_MIN} digits, and this one has {}", digits(text)))
    } else {
        let code = match text.parse::<Code>() {
            // A dash where the display has a space.
            Err(CodeError::SecretTooShort(_)) if digits(text) >= CODE_DIGITS_MIN => text.replace('-', "").parse(),
            code => code,
        };
        code.map(Invitation::Code).map_err(|e| e.to_string())
    }
}

/// Reads over how many connections file data goes.
pub(crate) fn parse_streams(text: &str) -> Result<Streams, String> {
    if text == "auto" {
        return Ok(Streams::Auto);
    }
    let streams = text.parse().ok().and_then(Streams::exactly);
    streams.ok_or_else(|| format!("{text:?} is neither auto nor a number of connections from 1 to {STREAMS_MAX}"))
}

/// Reads how many there may be.
pub(crate) fn parse_count(text: &str) -> Result<NonZeroU32, String> {
    text.parse().map_err(|_| format!("{text:?} is no number from 1 on"))
}

/// Reads how many secret digits a code has.
pub(crate) fn parse_secret_digits(text: &str) -> Result<u8, String> {
    let digits = text.parse().ok().filter(|digits| (4..=12).contains(digits));
    digits.ok_or_else(|| format!("{text:?} is no number from 4 to 12"))
}

/// Reads a pattern for names and paths.
pub(crate) fn parse_pattern(text: &str) -> Result<String, String> {
    let wrong = |error: globset::Error| format!("{}; write for example '*.jpg'", error.kind());
    globset::Glob::new(text).map(|_| text.to_owned()).map_err(wrong)
}

fn digits(text: &str) -> usize {
    text.chars().filter(char::is_ascii_digit).count()
}

/// Two to name the share, and four that are secret.
const CODE_DIGITS_MIN: usize = 6;

/// Reads a duration: a number with `s`, `m`, `h` or `d`, or several of them, such as `1h30m`.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    match parse_retry(text)? {
        Duration::ZERO => Err(format!("{text:?} is no time at all: write a number and a unit, such as 10m")),
        duration => Ok(duration),
    }
}

/// Reads a duration that may be zero.
pub(crate) fn parse_retry(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is no duration: write a number and a unit, such as 90s, 10m, 2h or 1d");
    let mut total = Duration::ZERO;
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(wrong());
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let number: u64 = rest[..digits].parse().map_err(|_| wrong())?;
        let mut after = rest[digits..].chars();
        let unit = match after.next() {
            Some('s') => 1,
            Some('m') => 60,
            Some('h') => 3600,
            Some('d') => 86_400,
            Some(_) | None => return Err(wrong()),
        };
        total = total.saturating_add(Duration::from_secs(number.saturating_mul(unit)));
        rest = after.as_str().trim_start();
    }
    Ok(total)
}

/// Reads a number of bytes: `500`, `10k`, `1.5GB` (decimal) or `2GiB` (binary).
pub(crate) fn parse_size(text: &str) -> Result<NonZeroU64, String> {
    let wrong = || format!("{text:?} is no size: write a number and a unit, such as 500MB or 10GiB");
    let text = text.trim().trim_end_matches("/s");
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let number: f64 = text[..digits].parse().map_err(|_| wrong())?;
    let unit = text[digits..].trim().to_ascii_lowercase();
    let unit = unit.strip_suffix('b').unwrap_or(&unit);
    let (base, prefix) = unit.strip_suffix('i').map_or((1000_f64, unit), |prefix| (1024_f64, prefix));
    let power = match prefix {
        "" => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        _ => return Err(wrong()),
    };
    NonZeroU64::new((number * base.powi(power)) as u64).ok_or_else(wrong)
}

/// Reads the address of a STUN or TURN server; a name and password for TURN stand in front of the host.
pub(crate) fn parse_ice_server(text: &str) -> Result<IceServer, String> {
    let wrong =
        || "write for example stun:stun.example.org:3478 or turn:NAME:PASSWORD@turn.example.org:3478".to_owned();
    let (scheme, rest) = text.split_once(':').ok_or_else(wrong)?;
    let (credential, host) = rest.rsplit_once('@').map_or((None, rest), |(credential, host)| (Some(credential), host));
    let (username, password) = match (scheme, credential) {
        ("stun", None) => ("", ""),
        ("turn", Some(credential)) => credential.rsplit_once(':').ok_or_else(wrong)?,
        _ => return Err(wrong()),
    };
    if host.is_empty() || host.contains(|c: char| c.is_whitespace() || c == '/') {
        return Err(wrong());
    }
    let urls = vec![format!("{scheme}:{host}")];
    Ok(IceServer { urls, username: username.to_owned(), credential: password.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dash_where_the_display_has_a_space_does_no_harm() {
        let code = |text| match parse_invitation(text) {
            Ok(Invitation::Code(code)) => code.spaced(),
            other => panic!("{other:?}"),
        };
        assert_eq!(code("503-080"), "503 080");
        assert_eq!(code("50-123456"), code("50 - 123 456"));
        for bad in ["50-12", "-503080", "5-0-3080"] {
            assert!(parse_invitation(bad).is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn durations_have_units() {
        assert_eq!(parse_duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_duration("1h30m"), Ok(Duration::from_secs(5400)));
        assert_eq!(parse_retry("0s"), Ok(Duration::ZERO));
        for bad in ["", "5", "m", "-1s", "1y", "0s"] {
            assert!(parse_duration(bad).is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn ice_servers_may_carry_a_name_and_a_password() {
        let server = parse_ice_server("turn:1700:ann:s3:cret@turn.example.org:3478?transport=udp").unwrap();
        assert_eq!(server.urls, ["turn:turn.example.org:3478?transport=udp"]);
        assert_eq!((server.username.as_str(), server.credential.as_str()), ("1700:ann:s3", "cret"));
        assert_eq!(parse_ice_server("stun:[::1]:3478").unwrap().urls, ["stun:[::1]:3478"]);
        for bad in ["", "stun:", "example.org", "turn:example.org", "turn:ann@example.org", "http://example.org"] {
            assert!(parse_ice_server(bad).is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn sizes_are_decimal_or_binary() {
        let bytes = |text| parse_size(text).map(NonZeroU64::get);
        assert_eq!(bytes("500"), Ok(500));
        assert_eq!(bytes("1.5GB"), Ok(1_500_000_000));
        assert_eq!(bytes("2GiB"), Ok(2 << 30));
        assert_eq!(bytes("5MB/s"), Ok(5_000_000));
        assert_eq!(bytes("10k"), Ok(10_000));
        for bad in ["", "0", "x", "5 parsecs", "-1", "1e9"] {
            assert!(bytes(bad).is_err(), "{bad:?} was accepted");
        }
    }
}
