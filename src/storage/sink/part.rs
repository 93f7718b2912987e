//! Part files: where the verified chunks of an entry wait for the rest.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;

use bytes::Bytes;
use p2pshare_protocol::local_name::OWN_FILES_PREFIX;
use p2pshare_protocol::offer::Entry;
use rustix::fs::{AtFlags, FileType, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use crate::storage::tree::{Tree, file_type};

/// Names the part file of an entry: any later run that is offered the same path, size and time finds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct PartName(u64);

impl PartName {
    /// The name for the `occurrence`th entry, from 0, that is the same in path, size and time.
    pub(super) fn new(entry: &Entry, occurrence: u32) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"p2pshare/1 part");
        for component in entry.path.components() {
            // No component holds a slash, so the components cannot be confused.
            hasher.update(component.as_bytes()).update(b"/");
        }
        hasher.update(&entry.size.to_be_bytes());
        hasher.update(&[u8::from(entry.mtime.is_some())]).update(&entry.mtime.unwrap_or_default().to_be_bytes());
        hasher.update(&occurrence.to_be_bytes());
        let mut id = [0; 8];
        hasher.finalize_xof().fill(&mut id);
        Self(u64::from_be_bytes(id))
    }
}

impl fmt::Display for PartName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{OWN_FILES_PREFIX}{:016x}.part", self.0)
    }
}

/// A part file, open and locked.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) file: File,
}

/// Why a part file is not to be had.
#[derive(Debug)]
pub(super) enum PartError {
    /// Another process has locked it.
    Busy,
    /// It is not a plain file of our own: a trap, or an accident.
    Foreign,
    /// The system refuses.
    Io(io::Error),
}

impl Part {
    /// Opens the part file, creating it if need be, and locks it. What it holds beyond `keep` bytes is cut off.
    pub(super) fn open(tree: &Tree, name: PartName, keep: u64) -> Result<Self, PartError> {
        let name = name.to_string();
        // The holder of the lock renames the file when it is complete; then the name is free, and this goes round.
        for _ in 0..OPEN_ATTEMPTS_MAX {
            let Some((file, length)) = open_own(tree, &name)? else { continue };
            // Any other error means that the file system has no locks, and work goes on without.
            if rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) == Err(Errno::WOULDBLOCK) {
                return Err(PartError::Busy);
            }
            if !is_named(tree, &name, &file)? {
                continue;
            }
            if length > keep {
                file.set_len(keep)?;
            }
            return Ok(Self { file });
        }
        Err(PartError::Busy)
    }

    /// Writes a chunk. After an error any part of it may be on the disk.
    pub(super) fn write(&self, offset: u64, pieces: &[Bytes]) -> io::Result<()> {
        let mut at = offset;
        for piece in pieces {
            self.file.write_all_at(piece, at)?;
            at += piece.len() as u64;
        }
        Ok(())
    }
}

/// How often a part file may vanish while it is being opened.
const OPEN_ATTEMPTS_MAX: usize = 16;

/// Creates the file or opens one that is ours, with its length; `None` if it vanished in between.
fn open_own(tree: &Tree, name: &str) -> Result<Option<(File, u64)>, PartError> {
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let mode = Mode::RUSR | Mode::WUSR;
    match rustix::fs::openat(tree.as_fd(), name, flags | OFlags::CREATE | OFlags::EXCL, mode) {
        Ok(file) => return Ok(Some((file.into(), 0))),
        Err(Errno::EXIST) => {}
        Err(error) => return Err(error.into()),
    }
    let file: File = match rustix::fs::openat(tree.as_fd(), name, flags, Mode::empty()) {
        Ok(file) => file.into(),
        Err(Errno::NOENT) => return Ok(None),
        Err(Errno::LOOP) => return Err(PartError::Foreign),
        Err(error) => return Err(error.into()),
    };
    let stat = rustix::fs::fstat(&file)?;
    // A second name would let whoever planted it change, or see changed, a file elsewhere.
    let is_own = file_type(&stat) == FileType::RegularFile
        && stat.st_nlink == 1
        && stat.st_uid == rustix::process::geteuid().as_raw();
    let length = u64::try_from(stat.st_size).unwrap_or_default();
    if is_own { Ok(Some((file, length))) } else { Err(PartError::Foreign) }
}

fn is_named(tree: &Tree, name: &str, file: &File) -> Result<bool, PartError> {
    let named = match rustix::fs::statat(tree.as_fd(), name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => stat,
        Err(Errno::NOENT) => return Ok(false),
        Err(error) => return Err(error.into()),
    };
    let open = rustix::fs::fstat(file)?;
    Ok(named.st_ino == open.st_ino && named.st_dev == open.st_dev)
}

impl From<io::Error> for PartError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<Errno> for PartError {
    fn from(error: Errno) -> Self {
        Self::Io(error.into())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use p2pshare_protocol::entry_path::EntryPath;
    use p2pshare_protocol::offer::EntryKind;

    use super::*;

    #[test]
    fn a_part_is_found_again_by_path_size_and_time_and_by_nothing_less() {
        let name = PartName::new(&entry("a", 1, 2), 0);
        assert_eq!(name, PartName::new(&entry("a", 1, 2), 0));
        for other in [entry("b", 1, 2), entry("a", 2, 2), entry("a", 1, 3)] {
            assert_ne!(name, PartName::new(&other, 0));
        }
        assert_ne!(name, PartName::new(&entry("a", 1, 2), 1));
        assert_eq!(name.to_string().len(), ".p2pshare-0123456789abcdef.part".len());
    }

    #[test]
    fn a_second_receiver_is_told_that_somebody_is_at_it() {
        let dir = tempfile::tempdir().unwrap();
        let tree = Tree::open(dir.path()).unwrap();
        let first = Part::open(&tree, PartName(1), 0).unwrap();
        assert!(matches!(Part::open(&tree, PartName(1), 0), Err(PartError::Busy)));
        drop(first);
        assert!(Part::open(&tree, PartName(1), 0).is_ok());
    }

    #[test]
    fn a_part_that_is_a_link_or_has_a_second_name_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let victim = dir.path().join("victim");
        std::fs::write(&victim, "precious").unwrap();
        let part = dir.path().join(PartName(1).to_string());
        let tree = Tree::open(dir.path()).unwrap();
        let plant: [fn(&Path, &Path) -> io::Result<()>; 2] =
            [|to, from| std::fs::hard_link(to, from), |to, from| std::os::unix::fs::symlink(to, from)];
        for plant in plant {
            plant(&victim, &part).unwrap();
            assert!(matches!(Part::open(&tree, PartName(1), 0), Err(PartError::Foreign)));
            std::fs::remove_file(&part).unwrap();
        }
        assert_eq!(std::fs::read(&victim).unwrap(), b"precious");
    }

    fn entry(name: &str, size: u64, mtime: i64) -> Entry {
        let path = EntryPath::new(vec![name.to_owned()]).unwrap();
        Entry { path, kind: EntryKind::File, size, mtime: Some(mtime), mode: None }
    }
}
