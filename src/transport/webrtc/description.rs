//! Looks over a peer's session description before the library gets it.
//!
//! The library takes a short fingerprint, a senseless role or a wrong port without complaint, and the connection then
//! fails by a timeout half a minute later; here it fails at once, in words.

use crate::transport::{candidate::Candidate, error::TransportError};

/// Checks a description; returns it without its candidates, and those apart, so that each goes through our own filter.
///
/// # Errors
/// [`TransportError::Description`].
pub(super) fn vet(sdp: &str) -> Result<(String, Vec<Candidate>), TransportError> {
    if sdp.len() > MAX_DESCRIPTION_BYTES {
        return Err(unusable("too long"));
    }
    let (mut kept, mut candidates) = (String::with_capacity(sdp.len()), Vec::new());
    let mut seen = Seen::default();
    for line in sdp.lines() {
        if let Some(candidate) = line.strip_prefix("a=candidate:") {
            candidates.push(Candidate::new(format!("candidate:{candidate}")));
            continue;
        }
        if line == "a=end-of-candidates" {
            continue;
        }
        seen.line(line)?;
        kept.push_str(line);
        kept.push_str("\r\n");
    }
    seen.complete()?;
    Ok((kept, candidates))
}

/// What a usable description must have been seen to hold.
#[derive(Default)]
struct Seen {
    sections: usize,
    ufrag: bool,
    password: bool,
    fingerprint: bool,
}

impl Seen {
    fn line(&mut self, line: &str) -> Result<(), TransportError> {
        if let Some(media) = line.strip_prefix("m=") {
            self.sections += 1;
            if !media.starts_with("application ") || !media.ends_with(" webrtc-datachannel") {
                return Err(unusable("it asks for something other than data channels"));
            }
        }
        let Some(attribute) = line.strip_prefix("a=") else { return Ok(()) };
        let (name, value) = attribute.split_once(':').unwrap_or((attribute, ""));
        match name {
            "ice-ufrag" => self.ufrag |= (4..=256).contains(&value.len()),
            "ice-pwd" => self.password |= (22..=256).contains(&value.len()),
            "fingerprint" => {
                if !is_sha256(value) {
                    return Err(unusable("its certificate fingerprint is not a SHA-256 one"));
                }
                self.fingerprint = true;
            }
            "setup" if !["active", "passive", "actpass"].contains(&value) => return Err(unusable("unknown DTLS role")),
            "sctp-port" if value.parse::<u16>().is_err() => return Err(unusable("bad SCTP port")),
            "max-message-size" if value.parse::<u64>().is_err() => return Err(unusable("bad message size")),
            _ => {}
        }
        Ok(())
    }

    fn complete(&self) -> Result<(), TransportError> {
        if self.sections != 1 {
            return Err(unusable("it has not exactly one section"));
        }
        if !self.ufrag || !self.password {
            return Err(unusable("it has no ICE credentials"));
        }
        if !self.fingerprint {
            return Err(unusable("it has no certificate fingerprint"));
        }
        Ok(())
    }
}

/// Whether a value is `sha-256` and 32 bytes in hexadecimal with colons between.
fn is_sha256(value: &str) -> bool {
    let Some((algorithm, digest)) = value.split_once(' ') else { return false };
    algorithm.eq_ignore_ascii_case("sha-256")
        && digest.split(':').count() == 32
        && digest.split(':').all(|byte| byte.len() == 2 && byte.bytes().all(|digit| digit.is_ascii_hexdigit()))
}

fn unusable(why: &str) -> TransportError {
    TransportError::Description(why.to_owned())
}

/// Longest description looked at, in bytes. Browsers' are below 2 KiB without candidates.
const MAX_DESCRIPTION_BYTES: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
        m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=ice-ufrag:abcd\r\n\
        a=ice-pwd:0123456789012345678901\r\na=ice-options:trickle\r\na=fingerprint:sha-256 \
        00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF\r\n\
        a=setup:actpass\r\na=mid:0\r\na=sctp-port:5000\r\na=max-message-size:262144\r\n";

    #[test]
    fn a_good_description_stays_and_its_candidates_come_out() {
        let line = "candidate:1 1 udp 2130706431 192.168.1.7 50000 typ host";
        let (kept, candidates) = vet(&format!("{GOOD}a={line}\r\na=end-of-candidates\r\n")).unwrap();
        assert_eq!(kept, GOOD);
        assert_eq!(candidates, [Candidate::new(line.to_owned())]);
    }

    #[test]
    fn each_fault_is_named() {
        for (from, to, why) in [
            ("m=application 9 UDP/DTLS/SCTP webrtc-datachannel", "m=audio 9 UDP/TLS/RTP/SAVPF 111", "other than data"),
            ("m=application 9 UDP/DTLS/SCTP webrtc-datachannel", "b=AS:1", "exactly one"),
            (":EE:FF\r\na=setup", ":EE\r\na=setup", "fingerprint"),
            ("sha-256", "sha-1", "fingerprint"),
            ("a=ice-pwd:0123456789012345678901", "a=ice-pwd:short", "credentials"),
            ("a=ice-ufrag:abcd", "a=x", "credentials"),
            ("setup:actpass", "setup:whatever", "role"),
            ("sctp-port:5000", "sctp-port:70000", "port"),
            ("size:262144", "size:-1", "size"),
        ] {
            assert!(GOOD.contains(from), "{from}");
            let error = vet(&GOOD.replace(from, to)).unwrap_err().to_string();
            assert!(error.contains(why), "{to}: {error}");
        }
        assert!(vet("").is_err());
        assert!(vet(&"v=0\r\n".repeat(10_000)).unwrap_err().to_string().contains("too long"));
    }
}
