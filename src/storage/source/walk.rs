//! The walk: from paths to an offer. Blocking, sorted, and without following links out of what was given.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use p2pshare_protocol::ctl::fits_a_frame;
use p2pshare_protocol::entry_path::EntryPath;
use p2pshare_protocol::limits::OFFER_ENTRIES_MAX;
use p2pshare_protocol::local_name::{Role, numbered};
use p2pshare_protocol::offer::{Entry, EntryKind, Offer, OfferError};
use rustix::fs::{Access, AtFlags, Dir, FileType, Stat};

use super::exclude::{Exclusions, IgnoreFiles};
use super::{Content, FoundFile, Notice, Seen, Source, SourceError, Tree, WalkOptions, Walked};
use crate::storage::tree::{file_type, mtime};

pub(super) fn walk(paths: &[PathBuf], options: &WalkOptions) -> Result<Walked, SourceError> {
    let mut walk = Walk {
        options: options.clone(),
        exclusions: Exclusions::new(&options.exclude)?,
        entries: Vec::new(),
        contents: Vec::new(),
        trees: Vec::new(),
        notices: Vec::new(),
        is_something_ignored: false,
    };
    let mut taken = HashSet::new();
    for path in paths {
        walk.argument(path, &mut taken)?;
    }
    walk.check_that_something_is_left()?;
    let source = Source {
        offer: Arc::new(Offer::new(walk.entries)?),
        contents: walk.contents,
        trees: walk.trees,
        readers: AtomicU32::new(0),
    };
    Ok(Walked { source, notices: walk.notices })
}

struct Walk {
    options: WalkOptions,
    exclusions: Exclusions,
    entries: Vec<Entry>,
    contents: Vec<Content>,
    trees: Vec<Tree>,
    notices: Vec<Notice>,
    /// Whether ignore files have left something out.
    is_something_ignored: bool,
}

/// A folder on the way down.
struct Place<'a> {
    /// The folder that was given, as the user wrote it and as the disk knows it.
    root: &'a Path,
    root_resolved: &'a Path,
    /// Where this folder lies beneath it, free of links.
    real: PathBuf,
    /// The same as it is offered.
    offered: Vec<String>,
    /// Device and inode of this folder and those around it: a link back to one of them would never end.
    around: Vec<(u64, u64)>,
    /// The ignore files that hold here.
    ignores: IgnoreFiles,
}

impl Walk {
    fn argument(&mut self, path: &Path, taken: &mut HashSet<String>) -> Result<(), SourceError> {
        let unreadable = |source: io::Error| {
            let path = path.to_owned();
            let is_missing = source.kind() == io::ErrorKind::NotFound;
            if is_missing { SourceError::Missing { path } } else { SourceError::Unreadable { path, source } }
        };
        let resolved = path.canonicalize().map_err(unreadable)?;
        let kind = std::fs::metadata(&resolved).map_err(unreadable)?.file_type();
        let renamed = self.options.rename.take();
        let own_name = renamed
            .as_deref()
            .map(OsStr::new)
            .or_else(|| path.file_name())
            .or_else(|| resolved.file_name())
            .unwrap_or_else(|| OsStr::new("root"));
        let role = if kind.is_dir() { Role::Folder } else { Role::File };
        let name = self.offered_name(path, own_name, role, taken);
        if kind.is_dir() {
            let tree = Tree::open(&resolved).map_err(unreadable)?;
            let stat = rustix::fs::fstat(&tree).map_err(|error| unreadable(error.into()))?;
            self.trees.push(tree);
            let seen = Seen::new(&stat);
            let place = Place {
                root: path,
                root_resolved: &resolved,
                real: PathBuf::new(),
                offered: vec![name],
                around: vec![(seen.device, seen.inode)],
                ignores: self.ignores(&IgnoreFiles::default(), &resolved),
            };
            self.folder(&place, &stat)
        } else if kind.is_file() {
            let (Some(parent), Some(file_name)) = (resolved.parent(), resolved.file_name()) else {
                return Err(SourceError::Special { path: path.to_owned() });
            };
            let tree = Tree::open(parent).map_err(unreadable)?;
            let stat = tree.stat(Path::new(file_name)).map_err(unreadable)?;
            tree.read(Path::new(file_name)).map_err(unreadable)?;
            self.trees.push(tree);
            self.file(path, vec![name], PathBuf::from(file_name), &stat)
        } else {
            Err(SourceError::Special { path: path.to_owned() })
        }
    }

