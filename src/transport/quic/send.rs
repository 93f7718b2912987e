//! `Sending`: chooses the way for each frame, and sees that none is lost when one of them is.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::{BufMut, Bytes, BytesMut};
use tokio::sync::mpsc;
use tracing::debug;

use super::{
    handover::{self, ConnectionId, Got},
    unconfirmed::{Frame, Unconfirmed},
};
use crate::transport::{DATA_HEADER_BYTES, error::Lost, webrtc::Lane};

/// The sending end of both ways.
pub(super) struct Sending {
    lane: Lane,
    writer: Option<Writer>,
    /// What became of the last QUIC connection, until the data lane has taken over.
    pending: Option<Pending>,
    /// Where the frame that continues the last one would start.
    next: Option<Place>,
    answers: Option<mpsc::Receiver<Got>>,
}

/// Frames that a lost connection may or may not have delivered.
struct Pending {
    id: ConnectionId,
    asked: bool,
    got: bool,
    /// Oldest first, with the number of their stream.
    frames: VecDeque<(u64, Frame)>,
}

impl Sending {
    pub(super) fn new(lane: Lane) -> Self {
        Self { lane, writer: None, pending: None, next: None, answers: None }
    }

    /// Sends over QUIC from now on. Where the peer's answers come out is needed once.
    pub(super) fn use_quic(&mut self, writer: Writer, answers: Option<mpsc::Receiver<Got>>) {
        self.writer = Some(writer);
        self.answers = answers.or_else(|| self.answers.take());
    }

    /// Sends a frame, and first what waits from before.
    ///
    /// # Errors
    /// The connection is over.
    pub(super) async fn send(&mut self, header: [u8; DATA_HEADER_BYTES], payload: Bytes) -> Result<(), Lost> {
        self.hand_over().await?;
        if let Some(writer) = &self.writer {
            writer.room().await;
        }
        let place = Place::of(&header);
        let continues = self.next == Some(place) && !place.starts_block();
        self.next = Some(place.after(payload.len()));
        let Some(writer) = self.writer.as_mut().filter(|writer| !continues || writer.has_stream()) else {
            return self.lane.send(message(&header, &payload)).await;
        };
        if let Err(error) = writer.write(Frame { header, payload }, continues).await {
            debug!(%error, "sending over QUIC");
            self.quic_lost();
            self.hand_over().await?;
        }
        Ok(())
    }

    /// Ends the current stream, so that the peer can confirm it; returns what to wait for, if QUIC is in use.
    pub(super) fn finish_stream(&mut self) -> Option<(Arc<Unconfirmed>, noq::Connection)> {
        let writer = self.writer.as_mut()?;
        writer.finish();
        Some((Arc::clone(&writer.unconfirmed), writer.connection.clone()))
    }

    /// How many streams the QUIC connection in use has begun.
    #[cfg(test)]
    pub(super) fn streams(&self) -> u64 {
        self.writer.as_ref().map_or(0, |writer| writer.index)
    }

    /// Gives up the QUIC connection.
    pub(super) fn quic_lost(&mut self) {
        let Some(writer) = self.writer.take() else { return };
        writer.connection.close(noq::VarInt::from_u32(0), b"");
        let streams = writer.unconfirmed.take();
        let frames = streams.into_iter().flat_map(|(stream, frames)| frames.into_iter().map(move |f| (stream, f)));
        self.pending = Some(Pending { id: writer.id, asked: false, got: false, frames: frames.collect() });
    }

    /// Sends over the data lane what a lost QUIC connection did not deliver. Can be cancelled and called again.
    ///
    /// # Errors
    /// The connection is over.
    pub(super) async fn hand_over(&mut self) -> Result<(), Lost> {
        let (Some(pending), Some(answers)) = (&mut self.pending, &mut self.answers) else { return Ok(()) };
        if !pending.frames.is_empty() && !pending.asked {
            self.lane.send(handover::lost(&pending.id)).await?;
            pending.asked = true;
        }
        while !pending.frames.is_empty() && !pending.got {
            let got = tokio::select! {
                lost = self.lane.lost() => return Err(lost),
                got = answers.recv() => got.ok_or(Lost::Stopped)?,
            };
            if got.id == pending.id {
                pending.drop_delivered(&got);
            }
        }
        while let Some((_, frame)) = pending.frames.front() {
            self.lane.send(message(&frame.header, &frame.payload)).await?;
            pending.frames.pop_front();
        }
        self.pending = None;
        Ok(())
    }
}

impl Pending {
    fn drop_delivered(&mut self, got: &Got) {
        self.got = true;
        let (mut current, mut nth) = (None, 0);
        self.frames.retain(|(stream, _)| {
            nth = if current == Some(*stream) { nth + 1 } else { 0 };
            current = Some(*stream);
            nth >= got.frames_of(*stream)
        });
        debug!(frames = self.frames.len(), "QUIC is lost; sending the rest over the data channel");
    }
}

