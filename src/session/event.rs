//! What a session tells its user, and what it asks.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use p2pshare_protocol::code::Code;
use p2pshare_protocol::ctl::{DeclineReason, SkipReason};
use p2pshare_protocol::hash::Hash;
use p2pshare_protocol::link::{Link, Origin};
use p2pshare_protocol::nearby::DeviceName;
use p2pshare_protocol::offer::{EntryId, Offer};
use p2pshare_protocol::short_number::ShortNumber;
use p2pshare_protocol::untrusted::Untrusted;
use tokio::sync::{mpsc, oneshot};
use zeroize::Zeroizing;

use super::host::Guard;
use crate::error::Error;
use crate::storage::sink::OnExists;
use crate::storage::{sink, source};
use crate::transport::{DataPlane, Path};

/// Tells the guests of a share apart, from 0; the side that joined knows only 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PeerId(pub u32);

/// Something a person or a script may want to know.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// The share can be joined.
    Shared {
        /// The code, to be read to someone.
        code: Code,
        /// The link, to be sent or shown as a QR code.
        link: Link,
    },
    /// A device is known by its key, under this name: no number is compared.
    Recognised(PeerId, DeviceName),
    /// A device will be known by its key from now on.
    Remembered(PeerId, DeviceName),
    /// Others on the network see this side.
    Visible {
        /// Under which name.
        name: DeviceName,
        /// The server where they see it, which a browser can open.
        origin: Origin,
    },
    /// Something was left out or renamed while the source was walked.
    SourceNotice(source::Notice),
    /// How far the connection to a peer is.
    Stage(PeerId, Stage),
    /// A wrong code was tried; so many tries are left before the code changes.
    WrongCode {
        /// Tries that are left.
        left: u8,
    },
    /// A wrong password came; the guest has so many tries left.
    WrongPassword {
        /// Tries that are left.
        left: u8,
    },
    /// Wrong passwords have used up all tries: nobody gets in until somebody allows more.
    PasswordLocked(UnlockRequest),
    /// The share has a password; ask for it.
    PasswordNeeded(PeerId, PasswordRequest),
    /// Both sides show this number; ask whether they are the same.
    Verify(PeerId, VerifyRequest),
    /// The peer said its name.
    Named(PeerId, Untrusted),
    /// The path in use, and what carries the file data on it.
    Path(PeerId, Path, DataPlane),
    /// The kernel gives less than the wanted socket buffers, in bytes.
    SmallSocketBuffers {
        /// What it gives.
        granted: usize,
        /// What was asked for.
        wanted: usize,
    },
    /// The sender proposes; answer it.
    Offered(PeerId, OfferRequest),
    /// The receiver took the offer, or this side did.
    Accepted {
        /// Which peer.
        peer: PeerId,
        /// How many entries.
        entries: u32,
        /// Their size in bytes.
        bytes: u64,
    },
    /// Something was renamed, skipped or started over while the destination was prepared.
    SinkNotice(PeerId, sink::Notice),
    /// So many bytes were there from an earlier session.
    Resumed(PeerId, u64),
    /// The receiver says that it has so many bytes from an earlier session. The sender hears of it bit by bit, of all together each time.
    Present(PeerId, u64),
    /// What the receiver's disk has confirmed.
    Progress {
        /// Which peer.
        peer: PeerId,
        /// Bytes of all entries together.
        bytes: u64,
        /// Entries under their final names.
        entries: u32,
    },
    /// An entry has its final name (receiving only).
    EntryDone {
        /// Which peer.
        peer: PeerId,
        /// Which entry.
        entry: EntryId,
        /// Where it is.
        path: PathBuf,
        /// Its size in bytes.
        bytes: u64,
        /// Its root; `None` for folders.
        root: Option<Hash>,
    },
    /// A text arrived.
    Text(PeerId, Untrusted),
    /// An entry was given up; the others continue.
    Skipped {
        /// Which peer.
        peer: PeerId,
        /// Which entry.
        entry: EntryId,
        /// Why.
        reason: SkipReason,
    },
    /// What this side's disk said of an entry that it does not take.
    NotStored {
        /// Which peer.
        peer: PeerId,
        /// Which entry.
        entry: EntryId,
        /// What the disk said.
        error: sink::SinkError,
    },
    /// The connection is lost and the peer is looked for.
    Reconnecting(PeerId),
    /// The peer is there again.
    Reconnected(PeerId),
    /// The receiver asked for a pause, or ended it.
    Paused(PeerId, bool),
    /// The connection is disturbed (`true`) or fine again.
    Disturbed(PeerId, bool),
    /// A transfer is complete and verified.
    Done(PeerId, Summary),
    /// A transfer with one of several peers failed; the share goes on.
    Failed(PeerId, Arc<Error>),
}

