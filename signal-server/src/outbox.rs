//! What waits to be sent to one connection.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio_tungstenite::tungstenite::Utf8Bytes;

use crate::limits::SocketLimits;
use crate::rooms::Farewell;

/// A bounded queue between the rooms, which never wait, and one socket, which may be slow.
#[derive(Debug)]
pub(crate) struct Outbox {
    queued_max: usize,
    queued_bytes_max: usize,
    state: Mutex<State>,
    changed: Notify,
    overflowed: Notify,
}

/// What comes out of an outbox.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outgoing {
    /// Send this.
    Message(Utf8Bytes),
    /// Close the connection; nothing follows.
    Close(Farewell),
}

#[derive(Debug, Default)]
struct State {
    messages: VecDeque<Utf8Bytes>,
    bytes: usize,
    farewell: Option<Farewell>,
    overflowed: bool,
}

impl Outbox {
    pub(crate) fn new(limits: &SocketLimits) -> Self {
        Self {
            queued_max: limits.queued_max,
            queued_bytes_max: limits.queued_bytes_max,
            state: Mutex::default(),
            changed: Notify::new(),
            overflowed: Notify::new(),
        }
    }

    /// Queues a message. One too many throws everything away, and [`Outbox::overflow`] returns.
    pub(crate) fn push(&self, message: String) {
        let mut state = self.lock();
        if state.overflowed || state.farewell.is_some() {
            return;
        }
        state.bytes += message.len();
        state.messages.push_back(message.into());
        if state.messages.len() > self.queued_max || state.bytes > self.queued_bytes_max {
            *state = State { overflowed: true, ..State::default() };
            self.overflowed.notify_one();
        }
        self.changed.notify_one();
    }

    /// Ends the queue after what is in it.
    pub(crate) fn close(&self, why: Farewell) {
        self.lock().farewell.get_or_insert(why);
        self.changed.notify_one();
    }

    /// Waits for the next thing to send; never again after an overflow. Cancelling it loses nothing. For one reader.
    pub(crate) async fn next(&self) -> Outgoing {
        loop {
            if let Some(outgoing) = self.lock().pop() {
                return outgoing;
            }
            self.changed.notified().await;
        }
    }

    /// Waits until more is queued than may be. Cancelling it loses nothing. For one reader.
    pub(crate) async fn overflow(&self) {
        while !self.lock().overflowed {
            self.overflowed.notified().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn pop(&mut self) -> Option<Outgoing> {
        let Some(message) = self.messages.pop_front() else { return self.farewell.map(Outgoing::Close) };
        self.bytes -= message.len();
        Some(Outgoing::Message(message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outbox() -> Outbox {
        Outbox::new(&SocketLimits { queued_max: 3, queued_bytes_max: 10, ..SocketLimits::default() })
    }

    #[tokio::test]
    async fn messages_come_out_in_order_and_the_farewell_last() {
        let outbox = outbox();
        outbox.push("a".into());
        outbox.push("b".into());
        outbox.close(Farewell::Done);
        outbox.push("late".into());
        assert_eq!(outbox.next().await, Outgoing::Message("a".into()));
        assert_eq!(outbox.next().await, Outgoing::Message("b".into()));
        assert_eq!(outbox.next().await, Outgoing::Close(Farewell::Done));
    }

    #[tokio::test]
    async fn one_message_or_byte_too_many_overflows() {
        let many = outbox();
        (0..4).for_each(|_| many.push("a".into()));
        many.overflow().await;
        let long = outbox();
        long.push("x".repeat(10));
        long.push("y".into());
        long.overflow().await;
    }

    #[tokio::test]
    async fn what_was_taken_out_makes_room() {
        let outbox = outbox();
        for _ in 0..100 {
            outbox.push("x".repeat(10));
            outbox.next().await;
        }
        assert!(!outbox.lock().overflowed);
    }
}
