//! What goes into a `Receiver`, and what comes out.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use crate::ctl::{AbortCode, DeclineReason, Hello, SkipReason};
use crate::hash::Hash;
use crate::offer::{EntryId, Offer};
use crate::streams::Stripe;
use crate::untrusted::Untrusted;

/// What happened outside.
#[derive(Debug)]
pub enum Input {
    /// A control frame arrived.
    Ctl(Bytes),
    /// A data frame arrived.
    Data(Bytes),
    /// The offer is taken.
    Accept(Acceptance),
    /// The offer is not taken.
    Decline(DeclineReason),
    /// A chunk was verified and written.
    Written {
        /// The entry.
        entry: EntryId,
        /// The first byte of the chunk.
        offset: u64,
    },
    /// The consumer of a pipe took so many bytes.
    Passed(u64),
    /// Whether what carries data from now on keeps its queues short by itself, as QUIC does and a data channel does not.
    Paced(bool),
    /// Over how many connections the data comes.
    Spread(u8),
    /// A further connection broke and took the channel along: there is to be only one from here on.
    Broken,
    /// A new channel to the same peer replaces one that was lost.
    Reconnected,
    /// A chunk did not match its hash; nothing was written.
    Corrupt {
        /// The entry.
        entry: EntryId,
        /// The first byte of the chunk.
        offset: u64,
    },
    /// An entry has its final name.
    Committed(EntryId),
    /// An entry cannot be stored; the others can.
    Failed(EntryId),
    /// All entries are settled on disk.
    Settled,
    /// This side ends the session.
    Stop(AbortCode),
    /// The time of the last [`Output::Wait`] has come.
    TimedOut,
}

/// What is taken of an offer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Acceptance {
    /// The entries to move, ascending.
    pub entries: Vec<EntryId>,
    /// Chunks that an earlier session left on disk, with the hash of what lies there. The sender's hash decides whether
    /// they count.
    pub present: BTreeMap<EntryId, Vec<(u64, Hash)>>,
    /// The entry that is passed on to a pipe instead of being stored.
    pub pass: Option<EntryId>,
}

/// What is to be done outside.
#[derive(Debug, PartialEq, Eq)]
pub enum Output {
    /// Send a control frame.
    Send(Vec<u8>),
    /// Verify a chunk and write it.
    Write {
        /// The entry.
        entry: EntryId,
        /// The first byte of the chunk.
        offset: u64,
        /// The bytes of the chunk, in order.
        pieces: Vec<Bytes>,
        /// The hash that they must have.
        hash: Hash,
    },
    /// Pass bytes on to a pipe, in this order.
    Pass(Bytes),
    /// Give an entry its final name: a file whose chunks are all written, or a folder.
    Commit(EntryId),
    /// Delete what was written of an entry: its source is not what was offered.
    Discard(EntryId),
    /// Settle what is left to do on disk after the last entry.
    Settle,
    /// The peer said this of a further connection, as [`streams`](crate::streams) says.
    Stripe(u8, Stripe),
    /// Tell the person, or ask.
    Report(Event),
    /// Both sides agree that everything was moved; close the channel.
    Finish,
    /// Nothing to do before this time.
    Wait(Instant),
}

/// What a person may want to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The peer said who it is. Untrusted text.
    Peer(Hello),
    /// The offer is complete: answer with [`Input::Accept`] or [`Input::Decline`].
    Offered(Arc<Offer>),
    /// What the disk has confirmed.
    Progress {
        /// Bytes of all entries together, resumed ones included.
        bytes: u64,
        /// Entries under their final names.
        entries: u32,
    },
    /// An entry is verified and has its final name; its root, for files.
    EntryDone(EntryId, Option<Hash>),
    /// A text arrived and is verified.
    Text(EntryId, Untrusted),
    /// An entry was given up; the others continue.
    Skipped {
        /// The entry.
        entry: EntryId,
        /// Why.
        reason: SkipReason,
    },
}
