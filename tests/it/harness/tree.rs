//! What a folder holds, to be compared.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

/// Every path beneath a folder and what is there. Equal trees have equal names, kinds, contents, times and execute bits.
#[derive(Default, PartialEq, Eq)]
pub(crate) struct Tree(BTreeMap<String, Node>);

#[derive(PartialEq, Eq)]
struct Node {
    kind: Kind,
    is_executable: bool,
    /// Nanoseconds since 1970.
    mtime: i128,
}

#[derive(Debug, PartialEq, Eq)]
enum Kind {
    Folder,
    File(blake3::Hash, u64),
    Other,
}

impl Tree {
    pub(crate) fn of(folder: &Path) -> Self {
        let mut tree = Self::default();
        tree.add(folder, "");
        tree
    }

    fn add(&mut self, folder: &Path, prefix: &str) {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let metadata = entry.path().symlink_metadata().unwrap();
            let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
            let kind = if metadata.is_dir() {
                self.add(&entry.path(), &format!("{name}/"));
                Kind::Folder
            } else if metadata.is_file() {
                Kind::File(hash(&entry.path()), metadata.len())
            } else {
                Kind::Other
            };
            let is_executable = !metadata.is_dir() && metadata.permissions().mode() & 0o100 != 0;
            let mtime = i128::from(metadata.mtime()) * 1_000_000_000 + i128::from(metadata.mtime_nsec());
            self.0.insert(name, Node { kind, is_executable, mtime });
        }
    }

    /// The files that are not the same in another tree.
    pub(crate) fn files_unlike(&self, other: &Self) -> Vec<&str> {
        let is_unlike =
            |(name, node): &(&String, &Node)| matches!(node.kind, Kind::File(..)) && other.0.get(*name) != Some(*node);
        self.0.iter().filter(is_unlike).map(|(name, _)| name.as_str()).collect()
    }

    /// The paths, sorted.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

impl fmt::Debug for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(&self.0).finish()
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, is_executable, mtime } = self;
        let executable = if *is_executable { "x" } else { "-" };
        match kind {
            Kind::Folder => write!(f, "folder {mtime}"),
            Kind::File(hash, size) => write!(f, "file {size} {executable} {mtime} {}", &hash.to_hex()[..8]),
            Kind::Other => write!(f, "neither file nor folder"),
        }
    }
}

/// The hash of a file, read piece by piece.
pub(crate) fn hash(path: &Path) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    std::io::copy(&mut fs::File::open(path).unwrap(), &mut hasher).unwrap();
    hasher.finalize()
}

/// Bytes that look random and are the same in each run.
pub(crate) fn noise(length: usize, seed: u8) -> Vec<u8> {
    let mut bytes = vec![0; length];
    blake3::Hasher::new_keyed(&[seed; 32]).finalize_xof().fill(&mut bytes);
    bytes
}
