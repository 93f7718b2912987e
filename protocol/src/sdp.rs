//! `Sdp` and `Candidate`: session descriptions and addresses that were checked before a WebRTC stack sees them.

use std::fmt;
use std::str::FromStr;

use data_encoding::HEXUPPER_PERMISSIVE;
use serde::{Deserialize, Serialize};

use crate::limits::{CANDIDATE_BYTES_MAX, SDP_BYTES_MAX, SDP_CANDIDATES_MAX};

/// Which description of the pair it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SdpKind {
    /// The guest's: leaves the DTLS role open.
    Offer,
    /// The host's: takes a DTLS role.
    Answer,
}

/// A checked session description: data channels only, one SHA-256 fingerprint, one set of ICE credentials.
///
/// The text is normalised: lines end with CRLF, and fingerprints by other hash functions are gone, because
/// a WebRTC stack may take the first one for the only one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sdp {
    text: String,
    kind: SdpKind,
    fingerprint: [u8; 32],
    ice_ufrag: String,
}

impl Sdp {
    /// Checks and normalises a description.
    ///
    /// # Errors
    /// Names the rule that is broken.
    pub fn parse(text: &str, kind: SdpKind) -> Result<Self, SdpError> {
        if text.len() > SDP_BYTES_MAX {
            return Err(SdpError::TooLong(text.len()));
        }
        let lines: Vec<&str> = text.lines().collect();
        if lines.first() != Some(&"v=0") {
            return Err(SdpError::NotSdp);
        }
        let mut found = Found::default();
        let mut kept = String::with_capacity(text.len() + lines.len());
        for line in lines {
            check_line(line)?;
            if found.take(line)? {
                kept.push_str(line);
                kept.push_str("\r\n");
            }
        }
        found.finish(kept, kind)
    }

    /// The description, ready for a WebRTC stack.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Offer or answer.
    #[must_use]
    pub const fn kind(&self) -> SdpKind {
        self.kind
    }

    /// SHA-256 of the certificate that the side of this description will present.
    #[must_use]
    pub const fn fingerprint(&self) -> &[u8; 32] {
        &self.fingerprint
    }

    /// The ICE user name fragment of the side of this description.
    #[must_use]
    pub fn ice_ufrag(&self) -> &str {
        &self.ice_ufrag
    }

    /// The description without any address of its side, and the candidates that it had.
    #[must_use]
    pub fn split_addresses(mut self) -> (Self, Vec<Candidate>) {
        let candidates = self
            .text
            .lines()
            .filter_map(|line| line.strip_prefix("a="))
            .filter_map(|line| line.parse::<Candidate>().ok())
            .map(|candidate| candidate.with_m_line_index(0))
            .collect();
        let mut text = String::with_capacity(self.text.len());
        for line in self.text.lines().filter(|line| !line.starts_with(CANDIDATE) && *line != END_OF_CANDIDATES) {
            // A gatherer writes its default address there; these values say that candidates follow (RFC 8840).
            if line.starts_with("c=") {
                text.push_str("c=IN IP4 0.0.0.0");
            } else if line.starts_with("m=") {
                text.push_str("m=application 9 UDP/DTLS/SCTP webrtc-datachannel");
            } else {
                text.push_str(line);
            }
            text.push_str("\r\n");
        }
        self.text = text;
        (self, candidates)
    }
}

/// One address of a peer, as `RTCIceCandidateInit` has it. The text is checked for its form only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "CandidateInit", into = "CandidateInit")]
pub struct Candidate {
    candidate: String,
    sdp_mid: Option<String>,
    sdp_m_line_index: Option<u16>,
}

impl Candidate {
    /// Checks an address as a WebRTC stack reports it. An empty text says that there are no more.
    ///
    /// # Errors
    /// When it has not the form of a candidate.
    pub fn new(
        candidate: String,
        sdp_mid: Option<String>,
        sdp_m_line_index: Option<u16>,
    ) -> Result<Self, MalformedCandidate> {
        let is_mid = |mid: &String| mid.len() <= 32 && mid.bytes().all(|b| b.is_ascii_graphic());
        if is_candidate(&candidate) && sdp_mid.as_ref().is_none_or(is_mid) {
            Ok(Self { candidate, sdp_mid, sdp_m_line_index })
        } else {
            Err(MalformedCandidate)
        }
    }

