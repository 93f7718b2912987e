//! What lies in the destination where an entry is to go.

use std::collections::HashMap;
use std::path::Path;

use p2pshare_protocol::local_name::{LocalPath, Role};
use p2pshare_protocol::offer::{Entry, EntryKind};
use rustix::fs::FileType;

use super::{OnExists, Tree};
use crate::storage::tree::{file_type, mtime};

/// What lies at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    Nothing,
    Folder,
    Link,
    File { size: u64, mtime: i64 },
    Other,
}

impl Found {
    /// Whether this may well be the very file that is offered.
    pub(super) fn is_file_of(self, entry: &Entry, expected_mtime: Option<i64>) -> bool {
        match (self, entry.kind) {
            (Self::File { size, mtime }, EntryKind::File) => size == entry.size && Some(mtime) == expected_mtime,
            (Self::File { .. }, EntryKind::Dir | EntryKind::Text | EntryKind::Stream) => false,
            (Self::Nothing | Self::Folder | Self::Link | Self::Other, _) => false,
        }
    }

    /// Whether something must get another name because of this.
    pub(super) fn is_avoided(self, role: Role, on_exists: OnExists) -> bool {
        match (role, self) {
            (_, Self::Nothing) | (Role::Folder, Self::Folder | Self::Link) => false,
            (Role::Folder, Self::File { .. } | Self::Other) | (Role::File, Self::Folder) => true,
            (Role::File, Self::File { .. } | Self::Link | Self::Other) => on_exists == OnExists::Rename,
        }
    }
}

/// Looks at a destination, and remembers its folders.
pub(super) struct Disk<'a> {
    tree: &'a Tree,
    folders: HashMap<LocalPath, Found>,
}

impl<'a> Disk<'a> {
    pub(super) fn new(tree: &'a Tree) -> Self {
        Self { tree, folders: HashMap::new() }
    }

    /// What lies where something might go. Folders are asked for before what they hold; beneath one that is missing or
    /// a link nothing is looked for.
    pub(super) fn look(&mut self, path: &LocalPath, role: Role) -> Found {
        let is_reachable = path.folder().is_none_or(|folder| self.folders.get(&folder) == Some(&Found::Folder));
        let found = if is_reachable { self.found_at(path) } else { Found::Nothing };
        if role == Role::Folder {
            self.folders.insert(path.clone(), found);
        }
        found
    }

    /// The link that `path` leads through.
    pub(super) fn link_in(&self, path: &LocalPath, role: Role) -> Option<LocalPath> {
        let mut at = match role {
            Role::Folder => Some(path.clone()),
            Role::File => path.folder(),
        };
        while let Some(folder) = at {
            if self.folders.get(&folder) == Some(&Found::Link) {
                return Some(folder);
            }
            at = folder.folder();
        }
        None
    }

    fn found_at(&self, path: &LocalPath) -> Found {
        match self.tree.stat(Path::new(path.as_str())) {
            Ok(stat) if file_type(&stat) == FileType::Directory => Found::Folder,
            Ok(stat) if file_type(&stat) == FileType::Symlink => Found::Link,
            Ok(stat) if file_type(&stat) == FileType::RegularFile => {
                Found::File { size: u64::try_from(stat.st_size).unwrap_or_default(), mtime: mtime(&stat) }
            }
            Ok(_) => Found::Other,
            Err(_) => Found::Nothing,
        }
    }
}
