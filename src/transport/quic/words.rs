//! `Word`: what each side says on the first stream of a QUIC connection: a kind (1), a number (8, big-endian), and a message where the
//! number is its length.

use bytes::{BufMut, Bytes, BytesMut};
use noq::{RecvStream, SendStream};
use tokio::sync::{
    mpsc::{self, error::TrySendError},
    watch,
};

use super::{
    ctl::{Ctl, Source},
    unconfirmed::Unconfirmed,
};
use crate::transport::{MAX_ACCEPTED_MESSAGE_BYTES, channel::Incoming, error::Lost, inbox::InboxSender};

/// One word.
#[derive(Debug)]
pub(super) enum Word {
    /// This stream with file data was passed on whole.
    Delivered(u64),
    /// The next message of the control lane has this number.
    From(u64),
    /// A message of the control lane.
    Ctl(Bytes),
    /// So many messages of the control lane were heard.
    Heard(u64),
}

impl Word {
    fn encode(&self, into: &mut BytesMut) {
        let (kind, number) = match self {
            Self::Delivered(stream) => (DELIVERED, *stream),
            Self::From(number) => (FROM, *number),
            Self::Ctl(message) => (CTL, message.len() as u64),
            Self::Heard(count) => (HEARD, *count),
        };
        into.put_u8(kind);
        into.put_u64(number);
        if let Self::Ctl(message) = self {
            into.put_slice(message);
        }
    }
}

/// Has it said which streams were passed on whole.
#[derive(Clone, Debug)]
pub(super) struct Deliveries(mpsc::Sender<u64>);

impl Deliveries {
    /// A queue, and its other end.
    pub(super) fn queue() -> (Self, mpsc::Receiver<u64>) {
        let (streams, unsaid) = mpsc::channel(UNSAID_MAX);
        (Self(streams), unsaid)
    }

    /// Has it said of a stream.
    ///
    /// # Errors
    /// The peer goes on opening streams and does not read what is said of them.
    pub(super) fn say(&self, stream: u64) -> Result<(), Lost> {
        match self.0.try_send(stream) {
            // Fails when the connection is lost.
            Ok(()) | Err(TrySendError::Closed(_)) => Ok(()),
            Err(TrySendError::Full(_)) => Err(DEAF),
        }
    }
}

/// Words in one piece.
pub(super) fn encoded(words: impl IntoIterator<Item = Word>) -> Bytes {
    let mut bytes = BytesMut::new();
    words.into_iter().for_each(|word| word.encode(&mut bytes));
    bytes.freeze()
}

/// Says words, until nobody has any more or the connection is lost. How much was heard is said when there is time for it, the latest
/// number only.
pub(super) async fn say(
    mut stream: SendStream,
    mut words: mpsc::UnboundedReceiver<Word>,
    mut unsaid: mpsc::Receiver<u64>,
    mut heard: watch::Receiver<u64>,
) {
    // Fails when the connection is lost.
    let _ = stream.set_priority(AHEAD_OF_DATA);
    let (mut batch, mut streams, mut has_words) = (Vec::new(), Vec::new(), true);
    loop {
        tokio::select! {
            // The control lane may go another way.
            count = words.recv_many(&mut batch, BATCH), if has_words => has_words = count > 0,
            count = unsaid.recv_many(&mut streams, BATCH) => if count == 0 { return },
            changed = heard.changed() => match changed {
                Ok(()) => batch.push(Word::Heard(*heard.borrow_and_update())),
                Err(_) => return,
            },
        }
        batch.extend(streams.drain(..).map(Word::Delivered));
        if stream.write_chunk(encoded(batch.drain(..))).await.is_err() {
            return;
        }
    }
}

/// Who acts on the peer's words.
pub(super) struct Listener {
    pub(super) ctl: std::sync::Arc<Ctl>,
    pub(super) unconfirmed: std::sync::Arc<Unconfirmed>,
    pub(super) messages: InboxSender,
    pub(super) source: Source,
    pub(super) heard: watch::Sender<u64>,
}

impl Listener {
    /// Hears words until the connection is lost.
    ///
    /// # Errors
    /// The peer broke the protocol.
    pub(super) async fn hear(self, mut stream: RecvStream) -> Result<(), Lost> {
        let mut head = [0; HEAD_BYTES];
        while stream.read_exact(&mut head).await.is_ok() {
            let [kind, number @ ..] = head;
            let number = u64::from_be_bytes(number);
            match kind {
                DELIVERED => self.unconfirmed.confirm(number),
                FROM => self.ctl.begin(self.source, number)?,
                HEARD => self.ctl.confirm(number)?,
                CTL if number <= MAX_ACCEPTED_MESSAGE_BYTES as u64 => {
                    let mut message = BytesMut::zeroed(number as usize);
                    if stream.read_exact(&mut message).await.is_err() {
                        return Ok(());
                    }
                    let message = Incoming::Ctl(message.freeze());
                    self.heard.send_replace(self.ctl.pass(self.source, || self.messages.push(message))?);
                }
                _ => return Err(MALFORMED),
            }
        }
        Ok(())
    }
}

const HEAD_BYTES: usize = 9;

const DELIVERED: u8 = 1;

const FROM: u8 = 2;

const CTL: u8 = 3;

const HEARD: u8 = 4;

/// Words in one write.
const BATCH: usize = 64;

/// Streams that may wait to be called delivered: as many as may be remembered out of order. Who reads what is said leaves a handful.
const UNSAID_MAX: usize = 1 << 16;

/// Words are few, and file data waits for what they say.
const AHEAD_OF_DATA: i32 = 1;

const MALFORMED: Lost = Lost::Violation("a word on QUIC that makes no sense");

const DEAF: Lost = Lost::Violation("it does not read what is said of its QUIC streams");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_that_does_not_read_what_was_delivered_is_cut_off() {
        let (deliveries, mut unsaid) = Deliveries::queue();
        let said = (0..1 << 20).map(|stream| deliveries.say(stream)).position(|said| said == Err(DEAF));
        assert_eq!(said, Some(UNSAID_MAX));
        assert_eq!(unsaid.try_recv(), Ok(0));
        assert_eq!(deliveries.say(0), Ok(()), "it reads again");
        drop(unsaid);
        assert_eq!(deliveries.say(0), Ok(()), "the connection is lost, which is told elsewhere");
    }
}
