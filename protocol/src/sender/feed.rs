//! `Feed`: a stream that is sent while it is read.
//!
//! What was sent last is kept, so that a reconnect loses nothing although the stream cannot be read twice.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::chunk_hasher::ChunkHasher;
use crate::data_frame::DataFrame;
use crate::error::Violation;
use crate::hash::Hash;
use crate::limits::{CHUNK_BYTES, JOBS_MAX, STREAM_AHEAD_BYTES, STREAM_REPLAY_BYTES};
use crate::offer::EntryId;

/// A stream, from its reader to the channel.
#[derive(Debug)]
pub(super) struct Feed {
    entry: EntryId,
    /// Pieces by the place of their first byte, contiguous.
    held: VecDeque<(u64, Bytes)>,
    /// Bytes read so far.
    end: u64,
    /// The furthest byte that was asked for or sent.
    wanted: u64,
    wants: VecDeque<(u64, u64)>,
    is_reading: bool,
    is_over: bool,
    hasher: ChunkHasher,
    /// Hashes of the chunks that are held, and the first chunk that is to be announced.
    hashes: VecDeque<(u64, Hash)>,
    announce_from: u64,
    is_interrupted: bool,
}

impl Feed {
    pub(super) fn new(entry: EntryId) -> Self {
        Self {
            entry,
            held: VecDeque::new(),
            end: 0,
            wanted: 0,
            wants: VecDeque::new(),
            is_reading: false,
            is_over: false,
            hasher: ChunkHasher::default(),
            hashes: VecDeque::new(),
            announce_from: 0,
            is_interrupted: false,
        }
    }

    pub(super) const fn entry(&self) -> EntryId {
        self.entry
    }

    /// Adds a wanted range, part of which may lie beyond what is read.
    pub(super) fn want(&mut self, from: u64, to: u64) -> Result<(), Violation> {
        let start = self.held.front().map_or(self.end, |(offset, _)| *offset);
        // What is kept begins with a whole piece, of which some may be older than a receiver can miss.
        if from < start || to.saturating_sub(start) > 2 * STREAM_REPLAY_BYTES + STREAM_AHEAD_BYTES {
            return Err(Violation::OutOfOffer("want"));
        }
        if self.wants.len() == JOBS_MAX {
            return Err(Violation::TooMuch);
        }
        if std::mem::take(&mut self.is_interrupted) {
            self.announce_from = self.announce_from.min(from / CHUNK_BYTES);
        }
        self.wants.push_back((from, to));
        self.wanted = self.wanted.max(to);
        Ok(())
    }

    /// Forgets what was asked for on a connection that is lost; what is asked for next is announced again.
    pub(super) fn interrupt(&mut self) {
        self.wants.clear();
        self.is_interrupted = true;
    }

    /// Whether more of the stream is to be read.
    pub(super) const fn next_read(&mut self) -> bool {
        let reads = !self.is_reading && !self.is_over && self.end < self.wanted + STREAM_AHEAD_BYTES;
        self.is_reading |= reads;
        reads
    }

    /// Takes in what was read.
    pub(super) fn was_read(&mut self, bytes: Bytes) {
        self.is_reading = false;
        self.hashes.extend(self.hasher.update(&bytes));
        let at = self.end;
        self.end += bytes.len() as u64;
        self.held.push_back((at, bytes));
    }

    /// Takes note of the stream's end; returns its size.
    pub(super) fn was_ended(&mut self) -> u64 {
        self.is_reading = false;
        self.is_over = true;
        self.hashes.extend(self.hasher.finish());
        self.end
    }

    /// The next hash to announce: of a chunk that is complete and that was asked for.
    pub(super) fn next_hash(&mut self) -> Option<(u64, Hash)> {
        let index = self.hashes.partition_point(|(chunk, _)| *chunk < self.announce_from);
        let next = *self.hashes.get(index).filter(|(chunk, _)| chunk * CHUNK_BYTES < self.wanted)?;
        self.announce_from = next.0 + 1;
        Some(next)
    }

