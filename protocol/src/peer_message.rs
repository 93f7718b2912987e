//! `PeerMessage`: what host and guest say to each other through the server.
//!
//! ```text
//! 0x01 host_hello    sid 16 | Ya 32 | ADa (rest)
//! 0x02 guest_proof   Yb 32 | lv(ADb) | Tg 32 | sealed frame (rest)
//! 0x03 host_proof    Th 32 | n_h 16 | lv(nothing, or public key 32 and signature 64) | sealed frame (rest)
//! 0x04 fail          code 1
//! 0x10 sealed        sealed frame (rest)
//! ```

use crate::host_identity::HostAuth;
use crate::limits::{ASSOCIATED_DATA_BYTES_MAX, PEER_MESSAGE_BYTES_MAX};
use crate::lv::{lv_cat, lv_take};

/// A message of one peer to the other; the server relays it unread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeerMessage {
    /// Opens a handshake.
    HostHello(HostHello),
    /// Proves that the guest knows the code or link.
    GuestProof(GuestProof),
    /// Proves the same of the host.
    HostProof(HostProof),
    /// Ends a handshake that has no sealed channel yet. Anybody on the way could have written it.
    Fail(FailCode),
    /// A frame of the sealed channel.
    Sealed(Vec<u8>),
}

/// The host's first message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostHello {
    /// The session identifier: random, used once.
    pub sid: [u8; 16],
    /// The host's element.
    pub element: [u8; 32],
    /// The host's associated data, as it stands.
    pub ad: Vec<u8>,
}

/// The guest's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuestProof {
    /// The guest's element.
    pub element: [u8; 32],
    /// The guest's associated data, as it stands.
    pub ad: Vec<u8>,
    /// `Tg`.
    pub proof: [u8; 32],
    /// The guest's first sealed frame: its offer.
    pub sealed: Vec<u8>,
}

/// The host's second message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostProof {
    /// `Th`.
    pub proof: [u8; 32],
    /// The host's nonce.
    pub nonce: [u8; 16],
    /// For links, the host's key and signature.
    pub auth: Option<HostAuth>,
    /// The host's first sealed frame: its answer, or what has to happen before it.
    pub sealed: Vec<u8>,
}

/// Why a side gives up before there is a sealed channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailCode {
    /// The guest's proof is wrong.
    WrongCode,
    /// No version in common.
    Version,
    /// The other side broke the rules.
    Violation,
    /// The person or program stopped.
    Canceled,
    /// The code is retired: too many wrong ones were tried.
    NotActive,
}

impl PeerMessage {
    /// The message as bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::HostHello(m) => [&[0x01], m.sid.as_slice(), &m.element, &m.ad].concat(),
            Self::GuestProof(m) => [&[0x02], m.element.as_slice(), &lv_cat(&[&m.ad]), &m.proof, &m.sealed].concat(),
            Self::HostProof(m) => {
                let auth = m.auth.as_ref().map_or(Vec::new(), |auth| [&auth.public_key[..], &auth.signature].concat());
                [&[0x03], m.proof.as_slice(), &m.nonce, &lv_cat(&[&auth]), &m.sealed].concat()
            }
            Self::Fail(code) => vec![0x04, code.to_byte()],
            Self::Sealed(sealed) => [&[0x10], sealed.as_slice()].concat(),
        }
    }

    /// Parses the bytes of a message.
    ///
    /// # Errors
    /// When they are no message of this version.
    pub fn parse(bytes: &[u8]) -> Result<Self, MalformedMessage> {
        if bytes.len() > PEER_MESSAGE_BYTES_MAX {
            return Err(MalformedMessage);
        }
        let (&kind, body) = bytes.split_first().ok_or(MalformedMessage)?;
        Self::parse_body(kind, body).ok_or(MalformedMessage)
    }

    fn parse_body(kind: u8, body: &[u8]) -> Option<Self> {
        match kind {
            0x01 => {
                let (sid, rest) = body.split_first_chunk()?;
                let (element, ad) = rest.split_first_chunk()?;
                let ad = associated_data(ad)?;
                Some(Self::HostHello(HostHello { sid: *sid, element: *element, ad }))
            }
            0x02 => {
                let (element, rest) = body.split_first_chunk()?;
                let (ad, rest) = lv_take(rest)?;
                let (proof, sealed) = rest.split_first_chunk()?;
                let (ad, sealed) = (associated_data(ad)?, sealed.to_vec());
                Some(Self::GuestProof(GuestProof { element: *element, ad, proof: *proof, sealed }))
            }
            0x03 => {
                let (proof, rest) = body.split_first_chunk()?;
                let (nonce, rest) = rest.split_first_chunk()?;
                let (auth, sealed) = lv_take(rest)?;
                let (auth, sealed) = (host_auth(auth)?, sealed.to_vec());
                Some(Self::HostProof(HostProof { proof: *proof, nonce: *nonce, auth, sealed }))
            }
            0x04 => {
                let [code] = body else { return None };
                Some(Self::Fail(FailCode::from_byte(*code)?))
            }
            0x10 => Some(Self::Sealed(body.to_vec())),
            _ => None,
        }
    }
}

