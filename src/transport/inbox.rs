//! The queue between a connection's readers and its owner, and the reason it ended.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};

use super::{channel::Incoming, error::Lost};

/// Remembers why a connection ended, wakes everybody who waits for that, and keeps the first reason.
#[derive(Clone, Debug)]
pub(super) struct Ending(watch::Sender<Option<Lost>>);

impl Ending {
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(None))
    }

    /// Ends the connection, unless it has ended already.
    pub(super) fn end(&self, reason: Lost) {
        self.0.send_if_modified(|lost| {
            let first = lost.is_none();
            if first {
                *lost = Some(reason);
            }
            first
        });
    }

    /// Returns the reason if the connection has ended.
    pub(super) fn reason(&self) -> Option<Lost> {
        self.0.borrow().clone()
    }

    /// Waits until the connection has ended.
    pub(super) async fn wait(&self) -> Lost {
        let mut changes = self.0.subscribe();
        match changes.wait_for(Option::is_some).await {
            Ok(lost) => lost.clone().unwrap_or(Lost::Stopped),
            // The sender lives in `self`, so the watch cannot close while this future does.
            Err(_) => Lost::Stopped,
        }
    }
}

/// Opens a queue of at most `messages` messages and `bytes` bytes.
pub(super) fn inbox(messages: usize, bytes: usize) -> (InboxSender, Inbox) {
    let (sender, receiver) = mpsc::channel(messages);
    let held = Arc::new(AtomicUsize::new(0));
    (InboxSender { sender, held: Arc::clone(&held), limit: bytes }, Inbox { receiver, held })
}

/// A message, and its share of a budget that is free again once it has been read.
type Queued = (Incoming, Option<OwnedSemaphorePermit>);

/// The readers' end.
#[derive(Clone, Debug)]
pub(super) struct InboxSender {
    sender: mpsc::Sender<Queued>,
    held: Arc<AtomicUsize>,
    limit: usize,
}

impl InboxSender {
    /// Queues a message without waiting.
    ///
    /// # Errors
    /// [`Lost::Violation`] when the queue is full: the peer sent much more than it was asked for. [`Lost::ClosedHere`]
    /// when nobody reads any more.
    pub(super) fn push(&self, incoming: Incoming) -> Result<(), Lost> {
        self.push_within(incoming, None)
    }

    /// The same for a reader that keeps itself within a budget, and gets its share of it back when the message is read.
    pub(super) fn push_within(&self, incoming: Incoming, share: Option<OwnedSemaphorePermit>) -> Result<(), Lost> {
        let bytes = incoming.len();
        if self.held.fetch_add(bytes, Ordering::Relaxed) + bytes > self.limit {
            return Err(FLOOD);
        }
        self.sender.try_send((incoming, share)).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => FLOOD,
            mpsc::error::TrySendError::Closed(_) => Lost::ClosedHere,
        })
    }

    /// Queues a message, waiting for a place.
    ///
    /// # Errors
    /// [`Lost::ClosedByPeer`] when nobody reads any more.
    pub(super) async fn send(&self, incoming: Incoming) -> Result<(), Lost> {
        self.held.fetch_add(incoming.len(), Ordering::Relaxed);
        self.sender.send((incoming, None)).await.map_err(|_| Lost::ClosedByPeer)
    }
}

/// The owner's end.
#[derive(Debug)]
pub(super) struct Inbox {
    receiver: mpsc::Receiver<Queued>,
    held: Arc<AtomicUsize>,
}

impl Inbox {
    /// Takes the next message; `None` when every sender is gone and the queue is empty. Cancel-safe.
    pub(super) async fn recv(&mut self) -> Option<Incoming> {
        let (incoming, _share) = self.receiver.recv().await?;
        self.held.fetch_sub(incoming.len(), Ordering::Relaxed);
        Some(incoming)
    }
}

/// Messages that wait for their reader at most; small files make small messages.
pub(super) const MAX_QUEUED_MESSAGES: usize = 16_384;

/// Bytes that wait for their reader at most: twice the largest window that is ever granted to a sender.
pub(super) const MAX_QUEUED_BYTES: usize = 128 << 20;

const FLOOD: Lost = Lost::Violation("it sent far more than was asked for");

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[tokio::test]
    async fn the_first_reason_stays() {
        let ending = Ending::new();
        assert_eq!(ending.reason(), None);
        ending.end(Lost::Unreachable);
        ending.end(Lost::ClosedHere);
        assert_eq!(ending.wait().await, Lost::Unreachable);
        assert_eq!(ending.clone().reason(), Some(Lost::Unreachable));
    }

    #[tokio::test]
    async fn too_many_messages_are_a_violation_and_reading_makes_room() {
        let (sender, mut inbox) = inbox(2, 100);
        assert_eq!(sender.push(Incoming::Ctl(Bytes::new())), Ok(()));
        assert_eq!(sender.push(Incoming::Ctl(Bytes::new())), Ok(()));
        assert_eq!(sender.push(Incoming::Ctl(Bytes::new())), Err(FLOOD));
        assert!(inbox.recv().await.is_some());
        assert_eq!(sender.push(Incoming::Ctl(Bytes::new())), Ok(()));
    }

    #[tokio::test]
    async fn too_many_bytes_are_a_violation_and_reading_makes_room() {
        let (sender, mut inbox) = inbox(10, 100);
        assert_eq!(sender.push(Incoming::Data(Bytes::from_static(&[0; 60]))), Ok(()));
        assert!(inbox.recv().await.is_some());
        assert_eq!(sender.push(Incoming::Data(Bytes::from_static(&[0; 60]))), Ok(()));
        assert_eq!(sender.push(Incoming::Data(Bytes::from_static(&[0; 60]))), Err(FLOOD));
    }
}
