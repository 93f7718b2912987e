//! The sink: puts verified chunks into part files and gives complete files their names.
//!
//! Order of events for a file: every chunk verified and written to `.p2pshare-*.part`, then fsync, mode
//! and time, rename without replacing, fsync of the folder, and only then the outcome. Whatever carries a final name
//! is complete and verified.

mod commit;
mod conflicts;
mod entries;
mod error;
mod found;
mod identity;
mod journal;
mod notice;
mod options;
mod part;
mod plan;
mod publish;
mod resume;
mod write;

use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};

use bytes::Bytes;
use p2pshare_protocol::hash::Hash;
use p2pshare_protocol::offer::{EntryId, Offer};
use tokio::sync::mpsc as tokio_mpsc;

pub use conflicts::{Conflict, conflicts};
pub use error::SinkError;
pub use notice::{Notice, RenameReason, RestartReason};
pub use options::{OnExists, SinkOptions};
pub use plan::Plan;

use super::tree::Tree;

/// Work for the sink. Every job but `Discard` has exactly one outcome.
#[derive(Debug)]
pub enum SinkJob {
    /// Verify a whole chunk and write it.
    Write {
        /// The entry.
        entry: EntryId,
        /// Where the chunk begins in the entry, in bytes.
        offset: u64,
        /// The chunk, in as many pieces as it arrived in.
        pieces: Vec<Bytes>,
        /// What the chunk must hash to.
        hash: Hash,
    },
    /// Give an entry its name: a file all of whose chunks are written, or a folder.
    Commit {
        /// The entry.
        entry: EntryId,
    },
    /// Delete what was written of an entry that will not be completed.
    Discard {
        /// The entry.
        entry: EntryId,
    },
    /// Give the folders their times, after all that was submitted before.
    Finish,
}

/// What became of a job. Jobs of one entry end in their order; commits of different entries overtake each other.
#[derive(Debug)]
pub enum SinkOutcome {
    /// The chunk is verified and written.
    Written {
        /// The entry.
        entry: EntryId,
        /// Where the chunk begins, in bytes.
        offset: u64,
        /// Its length, in bytes.
        bytes: u64,
    },
    /// The bytes are not the chunk that was promised; nothing was written.
    Corrupt {
        /// The entry.
        entry: EntryId,
        /// Where the chunk begins, in bytes.
        offset: u64,
    },
    /// The entry has its final name, and will have it after a power cut.
    Committed {
        /// The entry.
        entry: EntryId,
        /// Where it lies, relative to the destination.
        path: PathBuf,
    },
    /// The job could not be done. What is written stays and can be resumed.
    Failed {
        /// The entry; `None` for [`SinkJob::Finish`].
        entry: Option<EntryId>,
        /// Why.
        error: SinkError,
    },
    /// The folders have their times.
    Finished,
}

/// A sink that is ready, and what it is going to do.
#[derive(Debug)]
pub struct Opened {
    /// The sink.
    pub sink: Sink,
    /// What lies there already.
    pub plan: Plan,
    /// What the user should know.
    pub notices: Vec<Notice>,
}

/// Writes the entries of one offer beneath one directory.
///
/// Feed it with [`submit`](Self::submit), drain it with [`next`](Self::next). The queue between them is bounded by
/// the caller, who asks a peer for no more bytes than it wants to hold. Dropped, the sink stops after the job at hand;
/// part files stay for a later run.
#[derive(Debug)]
pub struct Sink {
    jobs: mpsc::Sender<SinkJob>,
    outcomes: tokio_mpsc::UnboundedReceiver<SinkOutcome>,
    writer: JoinHandle<()>,
}

impl Sink {
    /// Opens a directory for the selected entries of an offer and decides where each will go. Creates and changes
    /// nothing yet. Blocks on the disk: what an earlier run left is read and verified.
    ///
    /// # Errors
    /// The directory cannot be used, has too little room, is being received into by another process, or, under
    /// [`OnExists::Fail`], holds a name that is needed.
    pub fn open(
        destination: &Path,
        offer: &Offer,
        selected: &[EntryId],
        options: &SinkOptions,
    ) -> Result<Opened, SinkError> {
        let tree = Tree::open(destination).map_err(|error| SinkError::new(error, destination))?;
        let planned = plan::plan(&tree, offer, selected, options)?;
        let (jobs, incoming) = mpsc::channel();
        let (outgoing, outcomes) = tokio_mpsc::unbounded_channel();
        let missing_bytes = planned.plan.missing_bytes;
        let shared = Arc::new(commit::Shared::new(tree, outgoing));
        let writer = thread::spawn(move || write::run(&incoming, planned.entries, missing_bytes, &shared));
        let sink = Self { jobs, outcomes, writer };
        Ok(Opened { sink, plan: planned.plan, notices: planned.notices })
    }

    /// Makes a folder to receive into.
    ///
    /// # Errors
    /// Something of that name is there, or the disk refuses.
    pub fn make_folder(folder: &Path) -> Result<(), SinkError> {
        std::fs::create_dir(folder).map_err(|error| SinkError::new(error, folder))
    }

    /// Hands over a job. Never waits.
    pub fn submit(&mut self, job: SinkJob) {
        // The threads end only with this value, so somebody receives.
        let _ = self.jobs.send(job);
    }

    /// The next outcome; pends when no job is left. Cancel-safe.
    pub async fn next(&mut self) -> SinkOutcome {
        match self.outcomes.recv().await {
            Some(outcome) => outcome,
            None => std::future::pending().await,
        }
    }

    /// Stops and waits until nothing is being written and every lock is released. Blocks for the job at hand.
    pub fn close(self) {
        let Self { jobs, outcomes, writer } = self;
        drop((jobs, outcomes));
        // A panic in the writer has been reported by its thread; there is nothing left to stop.
        let _ = writer.join();
    }
}

#[cfg(test)]
mod tests;
