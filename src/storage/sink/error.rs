//! What goes wrong at a sink.

use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

/// Why something could not be put on the disk. Paths are relative to the destination, or the destination itself.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SinkError {
    /// The disk or a quota is full.
    #[error("the disk is full: {needed} bytes are needed, {free} are free")]
    Full {
        /// What is still to be written, and kept free, in bytes.
        needed: u64,
        /// What is free, in bytes.
        free: u64,
    },
    /// Permission is missing, or the file system is read-only.
    #[error("{} cannot be written: permission denied", path.display())]
    Denied {
        /// Where.
        path: PathBuf,
    },
    /// Something that is no folder is in the way.
    #[error("{} is not a folder", path.display())]
    NotADirectory {
        /// Where.
        path: PathBuf,
    },
    /// The destination, or a folder in it, is gone.
    #[error("{} does not exist", path.display())]
    Missing {
        /// Where.
        path: PathBuf,
    },
    /// Another process is receiving the same entry into the same place.
    #[error("{} is already being received here", path.display())]
    Busy {
        /// The entry's path.
        path: PathBuf,
    },
    /// A link is in the way; links in a destination are not followed.
    #[error("{} leads through a symbolic link", path.display())]
    Symlink {
        /// Where.
        path: PathBuf,
    },
    /// The name is taken and must be neither replaced nor avoided.
    #[error("{} exists", path.display())]
    Exists {
        /// Where.
        path: PathBuf,
    },
    /// A commit of a file that lacks chunks.
    #[error("{} is not complete", path.display())]
    Incomplete {
        /// Where it was to go.
        path: PathBuf,
    },
    /// A job for an entry that was not selected.
    #[error("the entry was not selected")]
    NotSelected,
    /// Anything else the system says.
    #[error("{} cannot be written", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

impl SinkError {
    /// What an error of the system at `path` means.
    pub(super) fn new(error: impl Into<io::Error>, path: impl AsRef<Path>) -> Self {
        let source = error.into();
        let path = path.as_ref().to_owned();
        match Errno::from_io_error(&source) {
            Some(Errno::ACCESS | Errno::PERM | Errno::ROFS) => Self::Denied { path },
            Some(Errno::NOTDIR) => Self::NotADirectory { path },
            Some(Errno::NOENT) => Self::Missing { path },
            Some(Errno::LOOP) => Self::Symlink { path },
            Some(Errno::EXIST) => Self::Exists { path },
            _ => Self::Io { path, source },
        }
    }

    /// Whether a system error says that there is no room.
    pub(super) fn is_no_room(error: &io::Error) -> bool {
        matches!(Errno::from_io_error(error), Some(Errno::NOSPC | Errno::DQUOT))
    }
}
