//! The writer: takes jobs in order, verifies and writes chunks, and hands complete files on to be committed.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};

use bytes::Bytes;
use p2pshare_protocol::hash::Hash;
use p2pshare_protocol::limits::CHUNK_BYTES;
use p2pshare_protocol::offer::{EntryId, EntryKind};

use super::commit::{Committers, FileCommit, Shared, set_times};
use super::entries::{Entries, Item, State};
use super::part::{Part, PartError};
use super::publish::Published;
use super::{SinkError, SinkJob, SinkOutcome};

/// How many part files stay open between two chunks: with their journals half of what a process may usually open.
/// Beyond, the one that was used least recently is closed for the time being.
pub(super) const OPEN_PARTS_MAX: usize = 256;

/// Does jobs until the sink is dropped.
pub(super) fn run(jobs: &mpsc::Receiver<SinkJob>, entries: Entries, missing_bytes: u64, shared: &Arc<Shared>) {
    let committers = Committers::start(shared);
    let open = entries.iter().filter(|(_, item)| item.part.is_some()).map(|(id, _)| *id).collect();
    let mut writer = Writer { entries, shared, committers, open, missing_bytes };
    for job in jobs {
        if shared.outcomes.is_closed() {
            break;
        }
        writer.perform(job);
    }
    writer.discard_streams();
    writer.committers.join();
}

struct Writer<'a> {
    entries: Entries,
    shared: &'a Arc<Shared>,
    committers: Committers,
    /// The entries whose part files are open, least recently used first.
    open: VecDeque<EntryId>,
    /// What is still to be written, in bytes.
    missing_bytes: u64,
}

