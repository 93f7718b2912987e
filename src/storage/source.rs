//! The source: what is offered, walked once, then read chunk by chunk.

mod error;
mod exclude;
mod notice;
mod reader;
mod walk;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32};

use bytes::Bytes;
use p2pshare_protocol::entry_path::EntryPath;
use p2pshare_protocol::offer::{Entry, EntryId, EntryKind, Offer};

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
    /// Globs of what is left out, matched against names and against paths, with or without the folder that was given.
    pub exclude: Vec<String>,
    /// Whether `.gitignore` and `.ignore` files in the folders are respected.
    pub respects_ignore_files: bool,
    /// Another name for the only path that is given.
    pub rename: Option<String>,
}

impl Default for WalkOptions {
    fn default() -> Self {
        Self { follow_links: true, exclude: Vec::new(), respects_ignore_files: false, rename: None }
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
    offer: Arc<Offer>,
    /// One for each entry of the offer.
    contents: Vec<Content>,
    /// The directories that were given, or that hold the files that were given.
    trees: Vec<Tree>,
    /// How many readers there are.
    readers: AtomicU32,
}

/// Where the bytes of an entry come from.
#[derive(Debug)]
enum Content {
    /// Nowhere: it is a folder.
    Folder,
    /// From a file.
    File(FoundFile),
    /// From memory.
    Text(Bytes),
    /// From standard input, once: set as soon as a reader has begun.
    Stdin(AtomicBool),
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

    /// A text to be shown at the other side.
    ///
    /// # Errors
    /// The text is longer than a text may be.
    pub fn text(text: String) -> Result<Self, SourceError> {
        let entry = unnamed_entry("text.txt", EntryKind::Text, text.len() as u64)?;
        Ok(Self::single(Offer::new(vec![entry])?, Content::Text(text.into())))
    }

    /// Standard input, offered under `name`. It can be read once: whoever reads first gets it, and all others an error.
    ///
    /// # Errors
    /// The name cannot be offered.
    pub fn stdin(name: &str) -> Result<Self, SourceError> {
        let entry = unnamed_entry(name, EntryKind::Stream, 0)?;
        Ok(Self::single(Offer::new(vec![entry])?, Content::Stdin(AtomicBool::new(false))))
    }

    fn single(offer: Offer, content: Content) -> Self {
        Self { offer: Arc::new(offer), contents: vec![content], trees: Vec::new(), readers: AtomicU32::new(0) }
    }

    fn content(&self, entry: EntryId) -> Option<&Content> {
        self.contents.get(usize::try_from(entry.0).ok()?)
    }

    /// What is on offer.
    #[must_use]
    pub const fn offer(&self) -> &Arc<Offer> {
        &self.offer
    }

    /// Starts a reader, one for each receiver.
    #[must_use]
    pub fn reader(self: &Arc<Self>) -> Reader {
        Reader::new(Arc::clone(self))
    }

    fn file(&self, entry: EntryId) -> Option<(&Tree, &FoundFile)> {
        match self.content(entry)? {
            Content::File(file) => Some((&self.trees[file.tree], file)),
            Content::Folder | Content::Text(_) | Content::Stdin(_) => None,
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

fn unnamed_entry(name: &str, kind: EntryKind, size: u64) -> Result<Entry, SourceError> {
    let path = EntryPath::new(vec![name.to_owned()])?;
    Ok(Entry { path, kind, size, mtime: None, mode: None })
}

#[cfg(test)]
mod tests;
