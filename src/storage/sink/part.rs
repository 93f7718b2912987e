//! Part files: where the verified chunks of an entry wait for the rest.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;

use bytes::Bytes;
use p2pshare_protocol::hash::Hash;
use p2pshare_protocol::limits::CHUNK_BYTES;
use rustix::fs::{AtFlags, FileType, FlockOperation, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::identity::{Identity, OwnFiles};
use super::journal::Journal;
use crate::storage::tree::{Tree, file_type, mtime};

/// A part file, open and locked, and its journal if it has one.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) file: File,
    journal: Option<Journal>,
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
    /// Creates and locks the part file. One that is there is emptied.
    pub(super) fn create(tree: &Tree, files: OwnFiles) -> Result<Self, PartError> {
        let (file, length) = open_locked(tree, &files.part(), Missing::Create)?.ok_or(PartError::Busy)?;
        if length > 0 {
            file.set_len(0)?;
        }
        Ok(Self { file, journal: None })
    }

    /// Opens and locks a part file that exists, as it is.
    pub(super) fn existing(tree: &Tree, files: OwnFiles) -> Result<Option<Self>, PartError> {
        let opened = open_locked(tree, &files.part(), Missing::Leave)?;
        Ok(opened.map(|(file, _)| Self { file, journal: None }))
    }

    /// Whether it has a journal already.
    pub(super) const fn has_journal(&self) -> bool {
        self.journal.is_some()
    }

    /// Keeps a journal from here on; an earlier one is continued if the part `keeps` what it told of.
    pub(super) fn keep_journal(
        &mut self,
        tree: &Tree,
        identity: Identity,
        size: u64,
        keeps: bool,
    ) -> Result<(), PartError> {
        let name = identity.files().state();
        let (file, _) = open_own(tree, &name, Missing::Create)?.ok_or(PartError::Busy)?;
        let journal = if keeps { Journal::go_on(file, identity, size)? } else { Journal::begin(file, identity, size)? };
        self.journal = Some(journal);
        Ok(())
    }

    /// Closes the file, which gives up the lock.
    pub(super) fn close(self) -> ClosedPart {
        ClosedPart(rustix::fs::fstat(&self.file).ok().map(|stat| Print::new(&stat)))
    }

    /// Writes a chunk. After an error any part of it may be on the disk.
    pub(super) fn write(&mut self, offset: u64, pieces: &[Bytes], hash: &Hash) -> io::Result<()> {
        let mut at = offset;
        for piece in pieces {
            self.file.write_all_at(piece, at)?;
            at += piece.len() as u64;
        }
        self.journal.as_mut().map_or(Ok(()), |journal| journal.record(offset / CHUNK_BYTES, hash))
    }
}

/// A part file as it was when it was closed; `None` if that could not be told.
#[derive(Debug, Clone, Copy)]
pub(super) struct ClosedPart(Option<Print>);

impl ClosedPart {
    /// Opens and locks it again.
    ///
    /// # Errors
    /// Above all if it is not as it was left: somebody else was at it, and what it holds is not known any more.
    pub(super) fn reopen(self, tree: &Tree, files: OwnFiles) -> Result<Part, PartError> {
        let part = Part::existing(tree, files)?.ok_or(PartError::Busy)?;
        let print = Print::new(&rustix::fs::fstat(&part.file)?);
        if self.0 == Some(print) { Ok(part) } else { Err(PartError::Busy) }
    }
}

/// What changes when a file is replaced or written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Print {
    device: u64,
    inode: u64,
    size: i64,
    mtime: i64,
}

impl Print {
    #[expect(clippy::unnecessary_cast, reason = "the types of the fields differ between systems")]
    fn new(stat: &Stat) -> Self {
        Self { device: stat.st_dev as u64, inode: stat.st_ino as u64, size: stat.st_size as i64, mtime: mtime(stat) }
    }
}

/// The journal of an entry, to be read.
pub(super) fn open_journal(tree: &Tree, files: OwnFiles) -> Result<Option<File>, PartError> {
    Ok(open_own(tree, &files.state(), Missing::Leave)?.map(|(file, _)| file))
}

