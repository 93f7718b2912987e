//! What both sides tell each other over the data lane when QUIC is lost.
//!
//! `Lost(id)`: "I take this QUIC connection for dead; what of it have you passed on?"; `Got(id, …)`: "all streams before
//! the first number, and of these others so many frames; nothing of it will be passed on any more". In bytes:
//! `ff ff ff ff ‖ kind (1) ‖ id (16)`, and in `Got` then `first (8) ‖ (stream (8) ‖ frames (8))*`, big-endian. No entry of an offer
//! has the number that such a message starts with.

use std::collections::BTreeMap;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::sync::mpsc;

use super::receive::Delivery;
use crate::transport::{error::Lost, webrtc::Lane};

/// Names one QUIC connection, alike on both sides: drawn from its TLS session.
pub(super) type ConnectionId = [u8; 16];

/// The name of a connection.
pub(super) fn connection_id(connection: &noq::Connection) -> Option<ConnectionId> {
    let mut id = ConnectionId::default();
    connection.export_keying_material(&mut id, b"EXPORTER-p2pshare-handover", b"").ok()?;
    Some(id)
}

/// What the receiver of a lost connection has passed on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Got {
    pub(super) id: ConnectionId,
    /// All streams before this one were passed on whole.
    pub(super) first: u64,
    /// Frames passed on of later streams; [`WHOLE`] for all of them.
    pub(super) streams: BTreeMap<u64, u64>,
}

impl Got {
    /// How many frames of a stream need not be sent again.
    pub(super) fn frames_of(&self, stream: u64) -> u64 {
        if stream < self.first { WHOLE } else { self.streams.get(&stream).copied().unwrap_or(0) }
    }

    fn encode(&self) -> BytesMut {
        let mut message = prefix(GOT, &self.id);
        message.put_u64(self.first);
        for (stream, frames) in &self.streams {
            message.put_u64(*stream);
            message.put_u64(*frames);
        }
        message
    }

    fn decode(id: ConnectionId, mut rest: Bytes) -> Option<Self> {
        let first = rest.try_get_u64().ok()?;
        let mut streams = BTreeMap::new();
        while rest.has_remaining() {
            streams.insert(rest.try_get_u64().ok()?, rest.try_get_u64().ok()?);
        }
        Some(Self { id, first, streams })
    }
}

/// The question what was passed on of a connection.
pub(super) fn lost(id: &ConnectionId) -> BytesMut {
    prefix(LOST, id)
}

fn prefix(kind: u8, id: &ConnectionId) -> BytesMut {
    let mut message = word(kind);
    message.put_slice(id);
    message
}

/// The beginning of a word of the transport on a data channel.
pub(super) fn word(kind: u8) -> BytesMut {
    let mut word = BytesMut::with_capacity(64);
    word.put_slice(&MARK);
    word.put_u8(kind);
    word
}

/// Hears questions and answers, without waiting.
#[derive(Debug)]
pub(super) struct Handover {
    replies: mpsc::Sender<BytesMut>,
    answers: mpsc::Sender<Got>,
}

impl Handover {
    /// Also returns where the replies to be sent come out, and where the peer's answers do.
    pub(super) fn new() -> (Self, mpsc::Receiver<BytesMut>, mpsc::Receiver<Got>) {
        let (replies, replies_out) = mpsc::channel(QUEUE);
        let (answers, answers_out) = mpsc::channel(QUEUE);
        (Self { replies, answers }, replies_out, answers_out)
    }

    /// Takes a message of the data lane; returns it if it is none of ours.
    ///
    /// # Errors
    /// [`Lost::Violation`].
    pub(super) fn hear(&self, message: Bytes, delivery: Option<&Delivery>) -> Result<Option<Bytes>, Lost> {
        if !message.starts_with(&MARK) {
            return Ok(Some(message));
        }
        let Some((head, _)) = message.split_first_chunk::<HEAD_BYTES>() else { return Err(MALFORMED) };
        let mut id = ConnectionId::default();
        id.copy_from_slice(&head[MARK.len() + 1..]);
        let rest = message.slice(HEAD_BYTES..);
        let heard = match head[MARK.len()] {
            LOST => {
                let got = match delivery.filter(|delivery| *delivery.id() == id) {
                    Some(delivery) => delivery.freeze(),
                    // It came up only there: nothing of it arrived.
                    None => Got { id, ..Got::default() },
                };
                self.replies.try_send(got.encode()).is_ok()
            }
            GOT => match Got::decode(id, rest) {
                Some(got) => self.answers.try_send(got).is_ok(),
                None => false,
            },
            _ => false,
        };
        if heard { Ok(None) } else { Err(MALFORMED) }
    }
}

/// Sends the replies until the connection is over.
pub(super) async fn answer(mut replies: mpsc::Receiver<BytesMut>, lane: Lane) {
    loop {
        let reply = tokio::select! {
            _ = lane.lost() => return,
            reply = replies.recv() => reply,
        };
        let Some(reply) = reply else { return };
        if lane.send(reply).await.is_err() {
            return;
        }
    }
}

/// All frames of a stream.
pub(super) const WHOLE: u64 = u64::MAX;

/// What no frame begins with.
pub(super) const MARK: [u8; 4] = [0xff; 4];

const HEAD_BYTES: usize = MARK.len() + 1 + 16;

const LOST: u8 = 1;

const GOT: u8 = 2;

/// An honest peer has one question open at a time, and so do we.
const QUEUE: usize = 4;

const MALFORMED: Lost = Lost::Violation("a handover that makes no sense");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_survives_the_wire() {
        let got = Got { id: [7; 16], first: 3, streams: BTreeMap::from([(4, WHOLE), (9, 2)]) };
        let (handover, _replies, mut answers) = Handover::new();
        assert_eq!(handover.hear(got.encode().freeze(), None), Ok(None));
        assert_eq!(answers.try_recv(), Ok(got.clone()));
        let frames: Vec<u64> = [1, 3, 4, 9, 10].map(|stream| got.frames_of(stream)).into();
        assert_eq!(frames, [WHOLE, 0, WHOLE, 2, 0]);
    }

    #[test]
    fn of_an_unknown_connection_nothing_was_got() {
        let (handover, mut replies, _answers) = Handover::new();
        assert_eq!(handover.hear(lost(&[7; 16]).freeze(), None), Ok(None));
        assert_eq!(replies.try_recv(), Ok(Got { id: [7; 16], ..Got::default() }.encode()));
    }

    #[test]
    fn file_data_is_none_of_its_business_and_junk_is_a_violation() {
        let (handover, _replies, _answers) = Handover::new();
        let data = Bytes::from_static(b"\0\0\0\x07\0\0\0\0\0\0\0\0x");
        assert_eq!(handover.hear(data.clone(), None), Ok(Some(data)));
        let got = Got::default().encode().freeze();
        for junk in [&MARK[..], &[0xff; 21], &got[..22], &[&got[..], b"x"].concat()] {
            assert_eq!(handover.hear(Bytes::copy_from_slice(junk), None), Err(MALFORMED), "{junk:?}");
        }
    }

    #[test]
    fn a_peer_that_asks_and_asks_is_cut_off() {
        let (handover, _replies, _answers) = Handover::new();
        let asked: Vec<bool> = (0..=QUEUE).map(|_| handover.hear(lost(&[7; 16]).freeze(), None).is_ok()).collect();
        assert_eq!(asked, [true, true, true, true, false]);
    }
}
