//! What a walk left out or changed, to be told to the user.

use std::io;
use std::path::PathBuf;

/// Something on the sender's disk that is not offered as it is. The paths begin with the argument they were found under.
#[derive(Debug)]
#[non_exhaustive]
pub enum Notice {
    /// Offered under another name: the own one holds a backslash, a control character or invalid UTF-8, or is taken.
    Renamed {
        /// Where it lies.
        path: PathBuf,
        /// The name on offer.
        name: String,
    },
    /// A link that leaves the folder, leads nowhere or into itself, or is not to be followed.
    SkippedLink {
        /// Where it lies.
        path: PathBuf,
    },
    /// A device, FIFO or socket.
    SkippedSpecial {
        /// Where it lies.
        path: PathBuf,
    },
    /// A file or folder that cannot be read.
    SkippedUnreadable {
        /// Where it lies.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// Something nested too deeply, or under too long a path, to be offered.
    SkippedTooDeep {
        /// Where it lies.
        path: PathBuf,
    },
}

impl Notice {
    /// Whether something is missing from the offer.
    #[must_use]
    pub const fn is_skip(&self) -> bool {
        match self {
            Self::Renamed { .. } => false,
            Self::SkippedLink { .. }
            | Self::SkippedSpecial { .. }
            | Self::SkippedUnreadable { .. }
            | Self::SkippedTooDeep { .. } => true,
        }
    }
}
