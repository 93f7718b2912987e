//! The publisher: makes names durable, one fsync a folder for all that waits, and reports them.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc;

use p2pshare_protocol::offer::EntryId;

use super::commit::Shared;
use super::{SinkError, SinkOutcome};

/// Something that has its final name.
pub(super) struct Published {
    pub(super) entry: EntryId,
    /// Relative to the destination.
    pub(super) path: PathBuf,
    /// The folder that must be durable before this is reported; `None` if nothing was changed.
    pub(super) folder: Option<PathBuf>,
}

/// Publishes until nobody is left who could commit. What arrives during an fsync shares the next one.
pub(super) fn publish(shared: &Shared, incoming: &mpsc::Receiver<Published>) {
    while let Ok(first) = incoming.recv() {
        let batch: Vec<_> = std::iter::once(first).chain(incoming.try_iter()).collect();
        let mut folders: BTreeMap<PathBuf, io::Result<()>> = BTreeMap::new();
        let wanted = batch.iter().filter_map(|published| published.folder.clone());
        for folder in wanted.chain(shared.take_made_in()) {
            folders.entry(folder).or_insert_with_key(|folder| sync(shared, folder));
        }
        for Published { entry, path, folder } in batch {
            let outcome = match folder.and_then(|folder| failure(&folders, &folder)) {
                Some(error) => SinkOutcome::Failed { entry: Some(entry), error },
                None => SinkOutcome::Committed { entry, path },
            };
            shared.report_commit(outcome);
        }
    }
}

fn sync(shared: &Shared, folder: &Path) -> io::Result<()> {
    Ok(rustix::fs::fsync(shared.tree.folder(folder)?)?)
}

fn failure(folders: &BTreeMap<PathBuf, io::Result<()>>, folder: &Path) -> Option<SinkError> {
    let error = folders.get(folder)?.as_ref().err()?;
    let copy = error.raw_os_error().map_or_else(|| io::Error::from(error.kind()), io::Error::from_raw_os_error);
    Some(SinkError::new(copy, folder))
}