    /// Whether something was asked for that has not been read.
    pub(super) fn waits_for_source(&self) -> bool {
        !self.wants.is_empty() && !self.is_over && !self.has_frame()
    }

    pub(super) fn has_frame(&self) -> bool {
        self.wants.front().is_some_and(|(from, _)| *from < self.end)
    }

    /// The next frame, within one chunk.
    pub(super) fn next_frame(&mut self, payload_bytes: usize) -> Option<DataFrame> {
        let (from, to) = self.wants.front_mut()?;
        let index = self.held.partition_point(|(offset, _)| offset <= from).checked_sub(1)?;
        let (offset, piece) = self.held.get(index)?;
        let start = usize::try_from(*from - offset).ok().filter(|start| *start < piece.len())?;
        let chunk_end = (*from / CHUNK_BYTES + 1) * CHUNK_BYTES;
        let room = usize::try_from((*to).min(chunk_end) - *from).unwrap_or(usize::MAX).min(payload_bytes);
        let bytes = piece.slice(start..piece.len().min(start + room));
        let frame = DataFrame { entry: self.entry, offset: *from, bytes };
        *from = frame.end();
        if from == to {
            self.wants.pop_front();
        }
        self.trim(frame.end());
        Some(frame)
    }

    /// Lets go of what was sent so long ago that a receiver cannot miss it.
    fn trim(&mut self, sent: u64) {
        while let Some((offset, piece)) = self.held.front()
            && offset + piece.len() as u64 + STREAM_REPLAY_BYTES < sent
        {
            self.held.pop_front();
        }
        while let Some((chunk, _)) = self.hashes.front()
            && (chunk + 1) * CHUNK_BYTES + STREAM_REPLAY_BYTES < sent
        {
            self.hashes.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_read_only_as_far_as_it_is_wanted() {
        let mut feed = Feed::new(EntryId(0));
        let mut read = 0;
        while feed.next_read() {
            feed.was_read(Bytes::from(vec![0; 65_536]));
            read += 65_536;
        }
        assert_eq!(read, STREAM_AHEAD_BYTES);
        feed.want(0, 4 << 20).unwrap();
        while feed.next_read() {
            feed.was_read(Bytes::from(vec![0; 65_536]));
            read += 65_536;
        }
        assert_eq!(read, STREAM_AHEAD_BYTES + (4 << 20));
    }

    #[test]
    fn as_much_as_a_receiver_may_ask_for_is_taken_wherever_pieces_begin() {
        let piece = STREAM_AHEAD_BYTES / 2 - 1;
        let mut feed = Feed::new(EntryId(0));
        let mut sent = 0;
        for _ in 0..200 {
            feed.want(sent, sent + STREAM_REPLAY_BYTES).unwrap();
            feed.wants.clear();
            feed.wants.push_back((sent, sent + piece));
            feed.was_read(Bytes::from(vec![0; piece as usize]));
            while let Some(frame) = feed.next_frame(65_536) {
                sent = frame.end();
            }
        }
        assert!(sent > 2 * STREAM_REPLAY_BYTES);
    }

    #[test]
    fn what_was_sent_last_can_be_sent_again() {
        let mut feed = Feed::new(EntryId(0));
        let mut sent = 0;
        while sent < 2 * STREAM_REPLAY_BYTES {
            feed.want(sent, sent + 65_536).unwrap();
            assert!(feed.next_read());
            feed.was_read(Bytes::from(vec![(sent >> 16) as u8; 65_536]));
            sent = feed.next_frame(65_536).unwrap().end();
        }
        feed.interrupt();
        let held: u64 = feed.held.iter().map(|(_, piece)| piece.len() as u64).sum();
        assert!(held <= STREAM_REPLAY_BYTES + 65_536, "memory stays bounded");
        let again = sent - STREAM_REPLAY_BYTES;
        feed.want(again, again + 10).unwrap();
        let frame = feed.next_frame(65_536).unwrap();
        assert_eq!((frame.offset, &frame.bytes[..]), (again, &[(again >> 16) as u8; 10][..]));
        assert!(feed.want(0, 10).is_err(), "what is gone is gone");
    }
}
