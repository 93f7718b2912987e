//! The plan: where each entry will go and whether there is room, decided before a byte flows.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use p2pshare_protocol::hash::Hash;
use p2pshare_protocol::local_name::{LocalPath, Mapper, Role};
use p2pshare_protocol::offer::{Entry, EntryId, EntryKind, Offer};
use rustix::fs::FileType;

use super::entries::{ChunkSet, Entries, Item, State};
use super::part::PartName;
use super::{Notice, OnExists, RenameReason, SinkError, SinkOptions, Tree};
use crate::storage::tree::file_type;

/// What an earlier run or somebody else left in the destination, as far as it matters for this offer.
#[derive(Debug, Default)]
pub struct Plan {
    /// Files whose name is taken on the disk. [`SinkOptions::on_exists`] has been applied to them; ask the user before
    /// opening again with other decisions.
    pub existing: Vec<EntryId>,
    /// Of these, the ones that are left out.
    pub skipped: Vec<EntryId>,
    /// Entries that cannot be received because a link is in the way; jobs for them fail with the same error.
    pub refused: Vec<(EntryId, SinkError)>,
    /// Chunks that are on the disk already, verified against their hashes here. They count once the sender's hashes are
    /// the same; a chunk that differs is simply written again.
    pub resumed: Vec<(EntryId, Vec<(u64, Hash)>)>,
    /// What is still to be written, in bytes, streams not counted.
    pub missing_bytes: u64,
}

pub(super) struct Planned {
    pub(super) plan: Plan,
    pub(super) notices: Vec<Notice>,
    pub(super) entries: Entries,
}

/// Room that is left on the disk for others, in bytes (SECURITY.md R11).
const RESERVE_BYTES: u64 = 64 << 20;

pub(super) fn plan(
    tree: &Tree,
    offer: &Offer,
    selected: &[EntryId],
    options: &SinkOptions,
) -> Result<Planned, SinkError> {
    let selected: HashSet<_> = selected.iter().copied().collect();
    let names = part_names(offer);
    let mut planning = Planning {
        tree,
        options,
        mapper: Mapper::new(options.naming),
        folders: HashMap::new(),
        latest_mtime: latest_mtime(),
        planned: Planned { plan: Plan::default(), notices: Vec::new(), entries: Entries::new() },
    };
    for ((id, entry), part_name) in offer.iter().zip(names) {
        if selected.contains(&id) {
            planning.entry(id, entry, part_name)?;
        }
    }
    let planned = planning.planned;
    check_room(tree, planned.plan.missing_bytes)?;
    Ok(planned)
}

struct Planning<'a> {
    tree: &'a Tree,
    options: &'a SinkOptions,
    mapper: Mapper,
    /// What lies at the folders that have been looked at.
    folders: HashMap<LocalPath, Found>,
    latest_mtime: i64,
    planned: Planned,
}

/// What lies at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    Nothing,
    Folder,
    Link,
    Other,
}

impl Planning<'_> {
    fn entry(&mut self, id: EntryId, entry: &Entry, part_name: PartName) -> Result<(), SinkError> {
        let on_exists = self.options.on_exists(id);
        let mut exists = false;
        let path = {
            let (tree, folders) = (self.tree, &mut self.folders);
            self.mapper.map(&entry.path, role(entry.kind), |candidate, role| {
                let found = look(tree, folders, candidate, role);
                exists |= role == Role::File && found != Found::Nothing;
                is_avoided(found, role, on_exists)
            })
        };
        if exists {
            self.planned.plan.existing.push(id);
            match on_exists {
                OnExists::Skip => {
                    self.planned.plan.skipped.push(id);
                    return Ok(());
                }
                OnExists::Fail => return Err(SinkError::Exists { path: path.as_str().into() }),
                OnExists::Rename | OnExists::Overwrite => {}
            }
        }
        self.note_name(id, entry, &path, exists);
        let mut item = Item {
            path,
            kind: entry.kind,
            size: entry.size,
            mtime: entry.mtime.map(|mtime| mtime.clamp(0, self.latest_mtime)),
            executable: self.options.preserve_exec && entry.mode.is_some_and(|mode| mode & 0o100 != 0),
            on_exists,
            part_name,
            part: None,
            chunks: ChunkSet::default(),
            state: State::Absent,
        };
        if let Some(link) = self.link_in(&item.path, role(entry.kind)) {
            item.state = State::BehindLink;
            self.planned.plan.refused.push((id, SinkError::Symlink { path: link.as_str().into() }));
        } else {
            self.planned.plan.missing_bytes += item.size;
        }
        self.planned.entries.insert(id, item);
        Ok(())
    }

    fn note_name(&mut self, entry: EntryId, offered: &Entry, path: &LocalPath, exists: bool) {
        if !path.is_verbatim(&offered.path) {
            let reason = if exists { RenameReason::Exists } else { RenameReason::Unsuitable };
            self.planned.notices.push(Notice::Renamed { entry, path: path.clone(), reason });
        }
    }

    /// The link that `path` would lead through.
    fn link_in(&self, path: &LocalPath, role: Role) -> Option<LocalPath> {
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
}

/// What lies at a candidate. Beneath a folder that is missing or a link nothing is looked for.
fn look(tree: &Tree, folders: &mut HashMap<LocalPath, Found>, candidate: &LocalPath, role: Role) -> Found {
    let is_reachable = candidate.folder().is_none_or(|folder| folders.get(&folder) == Some(&Found::Folder));
    let found = if is_reachable { found_at(tree, candidate) } else { Found::Nothing };
    if role == Role::Folder {
        folders.insert(candidate.clone(), found);
    }
    found
}

fn found_at(tree: &Tree, path: &LocalPath) -> Found {
    match tree.stat(Path::new(path.as_str())) {
        Ok(stat) if file_type(&stat) == FileType::Directory => Found::Folder,
        Ok(stat) if file_type(&stat) == FileType::Symlink => Found::Link,
        Ok(_) => Found::Other,
        Err(_) => Found::Nothing,
    }
}

fn is_avoided(found: Found, role: Role, on_exists: OnExists) -> bool {
    match (role, found) {
        (_, Found::Nothing) | (Role::Folder, Found::Folder | Found::Link) => false,
        (Role::Folder, Found::Other) | (Role::File, Found::Folder) => true,
        (Role::File, Found::Link | Found::Other) => on_exists == OnExists::Rename,
    }
}

const fn role(kind: EntryKind) -> Role {
    match kind {
        EntryKind::Dir => Role::Folder,
        EntryKind::File | EntryKind::Text | EntryKind::Stream => Role::File,
    }
}

/// The part names of all entries of the offer, in order.
fn part_names(offer: &Offer) -> Vec<PartName> {
    let mut occurrences = HashMap::new();
    offer
        .entries()
        .iter()
        .map(|entry| {
            let occurrence = occurrences.entry(PartName::new(entry, 0)).or_insert(0);
            *occurrence += 1;
            PartName::new(entry, *occurrence - 1)
        })
        .collect()
}

/// A day from now in nanoseconds since 1970: no file claims to be newer (SECURITY.md R8).
pub(super) fn latest_mtime() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_nanos()).unwrap_or(i64::MAX).saturating_add(86_400_000_000_000)
}

fn check_room(tree: &Tree, missing_bytes: u64) -> Result<(), SinkError> {
    let free = tree.free_bytes().map_err(|error| SinkError::new(error, "."))?;
    let needed = missing_bytes.saturating_add(RESERVE_BYTES);
    if missing_bytes == 0 || free >= needed { Ok(()) } else { Err(SinkError::Full { needed, free }) }
}
