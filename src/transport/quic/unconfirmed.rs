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

/// Frames by the index of their stream, in order.
#[derive(Debug, Default)]
pub(super) struct Unconfirmed {
    streams: Mutex<Streams>,
    /// Told whenever something is confirmed or taken.
    fewer: Notify,
}

#[derive(Debug, Default)]
struct Streams {
    frames: BTreeMap<u64, Vec<Frame>>,
    bytes: usize,
}

impl Unconfirmed {
    pub(super) fn add(&self, stream: u64, frame: Frame) {
        let mut streams = self.streams();
        streams.bytes += frame.payload.len();
        streams.frames.entry(stream).or_default().push(frame);
    }

    /// Forgets a stream that was delivered whole.
    pub(super) fn confirm(&self, stream: u64) {
        let mut streams = self.streams();
        let frames = streams.frames.remove(&stream).unwrap_or_default();
        streams.bytes -= frames.iter().map(|frame| frame.payload.len()).sum::<usize>();
        drop(streams);
        self.fewer.notify_waiters();
    }

    /// Takes everything.
    pub(super) fn take(&self) -> BTreeMap<u64, Vec<Frame>> {
        let streams = std::mem::take(&mut *self.streams());
        self.fewer.notify_waiters();
        streams.frames
    }

    /// Waits until everything is confirmed or taken.
    pub(super) async fn emptied(&self) {
        self.until(|streams| streams.frames.is_empty()).await;
    }

    /// Waits until there are fewer bytes than `max` says at that moment.
    pub(super) async fn below(&self, max: impl Fn() -> usize) {
        self.until(|streams| streams.bytes < max()).await;
    }

    async fn until(&self, reached: impl Fn(&Streams) -> bool) {
        loop {
            let notified = self.fewer.notified();
            if reached(&self.streams()) {
                return;
            }
            notified.await;
        }
    }

    fn streams(&self) -> MutexGuard<'_, Streams> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn room_comes_with_what_is_confirmed_or_with_a_larger_bound() {
        let unconfirmed = Unconfirmed::default();
        let frame = Frame { header: [0; DATA_HEADER_BYTES], payload: Bytes::from_static(&[0; 60]) };
        unconfirmed.add(1, frame.clone());
        unconfirmed.add(2, frame);
        assert_eq!(unconfirmed.below(|| 120).now_or_never(), None);
        assert_eq!(unconfirmed.below(|| 121).now_or_never(), Some(()));
        let mut waiting = Box::pin(unconfirmed.below(|| 120));
        assert_eq!(waiting.as_mut().now_or_never(), None);
        unconfirmed.confirm(1);
        assert_eq!(waiting.now_or_never(), Some(()));
        assert_eq!(unconfirmed.emptied().now_or_never(), None);
        unconfirmed.take();
        assert_eq!(unconfirmed.emptied().now_or_never(), Some(()));
    }
}
