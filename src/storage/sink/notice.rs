//! What the user should know about where things go.

use p2pshare_protocol::local_name::LocalPath;
use p2pshare_protocol::offer::EntryId;

/// Something that is not done as offered.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// The entry gets another name than the offered one.
    Renamed {
        /// The entry.
        entry: EntryId,
        /// Where it goes.
        path: LocalPath,
        /// Why.
        reason: RenameReason,
    },
    /// The name is taken, and what is there stays.
    Kept {
        /// The entry, which is not received.
        entry: EntryId,
    },
    /// An earlier run left something of the entry that cannot be used, or not all of it.
    Restarted {
        /// The entry.
        entry: EntryId,
        /// Why.
        reason: RestartReason,
    },
}

/// Why what an earlier run left is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestartReason {
    /// The sender's file has another size or time by now; it is received from its beginning.
    SourceChanged,
    /// The journal cannot be read; the entry is received from its beginning.
    JournalUnusable,
    /// The journal is torn, or some chunks are not what it says; those are received again.
    Damaged,
}

/// Why an entry gets another name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RenameReason {
    /// The offered name would deceive or does not fit, or another entry of the offer has it.
    Unsuitable,
    /// The name is taken on the disk.
    Exists,
}
