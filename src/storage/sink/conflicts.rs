//! Conflicts: which files of an offer would meet a name that is taken, looked for before anything is decided.

use std::path::Path;

use p2pshare_protocol::local_name::{Mapper, Role};
use p2pshare_protocol::offer::{EntryId, Offer};

use super::found::{Disk, Found};
use super::plan::{latest_mtime, role};
use super::{OnExists, SinkError, SinkOptions, Tree};

/// A file of an offer whose name is taken by another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The entry.
    pub entry: EntryId,
    /// The name that is taken, relative to the destination.
    pub path: String,
}

/// The conflicts of the selected entries with what lies in a directory. A file that may well be the offered one itself is
/// none. Blocks on the disk, and changes nothing.
///
/// # Errors
/// The directory cannot be used.
pub fn conflicts(
    destination: &Path,
    offer: &Offer,
    selected: &[EntryId],
    options: &SinkOptions,
) -> Result<Vec<Conflict>, SinkError> {
    let tree = Tree::open(destination).map_err(|error| SinkError::new(error, destination))?;
    let (mut disk, mut mapper) = (Disk::new(&tree), Mapper::new(options.naming));
    let (latest, mut conflicts) = (latest_mtime(), Vec::new());
    for (id, entry) in offer.iter().filter(|(id, _)| selected.binary_search(id).is_ok()) {
        let mtime = entry.mtime.map(|mtime| mtime.clamp(0, latest));
        let mut is_taken = false;
        let path = mapper.map(options.path(entry), role(entry.kind), |candidate, role| {
            let found = disk.look(candidate, role);
            is_taken = role == Role::File
                && matches!(found, Found::File { .. } | Found::Link | Found::Other)
                && !(options.resume && found.is_file_of(entry, mtime));
            // What cannot be replaced gets another name whatever is decided.
            found.is_avoided(role, OnExists::Overwrite)
        });
        if is_taken {
            conflicts.push(Conflict { entry: id, path: path.as_str().to_owned() });
        }
    }
    Ok(conflicts)
}