    /// The text, `candidate:…`, or nothing when there are no more.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.candidate
    }

    /// The media section by its identification tag.
    #[must_use]
    pub fn sdp_mid(&self) -> Option<&str> {
        self.sdp_mid.as_deref()
    }

    /// The media section by its place.
    #[must_use]
    pub const fn sdp_m_line_index(&self) -> Option<u16> {
        self.sdp_m_line_index
    }

    const fn with_m_line_index(mut self, index: u16) -> Self {
        self.sdp_m_line_index = Some(index);
        self
    }
}

/// Parses the text alone, without a media section.
impl FromStr for Candidate {
    type Err = MalformedCandidate;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text.to_owned(), None, None)
    }
}

impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.candidate)
    }
}

impl TryFrom<CandidateInit> for Candidate {
    type Error = MalformedCandidate;

    fn try_from(init: CandidateInit) -> Result<Self, Self::Error> {
        Self::new(init.candidate, init.sdp_mid, init.sdp_m_line_index)
    }
}

impl From<Candidate> for CandidateInit {
    fn from(candidate: Candidate) -> Self {
        Self {
            candidate: candidate.candidate,
            sdp_mid: candidate.sdp_mid,
            sdp_m_line_index: candidate.sdp_m_line_index,
        }
    }
}

/// Why a session description is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SdpError {
    /// More bytes than the limit.
    #[error("a session description has {0} bytes, more than {SDP_BYTES_MAX}")]
    TooLong(usize),
    /// Not SDP at all: no `v=0` in front, or a character that SDP does not need.
    #[error("a session description is malformed")]
    NotSdp,
    /// Not exactly one section, for data channels.
    #[error("a session description is not of one section for data channels")]
    Media,
    /// Not exactly one SHA-256 fingerprint.
    #[error("a session description has not exactly one SHA-256 fingerprint")]
    Fingerprint,
    /// Not exactly one set of ICE credentials.
    #[error("a session description has not exactly one set of ICE credentials")]
    IceCredentials,
    /// A DTLS role that this side's role does not allow.
    #[error("a session description takes a DTLS role that is not its own")]
    Setup,
    /// More candidates than the limit, or one that is malformed.
    #[error("a session description has more than {SDP_CANDIDATES_MAX} candidates or a malformed one")]
    Candidates,
}

/// A text that has not the form of an ICE candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a candidate is malformed")]
pub struct MalformedCandidate;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct CandidateInit {
    candidate: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sdp_mid: Option<String>,
    #[serde(default, rename = "sdpMLineIndex", skip_serializing_if = "Option::is_none")]
    sdp_m_line_index: Option<u16>,
}

/// What the lines of a description said so far.
#[derive(Default)]
struct Found {
    sections: usize,
    candidates: usize,
    fingerprint: Option<[u8; 32]>,
    ice_ufrag: Option<String>,
    ice_pwd: bool,
    setup: Option<String>,
}

impl Found {
    /// Takes a line in and tells whether it is kept.
    fn take(&mut self, line: &str) -> Result<bool, SdpError> {
        if let Some(media) = line.strip_prefix("m=") {
            self.sections += 1;
            let is_data = media.starts_with("application ") && media.ends_with(" webrtc-datachannel");
            return if is_data && self.sections == 1 { Ok(true) } else { Err(SdpError::Media) };
        }
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        match name {
            "a=fingerprint" => self.take_fingerprint(value),
            "a=ice-ufrag" => {
                let is_new = is_ice_string(value, 4) && self.ice_ufrag.replace(value.to_owned()).is_none();
                if is_new { Ok(true) } else { Err(SdpError::IceCredentials) }
            }
            "a=ice-pwd" => {
                let is_new = is_ice_string(value, 22) && !std::mem::replace(&mut self.ice_pwd, true);
                if is_new { Ok(true) } else { Err(SdpError::IceCredentials) }
            }
            "a=setup" => {
                let is_new = self.setup.replace(value.to_owned()).is_none();
                if is_new { Ok(true) } else { Err(SdpError::Setup) }
            }
            "a=candidate" => {
                self.candidates += 1;
                let is_fine = self.candidates <= SDP_CANDIDATES_MAX && is_candidate(&line[2..]);
                if is_fine { Ok(true) } else { Err(SdpError::Candidates) }
            }
            _ => Ok(true),
        }
    }