    fn folder(&mut self, place: &Place<'_>, stat: &Stat) -> Result<(), SourceError> {
        let listed =
            self.trees[self.trees.len() - 1].folder(&place.real).and_then(|folder| Ok((list(&folder)?, folder)));
        let on_disk = place.root.join(&place.real);
        let (names, folder) = match listed {
            Ok(listed) => listed,
            Err(error) => {
                self.notices.push(Notice::SkippedUnreadable { path: on_disk, error });
                return Ok(());
            }
        };
        if !self.add(&on_disk, place.offered.clone(), EntryKind::Dir, stat, Content::Folder)? {
            return Ok(());
        }
        // Names that can be offered as they are keep them, whatever the others would become.
        let mut taken = names.iter().filter_map(|name| verbatim(name)).map(str::to_owned).collect();
        for name in names {
            self.child(place, &folder, &name, &mut taken)?;
        }
        Ok(())
    }

    /// Whether a pattern holds for something in a folder, by its name or by its path with or without the folder that was given: the
    /// receiver sees it with that.
    fn is_excluded(&mut self, place: &Place<'_>, name: &OsStr) -> bool {
        let within = place.real.join(name);
        let whole = place.offered.first().map(|top| Path::new(top).join(&within));
        self.exclusions.hold(&within) || whole.is_some_and(|whole| self.exclusions.hold(&whole))
    }

    fn child(
        &mut self,
        place: &Place<'_>,
        folder: &OwnedFd,
        name: &OsStr,
        taken: &mut HashSet<String>,
    ) -> Result<(), SourceError> {
        let on_disk = place.root.join(&place.real).join(name);
        let (real, stat) = match self.resolve(place, folder, name) {
            Ok(found) => found,
            Err(Skip::Link) => {
                self.notices.push(Notice::SkippedLink { path: on_disk });
                return Ok(());
            }
            Err(Skip::Unreadable(error)) => {
                self.notices.push(Notice::SkippedUnreadable { path: on_disk, error });
                return Ok(());
            }
        };
        let offered = |walk: &mut Self, role, taken: &mut HashSet<String>| {
            let name = match verbatim(name) {
                Some(name) => name.to_owned(),
                None => walk.offered_name(&on_disk, name, role, taken),
            };
            place.offered.iter().cloned().chain([name]).collect::<Vec<_>>()
        };
        let is_folder = file_type(&stat) == FileType::Directory;
        if self.is_excluded(place, name) {
            return Ok(());
        }
        if place.ignores.hold(&place.root_resolved.join(&real), is_folder) {
            self.is_something_ignored = true;
            return Ok(());
        }
        match file_type(&stat) {
            FileType::Directory => {
                let seen = Seen::new(&stat);
                let identity = (seen.device, seen.inode);
                if place.around.contains(&identity) {
                    self.notices.push(Notice::SkippedLink { path: on_disk });
                    return Ok(());
                }
                let offered = offered(self, Role::Folder, taken);
                let around = place.around.iter().copied().chain([identity]).collect();
                let ignores = self.ignores(&place.ignores, &place.root_resolved.join(&real));
                let (root, root_resolved) = (place.root, place.root_resolved);
                self.folder(&Place { root, root_resolved, real, offered, around, ignores }, &stat)
            }
            FileType::RegularFile => {
                if let Err(error) = rustix::fs::accessat(folder, name, Access::READ_OK, AtFlags::EACCESS) {
                    self.notices.push(Notice::SkippedUnreadable { path: on_disk, error: error.into() });
                    return Ok(());
                }
                let offered = offered(self, Role::File, taken);
                self.file(&on_disk, offered, real, &stat)
            }
            FileType::Symlink
            | FileType::Fifo
            | FileType::Socket
            | FileType::CharacterDevice
            | FileType::BlockDevice
            | FileType::Unknown => {
                self.notices.push(Notice::SkippedSpecial { path: on_disk });
                Ok(())
            }
        }
    }

