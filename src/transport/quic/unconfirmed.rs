//! `Unconfirmed`: the frames that QUIC was given and the peer has not confirmed.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use tokio::sync::Notify;

use crate::transport::DATA_HEADER_BYTES;

/// A frame of file data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) header: [u8; DATA_HEADER_BYTES],
    pub(super) payload: Bytes,
}

/// Frames by the index of their stream, in order. What is in here is bounded by QUIC's windows, as is what it holds itself.
#[derive(Debug, Default)]
pub(super) struct Unconfirmed {
    streams: Mutex<BTreeMap<u64, Vec<Frame>>>,
    emptied: Notify,
}

impl Unconfirmed {
    pub(super) fn add(&self, stream: u64, frame: Frame) {
        self.streams().entry(stream).or_default().push(frame);
    }

    /// Forgets a stream that was delivered whole.
    pub(super) fn confirm(&self, stream: u64) {
        let mut streams = self.streams();
        streams.remove(&stream);
        if streams.is_empty() {
            self.emptied.notify_waiters();
        }
    }

    /// Takes everything.
    pub(super) fn take(&self) -> BTreeMap<u64, Vec<Frame>> {
        let streams = std::mem::take(&mut *self.streams());
        self.emptied.notify_waiters();
        streams
    }

    /// Waits until everything is confirmed or taken.
    pub(super) async fn emptied(&self) {
        loop {
            let notified = self.emptied.notified();
            if self.streams().is_empty() {
                return;
            }
            notified.await;
        }
    }

    fn streams(&self) -> MutexGuard<'_, BTreeMap<u64, Vec<Frame>>> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