    fn take_fingerprint(&mut self, value: &str) -> Result<bool, SdpError> {
        let (function, hex) = value.split_once(' ').ok_or(SdpError::Fingerprint)?;
        if !function.eq_ignore_ascii_case("sha-256") {
            return Ok(false);
        }
        let hash = parse_fingerprint(hex).ok_or(SdpError::Fingerprint)?;
        if self.fingerprint.replace(hash).is_some() { Err(SdpError::Fingerprint) } else { Ok(true) }
    }

    fn finish(self, text: String, kind: SdpKind) -> Result<Sdp, SdpError> {
        if self.sections != 1 {
            return Err(SdpError::Media);
        }
        let (Some(ice_ufrag), true) = (self.ice_ufrag, self.ice_pwd) else {
            return Err(SdpError::IceCredentials);
        };
        let is_setup_allowed = match kind {
            SdpKind::Offer => self.setup.as_deref() == Some("actpass"),
            SdpKind::Answer => matches!(self.setup.as_deref(), Some("active" | "passive")),
        };
        if !is_setup_allowed {
            return Err(SdpError::Setup);
        }
        let fingerprint = self.fingerprint.ok_or(SdpError::Fingerprint)?;
        Ok(Sdp { text, kind, fingerprint, ice_ufrag })
    }
}

fn check_line(line: &str) -> Result<(), SdpError> {
    let is_typed = line.len() >= 2 && line.as_bytes()[0].is_ascii_lowercase() && line.as_bytes()[1] == b'=';
    let is_plain = line.bytes().all(|b| b == b' ' || b.is_ascii_graphic());
    if is_typed && is_plain { Ok(()) } else { Err(SdpError::NotSdp) }
}

/// `AB:CD:…` of 32 bytes.
fn parse_fingerprint(hex: &str) -> Option<[u8; 32]> {
    let mut hash = [0; 32];
    let mut bytes = hex.split(':');
    for byte in &mut hash {
        let pair = bytes.next().filter(|pair| pair.len() == 2)?;
        *byte = HEXUPPER_PERMISSIVE.decode(pair.as_bytes()).ok()?[0];
    }
    bytes.next().is_none().then_some(hash)
}

/// RFC 8839: 4 (user name) or 22 (password) to 256 characters of letters, digits, `+` and `/`; `-` and `_` do no
/// harm.
fn is_ice_string(text: &str, length_min: usize) -> bool {
    let is_ice_char = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'-' | b'_');
    (length_min..=256).contains(&text.len()) && text.bytes().all(is_ice_char)
}

/// The form of RFC 8839 up to the type; extensions may follow.
fn is_candidate(text: &str) -> bool {
    if text.is_empty() {
        return true;
    }
    let is_plain = text.len() <= CANDIDATE_BYTES_MAX && text.bytes().all(|b| b == b' ' || b.is_ascii_graphic());
    let fields: Vec<&str> = text.split(' ').collect();
    is_plain
        && fields.len() >= 8
        && fields[0].strip_prefix("candidate:").is_some_and(|foundation| !foundation.is_empty())
        && fields[1].parse::<u16>().is_ok()
        && fields[3].parse::<u32>().is_ok()
        && fields[5].parse::<u16>().is_ok()
        && fields[6] == "typ"
        && matches!(fields[7], "host" | "srflx" | "prflx" | "relay")
}

const CANDIDATE: &str = "a=candidate:";
const END_OF_CANDIDATES: &str = "a=end-of-candidates";

#[cfg(test)]
mod tests;
