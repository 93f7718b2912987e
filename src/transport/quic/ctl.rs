//! `Ctl`: the control lane, over QUIC where that is up before the data channel is open, and over the data channel otherwise.
//!
//! QUIC takes one round trip where DTLS and SCTP take five. Each message has a number. Who sends over QUIC keeps a message until the
//! peer has heard it; when QUIC is lost it says, on what carries the lane from then on, with which number it goes on, and repeats from there.
//! Once the data channel carries the lane it does so for good.
//!
//! On the data channel a word begins with `ff ff ff ff ‖ kind (1)`, which no frame does: `Ready`, "this data channel is open here", said
//! until it is heard and once more then, since the library drops what arrives together with the end of its handshake; and
//! `From ‖ number (8, big-endian)`.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::{BufMut, Bytes, BytesMut};
use tokio::{
    sync::{Notify, mpsc, watch},
    time::timeout,
};

use super::{
    handover::{ConnectionId, MARK, word},
    words::Word,
};
use crate::transport::{error::Lost, webrtc::Lane};

/// Both directions of the control lane.
pub(super) struct Ctl {
    lane: Lane,
    /// Held while a message is sent, for the order.
    turn: tokio::sync::Mutex<()>,
    sending: Mutex<Sending>,
    /// Told whenever `sending` changes.
    changed: Notify,
    hearing: Mutex<Hearing>,
    /// Whether the peer's data channel is known to be open.
    ready: watch::Sender<bool>,
}

/// What carries this side's messages.
enum Way {
    /// Nothing yet.
    Awaited,
    Quic(mpsc::UnboundedSender<Word>),
    DataChannel,
}

struct Sending {
    way: Way,
    /// What is to be said first, and what QUIC was given and the peer has not heard, oldest first.
    kept: VecDeque<Bytes>,
    kept_bytes: usize,
    /// The number of the first of them.
    first: u64,
    /// Whether the data channel has to say that it goes on where QUIC ended: once there was QUIC, until it is said.
    is_to_be_told: bool,
    /// Whether QUIC has carried the lane: what is kept since then is for the peer alone.
    was_carried: bool,
}

/// What carries the peer's messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    Quic(ConnectionId),
    DataChannel,
}

#[derive(Default)]
struct Hearing {
    /// Messages that were passed on.
    heard: u64,
    source: Option<Source>,
    /// Messages to come that were heard before.
    repeated: u64,
}

impl Ctl {
    pub(super) fn new(lane: Lane) -> Self {
        Self {
            lane,
            turn: tokio::sync::Mutex::default(),
            sending: Mutex::new(Sending {
                way: Way::Awaited,
                kept: VecDeque::new(),
                kept_bytes: 0,
                first: 0,
                is_to_be_told: false,
                was_carried: false,
            }),
            changed: Notify::new(),
            hearing: Mutex::default(),
            ready: watch::Sender::new(false),
        }
    }

    /// Sends a message. Waits for what carries it, and while too much waits to be heard.
    ///
    /// # Errors
    /// The connection is over.
    pub(super) async fn send(&self, message: Bytes) -> Result<(), Lost> {
        let _turn = self.turn.lock().await;
        let has_room = |sending: &Sending| match sending.way {
            Way::Awaited => false,
            Way::Quic(_) => sending.kept_bytes < KEPT_BYTES_MAX,
            Way::DataChannel => true,
        };
        loop {
            tokio::select! {
                lost = self.lane.lost() => return Err(lost),
                () = self.until(has_room) => {}
            }
            let mut sending = self.sending();
            match &sending.way {
                // It was lost in this moment.
                Way::Awaited => {}
                Way::Quic(words) => {
                    // Fails when the connection is lost, which will be told.
                    let _ = words.send(Word::Ctl(message.clone()));
                    sending.keep(message);
                    return Ok(());
                }
                Way::DataChannel => break,
            }
        }
        self.go_on().await?;
        self.lane.send(BytesMut::from(&message[..])).await
    }

