//! `Arrived`: the files and folders at the top that were received, each told once.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use p2pshare::PeerId;

/// What has been told.
#[derive(Debug, Default)]
pub(crate) struct Arrived {
    /// The folder that is received into, unless it is the current one.
    pub(crate) folder: Option<PathBuf>,
    seen: BTreeSet<(PeerId, PathBuf)>,
}

impl Arrived {
    /// The place of an entry's top component, the first time that it is seen.
    pub(crate) fn first_seen(&mut self, peer: PeerId, path: &Path) -> Option<PathBuf> {
        let top = PathBuf::from(path.components().next()?.as_os_str());
        let place = match &self.folder {
            Some(folder) if folder != Path::new(".") => folder.join(&top),
            Some(_) | None => top.clone(),
        };
        self.seen.insert((peer, top)).then_some(place)
    }
}