impl FailCode {
    const fn to_byte(self) -> u8 {
        match self {
            Self::WrongCode => 1,
            Self::Version => 2,
            Self::Violation => 3,
            Self::Canceled => 4,
            Self::NotActive => 5,
        }
    }

    fn from_byte(byte: u8) -> Option<Self> {
        let all = [Self::WrongCode, Self::Version, Self::Violation, Self::Canceled, Self::NotActive];
        all.into_iter().find(|code| code.to_byte() == byte)
    }
}

/// Bytes that are no message of this version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a message has an unknown type or a wrong length")]
pub struct MalformedMessage;

fn associated_data(bytes: &[u8]) -> Option<Vec<u8>> {
    (bytes.len() <= ASSOCIATED_DATA_BYTES_MAX).then(|| bytes.to_vec())
}

/// `None` when malformed, `Some(None)` when absent.
fn host_auth(bytes: &[u8]) -> Option<Option<HostAuth>> {
    if bytes.is_empty() {
        return Some(None);
    }
    let (public_key, signature) = bytes.split_first_chunk()?;
    Some(Some(HostAuth { public_key: *public_key, signature: signature.try_into().ok()? }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parsing_undoes_encoding() {
        for message in messages() {
            assert_eq!(PeerMessage::parse(&message.encode()), Ok(message));
        }
    }

    #[test]
    fn cut_messages_are_refused_and_never_panic() {
        for message in messages() {
            let bytes = message.encode();
            for length in 0..bytes.len() {
                if let Ok(parsed) = PeerMessage::parse(&bytes[..length]) {
                    assert_ne!(parsed, message);
                }
            }
        }
        for bad in [&[][..], &[0x00], &[0x05, 1], &[0x04], &[0x04, 9], &[0x04, 1, 1], &[0x01; 48], &[0x03; 49]] {
            assert!(PeerMessage::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn lengths_are_bounded() {
        let at_limit = PeerMessage::Sealed(vec![0; PEER_MESSAGE_BYTES_MAX - 1]).encode();
        assert!(PeerMessage::parse(&at_limit).is_ok());
        assert!(PeerMessage::parse(&[at_limit, vec![0]].concat()).is_err());
        let ad = vec![0; ASSOCIATED_DATA_BYTES_MAX + 1];
        let hello = PeerMessage::HostHello(HostHello { sid: [0; 16], element: [0; 32], ad });
        assert!(PeerMessage::parse(&hello.encode()).is_err());
    }

    fn messages() -> Vec<PeerMessage> {
        let auth = HostAuth { public_key: [5; 32], signature: [6; 64] };
        vec![
            PeerMessage::HostHello(HostHello { sid: [1; 16], element: [2; 32], ad: vec![3; 6] }),
            PeerMessage::GuestProof(GuestProof {
                element: [1; 32],
                ad: vec![2; 35],
                proof: [3; 32],
                sealed: vec![4; 9],
            }),
            PeerMessage::HostProof(HostProof { proof: [1; 32], nonce: [2; 16], auth: None, sealed: vec![3; 9] }),
            PeerMessage::HostProof(HostProof { proof: [1; 32], nonce: [2; 16], auth: Some(auth), sealed: vec![] }),
            PeerMessage::Fail(FailCode::WrongCode),
            PeerMessage::Sealed(vec![1; 272]),
        ]
    }
}