/// Writes frames to one QUIC connection.
pub(super) struct Writer {
    connection: noq::Connection,
    id: ConnectionId,
    unconfirmed: Arc<Unconfirmed>,
    /// Bytes that may be unconfirmed.
    kept_max: Arc<AtomicUsize>,
    stream: Option<noq::SendStream>,
    /// The index of the stream, of the streams that this side opened. The first one carries confirmations.
    index: u64,
    stream_bytes: usize,
    /// Set while a frame is written: if that is cancelled, the stream is of no use any more.
    torn: bool,
}

impl Writer {
    pub(super) fn new(
        connection: noq::Connection,
        id: ConnectionId,
        unconfirmed: Arc<Unconfirmed>,
        kept_max: Arc<AtomicUsize>,
    ) -> Self {
        Self { connection, id, unconfirmed, kept_max, stream: None, index: 0, stream_bytes: 0, torn: false }
    }

    /// Waits until another frame may be kept, or the connection is lost. Cancel-safe.
    async fn room(&self) {
        tokio::select! {
            () = self.unconfirmed.below(|| self.kept_max.load(Ordering::Relaxed)) => {}
            _ = self.connection.closed() => {}
        }
    }

    fn has_stream(&self) -> bool {
        self.stream.is_some()
    }

    fn finish(&mut self) {
        if let Some(mut stream) = self.stream.take() {
            // Fails when the connection is lost, which the next frame finds out.
            let _ = stream.finish();
        }
    }

    /// Writes a frame. On an error it is among the unconfirmed ones all the same.
    async fn write(&mut self, frame: Frame, continues: bool) -> Result<(), noq::WriteError> {
        if !continues && self.stream_bytes >= STREAM_BYTES {
            self.finish();
        }
        if self.stream.is_none() {
            self.index += 1;
            self.stream_bytes = 0;
        }
        self.unconfirmed.add(self.index, frame.clone());
        if std::mem::replace(&mut self.torn, true) {
            return Err(noq::WriteError::ClosedStream);
        }
        let stream = match &mut self.stream {
            Some(stream) => stream,
            empty => empty.insert(self.connection.open_uni().await?),
        };
        self.stream_bytes += frame.payload.len();
        let mut head = BytesMut::with_capacity(RECORD_HEAD_BYTES);
        head.put_slice(&frame.header);
        head.put_u32(frame.payload.len() as u32);
        stream.write_all_chunks(&mut [head.freeze(), frame.payload]).await?;
        self.torn = false;
        Ok(())
    }
}

/// Where a frame starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    entry: u32,
    offset: u64,
}

impl Place {
    fn of(header: &[u8; DATA_HEADER_BYTES]) -> Self {
        let [e0, e1, e2, e3, offset @ ..] = *header;
        Self { entry: u32::from_be_bytes([e0, e1, e2, e3]), offset: u64::from_be_bytes(offset) }
    }

    fn after(self, bytes: usize) -> Self {
        Self { offset: self.offset.saturating_add(bytes as u64), ..self }
    }

    fn starts_block(self) -> bool {
        self.offset.is_multiple_of(BLOCK_BYTES)
    }
}

fn message(header: &[u8; DATA_HEADER_BYTES], payload: &[u8]) -> BytesMut {
    let mut message = BytesMut::with_capacity(header.len() + payload.len());
    message.put_slice(header);
    message.put_slice(payload);
    message
}

/// In front of each frame on a stream: its header, and the length of its payload.
pub(super) const RECORD_HEAD_BYTES: usize = DATA_HEADER_BYTES + 4;

/// The part of a file whose bytes arrive in order; the receiver's chunk.
const BLOCK_BYTES: u64 = 1 << 20;

/// A stream with this much takes no further range: small files share one, the blocks of a large file get one each.
const STREAM_BYTES: usize = 256 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_from_the_header_and_moves_on() {
        let place = Place::of(b"\0\0\0\x07\0\0\0\0\0\x0f\xff\xff");
        assert_eq!(place, Place { entry: 7, offset: (1 << 20) - 1 });
        assert!(!place.starts_block() && place.after(1).starts_block());
    }

    #[test]
    fn frames_that_were_delivered_are_not_sent_again() {
        let frame = |n: u8| Frame { header: [n; 12], payload: Bytes::new() };
        let frames = [(1, 0), (1, 1), (2, 2), (2, 3), (3, 4), (3, 5), (5, 6)];
        let mut pending = Pending {
            id: [0; 16],
            asked: true,
            got: false,
            frames: frames.iter().map(|&(stream, n)| (stream, frame(n))).collect(),
        };
        let got = Got { id: [0; 16], first: 2, streams: [(2, 1), (5, handover::WHOLE)].into() };
        pending.drop_delivered(&got);
        let left: Vec<u8> = pending.frames.iter().map(|(_, frame)| frame.header[0]).collect();
        assert_eq!(left, [3, 4, 5]);
    }
}
