//! `Stripes`: further connections beside a first one, which carry a share of its file data.
//!
//! SCTP slows down with every packet that is lost, and a lost repetition stops it for a second. Several connections are slowed down one by
//! one, and each frame goes to the one that has the least to be acknowledged, so that one that stands still gets no more. Frames may
//! overtake each other on the way, and nothing but `data` is taken from a further connection. When one of them is lost what it
//! carried is lost, too, so the first one counts as lost with it.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use tokio::{task::JoinSet, time::sleep};
use tracing::debug;

use super::live::Live;
use crate::transport::{
    DATA_HEADER_BYTES,
    channel::Incoming,
    error::Lost,
    inbox::{Ending, Inbox, InboxSender, MAX_QUEUED_BYTES, MAX_QUEUED_MESSAGES, inbox},
    quic::{DataPlane, Plane},
};

/// What sends over all of them, shared by all who do.
#[derive(Debug, Default)]
pub(super) struct Stripes {
    planes: Mutex<Arc<[Arc<Plane>]>>,
    /// Whether the connection ended because one of them did.
    broke: AtomicBool,
}

impl Stripes {
    /// The further connections.
    pub(super) fn planes(&self) -> Arc<[Arc<Plane>]> {
        Arc::clone(&self.planes.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn add(&self, plane: Arc<Plane>) {
        let mut planes = self.planes.lock().unwrap_or_else(PoisonError::into_inner);
        *planes = planes.iter().cloned().chain([plane]).collect();
    }

    pub(super) fn broke(&self) -> bool {
        self.broke.load(Ordering::Relaxed)
    }

    /// Sends a frame over `first` or one of the others, whichever has least to be acknowledged.
    ///
    /// # Errors
    /// The connection is over.
    pub(super) async fn send(
        &self,
        first: &Plane,
        header: [u8; DATA_HEADER_BYTES],
        payload: Bytes,
    ) -> Result<(), Lost> {
        let further = self.planes();
        if further.is_empty() || first.carries() == DataPlane::Quic {
            return first.send_data(header, payload).await;
        }
        let plane = least_busy(first, &further).await?;
        match plane.send_data(header, payload).await {
            Ok(()) => Ok(()),
            // Whichever it was, all of them are over in a moment.
            Err(_) => Err(first.lost().await),
        }
    }
}

/// The connection that has least to be acknowledged, as soon as that is little enough.
async fn least_busy<'a>(first: &'a Plane, further: &'a [Arc<Plane>]) -> Result<&'a Plane, Lost> {
    loop {
        let mut least = (usize::MAX, first);
        for plane in std::iter::once(first).chain(further.iter().map(Arc::as_ref)) {
            let bytes = plane.outstanding_bytes().await;
            if bytes < least.0 {
                least = (bytes, plane);
            }
        }
        if least.0 < OUTSTANDING_BYTES_MAX {
            return Ok(least.1);
        }
        tokio::select! {
            lost = first.lost() => return Err(lost),
            () = sleep(LOOK_AGAIN) => {}
        }
    }
}

/// The receiving end of all of them.
#[derive(Debug)]
pub(super) struct Joined {
    messages: InboxSender,
    inbox: Inbox,
    carriers: JoinSet<()>,
}

impl Joined {
    pub(super) fn new() -> Self {
        let (messages, inbox) = inbox(MAX_QUEUED_MESSAGES, MAX_QUEUED_BYTES);
        Self { messages, inbox, carriers: JoinSet::new() }
    }

    /// Takes data from a further connection from now on, and sends over it.
    pub(super) fn add(&mut self, further: Live, stripes: &Arc<Stripes>, first: &Ending) {
        stripes.add(Arc::clone(further.plane()));
        let carrier =
            Carrier { further, stripes: Arc::clone(stripes), first: first.clone(), messages: self.messages.clone() };
        self.carriers.spawn(carrier.run());
    }

    /// Waits for the next message of one of them; for ever if there are none. Cancel-safe.
    pub(super) async fn next(&mut self) -> Incoming {
        match self.inbox.recv().await {
            Some(incoming) => incoming,
            // Never happens: this holds a sender.
            None => std::future::pending().await,
        }
    }

    /// Waits until all are closed, after the first one ended.
    pub(super) async fn finished(&mut self) {
        while self.carriers.join_next().await.is_some() {}
    }
}

/// Moves what one of them brings.
struct Carrier {
    further: Live,
    stripes: Arc<Stripes>,
    first: Ending,
    messages: InboxSender,
}

impl Carrier {
    async fn run(mut self) {
        if let Some(lost) = self.carry().await {
            debug!(%lost, "a further connection ends");
            // Where all of them end the first one has the word, and has things to say before that.
            tokio::select! {
                _ = self.first.wait() => {}
                () = sleep(LAST_WORDS) => {
                    self.stripes.broke.store(true, Ordering::Relaxed);
                    self.first.end(lost);
                }
            }
        }
        self.further.hang_up().await;
    }

    /// Carries data until this connection ends, with a reason, or the first one does.
    async fn carry(&mut self) -> Option<Lost> {
        loop {
            let incoming = tokio::select! {
                biased;
                _ = self.first.wait() => return None,
                incoming = self.further.next() => incoming,
            };
            match incoming {
                Incoming::Data(_) => {
                    if let Err(lost) = self.messages.push(incoming) {
                        return Some(lost);
                    }
                }
                Incoming::Lost(lost) => return Some(lost),
                // The peer's MAC, said once more; and what the first one is as disturbed by.
                Incoming::Ctl(_) | Incoming::Disturbed | Incoming::Recovered => {}
            }
        }
    }
}

/// Bytes that a connection may have to be acknowledged when it gets another frame.
const OUTSTANDING_BYTES_MAX: usize = 1 << 20;

/// How often it is looked whether one has less.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// How long the first connection may take to say why all of them end.
const LAST_WORDS: Duration = Duration::from_secs(1);
