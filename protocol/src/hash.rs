//! Hashes of chunks, entries and shares: BLAKE3 throughout.

use std::fmt;

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};

use crate::limits::CHUNK_BYTES;

/// A BLAKE3 hash, 32 bytes, written as lower-case hex on the wire.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// Hashes one chunk.
    #[must_use]
    pub fn of_chunk(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }

    /// Hashes one chunk that lies in several pieces.
    #[must_use]
    pub fn of_pieces<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut hasher = blake3::Hasher::new();
        for piece in pieces {
            hasher.update(piece);
        }
        Self(*hasher.finalize().as_bytes())
    }
}

/// Hashes a chunk that comes in pieces.
#[derive(Debug, Default)]
pub(crate) struct PieceHasher(blake3::Hasher);

impl PieceHasher {
    pub(crate) fn update(&mut self, piece: &[u8]) {
        self.0.update(piece);
    }

    /// The hash of the pieces so far; the next piece begins another chunk.
    pub(crate) fn finish(&mut self) -> Hash {
        let hash = Hash(*self.0.finalize().as_bytes());
        self.0.reset();
        hash
    }
}

/// The root of an entry: BLAKE3 over its chunk hashes in order and its size (big-endian, 8 bytes).
#[must_use]
pub fn entry_root(chunks: &[Hash], size: u64) -> Hash {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"p2pshare/1 entry");
    for chunk in chunks {
        hasher.update(&chunk.0);
    }
    hasher.update(&size.to_be_bytes());
    Hash(*hasher.finalize().as_bytes())
}

/// The root of a share: BLAKE3 over the entry identifiers (big-endian, 4 bytes) and roots, in order of the identifiers.
#[must_use]
pub fn share_root<'a>(entries: impl IntoIterator<Item = (u32, &'a Hash)>) -> Hash {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"p2pshare/1 share");
    for (entry, root) in entries {
        hasher.update(&entry.to_be_bytes());
        hasher.update(&root.0);
    }
    Hash(*hasher.finalize().as_bytes())
}

/// How many chunks an entry of `size` bytes has.
#[must_use]
pub fn chunk_count(size: u64) -> u64 {
    size.div_ceil(CHUNK_BYTES)
}

/// The bytes of chunk `chunk` of an entry of `size` bytes, as a half-open range.
#[must_use]
pub fn chunk_range(chunk: u64, size: u64) -> std::ops::Range<u64> {
    let from = chunk.saturating_mul(CHUNK_BYTES).min(size);
    from..from.saturating_add(CHUNK_BYTES).min(size)
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<Hash> for String {
    fn from(hash: Hash) -> Self {
        HEXLOWER.encode(&hash.0)
    }
}

impl TryFrom<String> for Hash {
    type Error = HashError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::from_hex(&text)
    }
}

impl Hash {
    fn from_hex(text: &str) -> Result<Self, HashError> {
        let mut hash = [0; 32];
        if text.len() != 64 {
            return Err(HashError);
        }
        HEXLOWER.decode_mut(text.as_bytes(), &mut hash).map_err(|_| HashError)?;
        Ok(Self(hash))
    }
}

/// A text is no hash: not 64 lower-case hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a hash is 64 lower-case hex digits")]
pub struct HashError;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_cover_a_file_exactly() {
        for size in [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 5 * CHUNK_BYTES + 7] {
            let covered: u64 = (0..chunk_count(size))
                .map(|c| {
                    let r = chunk_range(c, size);
                    r.end - r.start
                })
                .sum();
            assert_eq!(covered, size);
        }
    }

    #[test]
    fn the_size_is_part_of_the_root() {
        let chunk = [Hash::of_chunk(b"a")];
        assert_ne!(entry_root(&chunk, 1), entry_root(&chunk, 2));
    }

    #[test]
    fn hex_of_the_wrong_length_or_case_is_no_hash() {
        let good = Hash::of_chunk(b"").to_string();
        assert!(Hash::from_hex(&good).is_ok());
        assert!(Hash::from_hex(&good[1..]).is_err());
        assert!(Hash::from_hex(&good.to_uppercase()).is_err());
    }
}
