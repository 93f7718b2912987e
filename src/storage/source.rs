//! The source: what is offered, walked once, then read chunk by chunk.

mod error;
mod notice;
mod reader;
mod walk;

use std::path::PathBuf;
use std::sync::Arc;

use p2pshare_protocol::offer::{EntryId, Offer};

pub use error::{ReadError, SourceError};
pub use notice::Notice;
pub use reader::{ChunkRead, ReadDone, ReadRequest, Reader};

use super::tree::Tree;

/// How folders are walked.
#[derive(Debug, Clone)]
pub struct WalkOptions {
    /// Whether a link that stays inside the folder that is shared is offered as what it points to. Other links are
    /// always skipped, with a notice.
    pub follow_links: bool,
}

impl Default for WalkOptions {
    fn default() -> Self {
        Self { follow_links: true }
    }
}

/// What a walk found.
#[derive(Debug)]
pub struct Walked {
    /// The things on offer.
    pub source: Source,
    /// What was skipped or renamed, in the order of the walk.
    pub notices: Vec<Notice>,
}

/// The things on offer and where their bytes are. One source serves any number of readers.
#[derive(Debug)]
pub struct Source {
    offer: Offer,
    /// One for each entry of the offer.
    contents: Vec<Content>,
    /// The directories that were given, or that hold the files that were given.
    trees: Vec<Tree>,
}

/// Where the bytes of an entry come from.
#[derive(Debug)]
enum Content {
    /// Nowhere: it is a folder.
    Folder,
    /// From a file.
    File(FoundFile),
}

/// A file as the walk saw it.
#[derive(Debug)]
struct FoundFile {
    /// Index into [`Source::trees`].
    tree: usize,
    /// Relative to the tree, free of links.
    path: PathBuf,
    seen: Seen,
}

/// What identifies a file's content without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    size: u64,
    mtime: i64,
    inode: u64,
    device: u64,
}

impl Source {
    /// Walks files and folders, sorted by name. Blocks on the disk.
    ///
    /// A folder is offered under its own name with all it holds; `.` and `..` under the name of the directory they
    /// stand for. Of two paths with the same name the second is offered with ` (1)`.
    ///
    /// # Errors
    /// A path that was given cannot be offered, or together they exceed the limits of an offer. Trouble further down
    /// in a folder is a notice.
    pub fn walk(paths: &[PathBuf], options: &WalkOptions) -> Result<Walked, SourceError> {
        walk::walk(paths, options)
    }

    /// What is on offer.
    #[must_use]
    pub const fn offer(&self) -> &Offer {
        &self.offer
    }

    /// Starts a reader, one for each receiver.
    #[must_use]
    pub fn reader(self: &Arc<Self>) -> Reader {
        Reader::new(Arc::clone(self))
    }

    fn file(&self, entry: EntryId) -> Option<(&Tree, &FoundFile)> {
        match self.contents.get(usize::try_from(entry.0).ok()?)? {
            Content::File(file) => Some((&self.trees[file.tree], file)),
            Content::Folder => None,
        }
    }
}

impl Seen {
    #[expect(clippy::unnecessary_cast, reason = "the types of the fields differ between systems")]
    fn new(stat: &rustix::fs::Stat) -> Self {
        Self {
            size: u64::try_from(stat.st_size).unwrap_or_default(),
            mtime: super::tree::mtime(stat),
            inode: stat.st_ino as u64,
            device: stat.st_dev as u64,
        }
    }
}

#[cfg(test)]
mod tests;
