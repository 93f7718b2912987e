//! `Stripes`: further connections beside a first one, which carry a share of its file data.
//!
//! SCTP slows down with every packet that is lost, and a lost repetition stops it for a second. Several connections are slowed down one by
//! one, and each frame goes to the one that has the least to be acknowledged, so that one that stands still gets no more. Frames may
//! overtake each other on the way, and nothing but `data` is taken from a further connection. When one of them is lost what it
//! carried is lost, too, so the first one counts as lost with it. One that has not got ahead for some seconds while the others did
//! counts as lost: its own silence says so only after half a minute.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep, sleep_until},
};
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
    /// Whether nothing is heard over the first one either.
    is_disturbed: AtomicBool,
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

    /// Takes note of what is told of the first one.
    pub(super) fn note(&self, incoming: &Incoming) {
        match incoming {
            Incoming::Disturbed => self.is_disturbed.store(true, Ordering::Relaxed),
            Incoming::Recovered => self.is_disturbed.store(false, Ordering::Relaxed),
            Incoming::Ctl(_) | Incoming::Data(_) | Incoming::Lost(_) => {}
        }
    }

    /// Whether the connection ended because one of them did, and not the whole path, which they notice one after the other.
    pub(super) fn broke(&self) -> bool {
        self.broke.load(Ordering::Relaxed)
    }

    fn lose_one(&self) {
        self.broke.store(!self.is_disturbed.load(Ordering::Relaxed), Ordering::Relaxed);
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
    pub(super) fn add(&mut self, further: Live, stripes: &Arc<Stripes>, first: &Arc<Plane>, ending: &Ending) {
        stripes.add(Arc::clone(further.plane()));
        let carrier = Carrier {
            further,
            stripes: Arc::clone(stripes),
            first: Arc::clone(first),
            ending: ending.clone(),
            messages: self.messages.clone(),
        };
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
    first: Arc<Plane>,
    /// The end of the first one.
    ending: Ending,
    messages: InboxSender,
}

impl Carrier {
    async fn run(mut self) {
        if let Some(lost) = self.carry().await {
            debug!(%lost, "a further connection ends");
            // Where all of them end the first one has the word, and has things to say before that.
            tokio::select! {
                _ = self.ending.wait() => {}
                () = sleep(LAST_WORDS) => {
                    self.stripes.lose_one();
                    self.ending.end(lost);
                }
            }
        }
        self.further.hang_up().await;
    }

    /// Carries data until this connection ends, with a reason, or the first one does.
    async fn carry(&mut self) -> Option<Lost> {
        let mut pulse = Pulse::default();
        let mut due = Instant::now() + PULSE;
        loop {
            let incoming = tokio::select! {
                biased;
                _ = self.ending.wait() => return None,
                () = sleep_until(due) => {
                    if self.is_left_behind(&mut pulse).await {
                        return Some(Lost::Unreachable);
                    }
                    due = Instant::now() + PULSE;
                    continue;
                }
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

    /// Whether what is sent over this connection has stood still for too long, as others show.
    async fn is_left_behind(&self, pulse: &mut Pulse) -> bool {
        let own = self.further.plane();
        let seen = Seen { acknowledged: own.acknowledged_bytes().await, outstanding: own.outstanding_bytes().await };
        let mut others = Seen::default();
        let further = self.stripes.planes();
        for plane in further.iter().filter(|plane| !Arc::ptr_eq(plane, own)).chain([&self.first]) {
            others.acknowledged += plane.acknowledged_bytes().await;
            others.outstanding += plane.outstanding_bytes().await;
        }
        pulse.look(seen, others)
    }
}

/// How much of what was sent has been acknowledged, in bytes, and how much not.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    acknowledged: u64,
    outstanding: usize,
}

/// Whether a connection gets ahead.
#[derive(Debug, Default)]
struct Pulse {
    own: u64,
    others: u64,
    /// How often in a row it did not, while others did or had no need to.
    missed: u32,
}

impl Pulse {
    /// Takes in what is seen of a connection and of all others; returns whether it counts as lost.
    fn look(&mut self, own: Seen, others: Seen) -> bool {
        if own.outstanding == 0 || own.acknowledged > self.own {
            self.missed = 0;
        } else if others.outstanding == 0 || others.acknowledged > self.others {
            self.missed += 1;
        }
        (self.own, self.others) = (own.acknowledged, others.acknowledged);
        self.missed >= MISSED_MAX
    }
}

/// Bytes that a connection may have to be acknowledged when it gets another frame.
const OUTSTANDING_BYTES_MAX: usize = 1 << 20;

/// How often it is looked whether one has less.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// How often it is looked whether a connection gets ahead.
const PULSE: Duration = Duration::from_secs(1);

/// How often it may not. SCTP repeats what was lost after one second, then after two more; that a third repetition has to
/// follow is rare.
const MISSED_MAX: u32 = 5;

/// How long the first connection may take to say why all of them end.
const LAST_WORDS: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    /// After how many looks it counts as lost that one has `own` bytes acknowledged and the others have `others` at each look.
    fn lost_after(own: impl Fn(u64) -> (u64, usize), others: impl Fn(u64) -> (u64, usize)) -> Option<u64> {
        let mut pulse = Pulse::default();
        let seen = |(acknowledged, outstanding)| Seen { acknowledged, outstanding };
        (1..100).find(|second| pulse.look(seen(own(*second)), seen(others(*second))))
    }

    #[test]
    fn a_connection_that_stands_still_counts_as_lost_unless_all_of_them_do() {
        let (moves, stands) = (|second| (second, 9), |_| (1, 9));
        assert_eq!(lost_after(stands, moves), Some(6));
        assert_eq!(lost_after(stands, |_| (7, 0)), Some(6), "the others have arrived");
        assert_eq!(lost_after(stands, stands), None, "the path is silent");
        assert_eq!(lost_after(|_| (1, 0), moves), None, "it has nothing to do");
        assert_eq!(lost_after(moves, moves), None);
        assert_eq!(lost_after(|second| (second / 5, 9), moves), None, "it is slow");
        assert_eq!(lost_after(stands, |second| (second / 10, 9)), Some(50), "only what the others got ahead counts");
    }
}
