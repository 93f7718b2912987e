//! `Store`: where received bytes go, a folder or a pipe.

use std::future::pending;

use bytes::Bytes;
use tokio::time::{Instant, sleep_until};

use crate::error::Error;
use crate::storage::pipe::Pipe;
use crate::storage::sink::{Sink, SinkJob, SinkOutcome};

/// The two places.
#[derive(Debug)]
pub(super) enum Store {
    Folder(Sink),
    Pipe(Pipe),
}

/// What became of a job.
#[derive(Debug)]
pub(super) enum Stored {
    /// What the sink says.
    Sink(SinkOutcome),
    /// So many bytes went through the pipe.
    Passed(u64),
}

impl Store {
    /// Hands a job to the sink; a pipe has nothing to name, to settle or to delete.
    pub(super) fn submit(&mut self, job: SinkJob) {
        match self {
            Self::Folder(sink) => sink.submit(job),
            Self::Pipe(_) => {}
        }
    }

    pub(super) fn pass(&mut self, bytes: Bytes) {
        match self {
            Self::Pipe(pipe) => pipe.submit(bytes),
            Self::Folder(_) => {}
        }
    }

    /// Whether it takes time to settle after the last entry.
    pub(super) const fn settles(&self) -> bool {
        matches!(self, Self::Folder(_))
    }

    pub(super) fn close(self) {
        match self {
            Self::Folder(sink) => sink.close(),
            Self::Pipe(_) => {}
        }
    }
}

/// The next outcome, not before `earliest`; pends while there is no store. Cancel-safe.
pub(super) async fn next_stored_after(earliest: Option<Instant>, store: &mut Option<Store>) -> Result<Stored, Error> {
    if let Some(earliest) = earliest {
        sleep_until(earliest).await;
    }
    match store {
        Some(Store::Folder(sink)) => Ok(Stored::Sink(sink.next().await)),
        Some(Store::Pipe(pipe)) => pipe.next().await.map(Stored::Passed).map_err(Error::Pipe),
        None => pending().await,
    }
}
