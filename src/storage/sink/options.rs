//! What the user wants of a sink.

use std::collections::HashMap;

use p2pshare_protocol::entry_path::EntryPath;
use p2pshare_protocol::local_name::Naming;
use p2pshare_protocol::offer::{Entry, EntryId};

/// What to do when the name of a file is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnExists {
    /// Add a number to the new file's name.
    #[default]
    Rename,
    /// Leave the entry out.
    Skip,
    /// Replace the old file, in one step, once the new one is complete.
    Overwrite,
    /// Refuse.
    Fail,
}

/// How entries are put on the disk.
#[derive(Debug, Clone)]
pub struct SinkOptions {
    /// What to do when the name of a file is taken.
    pub on_exists: OnExists,
    /// Where the user decided otherwise for an entry.
    pub decided: HashMap<EntryId, OnExists>,
    /// Whether the owner may execute what the sender's owner may.
    pub preserve_exec: bool,
    /// Which names the destination can hold.
    pub naming: Naming,
    /// Another path for the only entry that is taken.
    pub name: Option<EntryPath>,
    /// Whether to go on with what an earlier run left.
    pub resume: bool,
}

impl Default for SinkOptions {
    fn default() -> Self {
        Self {
            on_exists: OnExists::Rename,
            decided: HashMap::new(),
            preserve_exec: true,
            naming: Naming::Unix,
            name: None,
            resume: true,
        }
    }
}

impl SinkOptions {
    /// Where an entry is to go, before its names are mapped.
    pub(super) fn path<'a>(&'a self, entry: &'a Entry) -> &'a EntryPath {
        self.name.as_ref().unwrap_or(&entry.path)
    }

    /// What to do for one entry when its name is taken.
    #[must_use]
    pub fn on_exists(&self, entry: EntryId) -> OnExists {
        self.decided.get(&entry).copied().unwrap_or(self.on_exists)
    }
}