/// How far a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The signalling server is being reached.
    Server,
    /// The share serves somebody else, or does not know yet that our own connection was lost.
    Busy,
    /// The server asks to wait so long, because too many come from this address.
    Crowded(Duration),
    /// The other side proves that it knows the code.
    Pairing,
    /// A path between the two is being looked for.
    Connecting,
    /// None was found yet: the way through the server is tried.
    Detour,
    /// The path is open; the two agree on what to move.
    Connected,
}

/// What was moved.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// Bytes of all entries together.
    pub bytes: u64,
    /// Those of them that moved; the rest was at the receiver before.
    pub moved: u64,
    /// Entries under their final names.
    pub entries: u32,
    /// Entries that were given up.
    pub skipped: u32,
    /// From the acceptance to the last word.
    pub took: Duration,
    /// The path at the end.
    pub path: Option<Path>,
}

impl Summary {
    /// Adds what was moved to another peer.
    pub(super) fn add(&mut self, other: &Self) {
        self.bytes += other.bytes;
        self.moved += other.moved;
        self.entries += other.entries;
        self.skipped += other.skipped;
        self.took = self.took.max(other.took);
        self.path.clone_from(&other.path);
    }
}

/// An offer that waits for an answer. Dropping it declines.
#[derive(Debug)]
pub struct OfferRequest {
    /// What is proposed. Paths are untrusted text.
    pub offer: Arc<Offer>,
    pub(super) answer: oneshot::Sender<Decision>,
}

impl OfferRequest {
    /// Waits until nobody waits for the answer any more. Cancel-safe.
    pub async fn withdrawn(&mut self) {
        self.answer.closed().await;
    }

    /// Answers.
    pub fn decide(self, decision: Decision) {
        // A session that ended meanwhile needs no answer.
        let _ = self.answer.send(decision);
    }
}

/// A password that is waited for. Dropping it stops the pairing.
#[derive(Debug)]
pub struct PasswordRequest {
    /// How often it may be tried, this time included.
    pub attempts_left: u8,
    pub(super) answer: oneshot::Sender<Zeroizing<String>>,
}

impl PasswordRequest {
    /// Waits until nobody waits for the answer any more. Cancel-safe.
    pub async fn withdrawn(&mut self) {
        self.answer.closed().await;
    }

    /// Gives the password.
    pub fn give(self, password: Zeroizing<String>) {
        // A session that ended meanwhile needs no password.
        let _ = self.answer.send(password);
    }
}

/// A share that takes no more passwords. Dropping it leaves it so.
#[derive(Debug)]
pub struct UnlockRequest {
    pub(super) guard: Guard,
}

impl UnlockRequest {
    /// Takes passwords again.
    pub fn unlock(self) {
        self.guard.unlock_password();
    }
}

/// A short number that waits to be compared. Dropping it says that the numbers differ.
#[derive(Debug)]
pub struct VerifyRequest {
    /// The number.
    pub number: ShortNumber,
    /// What the other side calls itself, if it is a stranger from the same network; anybody may take any name.
    pub name: Option<DeviceName>,
    pub(super) answer: oneshot::Sender<bool>,
}

impl VerifyRequest {
    /// Waits until nobody waits for the answer any more. Cancel-safe.
    pub async fn withdrawn(&mut self) {
        self.answer.closed().await;
    }

    /// Says whether the other side shows the same number.
    pub fn confirm(self, is_same: bool) {
        // A session that ended meanwhile needs no answer.
        let _ = self.answer.send(is_same);
    }
}

/// The answer to an offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Take some entries.
    Accept {
        /// Which, ascending.
        entries: Vec<EntryId>,
        /// What was decided about files whose name is taken, where it differs from what holds for all.
        on_exists: HashMap<EntryId, OnExists>,
    },
    /// Take nothing.
    Decline(DeclineReason),
}

impl Decision {
    /// Takes these entries, ascending, as the destination is set up.
    #[must_use]
    pub fn accept(entries: Vec<EntryId>) -> Self {
        Self::Accept { entries, on_exists: HashMap::new() }
    }
}

/// Where a session reports to.
#[derive(Debug, Clone)]
pub struct Events(mpsc::UnboundedSender<Event>);

impl Events {
    /// A place to report to, and where the reports come out. The sessions report a few times a second at most.
    #[must_use]
    pub fn channel() -> (Self, mpsc::UnboundedReceiver<Event>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self(sender), receiver)
    }

    pub(super) fn report(&self, event: Event) {
        // Nobody has to listen.
        let _ = self.0.send(event);
    }
}
