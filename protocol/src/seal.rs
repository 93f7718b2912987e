//! `Sealer` and `Opener`: the two ends of one direction of the sealed signalling channel.
//!
//! ChaCha20-Poly1305 with a key of its own for each direction. The sequence number is not on the wire: the
//! receiver opens exactly the next frame, so a lost, repeated or swapped one does not open at all.

use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{ChaCha20Poly1305, KeyInit};

use crate::keys::KeySchedule;
use crate::limits::{SEALED_BLOCK_BYTES, SEALED_PLAINTEXT_BYTES_MAX};
use crate::lv::lv_cat;
use crate::role::Role;

/// Seals the frames of one side.
pub struct Sealer(Direction);

impl Sealer {
    /// The sealer of `role` in the handshake `sid`, at its first frame.
    #[must_use]
    pub fn new(keys: &KeySchedule, role: Role, sid: &[u8; 16]) -> Self {
        Self(Direction::new(keys, role, sid))
    }

    /// Seals the next frame, padded to a multiple of 256 bytes.
    ///
    /// # Errors
    /// When the frame and its length do not fit 8 KiB.
    pub fn seal(&mut self, json: &[u8]) -> Result<Vec<u8>, TooLong> {
        let length = u16::try_from(json.len()).map_err(|_| TooLong(json.len()))?;
        let padded = (json.len() + 2).next_multiple_of(SEALED_BLOCK_BYTES);
        if padded > SEALED_PLAINTEXT_BYTES_MAX {
            return Err(TooLong(json.len()));
        }
        let mut plain = Vec::with_capacity(padded);
        plain.extend_from_slice(&length.to_be_bytes());
        plain.extend_from_slice(json);
        plain.resize(padded, 0);
        let (nonce, aad) = self.0.next();
        let sealed = self.0.cipher.encrypt(&nonce.into(), Payload { msg: &plain, aad: &aad });
        Ok(sealed.expect("8 KiB are within the reach of ChaCha20"))
    }
}

/// Opens the frames of the other side, in their order only.
pub struct Opener(Direction);

impl Opener {
    /// The opener of what `role` seals in the handshake `sid`, at its first frame.
    #[must_use]
    pub fn new(keys: &KeySchedule, role: Role, sid: &[u8; 16]) -> Self {
        Self(Direction::new(keys, role, sid))
    }

    /// Opens the next frame.
    ///
    /// # Errors
    /// When it is not exactly the next frame of the other side; nothing after it can be trusted then.
    pub fn open(&mut self, sealed: &[u8]) -> Result<Vec<u8>, NotSealed> {
        if sealed.len() > SEALED_PLAINTEXT_BYTES_MAX + TAG_BYTES {
            return Err(NotSealed);
        }
        let (nonce, aad) = self.0.next();
        let opened = self.0.cipher.decrypt(&nonce.into(), Payload { msg: sealed, aad: &aad });
        let plain = opened.map_err(|_| NotSealed)?;
        let (length, rest) = plain.split_first_chunk().ok_or(NotSealed)?;
        let (json, padding) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length))).ok_or(NotSealed)?;
        let is_whole = plain.len().is_multiple_of(SEALED_BLOCK_BYTES) && padding.len() < SEALED_BLOCK_BYTES;
        if is_whole && padding.iter().all(|&byte| byte == 0) { Ok(json.to_vec()) } else { Err(NotSealed) }
    }
}

/// A frame is too long to be sealed: this many bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a signalling frame of {0} bytes is too long")]
pub struct TooLong(pub usize);

/// A message is not the next sealed frame of the peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a message is not the next sealed frame of the peer")]
pub struct NotSealed;

struct Direction {
    cipher: ChaCha20Poly1305,
    name: &'static [u8],
    sid: [u8; 16],
    seq: u64,
}

impl Direction {
    fn new(keys: &KeySchedule, role: Role, sid: &[u8; 16]) -> Self {
        let name: &[u8] = match role {
            Role::Host => b"h2g",
            Role::Guest => b"g2h",
        };
        let key = keys.sealing_key(role);
        Self { cipher: ChaCha20Poly1305::new((&*key).into()), name, sid: *sid, seq: 0 }
    }

    /// Nonce and associated data of the next frame. No sequence number is used twice.
    fn next(&mut self) -> ([u8; 12], Vec<u8>) {
        let seq = self.seq.to_be_bytes();
        self.seq += 1;
        let mut nonce = [0; 12];
        nonce[4..].copy_from_slice(&seq);
        (nonce, lv_cat(&[b"p2pshare/1 sig", self.name, &self.sid, &seq]))
    }
}

const TAG_BYTES: usize = 16;
