//! Looks over a peer's session description before the library gets it, and adds what the library knows nothing of.
//!
//! The library takes a short fingerprint, a senseless role or a wrong port without complaint, and the connection then
//! fails by a timeout half a minute later; here it fails at once, in words.

use data_encoding::{HEXLOWER, HEXUPPER_PERMISSIVE};

use crate::transport::{MAX_SENT_MESSAGE_BYTES, candidate::Candidate, error::TransportError, quic::CertificateHash};

/// A description that was looked over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Vetted {
    /// For the library: without candidates, so that each goes through our own filter.
    pub(super) sdp: String,
    pub(super) candidates: Vec<Candidate>,
    /// SHA-256 of the certificate on DTLS.
    pub(super) fingerprint: [u8; 32],
    pub(super) ufrag: String,
    /// Bytes in the largest message it takes (RFC 8841).
    pub(super) max_message_bytes: usize,
    /// The certificate on QUIC, where it can be reached by that as well.
    pub(super) quic: Option<CertificateHash>,
}

/// Adds that this side can be reached over QUIC as well.
pub(super) fn with_quic(mut sdp: String, hash: &CertificateHash) -> String {
    sdp.push_str(QUIC);
    HEXLOWER.encode_append(hash, &mut sdp);
    sdp.push_str("\r\n");
    sdp
}

/// Checks a description, and takes it apart.
///
/// # Errors
/// [`TransportError::Description`].
pub(super) fn vet(sdp: &str) -> Result<Vetted, TransportError> {
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
        if let Some(hash) = line.strip_prefix(QUIC) {
            seen.quic = Some(certificate_hash(hash)?);
            continue;
        }
        seen.line(line)?;
        kept.push_str(line);
        kept.push_str("\r\n");
    }
    seen.complete(kept, candidates)
}

/// What a usable description must have been seen to hold.
#[derive(Default)]
struct Seen {
    sections: usize,
    ufrag: Option<String>,
    password: bool,
    fingerprint: Option<[u8; 32]>,
    max_message_bytes: Option<usize>,
    quic: Option<CertificateHash>,
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
            "ice-ufrag" if (4..=256).contains(&value.len()) => self.ufrag = Some(value.to_owned()),
            "ice-pwd" => self.password |= (22..=256).contains(&value.len()),
            "fingerprint" => {
                let of_other = "its certificate fingerprint is not a SHA-256 one";
                let fingerprint = sha256(value).ok_or_else(|| unusable(of_other))?;
                if self.fingerprint.replace(fingerprint).is_some_and(|before| before != fingerprint) {
                    return Err(unusable("it has two certificate fingerprints"));
                }
            }
            "setup" if !["active", "passive", "actpass"].contains(&value) => return Err(unusable("unknown DTLS role")),
            "sctp-port" if value.parse::<u16>().is_err() => return Err(unusable("bad SCTP port")),
            "max-message-size" => match value.parse() {
                // No limit.
                Ok(0) => self.max_message_bytes = Some(usize::MAX),
                Ok(bytes) => self.max_message_bytes = Some(bytes),
                Err(_) => return Err(unusable("bad message size")),
            },
            _ => {}
        }
        Ok(())
    }

    fn complete(self, sdp: String, candidates: Vec<Candidate>) -> Result<Vetted, TransportError> {
        if self.sections != 1 {
            return Err(unusable("it has not exactly one section"));
        }
        let Some(ufrag) = self.ufrag.filter(|_| self.password) else {
            return Err(unusable("it has no ICE credentials"));
        };
        let Some(fingerprint) = self.fingerprint else {
            return Err(unusable("it has no certificate fingerprint"));
        };
        // What RFC 8841 says of a description without the attribute, which is what we send at most anyway.
        let max_message_bytes = self.max_message_bytes.unwrap_or(MAX_SENT_MESSAGE_BYTES);
        Ok(Vetted { sdp, candidates, fingerprint, ufrag, max_message_bytes, quic: self.quic })
    }
}

/// Reads `sha-256` and 32 bytes in hexadecimal with colons between.
fn sha256(value: &str) -> Option<[u8; 32]> {
    let digest = value.split_once(' ').filter(|(algorithm, _)| algorithm.eq_ignore_ascii_case("sha-256"))?.1;
    let is_spaced = digest.split(':').all(|byte| byte.len() == 2);
    let bytes = HEXUPPER_PERMISSIVE.decode(digest.replace(':', "").as_bytes()).ok().filter(|_| is_spaced)?;
    bytes.try_into().ok()
}

fn certificate_hash(hex: &str) -> Result<CertificateHash, TransportError> {
    let hash = HEXLOWER.decode(hex.as_bytes()).ok().and_then(|bytes| bytes.try_into().ok());
    hash.ok_or_else(|| unusable("bad hash of a certificate for QUIC"))
}

fn unusable(why: &str) -> TransportError {
    TransportError::Description(why.to_owned())
}

/// An attribute of our own, in the one section: SHA-256 of the DER certificate on QUIC, in lower-case hexadecimal. Who does not know it passes over it
/// (RFC 8866, 5).
const QUIC: &str = "a=p2pshare-quic:";

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

    /// Another one than in the good one.
    const TWICE: &str = "a=fingerprint:sha-256 \
        FF:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF";

    #[test]
    fn a_good_description_stays_and_its_candidates_come_out() {
        let line = "candidate:1 1 udp 2130706431 192.168.1.7 50000 typ host";
        let vetted = vet(&format!("{GOOD}a={line}\r\na=end-of-candidates\r\n")).unwrap();
        assert_eq!(vetted.sdp, GOOD);
        assert_eq!(vetted.candidates, [Candidate::new(line.to_owned())]);
        assert_eq!((vetted.ufrag.as_str(), vetted.max_message_bytes, vetted.quic), ("abcd", 262_144, None));
        assert_eq!((vetted.fingerprint[1], vetted.fingerprint[31]), (0x11, 0xff));
    }

    #[test]
    fn what_is_said_of_quic_is_heard_and_kept_from_the_library() {
        let vetted = vet(&with_quic(GOOD.to_owned(), &[0xab; 32])).unwrap();
        assert_eq!((vetted.sdp.as_str(), vetted.quic), (GOOD, Some([0xab; 32])));
        assert!(vet(&format!("{GOOD}{QUIC}abab\r\n")).unwrap_err().to_string().contains("QUIC"));
    }

    #[test]
    fn each_fault_is_named() {
        for (from, to, why) in [
            ("m=application 9 UDP/DTLS/SCTP webrtc-datachannel", "m=audio 9 UDP/TLS/RTP/SAVPF 111", "other than data"),
            ("m=application 9 UDP/DTLS/SCTP webrtc-datachannel", "b=AS:1", "exactly one"),
            (":EE:FF\r\na=setup", ":EE\r\na=setup", "fingerprint"),
            ("sha-256", "sha-1", "fingerprint"),
            ("a=mid:0", TWICE, "two certificate fingerprints"),
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
