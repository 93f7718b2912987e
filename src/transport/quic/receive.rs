//! `Delivery`: reads the streams of one QUIC connection, passes their frames on and remembers which.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use noq::{Connection, ReadError, RecvStream};
use tokio::{sync::Semaphore, task::JoinSet};
use tracing::debug;

use super::{
    handover::{ConnectionId, Got, WHOLE},
    send::RECORD_HEAD_BYTES,
    words::{Deliveries, Listener},
};
use crate::transport::{
    DATA_HEADER_BYTES, MAX_ACCEPTED_MESSAGE_BYTES,
    channel::Incoming,
    error::Lost,
    inbox::{Ending, InboxSender, MAX_QUEUED_MESSAGES},
};

/// What one connection delivers.
#[derive(Debug)]
pub(super) struct Delivery {
    id: ConnectionId,
    connection: Connection,
    messages: InboxSender,
    /// Bytes that may wait in the inbox.
    budget: Arc<Semaphore>,
    deliveries: Deliveries,
    passed: Mutex<Passed>,
}

/// What has been passed on.
#[derive(Debug)]
struct Passed {
    /// Nothing more may be.
    frozen: bool,
    got: Got,
}

/// Why a stream ends early.
enum Stop {
    /// The connection is lost, or what it delivered is final.
    Over,
    /// The peer broke the protocol.
    Violation(Lost),
}

impl From<ReadError> for Stop {
    fn from(_: ReadError) -> Self {
        Self::Over
    }
}

impl Delivery {
    /// Has it said which streams were passed on whole.
    pub(super) fn new(id: ConnectionId, connection: Connection, messages: InboxSender, deliveries: Deliveries) -> Self {
        // The peer's stream 0 carries words.
        let passed = Mutex::new(Passed { frozen: false, got: Got { id, first: 1, streams: BTreeMap::new() } });
        let budget = Arc::new(Semaphore::new(BUDGET_BYTES));
        Self { id, connection, messages, budget, deliveries, passed }
    }

    pub(super) fn id(&self) -> &ConnectionId {
        &self.id
    }

    /// Ends it: nothing is passed on afterwards. Returns what was.
    pub(super) fn freeze(&self) -> Got {
        let mut passed = self.passed.lock().unwrap_or_else(PoisonError::into_inner);
        passed.frozen = true;
        self.connection.close(noq::VarInt::from_u32(0), b"");
        passed.got.clone()
    }

    /// Reads all streams until the connection is lost.
    pub(super) async fn run(self: Arc<Self>, listener: Listener, ending: Ending) {
        let (mut readers, mut listener) = (JoinSet::new(), Some(listener));
        loop {
            let stream = tokio::select! {
                stream = self.connection.accept_uni() => stream,
                Some(_) = readers.join_next(), if !readers.is_empty() => continue,
            };
            let Ok(stream) = stream else { break };
            match listener.take() {
                Some(listener) if stream.id().index() == 0 => {
                    let ending = ending.clone();
                    readers.spawn(async move { listener.hear(stream).await.unwrap_or_else(|lost| ending.end(lost)) });
                }
                other => {
                    listener = other;
                    readers.spawn(Arc::clone(&self).read_stream(stream, ending.clone()));
                }
            }
        }
        // Streams that ended before the connection did may still be read.
        while readers.join_next().await.is_some() {}
    }

    async fn read_stream(self: Arc<Self>, stream: RecvStream, ending: Ending) {
        let index = stream.id().index();
        let mut records = Records { stream, ready: VecDeque::new() };
        let stop = loop {
            match self.pass_record(index, &mut records).await {
                Ok(true) => {}
                Ok(false) => match self.pass_end(index) {
                    Ok(()) => return,
                    Err(stop) => break stop,
                },
                Err(stop) => break stop,
            }
        };
        match stop {
            Stop::Over => debug!(index, "a QUIC stream ends early"),
            Stop::Violation(lost) => ending.end(lost),
        }
    }

