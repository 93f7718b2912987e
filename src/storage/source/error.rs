//! What goes wrong at a source.

use std::io;
use std::path::PathBuf;

use p2pshare_protocol::entry_path::EntryPathError;
use p2pshare_protocol::offer::OfferError;

/// Why nothing can be offered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// A path that was given does not exist.
    #[error("{} does not exist", path.display())]
    Missing {
        /// The path as it was given.
        path: PathBuf,
    },
    /// A path that was given is neither file nor folder.
    #[error("{} is neither a file nor a folder", path.display())]
    Special {
        /// The path as it was given.
        path: PathBuf,
    },
    /// A path that was given cannot be read.
    #[error("{} cannot be read", path.display())]
    Unreadable {
        /// The path as it was given.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A name that was given cannot be offered.
    #[error(transparent)]
    Name(#[from] EntryPathError),
    /// A pattern of what is left out cannot be understood.
    #[error(transparent)]
    Pattern(#[from] globset::Error),
    /// Everything was left out that there was.
    #[error("nothing is left to send: {} every file", leaves_out(patterns))]
    NothingLeft {
        /// The patterns that left something out; none if only ignore files did.
        patterns: Vec<String>,
    },
    /// Together the paths exceed a limit.
    #[error(transparent)]
    Offer(#[from] OfferError),
}

fn leaves_out(patterns: &[String]) -> String {
    match patterns {
        [] => ".gitignore or .ignore leaves out".to_owned(),
        [one] => format!("'{one}' leaves out"),
        many => format!("'{}' leave out", many.join("', '")),
    }
}

/// Why a chunk was not read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file is not the one that was offered: its size, time, or place on the disk differs.
    #[error("the file has changed since it was offered")]
    Changed,
    /// The disk refuses.
    #[error("the file cannot be read")]
    Unreadable(#[source] io::Error),
    /// Another reader has begun to read standard input.
    #[error("standard input was given to somebody else")]
    Spent,
    /// There is no such chunk on offer.
    #[error("there is no such chunk on offer")]
    NoSuchChunk,
}
