//! `ChunkHasher`: the hashes of chunks whose bytes come in pieces, in order.

use crate::hash::{Hash, PieceHasher};
use crate::limits::CHUNK_BYTES;

/// Hashes a stream chunk by chunk.
#[derive(Debug, Default)]
pub(crate) struct ChunkHasher {
    hasher: PieceHasher,
    /// Bytes of the chunk so far.
    filled: u64,
    chunk: u64,
}

impl ChunkHasher {
    /// Takes the next bytes; returns the chunks that are complete with them.
    pub(crate) fn update(&mut self, mut bytes: &[u8]) -> Vec<(u64, Hash)> {
        let mut complete = Vec::new();
        while !bytes.is_empty() {
            let room = usize::try_from(CHUNK_BYTES - self.filled).unwrap_or(usize::MAX);
            let (now, rest) = bytes.split_at(room.min(bytes.len()));
            self.hasher.update(now);
            self.filled += now.len() as u64;
            if self.filled == CHUNK_BYTES {
                complete.extend(self.finish());
            }
            bytes = rest;
        }
        complete
    }

    /// Ends the chunk at hand; `None` if it has no bytes.
    pub(crate) fn finish(&mut self) -> Option<(u64, Hash)> {
        if self.filled == 0 {
            return None;
        }
        self.filled = 0;
        self.chunk += 1;
        Some((self.chunk - 1, self.hasher.finish()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_any_size_give_the_hashes_of_the_chunks() {
        let bytes: Vec<u8> = (0..CHUNK_BYTES * 2 + 5).map(|n| n as u8).collect();
        let expected: Vec<_> = (0..).zip(bytes.chunks(CHUNK_BYTES as usize).map(Hash::of_chunk)).collect();
        for piece in [1000, 65_536, 3 << 20] {
            let mut hasher = ChunkHasher::default();
            let mut seen: Vec<_> = bytes.chunks(piece).flat_map(|piece| hasher.update(piece)).collect();
            seen.extend(hasher.finish());
            assert_eq!(seen, expected);
            assert_eq!(hasher.finish(), None);
        }
    }
}