    /// Passes on the next frame; `false` at the end of the stream.
    async fn pass_record(&self, index: u64, records: &mut Records) -> Result<bool, Stop> {
        let mut head = [0; RECORD_HEAD_BYTES];
        match records.read(&mut &mut head[..], RECORD_HEAD_BYTES).await? {
            0 => return Ok(false),
            RECORD_HEAD_BYTES => {}
            _ => return Err(Stop::Violation(MALFORMED)),
        }
        let (header, mut length) = head.split_at(DATA_HEADER_BYTES);
        let length = length.get_u32() as usize;
        if length == 0 || length > MAX_ACCEPTED_MESSAGE_BYTES - DATA_HEADER_BYTES {
            return Err(Stop::Violation(MALFORMED));
        }
        let share = Arc::clone(&self.budget).acquire_many_owned((length + MESSAGE_COST_BYTES) as u32).await;
        let mut message = BytesMut::with_capacity(DATA_HEADER_BYTES + length);
        message.put_slice(header);
        if records.read(&mut message, length).await? != length {
            return Err(Stop::Violation(MALFORMED));
        }
        let mut passed = self.passed.lock().unwrap_or_else(PoisonError::into_inner);
        if passed.frozen {
            return Err(Stop::Over);
        }
        self.messages.push_within(Incoming::Data(message.freeze()), share.ok()).map_err(Stop::Violation)?;
        *passed.got.streams.entry(index).or_default() += 1;
        Ok(true)
    }

    fn pass_end(&self, index: u64) -> Result<(), Stop> {
        let mut passed = self.passed.lock().unwrap_or_else(PoisonError::into_inner);
        if passed.frozen {
            return Ok(());
        }
        let got = &mut passed.got;
        if got.streams.insert(index, WHOLE).is_none() || got.streams.len() > MAX_UNORDERED {
            return Err(Stop::Violation(MALFORMED));
        }
        while got.streams.get(&got.first) == Some(&WHOLE) {
            got.streams.remove(&got.first);
            got.first += 1;
        }
        self.deliveries.say(index).map_err(Stop::Violation)
    }
}

/// A stream, and what was taken from it and not yet used.
struct Records {
    stream: RecvStream,
    ready: VecDeque<Bytes>,
}

impl Records {
    /// Copies `count` bytes, or fewer at the end of the stream; returns how many.
    async fn read(&mut self, into: &mut impl BufMut, count: usize) -> Result<usize, ReadError> {
        let mut left = count;
        while left > 0 {
            let Some(chunk) = self.ready.front_mut() else {
                let mut chunks: [Bytes; CHUNKS] = Default::default();
                match self.stream.read_many_chunks(&mut chunks).await? {
                    Some(count) => self.ready.extend(chunks.into_iter().take(count)),
                    None => break,
                }
                continue;
            };
            let piece = chunk.split_to(left.min(chunk.len()));
            into.put_slice(&piece);
            left -= piece.len();
            if chunk.is_empty() {
                self.ready.pop_front();
            }
        }
        Ok(count - left)
    }
}

/// Bytes from QUIC that may wait in the inbox. At least the largest message for each stream that may be open, so that no stream that has
/// its share can be kept from finishing by one that waits for it.
const BUDGET_BYTES: usize = 17 << 20;

/// What each message counts beside its bytes: small ones fill the inbox by their number.
const MESSAGE_COST_BYTES: usize = 2048;

// An honest sender's small files must never look like a flood, whatever waits in the data lane beside them.
const _: () = assert!(BUDGET_BYTES / MESSAGE_COST_BYTES < MAX_QUEUED_MESSAGES * 3 / 4);

/// Streams that may end before an earlier one does, which are remembered. Ten seconds of loss hold up a thousandth of it.
const MAX_UNORDERED: usize = 1 << 16;

/// Pieces, mostly the contents of one packet each, that are taken from a stream at once.
const CHUNKS: usize = 32;

const MALFORMED: Lost = Lost::Violation("a QUIC stream that makes no sense");