    /// Keeps a message that leaves with the first packets of whatever carries the lane; returns whether it is not too late for that.
    pub(super) fn say_first(&self, message: Bytes) -> bool {
        let mut sending = self.sending();
        let is_first = matches!(sending.way, Way::Awaited) && sending.first == 0 && sending.kept.is_empty();
        if is_first {
            sending.keep(message);
        }
        is_first
    }

    /// What a QUIC connection may say before its client has proven to be the peer: what is to be said first, and nothing
    /// once anything else was said. It may come to nothing; what carries the lane repeats it then.
    pub(super) fn early_words(&self) -> Vec<Word> {
        let mut sending = self.sending();
        let is_early = matches!(sending.way, Way::Awaited) && !sending.was_carried;
        if is_early { sending.first_words() } else { Vec::new() }
    }

    /// Sends over this QUIC connection from now on, unless the data channel was first.
    pub(super) fn use_quic(&self, words: mpsc::UnboundedSender<Word>) {
        let mut sending = self.sending();
        if matches!(sending.way, Way::DataChannel) {
            return;
        }
        for word in sending.first_words() {
            // Fails when the connection is lost, which will be told.
            let _ = words.send(word);
        }
        sending.way = Way::Quic(words);
        sending.was_carried = true;
        drop(sending);
        self.changed.notify_waiters();
    }

    /// Waits for something else to carry the lane: QUIC anew, or the data channel.
    pub(super) fn quic_lost(&self) {
        let mut sending = self.sending();
        if matches!(sending.way, Way::Quic(_)) {
            sending.way = Way::Awaited;
        }
        drop(sending);
        if *self.ready.borrow() {
            self.use_data_channel();
        }
    }

    /// Sends over the data channel where nothing carries the lane, or a QUIC over which the peer has heard nothing yet: it had
    /// several round trips, and one side may take for open what never opens on the other.
    pub(super) fn use_data_channel(&self) {
        let mut sending = self.sending();
        let is_carried = match sending.way {
            Way::Awaited => false,
            Way::Quic(_) => sending.first > 0 || sending.kept.is_empty(),
            Way::DataChannel => true,
        };
        if !is_carried {
            sending.way = Way::DataChannel;
        }
        drop(sending);
        self.changed.notify_waiters();
    }

    /// Repeats over the data channel what QUIC may not have delivered, if that was lost. Not to be cancelled before the connection is over.
    ///
    /// # Errors
    /// The connection is over.
    pub(super) async fn repeat(&self) -> Result<(), Lost> {
        let _turn = self.turn.lock().await;
        self.go_on().await
    }

    async fn go_on(&self) -> Result<(), Lost> {
        loop {
            let next = {
                let sending = self.sending();
                match sending.way {
                    Way::DataChannel if sending.is_to_be_told => Some(from(sending.first)),
                    Way::DataChannel => sending.kept.front().map(|message| BytesMut::from(&message[..])),
                    Way::Awaited | Way::Quic(_) => None,
                }
            };
            let Some(next) = next else { return Ok(()) };
            self.lane.send(next).await?;
            let mut sending = self.sending();
            if std::mem::take(&mut sending.is_to_be_told) {
                continue;
            }
            sending.forget_first();
            drop(sending);
            self.changed.notify_waiters();
        }
    }

    /// Notes that the peer has heard so many messages.
    ///
    /// # Errors
    /// It heard more than was said.
    pub(super) fn confirm(&self, heard: u64) -> Result<(), Lost> {
        let mut sending = self.sending();
        if matches!(sending.way, Way::DataChannel) {
            // A last word of QUIC: from which message on they are repeated is settled.
            return Ok(());
        }
        while sending.first < heard {
            if !sending.forget_first() {
                return Err(MALFORMED);
            }
        }
        drop(sending);
        self.changed.notify_waiters();
        Ok(())
    }

    /// Waits until the peer has heard what QUIC was given, or the data channel has it.
    pub(super) async fn drained(&self) {
        self.until(|sending| sending.kept.is_empty()).await;
    }

    /// Tells the peer that the data channel is open here, and waits until it says so.
    ///
    /// # Errors
    /// The connection is over.
    pub(super) async fn meet(&self) -> Result<(), Lost> {
        let mut ready = self.ready.subscribe();
        loop {
            self.lane.send_now(word(READY)).await?;
            if timeout(REPEAT_AFTER, ready.wait_for(|ready| *ready)).await.is_ok() {
                break;
            }
        }
        self.lane.send_now(word(READY)).await
    }

