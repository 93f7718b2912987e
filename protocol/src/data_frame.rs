//! Data frames: `u32 entry ‖ u64 offset ‖ bytes`, big-endian, on the `data` channels.

use bytes::Bytes;

use crate::limits::MESSAGE_BYTES_MAX;
use crate::offer::EntryId;

/// Bytes of one entry. Every frame says where it belongs, so resume, striping and seeking are one mechanism.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataFrame {
    /// The entry.
    pub entry: EntryId,
    /// The place of the first byte in the entry.
    pub offset: u64,
    /// The bytes, at least one.
    pub bytes: Bytes,
}

impl DataFrame {
    /// The length of the header, in bytes.
    pub const HEADER_BYTES: usize = 12;

    /// The header of the frame; the bytes follow it on the wire.
    #[must_use]
    pub fn header(&self) -> [u8; Self::HEADER_BYTES] {
        let mut header = [0; Self::HEADER_BYTES];
        header[..4].copy_from_slice(&self.entry.0.to_be_bytes());
        header[4..].copy_from_slice(&self.offset.to_be_bytes());
        header
    }

    /// Decodes a message without copying its bytes.
    ///
    /// # Errors
    /// The message is shorter than a header and one byte, longer than any side accepts, or ends beyond 64 bits.
    pub fn decode(message: Bytes) -> Result<Self, DataFrameError> {
        if message.len() <= Self::HEADER_BYTES || message.len() > MESSAGE_BYTES_MAX {
            return Err(DataFrameError::Length(message.len()));
        }
        let (entry, rest) = message.split_first_chunk().expect("longer than a header");
        let (offset, bytes) = rest.split_first_chunk().expect("longer than a header");
        let (entry, offset) = (EntryId(u32::from_be_bytes(*entry)), u64::from_be_bytes(*offset));
        if offset.checked_add(bytes.len() as u64).is_none() {
            return Err(DataFrameError::Offset(offset));
        }
        Ok(Self { entry, offset, bytes: message.slice(Self::HEADER_BYTES..) })
    }

    /// The place after the last byte.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.offset + self.bytes.len() as u64
    }
}

/// Why a message is no data frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DataFrameError {
    /// Too short or too long.
    #[error("a data frame has {0} bytes")]
    Length(usize),
    /// It ends beyond 64 bits.
    #[error("a data frame starts at {0}")]
    Offset(u64),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_survives_the_wire() {
        let frame = DataFrame { entry: EntryId(7), offset: 1 << 40, bytes: Bytes::from_static(b"film") };
        let wire = [&frame.header()[..], &frame.bytes].concat();
        assert_eq!(wire, b"\0\0\0\x07\0\0\x01\0\0\0\0\0film");
        assert_eq!(DataFrame::decode(Bytes::from(wire)), Ok(frame));
    }

    #[test]
    fn empty_and_overlong_frames_are_refused() {
        for length in [0, 1, 11, 12, MESSAGE_BYTES_MAX + 1] {
            let message = Bytes::from(vec![0; length]);
            assert_eq!(DataFrame::decode(message), Err(DataFrameError::Length(length)));
        }
    }

    #[test]
    fn a_frame_that_ends_beyond_64_bits_is_refused() {
        let wire = [&[0; 4][..], &[255; 8], b"x"].concat();
        assert_eq!(DataFrame::decode(Bytes::from(wire)), Err(DataFrameError::Offset(u64::MAX)));
    }
}
