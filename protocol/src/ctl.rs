//! Control frames: JSON on the `ctl` channel, at most 8 KiB each.
//!
//! The set is closed. A frame of another type, of a wrong shape or over a limit breaks the protocol and ends the session;
//! keys that a frame's type does not know are ignored, so that fields can be added.

use serde::{Deserialize, Serialize};

use crate::hash::Hash;
use crate::limits::{ACCEPT_RUNS_MAX, CTL_FRAME_BYTES_MAX, HASHES_PER_FRAME_MAX, WANT_RANGES_MAX};
use crate::offer::{Entry, EntryId};
use crate::sdp::Candidate;
use crate::untrusted::Untrusted;

/// One control frame, see the table in `ARCHITECTURE.md`, "On the data channels".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "t", rename_all = "snake_case")]
pub enum Ctl {
    /// The first frame each way: proves that this channel belongs to the pairing. Lower-case hex of 32 bytes.
    Bind {
        /// The MAC over both certificates and both ufrags.
        mac: Hash,
    },
    /// The second frame each way: who speaks and what it does.
    Hello(Hello),
    /// A page of the offer; the pages are numbered from 0 and one of them is the last.
    Offer {
        /// The number of this page.
        page: u32,
        /// The entries that follow those of the page before.
        entries: Vec<Entry>,
        /// Whether the offer is complete with this page.
        last: bool,
    },
    /// The receiver takes the offer, or some of its entries.
    Accept {
        /// Runs of accepted entries, first and last identifier; absent: all of them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        select: Option<Vec<(EntryId, EntryId)>>,
        /// Whether the selection is complete with this frame.
        last: bool,
    },
    /// The receiver does not take the offer.
    Decline {
        /// Why.
        reason: DeclineReason,
    },
    /// The receiver asks for bytes: ranges of entry, first byte, and the byte after the last one.
    Want {
        /// The ranges, to be served in this order.
        ranges: Vec<(EntryId, u64, u64)>,
    },
    /// The receiver holds these chunks from an earlier session and asks for their hashes: entry, first chunk, count.
    Verify {
        /// The runs of chunks.
        chunks: Vec<(EntryId, u64, u64)>,
    },
    /// The hashes of whole chunks: entry, chunk, hash.
    Hashes {
        /// One item a chunk.
        chunks: Vec<(EntryId, u64, Hash)>,
    },
    /// The end of a stream.
    Eof {
        /// The stream.
        entry: EntryId,
        /// Its size in bytes.
        size: u64,
    },
    /// The speaker cannot go on with this entry; the others continue.
    Skip {
        /// The entry.
        entry: EntryId,
        /// Why.
        reason: SkipReason,
    },
    /// What the receiver's disk has confirmed.
    Progress {
        /// Bytes of all entries together, resumed ones included.
        bytes: u64,
        /// Entries under their final names.
        entries: u32,
    },
    /// The receiver has everything verified and on disk; the sender repeats it and closes.
    Done {
        /// The root over all entries that were moved.
        root: Hash,
    },
    /// The speaker asks for no more, or serves no more, until `resume`.
    Pause,
    /// The end of a pause.
    Resume,
    /// The speaker ends the session.
    Abort {
        /// Why.
        code: AbortCode,
    },
    /// The sender's description of a further connection for file data; see [`streams`](crate::streams) for all four.
    PcOffer {
        /// The number of the connection, from 1.
        n: u32,
        /// The description.
        sdp: String,
    },
    /// The receiver's description of it.
    PcAnswer {
        /// The number of the connection.
        n: u32,
        /// The description.
        sdp: String,
    },
    /// An address of the speaker for it.
    PcCandidate {
        /// The number of the connection.
        n: u32,
        /// The address.
        #[serde(flatten)]
        candidate: Candidate,
    },
    /// The receiver takes data from it.
    PcOpen {
        /// The number of the connection.
        n: u32,
    },
    /// A sign of life.
    Ping,
}

/// Who speaks and what it does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The version of this protocol, 1.
    pub v: u32,
    /// The direction of the files.
    pub role: Role,
    /// A name for people, at most 64 bytes.
    #[serde(default)]
    pub name: Untrusted,
    /// The program and its version, at most 64 bytes.
    #[serde(default)]
    pub agent: Untrusted,
    /// Optional abilities, by name; at most 16.
    #[serde(default)]
    pub features: Vec<String>,
    /// With the feature `streams`: how many connections a person wants file data to go over; absent: as many as help.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub streams: Option<u32>,
}

/// The direction of the files, independent of who hosts the share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The speaker sends files.
    Sends,
    /// The speaker receives files.
    Receives,
}

/// Why a receiver does not take an offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeclineReason {
    /// A person said no.
    Declined,
    /// The offer is over a limit of the receiver.
    Limit,
    /// The receiver's disk has no room or cannot be written.
    Disk,
}

/// Why one entry cannot go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SkipReason {
    /// The source changed after it was offered.
    Changed,
    /// The source cannot be read.
    Unreadable,
    /// The receiver cannot store it.
    Unwritable,
}

/// Why a side ends the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AbortCode {
    /// A person stopped it.
    Canceled,
    /// The disk is full, gone or not writable.
    Disk,
    /// The other side broke the protocol.
    Violation,
    /// Bytes did not verify.
    Corrupt,
    /// Nothing moved for too long.
    Stalled,
    /// Something else.
    Internal,
}

