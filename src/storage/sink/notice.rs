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
}

/// Why an entry gets another name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RenameReason {
    /// The offered name would deceive or does not fit, or another entry of the offer has it.
    Unsuitable,
    /// The name is taken on the disk.
    Exists,
}