/// Removes what an earlier run left of an entry, unless somebody is at it.
pub(super) fn remove(tree: &Tree, files: OwnFiles) {
    if let Ok(Some(_locked)) = Part::existing(tree, files) {
        remove_journal(tree, files);
        // What cannot be removed stays; it costs room and nothing else.
        let _ = rustix::fs::unlinkat(tree.as_fd(), files.part(), AtFlags::empty());
    }
}

/// Removes the journal of an entry.
pub(super) fn remove_journal(tree: &Tree, files: OwnFiles) {
    // A journal without a part says nothing, so it does no harm where it cannot be removed.
    let _ = rustix::fs::unlinkat(tree.as_fd(), files.state(), AtFlags::empty());
}

/// What to do about a file that is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Missing {
    Create,
    Leave,
}

/// How often a part file may vanish while it is being opened.
const OPEN_ATTEMPTS_MAX: usize = 16;

/// Opens and locks a file of our own, with its length; `None` if there is none.
fn open_locked(tree: &Tree, name: &str, missing: Missing) -> Result<Option<(File, u64)>, PartError> {
    // The holder of the lock renames the file when it is complete; then the name is free, and this goes round.
    for _ in 0..OPEN_ATTEMPTS_MAX {
        let Some((file, length)) = open_own(tree, name, missing)? else {
            match missing {
                Missing::Create => continue,
                Missing::Leave => return Ok(None),
            }
        };
        // Any other error means that the file system has no locks, and work goes on without.
        if rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) == Err(Errno::WOULDBLOCK) {
            return Err(PartError::Busy);
        }
        if is_named(tree, name, &file)? {
            return Ok(Some((file, length)));
        }
    }
    Err(PartError::Busy)
}

/// Opens a file of our own, with its length; `None` if it is missing, or vanished before it could be opened.
fn open_own(tree: &Tree, name: &str, missing: Missing) -> Result<Option<(File, u64)>, PartError> {
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    if missing == Missing::Create {
        let mode = Mode::RUSR | Mode::WUSR;
        match rustix::fs::openat(tree.as_fd(), name, flags | OFlags::CREATE | OFlags::EXCL, mode) {
            Ok(file) => return Ok(Some((file.into(), 0))),
            Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
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

    use super::*;

    #[test]
    fn a_second_receiver_is_told_that_somebody_is_at_it() {
        let dir = tempfile::tempdir().unwrap();
        let tree = Tree::open(dir.path()).unwrap();
        let first = Part::create(&tree, files()).unwrap();
        assert!(matches!(Part::create(&tree, files()), Err(PartError::Busy)));
        drop(first);
        assert!(Part::create(&tree, files()).is_ok());
    }

    #[test]
    fn a_part_that_was_touched_or_replaced_while_it_was_closed_is_not_gone_on_with() {
        let dir = tempfile::tempdir().unwrap();
        let tree = Tree::open(dir.path()).unwrap();
        let at = dir.path().join(files().part());
        let closed = Part::create(&tree, files()).unwrap().close();
        let closed = closed.reopen(&tree, files()).unwrap().close();
        let changes: [fn(&Path); 3] = [
            |at| std::fs::write(at, "x").unwrap(),
            |at| std::fs::remove_file(at).unwrap(),
            |at| std::fs::write(at, "").unwrap(),
        ];
        for change in changes {
            change(&at);
            assert!(matches!(closed.reopen(&tree, files()), Err(PartError::Busy)));
        }
    }

    #[test]
    fn a_part_that_is_a_link_or_has_a_second_name_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let victim = dir.path().join("victim");
        std::fs::write(&victim, "precious").unwrap();
        let part = dir.path().join(files().part());
        let tree = Tree::open(dir.path()).unwrap();
        let plant: [fn(&Path, &Path) -> io::Result<()>; 2] =
            [|to, from| std::fs::hard_link(to, from), |to, from| std::os::unix::fs::symlink(to, from)];
        for plant in plant {
            plant(&victim, &part).unwrap();
            assert!(matches!(Part::create(&tree, files()), Err(PartError::Foreign)));
            std::fs::remove_file(&part).unwrap();
        }
        assert_eq!(std::fs::read(&victim).unwrap(), b"precious");
    }

    fn files() -> OwnFiles {
        OwnFiles::of_part(".p2pshare-0123456789abcdef.part").unwrap()
    }
}