    /// The ignore files that hold in a folder, if they are respected at all.
    fn ignores(&self, around: &IgnoreFiles, folder: &Path) -> IgnoreFiles {
        if self.options.respects_ignore_files { around.enter(folder) } else { IgnoreFiles::default() }
    }

    /// Where the child really lies and what it is, links followed if that stays inside.
    fn resolve(&self, place: &Place<'_>, folder: &OwnedFd, name: &OsStr) -> Result<(PathBuf, Stat), Skip> {
        let stat = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)
            .map_err(|error| Skip::Unreadable(error.into()))?;
        if file_type(&stat) != FileType::Symlink {
            return Ok((place.real.join(name), stat));
        }
        if !self.options.follow_links {
            return Err(Skip::Link);
        }
        let target = place.root_resolved.join(&place.real).join(name).canonicalize().map_err(|_| Skip::Link)?;
        let real = target.strip_prefix(place.root_resolved).map_err(|_| Skip::Link)?;
        let stat = self.trees[self.trees.len() - 1].stat(real).map_err(|_| Skip::Link)?;
        Ok((real.to_owned(), stat))
    }

    fn file(&mut self, on_disk: &Path, offered: Vec<String>, real: PathBuf, stat: &Stat) -> Result<(), SourceError> {
        let content = Content::File(FoundFile { tree: self.trees.len() - 1, path: real, seen: Seen::new(stat) });
        self.add(on_disk, offered, EntryKind::File, stat, content)?;
        Ok(())
    }

    /// Folders alone are worth sending only if that is all there was.
    fn check_that_something_is_left(&self) -> Result<(), SourceError> {
        let used = self.exclusions.used();
        let is_left = self.entries.iter().any(|entry| entry.kind != EntryKind::Dir);
        if is_left || (used.is_empty() && !self.is_something_ignored) {
            return Ok(());
        }
        let patterns = used.iter().filter_map(|number| self.options.exclude.get(*number)).cloned().collect();
        Err(SourceError::NothingLeft { patterns })
    }

    /// Adds an entry, or a notice when its path is beyond the limits.
    fn add(
        &mut self,
        on_disk: &Path,
        offered: Vec<String>,
        kind: EntryKind,
        stat: &Stat,
        content: Content,
    ) -> Result<bool, SourceError> {
        let Ok(path) = EntryPath::new(offered) else {
            self.notices.push(Notice::SkippedTooDeep { path: on_disk.to_owned() });
            return Ok(false);
        };
        if self.entries.len() == OFFER_ENTRIES_MAX {
            return Err(OfferError::TooManyEntries.into());
        }
        let size = if kind == EntryKind::File { Seen::new(stat).size } else { 0 };
        let mode = Some(stat.st_mode & 0o777);
        let entry = Entry { path, kind, size, mtime: Some(mtime(stat)), mode };
        if !fits_a_frame(&entry) {
            self.notices.push(Notice::SkippedTooDeep { path: on_disk.to_owned() });
            return Ok(false);
        }
        self.entries.push(entry);
        self.contents.push(content);
        Ok(true)
    }

    /// A name that can be offered and is not taken, with a notice if it is not the own one.
    fn offered_name(&mut self, on_disk: &Path, own: &OsStr, role: Role, taken: &mut HashSet<String>) -> String {
        let wanted = String::from_utf8_lossy(own.as_bytes()).replace(is_not_offered, "_");
        let mut name = wanted.clone();
        let mut number = 0;
        while !taken.insert(name.clone()) {
            number += 1;
            name = numbered(&wanted, number, role);
        }
        if verbatim(own) != Some(name.as_str()) {
            self.notices.push(Notice::Renamed { path: on_disk.to_owned(), name: name.clone() });
        }
        name
    }
}

enum Skip {
    Link,
    Unreadable(io::Error),
}

/// The name itself, if it can be offered as it is.
fn verbatim(name: &OsStr) -> Option<&str> {
    name.to_str().filter(|name| !name.contains(is_not_offered))
}

fn is_not_offered(c: char) -> bool {
    c == '\\' || c == char::REPLACEMENT_CHARACTER || c.is_control()
}

fn list(folder: &OwnedFd) -> io::Result<Vec<OsString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder)? {
        let name = OsString::from_vec(entry?.file_name().to_bytes().to_vec());
        if name != "." && name != ".." {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}
