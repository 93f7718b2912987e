//! What goes into a `Sender`, and what comes out.

use std::time::Instant;

use bytes::Bytes;

use crate::ctl::{AbortCode, Hello, SkipReason};
use crate::hash::Hash;
use crate::offer::EntryId;

/// What happened outside.
#[derive(Debug)]
pub enum Input {
    /// A control frame arrived.
    Ctl(Bytes),
    /// A data frame arrived; a sender never asks for one.
    Data,
    /// A read that was asked for ended.
    Read {
        /// The entry.
        entry: EntryId,
        /// The chunk.
        chunk: u64,
        /// The whole chunk and its hash, or why there is none.
        result: Result<(Bytes, Hash), SkipReason>,
    },
    /// This side ends the session.
    Stop(AbortCode),
    /// The time of the last [`Output::Wait`] has come.
    TimedOut,
}

/// What is to be done outside.
#[derive(Debug, PartialEq, Eq)]
pub enum Output {
    /// Send a control frame.
    Send(Vec<u8>),
    /// Read a chunk and hash it.
    Read {
        /// The entry.
        entry: EntryId,
        /// The chunk.
        chunk: u64,
    },
    /// Tell the person.
    Report(Event),
    /// Both sides agree that everything was moved; close the channel once it is drained.
    Finish,
    /// Nothing to do before this time.
    Wait(Instant),
}

/// What a person may want to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The peer said who it is. Untrusted text.
    Peer(Hello),
    /// The receiver took the offer.
    Accepted {
        /// How many entries it took.
        entries: u32,
        /// Their size in bytes.
        bytes: u64,
    },
    /// What the receiver's disk has confirmed.
    Progress {
        /// Bytes of all entries together.
        bytes: u64,
        /// Entries under their final names.
        entries: u32,
    },
    /// An entry was given up; the others continue.
    Skipped {
        /// The entry.
        entry: EntryId,
        /// Why.
        reason: SkipReason,
    },
    /// The receiver asked for a pause, or ended it.
    Paused(bool),
}
