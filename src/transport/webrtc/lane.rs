//! `Lane`: sends on one data channel, and stops when the connection does.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::BytesMut;
use tokio::sync::{Notify, watch};
use webrtc::{data_channel::DataChannel, error::Error};

use crate::transport::{error::Lost, inbox::Ending};

/// The sending end of one data channel.
#[derive(Clone)]
pub(in crate::transport) struct Lane {
    channel: Arc<dyn DataChannel>,
    ending: Ending,
    /// Whether the peer's end is known to be open.
    is_open: watch::Sender<bool>,
    low: Arc<Low>,
    /// Bytes of the messages that the library took.
    sent: Arc<AtomicU64>,
}

/// Who waits for acknowledgements, and for how many.
#[derive(Debug, Default)]
struct Low {
    /// The library says when the bytes that are not acknowledged come down to so many.
    bytes: AtomicUsize,
    reached: Notify,
    #[cfg(test)]
    most: AtomicUsize,
}

impl Lane {
    pub(super) fn new(channel: Arc<dyn DataChannel>, ending: Ending) -> Self {
        Self { channel, ending, is_open: watch::Sender::new(false), low: Arc::default(), sent: Arc::default() }
    }

    /// Lets go what waits to be sent.
    pub(super) fn open(&self) {
        self.is_open.send_replace(true);
    }

    /// Notes that the bytes that are not acknowledged have come down to what was [waited for](Self::flight_below).
    pub(in crate::transport) fn note_low(&self) {
        self.low.reached.notify_one();
    }

    /// Bytes that are sent and not acknowledged; 0 when the connection is over.
    pub(in crate::transport) async fn outstanding_bytes(&self) -> usize {
        self.channel.outstanding_bytes().await.unwrap_or(0)
    }

    /// Bytes that were acknowledged, at least.
    pub(in crate::transport) async fn acknowledged_bytes(&self) -> u64 {
        // In this order: what is sent meanwhile is not taken for acknowledged.
        let sent = self.sent.load(Ordering::Relaxed);
        sent.saturating_sub(self.outstanding_bytes().await as u64)
    }

    /// Waits until at most so many bytes are sent and not acknowledged. For one task at a time.
    ///
    /// # Errors
    /// The connection is over.
    pub(in crate::transport) async fn flight_below(&self, bytes: usize) -> Result<(), Lost> {
        while self.channel.outstanding_bytes().await.is_ok_and(|flight| flight > bytes) {
            if self.low.bytes.swap(bytes, Ordering::Relaxed) != bytes {
                // An error means that the channel is closed, which ends the wait.
                let _ = self.channel.set_buffered_amount_low_threshold(bytes as u32).await;
            }
            tokio::select! {
                biased;
                lost = self.ending.wait() => return Err(lost),
                () = self.low.reached.notified() => {}
                // What was below the mark when the mark was set is not announced.
                () = tokio::time::sleep(LOOK_AGAIN) => {}
            }
        }
        Ok(())
    }

    /// Waits until the lane is open on both sides.
    ///
    /// # Errors
    /// The connection is over.
    pub(in crate::transport) async fn opened(&self) -> Result<(), Lost> {
        let mut is_open = self.is_open.subscribe();
        tokio::select! {
            biased;
            lost = self.ending.wait() => Err(lost),
            _ = is_open.wait_for(|open| *open) => Ok(()),
        }
    }

    /// Sends a message, once the lane is open.
    ///
    /// # Errors
    /// The connection is over.
    pub(in crate::transport) async fn send(&self, message: BytesMut) -> Result<(), Lost> {
        self.opened().await?;
        self.send_now(message).await
    }

    /// Sends a message over a data channel that is open here. The library's own sending waits for ever on a path that has failed, hence
    /// the select.
    ///
    /// # Errors
    /// The connection is over.
    pub(in crate::transport) async fn send_now(&self, message: BytesMut) -> Result<(), Lost> {
        let bytes = message.len() as u64;
        let sent = tokio::select! {
            biased;
            lost = self.ending.wait() => return Err(lost),
            sent = self.channel.send(message) => sent,
        };
        #[cfg(test)]
        self.low.most.fetch_max(self.channel.outstanding_bytes().await.unwrap_or(0), Ordering::Relaxed);
        match sent {
            Ok(()) => {
                self.sent.fetch_add(bytes, Ordering::Relaxed);
                Ok(())
            }
            Err(error) => {
                tracing::debug!(%error, "sending");
                let by_peer = matches!(error, Error::ErrDataChannelClosed | Error::ErrDataChannelNotExisted);
                self.ending.end(if by_peer { Lost::ClosedByPeer } else { Lost::Stopped });
                Err(self.ending.wait().await)
            }
        }
    }

    /// The most bytes that were not acknowledged after a message was sent.
    #[cfg(test)]
    pub(in crate::transport) fn most_in_flight(&self) -> usize {
        self.low.most.load(Ordering::Relaxed)
    }

    /// Waits until the connection is over.
    pub(in crate::transport) async fn lost(&self) -> Lost {
        self.ending.wait().await
    }
}

/// How often a number that does not change is looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
