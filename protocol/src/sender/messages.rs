//! What goes into a `Sender`, and what comes out.

use std::time::Instant;

use bytes::Bytes;

use crate::ctl::{AbortCode, Hello, SkipReason};
use crate::hash::Hash;
use crate::offer::EntryId;
use crate::streams::{Look, Stripe};

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
    /// More of a stream was read, or its end was met (`None`), or it failed.
    StreamRead {
        /// The stream.
        entry: EntryId,
        /// What was read, at least one byte.
        result: Result<Option<Bytes>, SkipReason>,
    },
    /// What is seen of the path, where nothing but the channel and what is beside it carries the data.
    Path(Look),
    /// A further connection broke and took the channel along: there is to be only one from here on.
    Broken,
    /// A new channel to the same peer replaces one that was lost.
    Reconnected,
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
    /// Read more of a stream: whatever comes next, but not much at once.
    ReadStream {
        /// The stream.
        entry: EntryId,
    },
    /// Open a further connection of this number, as [`streams`](crate::streams) says.
    Connect(u8),
    /// The peer said this of a further connection.
    Stripe(u8, Stripe),
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
    /// The receiver says that it has so many bytes from before, by now: they are confirmed without being sent.
    Present(u64),
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
