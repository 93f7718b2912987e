//! The plan: where each entry will go and whether there is room, decided before a byte flows.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use p2pshare_protocol::hash::Hash;
use p2pshare_protocol::local_name::{LocalPath, Mapper, Role};
use p2pshare_protocol::offer::{Entry, EntryId, EntryKind, Offer};

use super::entries::{ChunkSet, Entries, Item, State};
use super::found::{Disk, Found};
use super::identity::Identity;
use super::part::PartError;
use super::resume::{self, Left, Leftovers};
use super::write::OPEN_PARTS_MAX;
use super::{Notice, OnExists, RenameReason, RestartReason, SinkError, SinkOptions, Tree};

/// What an earlier run or somebody else left in the destination, as far as it matters for this offer.
#[derive(Debug, Default)]
pub struct Plan {
    /// Files whose name is taken on the disk. [`SinkOptions::on_exists`] has been applied to them;
    /// [`conflicts`](super::conflicts()) finds them beforehand.
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

/// Room that is left on the disk for others: an eighth of what is to be written, and so much at most, in bytes.
const RESERVE_BYTES_MAX: u64 = 64 << 20;
const RESERVED_PART: u64 = 8;

pub(super) fn plan(
    tree: &Tree,
    offer: &Offer,
    selected: &[EntryId],
    options: &SinkOptions,
) -> Result<Planned, SinkError> {
    let selected: HashSet<_> = selected.iter().copied().collect();
    let identities = identities(offer);
    let mut planning = Planning {
        tree,
        options,
        mapper: Mapper::new(options.naming),
        disk: Disk::new(tree),
        left: Leftovers::find(tree, &identities, options)?,
        latest_mtime: latest_mtime(),
        planned: Planned { plan: Plan::default(), notices: Vec::new(), entries: Entries::new() },
    };
    for ((id, entry), identity) in offer.iter().zip(identities) {
        if selected.contains(&id) {
            planning.entry(id, entry, identity)?;
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
    disk: Disk<'a>,
    left: Leftovers,
    latest_mtime: i64,
    planned: Planned,
}

impl Planning<'_> {
    fn entry(&mut self, id: EntryId, entry: &Entry, identity: Identity) -> Result<(), SinkError> {
        let on_exists = self.options.on_exists(id);
        let mtime = entry.mtime.map(|mtime| mtime.clamp(0, self.latest_mtime));
        let (mut exists, mut state) = (false, State::Absent);
        let (disk, resume) = (&mut self.disk, self.options.resume);
        let path = self.mapper.map(self.options.path(entry), role(entry.kind), |candidate, role| {
            let found = disk.look(candidate, role);
            // A skipped entry is not even compared.
            let is_compared = resume && role == Role::File && on_exists != OnExists::Skip;
            if is_compared && found.is_file_of(entry, mtime) {
                state = State::InPlace;
                return false;
            }
            exists |= role == Role::File && found != Found::Nothing;
            found.is_avoided(role, on_exists)
        });
        if exists && state != State::InPlace {
            self.planned.plan.existing.push(id);
            match on_exists {
                OnExists::Skip => {
                    self.planned.plan.skipped.push(id);
                    self.planned.notices.push(Notice::Kept { entry: id });
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
            mtime,
            executable: self.options.preserve_exec && entry.mode.is_some_and(|mode| mode & 0o100 != 0),
            on_exists,
            identity,
            superseded: Vec::new(),
            part: None,
            closed: None,
            chunks: ChunkSet::default(),
            state,
        };
        if let Some(link) = self.disk.link_in(&item.path, role(entry.kind)) {
            item.state = State::BehindLink;
            self.planned.plan.refused.push((id, SinkError::Symlink { path: link.as_str().into() }));
        } else {
            self.resume(id, &mut item)?;
            self.planned.plan.missing_bytes += item.missing_bytes();
        }
        self.planned.entries.insert(id, item);
        Ok(())
    }

    /// Finds and verifies what is on the disk of an entry already.
    fn resume(&mut self, id: EntryId, item: &mut Item) -> Result<(), SinkError> {
        let mut restarted = |reason| self.planned.notices.push(Notice::Restarted { entry: id, reason });
        let mut chunks = Vec::new();
        if item.is_journaled() {
            item.superseded = self.left.of_path(self.tree, &item.identity);
        }
        if item.state == State::InPlace {
            match resume::hash_file(self.tree, Path::new(item.path.as_str()), item.size) {
                Some(hashed) => chunks = hashed,
                None => item.state = State::Absent,
            }
        } else if item.is_journaled() && self.left.parts.contains(&item.identity.files()) {
            match resume::recover(self.tree, &item.identity, item.size) {
                Ok(Left::Part { part, chunks: verified, is_damaged }) => {
                    chunks = verified;
                    item.state = State::Partial;
                    // Held from here on, so that nobody else goes on with it; within reason.
                    item.part = Some(part);
                    self.left.open += 1;
                    if self.left.open > OPEN_PARTS_MAX {
                        item.close_part();
                    }
                    if is_damaged {
                        restarted(RestartReason::Damaged);
                    }
                }
                Ok(Left::Unusable) => restarted(RestartReason::JournalUnusable),
                Err(PartError::Busy) => return Err(SinkError::Busy { path: item.path.as_str().into() }),
                // What is in the way is reported when it is met again, at the first chunk.
                Ok(Left::Nothing) | Err(PartError::Foreign | PartError::Io(_)) => {}
            }
        } else if !item.superseded.is_empty() {
            restarted(RestartReason::SourceChanged);
        }
        for (chunk, _) in &chunks {
            item.chunks.insert(*chunk);
        }
        if !chunks.is_empty() {
            self.planned.plan.resumed.push((id, chunks));
        }
        Ok(())
    }

    fn note_name(&mut self, entry: EntryId, offered: &Entry, path: &LocalPath, exists: bool) {
        if !path.is_verbatim(self.options.path(offered)) {
            let reason = if exists { RenameReason::Exists } else { RenameReason::Unsuitable };
            self.planned.notices.push(Notice::Renamed { entry, path: path.clone(), reason });
        }
    }
}

pub(super) const fn role(kind: EntryKind) -> Role {
    match kind {
        EntryKind::Dir => Role::Folder,
        EntryKind::File | EntryKind::Text | EntryKind::Stream => Role::File,
    }
}

/// The identities of all entries of the offer, in order.
fn identities(offer: &Offer) -> Vec<Identity> {
    let mut occurrences = HashMap::new();
    let entries = offer.entries().iter();
    entries
        .map(|entry| {
            let first = Identity::new(entry, 0);
            let occurrence = occurrences.entry(first).or_insert(0);
            *occurrence += 1;
            if *occurrence == 1 { first } else { Identity::new(entry, *occurrence - 1) }
        })
        .collect()
}

/// A day from now in nanoseconds since 1970: no file claims to be newer.
pub(super) fn latest_mtime() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_nanos()).unwrap_or(i64::MAX).saturating_add(86_400_000_000_000)
}

fn check_room(tree: &Tree, missing_bytes: u64) -> Result<(), SinkError> {
    let free = tree.free_bytes().map_err(|error| SinkError::new(error, "."))?;
    let needed = missing_bytes.saturating_add(RESERVE_BYTES_MAX.min(missing_bytes / RESERVED_PART));
    if missing_bytes == 0 || free >= needed { Ok(()) } else { Err(SinkError::Full { needed, free }) }
}