impl Writer<'_> {
    fn perform(&mut self, job: SinkJob) {
        match job {
            SinkJob::Write { entry, offset, pieces, hash } => {
                let outcome = self
                    .write(entry, offset, &pieces, hash)
                    .unwrap_or_else(|error| SinkOutcome::Failed { entry: Some(entry), error });
                self.shared.report(outcome);
            }
            SinkJob::Commit { entry } => {
                if let Err(error) = self.commit(entry) {
                    self.shared.report(SinkOutcome::Failed { entry: Some(entry), error });
                }
            }
            SinkJob::Discard { entry } => self.discard(entry),
            SinkJob::Finish => {
                self.shared.wait_for_commits();
                let outcome = match self.finish() {
                    Ok(()) => SinkOutcome::Finished,
                    Err(error) => SinkOutcome::Failed { entry: None, error },
                };
                self.shared.report(outcome);
            }
        }
    }

    fn write(&mut self, id: EntryId, offset: u64, pieces: &[Bytes], hash: Hash) -> Result<SinkOutcome, SinkError> {
        let bytes = pieces.iter().map(|piece| piece.len() as u64).sum();
        let item = self.entries.get(&id).ok_or(SinkError::NotSelected)?;
        if !item.is_chunk(offset, bytes) || Hash::of_pieces(pieces.iter().map(Bytes::as_ref)) != hash {
            return Ok(SinkOutcome::Corrupt { entry: id, offset });
        }
        let mut part = self.take_part(id)?;
        let written = part.write(offset, pieces, &hash);
        let item = self.put_part_back(id, part)?;
        if let Err(error) = written {
            let path = item.path.clone();
            return Err(self.shared.no_room_or(error, &path, self.missing_bytes));
        }
        item.size = item.size.max(offset + bytes);
        if item.chunks.insert(offset / CHUNK_BYTES) {
            self.missing_bytes = self.missing_bytes.saturating_sub(bytes);
        }
        Ok(SinkOutcome::Written { entry: id, offset, bytes })
    }

    fn commit(&mut self, id: EntryId) -> Result<(), SinkError> {
        let item = self.entries.get(&id).ok_or(SinkError::NotSelected)?;
        match (item.kind, item.state) {
            (_, State::BehindLink) => return Err(behind_link(item)),
            (_, State::Committed) => return Err(SinkError::Exists { path: item.path.as_str().into() }),
            (EntryKind::Dir, State::Absent | State::Partial | State::InPlace) => return self.commit_folder(id),
            (EntryKind::File | EntryKind::Text | EntryKind::Stream, State::InPlace) if item.is_complete() => {
                // A run that was killed after it named the file may have left it.
                if item.is_journaled() {
                    super::part::remove_journal(&self.shared.tree, item.identity.files());
                }
                let path = PathBuf::from(item.path.as_str());
                self.committers.publish(Published { entry: id, path, folder: None });
                return Ok(());
            }
            (
                EntryKind::File | EntryKind::Text | EntryKind::Stream,
                State::Absent | State::Partial | State::InPlace,
            ) => {}
        }
        if !item.is_complete() {
            return Err(SinkError::Incomplete { path: item.path.as_str().into() });
        }
        let part = self.take_part(id)?;
        let item = self.entries.get_mut(&id).ok_or(SinkError::NotSelected)?;
        item.state = State::Committed;
        self.committers.commit(FileCommit {
            entry: id,
            path: item.path.clone(),
            part,
            files: item.identity.files(),
            size: item.size,
            is_journaled: item.is_journaled(),
            superseded: std::mem::take(&mut item.superseded),
            on_exists: item.on_exists,
            executable: item.executable,
            mtime: item.mtime,
        });
        Ok(())
    }

    /// Deletes the part of an entry; one that cannot be deleted is only litter, and a later run finds it.
    fn discard(&mut self, id: EntryId) {
        if let Some(item) = self.entries.get_mut(&id)
            && item.state != State::Committed
        {
            drop(item.part.take());
            self.open.retain(|open| *open != id);
            super::part::remove(&self.shared.tree, item.identity.files());
        }
    }

    /// Deletes the parts of streams, which nobody can continue.
    fn discard_streams(&mut self) {
        let streams: Vec<_> =
            self.entries.iter().filter(|(_, item)| item.kind == EntryKind::Stream).map(|(id, _)| *id).collect();
        streams.into_iter().for_each(|id| self.discard(id));
    }

    fn commit_folder(&mut self, id: EntryId) -> Result<(), SinkError> {
        let item = self.entries.get_mut(&id).ok_or(SinkError::NotSelected)?;
        let path = PathBuf::from(item.path.as_str());
        self.shared.make_folder(&path).map_err(|error| self.shared.no_room_or(error, &item.path, 0))?;
        item.state = State::Committed;
        self.committers.publish(Published { entry: id, folder: path.parent().map(Path::to_owned), path });
        Ok(())
    }

    /// Sets the times of the folders; whatever was created in them has been. One that fails does not stop the others.
    fn finish(&self) -> Result<(), SinkError> {
        let is_made = |item: &&Item| item.kind == EntryKind::Dir && item.state == State::Committed;
        let set = |item: &Item| set_times(&self.shared.tree.folder(Path::new(item.path.as_str()))?, item.mtime);
        let failures = self.entries.values().filter(is_made).filter_map(|item| Some((item, set(item).err()?)));
        failures.last().map_or(Ok(()), |(item, error)| Err(SinkError::new(error, item.path.as_str())))
    }

    /// The part file of an entry, opened if it is not open.
    fn take_part(&mut self, id: EntryId) -> Result<Part, SinkError> {
        let item = self.entries.get_mut(&id).ok_or(SinkError::NotSelected)?;
        self.open.retain(|open| *open != id);
        match item.state {
            State::Absent | State::InPlace | State::Partial => {}
            State::BehindLink => return Err(behind_link(item)),
            State::Committed => return Err(SinkError::Exists { path: item.path.as_str().into() }),
        }
        item.take_part(&self.shared.tree).map_err(|error| match error {
            PartError::Busy => SinkError::Busy { path: item.path.as_str().into() },
            PartError::Foreign => SinkError::Denied { path: item.identity.files().part().into() },
            PartError::Io(error) => self.shared.no_room_or(error, &item.path, self.missing_bytes),
        })
    }

    /// Keeps a part file open for the next chunk, at the cost of the one that was used least recently.
    fn put_part_back(&mut self, id: EntryId, part: Part) -> Result<&mut Item, SinkError> {
        self.open.push_back(id);
        let oldest = if self.open.len() > OPEN_PARTS_MAX { self.open.pop_front() } else { None };
        if let Some(item) = oldest.and_then(|oldest| self.entries.get_mut(&oldest)) {
            item.close_part();
        }
        let item = self.entries.get_mut(&id).ok_or(SinkError::NotSelected)?;
        item.part = Some(part);
        Ok(item)
    }
}

fn behind_link(item: &Item) -> SinkError {
    SinkError::Symlink { path: item.path.as_str().into() }
}