impl Ctl {
    /// Encodes the frame as JSON.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a control frame has only string keys and finite numbers")
    }

    /// Decodes a frame.
    ///
    /// # Errors
    /// The frame is too long, no JSON, of unknown type or shape, or holds a longer list than the limits allow.
    pub fn decode(bytes: &[u8]) -> Result<Self, CtlError> {
        if bytes.len() > CTL_FRAME_BYTES_MAX {
            return Err(CtlError::TooLong(bytes.len()));
        }
        let frame: Self = serde_json::from_slice(bytes).map_err(|e| CtlError::Malformed(e.to_string()))?;
        frame.check_lists()?;
        Ok(frame)
    }

    fn check_lists(&self) -> Result<(), CtlError> {
        let too_many = match self {
            Self::Want { ranges } => ranges.len() > WANT_RANGES_MAX,
            Self::Verify { chunks } => chunks.len() > WANT_RANGES_MAX,
            Self::Hashes { chunks } => chunks.len() > HASHES_PER_FRAME_MAX,
            Self::Hello(hello) => hello.name.0.len() > 64 || hello.agent.0.len() > 64 || hello.features.len() > 16,
            Self::Bind { .. }
            | Self::Offer { .. }
            | Self::Accept { .. }
            | Self::Decline { .. }
            | Self::Eof { .. }
            | Self::Skip { .. }
            | Self::Progress { .. }
            | Self::Done { .. }
            | Self::Pause
            | Self::Resume
            | Self::Abort { .. }
            | Self::PcOffer { .. }
            | Self::PcAnswer { .. }
            | Self::PcCandidate { .. }
            | Self::PcOpen { .. }
            | Self::Ping => false,
        };
        if too_many { Err(CtlError::TooMany) } else { Ok(()) }
    }

    /// Whether it speaks of a further connection.
    pub(crate) const fn is_of_stripe(&self) -> bool {
        matches!(self, Self::PcOffer { .. } | Self::PcAnswer { .. } | Self::PcCandidate { .. } | Self::PcOpen { .. })
    }

    /// The name of the frame's type, for messages.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Bind { .. } => "bind",
            Self::Hello(_) => "hello",
            Self::Offer { .. } => "offer",
            Self::Accept { .. } => "accept",
            Self::Decline { .. } => "decline",
            Self::Want { .. } => "want",
            Self::Verify { .. } => "verify",
            Self::Hashes { .. } => "hashes",
            Self::Eof { .. } => "eof",
            Self::Skip { .. } => "skip",
            Self::Progress { .. } => "progress",
            Self::Done { .. } => "done",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Abort { .. } => "abort",
            Self::PcOffer { .. } => "pc_offer",
            Self::PcAnswer { .. } => "pc_answer",
            Self::PcCandidate { .. } => "pc_candidate",
            Self::PcOpen { .. } => "pc_open",
            Self::Ping => "ping",
        }
    }
}

/// Why bytes are no control frame.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CtlError {
    /// Longer than the limit.
    #[error("a control frame of {0} bytes is longer than {CTL_FRAME_BYTES_MAX}")]
    TooLong(usize),
    /// No JSON, or an unknown type or shape.
    #[error("a control frame is malformed: {0}")]
    Malformed(String),
    /// A list in it is longer than the limit.
    #[error("a control frame lists too much")]
    TooMany,
}

/// Splits an offer into pages that each fit a control frame.
///
/// Every entry is to fit a frame by itself, see [`fits_a_frame`].
#[must_use]
pub fn offer_pages(entries: &[Entry]) -> Vec<Ctl> {
    let mut pages = Vec::new();
    let mut page: Vec<Entry> = Vec::new();
    let mut bytes = 0;
    for entry in entries {
        let size = framed_len(entry);
        if bytes + size > CTL_FRAME_BYTES_MAX - OFFER_FRAME_OVERHEAD && !page.is_empty() {
            pages.push(std::mem::take(&mut page));
            bytes = 0;
        }
        bytes += size;
        page.push(entry.clone());
    }
    pages.push(page);
    let last = pages.len() - 1;
    let numbered = (0u32..).zip(pages).enumerate();
    numbered.map(|(i, (page, entries))| Ctl::Offer { page, entries, last: i == last }).collect()
}

/// Whether an entry fits a frame at all: a path of many characters that JSON escapes may not.
#[must_use]
pub fn fits_a_frame(entry: &Entry) -> bool {
    framed_len(entry) <= CTL_FRAME_BYTES_MAX - OFFER_FRAME_OVERHEAD
}

/// The frames that take `entries` of an offer of `count` entries.
#[must_use]
pub fn accept_frames(entries: &[EntryId], count: usize) -> Vec<Ctl> {
    if entries.len() == count {
        return vec![Ctl::Accept { select: None, last: true }];
    }
    let mut runs: Vec<(EntryId, EntryId)> = Vec::new();
    for &id in entries {
        match runs.last_mut() {
            Some((_, last)) if last.0 + 1 == id.0 => *last = id,
            Some(_) | None => runs.push((id, id)),
        }
    }
    let mut frames: Vec<_> =
        runs.chunks(ACCEPT_RUNS_MAX).map(|runs| Ctl::Accept { select: Some(runs.to_vec()), last: false }).collect();
    match frames.last_mut() {
        Some(Ctl::Accept { last, .. }) => *last = true,
        Some(_) | None => frames.push(Ctl::Accept { select: Some(Vec::new()), last: true }),
    }
    frames
}

fn framed_len(entry: &Entry) -> usize {
    serde_json::to_vec(entry).map_or(usize::MAX / 2, |json| json.len() + 1)
}

/// The bytes of an offer frame around its entries, generously: `{"t":"offer","page":4294967295,"entries":[],"last":false}`.
const OFFER_FRAME_OVERHEAD: usize = 64;

#[cfg(test)]
mod tests;
