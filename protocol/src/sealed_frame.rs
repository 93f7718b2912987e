//! `SealedFrame`: the JSON inside the sealed channel.

use serde::{Deserialize, Serialize};

use crate::base64url;
use crate::device_identity::DeviceProof;
use crate::nearby::DeviceName;
use crate::password::PasswordCost;
use crate::sdp::Candidate;

/// A frame of the sealed channel. Unknown keys are ignored, unknown types are refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "t", rename_all = "snake_case")]
pub enum SealedFrame {
    /// The guest's session description; always its first frame.
    Offer {
        /// The description, to be parsed before use.
        sdp: String,
        /// Whether the guest wants the short number to be compared.
        #[serde(default, skip_serializing_if = "is_false")]
        verify: bool,
        /// What the guest calls itself, to a host that does not expect anybody.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<DeviceName>,
        /// The key by which the host may know the guest.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        device: Option<DeviceProof>,
    },
    /// The host's session description.
    Answer {
        /// The description, to be parsed before use.
        sdp: String,
    },
    /// One more address of either side.
    Cand(Candidate),
    /// The host asks for the share's password before anything else.
    Auth {
        /// The salt of the share's password.
        #[serde(with = "base64url")]
        salt: [u8; 16],
        /// The cost of stretching it.
        cost: PasswordCost,
    },
    /// The host opens an exchange over the password.
    PwA {
        /// The host's element.
        #[serde(with = "base64url")]
        y: [u8; 32],
        /// How many attempts are left, this one included.
        left: u8,
    },
    /// The guest's element and proof.
    PwB {
        /// The guest's element.
        #[serde(with = "base64url")]
        y: [u8; 32],
        /// The guest's proof.
        #[serde(with = "base64url")]
        tag: [u8; 32],
    },
    /// The host's proof: the password was right.
    PwC {
        /// The host's proof.
        #[serde(with = "base64url")]
        tag: [u8; 32],
    },
    /// The host asks both sides to compare the short number before anything else.
    Verify {
        /// The key by which the guest may know the host.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        device: Option<DeviceProof>,
    },
    /// The guest opens the nonce that it committed to.
    Sas {
        /// The nonce.
        #[serde(with = "base64url")]
        n_g: [u8; 16],
    },
    /// Asks for new ICE credentials. Reserved: a pairing does not use it.
    IceRestart {},
    /// Ends the pairing.
    Abort {
        /// Why.
        code: AbortCode,
    },
}

/// Why a side ends a pairing that has a sealed channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AbortCode {
    /// The person or program stopped.
    Canceled,
    /// A person says that the short numbers differ.
    NotConfirmed,
    /// The last attempt at the password was wrong.
    WrongPassword,
    /// The share takes no more attempts at its password.
    PasswordLocked,
    /// The other side broke the rules.
    Violation,
    /// The other side's commitment or key is not the expected one.
    SecurityMismatch,
    /// Nothing came in time.
    TimedOut,
}

impl SealedFrame {
    /// The frame as JSON.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a frame holds nothing that JSON cannot")
    }

    /// Parses the JSON of a frame.
    ///
    /// # Errors
    /// When it is no frame of this version.
    pub fn parse(json: &[u8]) -> Result<Self, MalformedFrame> {
        serde_json::from_slice(json).map_err(|_| MalformedFrame)
    }
}

/// JSON that is no frame of this version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a sealed frame is of no known type")]
pub struct MalformedFrame;

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
const fn is_false(value: &bool) -> bool {
    !*value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_look_like_this() {
        let text = "candidate:1 1 udp 2130706431 192.0.2.1 5000 typ host".to_owned();
        let candidate = Candidate::new(text, Some("0".to_owned()), Some(0)).unwrap();
        let y = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE";
        for (frame, json) in [
            (SealedFrame::Offer { sdp: "v=0".into(), verify: false, from: None, device: None }, r#"{"t":"offer","sdp":"v=0"}"#.to_owned()),
            (
                SealedFrame::Offer { sdp: "v=0".into(), verify: true, from: "ann".parse().ok(), device: None },
                r#"{"t":"offer","sdp":"v=0","verify":true,"from":"ann"}"#.to_owned(),
            ),
            (
                SealedFrame::Cand(candidate),
                r#"{"t":"cand","candidate":"candidate:1 1 udp 2130706431 192.0.2.1 5000 typ host","sdpMid":"0","sdpMLineIndex":0}"#.to_owned(),
            ),
            (SealedFrame::PwA { y: [1; 32], left: 3 }, format!(r#"{{"t":"pw_a","y":"{y}","left":3}}"#)),
            (SealedFrame::Verify { device: None }, r#"{"t":"verify"}"#.to_owned()),
            (SealedFrame::Sas { n_g: [1; 16] }, format!(r#"{{"t":"sas","n_g":"{}"}}"#, "AQEBAQEBAQEBAQEBAQEBAQ")),
            (SealedFrame::Abort { code: AbortCode::NotConfirmed }, r#"{"t":"abort","code":"not_confirmed"}"#.to_owned()),
        ] {
            assert_eq!(String::from_utf8(frame.to_json()).unwrap(), json);
            assert_eq!(SealedFrame::parse(json.as_bytes()), Ok(frame));
        }
    }

    #[test]
    fn unknown_keys_are_ignored_and_unknown_types_refused() {
        assert!(SealedFrame::parse(br#"{"t":"verify","new":{"a":[1]}}"#).is_ok());
        for bad in [
            &br#"{"t":"exec"}"#[..],
            br#"{"sdp":"v=0"}"#,
            br#"{"t":"abort","code":"because"}"#,
            br#"{"t":"pw_c","tag":"AQ"}"#,
            br#"{"t":"offer"}"#,
            br#"{"t":"offer","sdp":"a","from":"\u001b[2J"}"#,
            br#"{"t":"offer","sdp":"a","sdp":"b"}"#,
            br#"{"t":"pw_a","y":"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE","left":-1}"#,
            b"[]",
            b"",
            &[b'['; 8000],
        ] {
            assert!(SealedFrame::parse(bad).is_err(), "{:?}", String::from_utf8_lossy(bad));
        }
    }
}
