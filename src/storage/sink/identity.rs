//! `Identity`: by what the unfinished work on an entry is found again.

use std::fmt;

use p2pshare_protocol::hash::Hash;
use p2pshare_protocol::local_name::OWN_FILES_PREFIX;
use p2pshare_protocol::offer::Entry;

/// Tells an entry from all others: the same path, size and time, and nothing less, is the same entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Identity {
    /// Of the offered path.
    pub(super) path: Hash,
    /// Of the offered path, the size and the time.
    pub(super) entry: Hash,
}

impl Identity {
    /// The identity of the `occurrence`th entry, from 0, that is the same in path, size and time.
    pub(super) fn new(entry: &Entry, occurrence: u32) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"p2pshare/1 part");
        for component in entry.path.components() {
            // No component holds a slash, so the components cannot be confused.
            hasher.update(component.as_bytes()).update(b"/");
        }
        let path = Hash(*hasher.finalize().as_bytes());
        hasher.update(b"/").update(&entry.size.to_be_bytes());
        hasher.update(&[u8::from(entry.mtime.is_some())]).update(&entry.mtime.unwrap_or_default().to_be_bytes());
        hasher.update(&occurrence.to_be_bytes());
        Self { path, entry: Hash(*hasher.finalize().as_bytes()) }
    }

    /// The names of the entry's files.
    pub(super) const fn files(&self) -> OwnFiles {
        let (path, entry) = (&self.path.0, &self.entry.0);
        OwnFiles(u64::from_be_bytes([path[0], path[1], path[2], path[3], entry[0], entry[1], entry[2], entry[3]]))
    }
}

/// The names of the two files that hold the unfinished work on an entry: `.p2pshare-<16 hex digits>` and an ending.
///
/// The first half of the digits stands for the path, the second for the entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct OwnFiles(u64);

impl OwnFiles {
    /// The file that holds the chunks.
    pub(super) fn part(self) -> String {
        format!("{self}.part")
    }

    /// The journal that tells which chunks they are.
    pub(super) fn state(self) -> String {
        format!("{self}.state")
    }

    /// Recognises the name of a part.
    pub(super) fn of_part(name: &str) -> Option<Self> {
        let digits = name.strip_prefix(OWN_FILES_PREFIX)?.strip_suffix(".part")?;
        let is_own = digits.len() == 16 && digits.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
        if is_own { u64::from_str_radix(digits, 16).ok().map(Self) } else { None }
    }

    /// Whether both may be of entries with the same path.
    pub(super) const fn may_share_path(self, other: Self) -> bool {
        self.0 >> 32 == other.0 >> 32
    }
}

impl fmt::Display for OwnFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{OWN_FILES_PREFIX}{:016x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use p2pshare_protocol::entry_path::EntryPath;
    use p2pshare_protocol::offer::EntryKind;

    use super::*;

    #[test]
    fn an_entry_is_found_again_by_path_size_and_time_and_by_nothing_less() {
        let identity = Identity::new(&entry("a", 1, 2), 0);
        assert_eq!(identity, Identity::new(&entry("a", 1, 2), 0));
        for other in [entry("b", 1, 2), entry("a", 2, 2), entry("a", 1, 3)] {
            assert_ne!(identity.files(), Identity::new(&other, 0).files());
        }
        assert_ne!(identity.files(), Identity::new(&entry("a", 1, 2), 1).files());
    }

    #[test]
    fn names_tell_what_they_belong_to() {
        let files = Identity::new(&entry("a", 1, 2), 0).files();
        assert_eq!(files.part().len(), ".p2pshare-0123456789abcdef.part".len());
        assert_eq!(OwnFiles::of_part(&files.part()), Some(files));
        assert!(files.may_share_path(Identity::new(&entry("a", 5, 6), 0).files()));
        assert!(!files.may_share_path(Identity::new(&entry("b", 1, 2), 0).files()));
        for other in [".p2pshare-0123456789ABCDEF.part", ".p2pshare-+123456789abcdef.part", ".p2pshare-01.part", "x"] {
            assert_eq!(OwnFiles::of_part(other), None);
        }
    }

    fn entry(name: &str, size: u64, mtime: i64) -> Entry {
        let path = EntryPath::new(vec![name.to_owned()]).unwrap();
        Entry { path, kind: EntryKind::File, size, mtime: Some(mtime), mode: None }
    }
}
