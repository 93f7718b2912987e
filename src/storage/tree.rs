//! `Tree`: a handle on one directory, beneath which nothing is ever reached through a link.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

/// One open directory and everything beneath it.
///
/// Paths given to its methods are relative and hold names only. Every component is opened without following links,
/// whatever has become of the directories in the meantime, so nothing outside is ever touched.
#[derive(Debug)]
pub(super) struct Tree(OwnedFd);

impl Tree {
    /// Opens the directory `path`; links in `path` itself are the user's own and followed.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self(rustix::fs::open(path, flags, Mode::empty())?))
    }

    /// Opens a file for reading.
    pub(super) fn read(&self, path: &Path) -> io::Result<File> {
        // NONBLOCK: a FIFO that took the place of a file must not hold up the reader.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK;
        Ok(self.open_beneath(path, flags)?.into())
    }

    /// Opens a folder; the empty path is the tree itself.
    pub(super) fn folder(&self, path: &Path) -> io::Result<OwnedFd> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        self.open_beneath(path, OFlags::RDONLY | OFlags::DIRECTORY)
    }

    /// Opens a folder and creates what is missing of it. `made` is told the parent of each folder that was created.
    pub(super) fn make_folder(&self, path: &Path, mut made: impl FnMut(&Path)) -> io::Result<OwnedFd> {
        if let Ok(folder) = self.folder(path) {
            return Ok(folder);
        }
        let mut folder = None::<OwnedFd>;
        for (depth, name) in names(path)?.into_iter().enumerate() {
            let parent = folder.as_ref().map_or_else(|| self.as_fd(), AsFd::as_fd);
            match rustix::fs::mkdirat(parent, name, Mode::from_raw_mode(0o777)) {
                Ok(()) => made(&path.components().take(depth).collect::<std::path::PathBuf>()),
                Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
            folder = Some(step(parent, name, OFlags::RDONLY | OFlags::DIRECTORY)?);
        }
        folder.map_or_else(|| self.folder(Path::new("")), Ok)
    }

    /// What lies at `path`, links not followed. Folders on the way are taken as they are at this moment.
    pub(super) fn stat(&self, path: &Path) -> io::Result<Stat> {
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        match (path.parent(), path.file_name()) {
            (Some(parent), Some(name)) if !parent.as_os_str().is_empty() => {
                Ok(rustix::fs::statat(self.folder(parent)?, name, flags)?)
            }
            _ => Ok(rustix::fs::statat(&self.0, path, flags)?),
        }
    }

    /// The free bytes of the file system that an ordinary user may fill.
    pub(super) fn free_bytes(&self) -> io::Result<u64> {
        let space = rustix::fs::fstatvfs(&self.0)?;
        Ok(space.f_bavail.saturating_mul(space.f_frsize))
    }

    fn open_beneath(&self, path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
        #[cfg(target_os = "linux")]
        {
            use rustix::fs::ResolveFlags;

            let confined = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
            let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            if let Ok(file) = rustix::fs::openat2(&self.0, path, flags, Mode::empty(), confined) {
                return Ok(file);
            }
        }
        self.open_stepwise(path, flags)
    }

    /// The same one component at a time: for systems without `openat2`, and for an error that says what is in the way.
    fn open_stepwise(&self, path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
        let names = names(path)?;
        let Some((last, parents)) = names.split_last() else {
            return step(self.as_fd(), OsStr::new("."), flags);
        };
        let mut folder = None::<OwnedFd>;
        for name in parents {
            let next = step(
                folder.as_ref().map_or_else(|| self.as_fd(), AsFd::as_fd),
                name,
                OFlags::RDONLY | OFlags::DIRECTORY,
            )?;
            folder = Some(next);
        }
        step(folder.as_ref().map_or_else(|| self.as_fd(), AsFd::as_fd), last, flags)
    }
}

impl AsFd for Tree {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// The kind of file that `stat` describes.
pub(super) fn file_type(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

/// The time of the last change in nanoseconds since 1970, as far as 64 bits reach.
#[expect(clippy::unnecessary_cast, reason = "the types of the fields differ between systems")]
pub(super) fn mtime(stat: &Stat) -> i64 {
    (stat.st_mtime as i64).saturating_mul(1_000_000_000).saturating_add(stat.st_mtime_nsec as i64)
}

fn step(folder: BorrowedFd<'_>, name: &OsStr, flags: OFlags) -> io::Result<OwnedFd> {
    let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(folder, name, flags, Mode::empty()).map_err(|error| {
        // A link where a folder should be is reported as "not a directory" by some systems.
        let is_link = error == Errno::NOTDIR
            && rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)
                .is_ok_and(|stat| file_type(&stat) == FileType::Symlink);
        if is_link { Errno::LOOP.into() } else { error.into() }
    })
}

fn names(path: &Path) -> io::Result<Vec<&OsStr>> {
    path.components()
        .filter(|component| *component != Component::CurDir)
        .map(|component| match component {
            Component::Normal(name) => Ok(name),
            Component::CurDir | Component::ParentDir | Component::RootDir | Component::Prefix(_) => {
                Err(Errno::XDEV.into())
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_followed_nowhere() {
        let dir = tempfile::tempdir().unwrap();
        let (inside, outside) = (dir.path().join("in"), dir.path().join("out"));
        std::fs::create_dir(&inside).unwrap();
        std::fs::create_dir(&outside).unwrap();
        std::fs::write(outside.join("x"), "secret").unwrap();
        std::os::unix::fs::symlink(&outside, inside.join("d")).unwrap();
        std::os::unix::fs::symlink(outside.join("x"), inside.join("x")).unwrap();
        let tree = Tree::open(&inside).unwrap();
        for path in ["d/x", "x"] {
            let path = Path::new(path);
            assert_eq!(tree.read(path).unwrap_err().raw_os_error(), Some(Errno::LOOP.raw_os_error()), "{path:?}");
            assert!(tree.open_stepwise(path, OFlags::RDONLY).is_err());
        }
        assert!(tree.folder(Path::new("d")).is_err());
        assert!(tree.make_folder(Path::new("d/e"), |_| {}).is_err());
        assert!(!outside.join("e").exists());
    }

    #[test]
    fn nothing_above_the_tree_can_be_named() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("in")).unwrap();
        std::fs::write(dir.path().join("x"), "secret").unwrap();
        let tree = Tree::open(&dir.path().join("in")).unwrap();
        assert!(tree.read(Path::new("../x")).is_err());
        assert!(tree.read(&dir.path().join("x")).is_err());
        assert!(tree.open_stepwise(Path::new("../x"), OFlags::RDONLY).is_err());
    }

    #[test]
    fn missing_folders_are_made_and_reported_by_their_parents() {
        let dir = tempfile::tempdir().unwrap();
        let tree = Tree::open(dir.path()).unwrap();
        let mut made = Vec::new();
        tree.make_folder(Path::new("a/b/c"), |parent| made.push(parent.to_owned())).unwrap();
        assert_eq!(made, ["", "a", "a/b"].map(std::path::PathBuf::from));
        tree.make_folder(Path::new("a/b/c"), |_| panic!("it exists")).unwrap();
        assert!(tree.stat(Path::new("a/b/c")).is_ok());
    }
}