    /// Looks at a message of the data channel; returns it if it is one of the lane that was not heard before.
    ///
    /// # Errors
    /// The peer broke the protocol.
    pub(super) fn hear(&self, message: Bytes) -> Result<Option<Bytes>, Lost> {
        let Some(word) = message.strip_prefix(&MARK) else {
            let mut hearing = self.hearing();
            let source = *hearing.source.get_or_insert(Source::DataChannel);
            return Ok(hearing.is_new(source == Source::DataChannel).then_some(message));
        };
        match word {
            [READY] => {
                self.ready.send_replace(true);
                Ok(None)
            }
            [FROM, number @ ..] => {
                let number = <[u8; 8]>::try_from(number).map_err(|_| MALFORMED)?;
                self.begin(Source::DataChannel, u64::from_be_bytes(number)).map(|()| None)
            }
            _ => Err(MALFORMED),
        }
    }

    /// Goes on with a message's number from another source; what the one before still has is not passed on. After the data channel
    /// there is none.
    ///
    /// # Errors
    /// Messages would be left out.
    pub(super) fn begin(&self, source: Source, number: u64) -> Result<(), Lost> {
        let mut hearing = self.hearing();
        if hearing.source == Some(Source::DataChannel) && source != Source::DataChannel {
            return Ok(());
        }
        hearing.repeated = hearing.heard.checked_sub(number).ok_or(MALFORMED)?;
        hearing.source = Some(source);
        Ok(())
    }

    /// Passes on a message from a source, if it is the one in use and the message is new; returns how many were heard.
    ///
    /// # Errors
    /// What passing it on says.
    pub(super) fn pass(&self, source: Source, pass: impl FnOnce() -> Result<(), Lost>) -> Result<u64, Lost> {
        let mut hearing = self.hearing();
        let is_in_use = hearing.source == Some(source);
        if hearing.is_new(is_in_use) {
            pass()?;
        }
        Ok(hearing.heard)
    }

    /// Whether the peer's data channel is known to be open.
    #[cfg(test)]
    pub(super) fn is_ready(&self) -> bool {
        *self.ready.borrow()
    }

    async fn until(&self, reached: impl Fn(&Sending) -> bool) {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            if reached(&self.sending()) {
                return;
            }
            changed.await;
        }
    }

    fn sending(&self) -> MutexGuard<'_, Sending> {
        self.sending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hearing(&self) -> MutexGuard<'_, Hearing> {
        self.hearing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sending {
    /// With which message this side goes on over QUIC, and what the peer has not heard.
    fn first_words(&mut self) -> Vec<Word> {
        self.is_to_be_told = true;
        std::iter::once(Word::From(self.first)).chain(self.kept.iter().cloned().map(Word::Ctl)).collect()
    }

    fn keep(&mut self, message: Bytes) {
        self.kept_bytes += message.len();
        self.kept.push_back(message);
    }

    fn forget_first(&mut self) -> bool {
        let Some(message) = self.kept.pop_front() else { return false };
        self.kept_bytes -= message.len();
        self.first += 1;
        true
    }
}

impl Hearing {
    /// Counts a message; returns whether it is to be passed on.
    fn is_new(&mut self, is_in_use: bool) -> bool {
        let is_new = is_in_use && self.repeated == 0;
        if is_new {
            self.heard += 1;
        } else if is_in_use {
            self.repeated -= 1;
        }
        is_new
    }
}

fn from(number: u64) -> BytesMut {
    let mut word = word(FROM);
    word.put_u64(number);
    word
}

const READY: u8 = 3;

const FROM: u8 = 4;

/// Bytes of messages that may wait to be heard: an offer of 20,000 entries.
const KEPT_BYTES_MAX: usize = 2 << 20;

/// How long to listen before the peer is told again that the data channel is open.
const REPEAT_AFTER: Duration = Duration::from_millis(100);

const MALFORMED: Lost = Lost::Violation("words about the control lane that make no sense");
