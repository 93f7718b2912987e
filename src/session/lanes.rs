//! `Lanes`: two tasks that send, so that the loop which decides never waits for the network.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use p2pshare_protocol::data_frame::DataFrame;
use p2pshare_protocol::error::TransferError;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::pace::Pace;
use crate::error::Error;
use crate::transport::ChannelSender;

/// The queues to both lanes of a channel. A lane whose connection is lost takes everything and sends nothing: the loss is
/// told by the channel itself.
#[derive(Debug)]
pub(super) struct Lanes {
    ctl: mpsc::Sender<Bytes>,
    data: mpsc::Sender<DataFrame>,
    ctl_task: JoinHandle<()>,
    data_task: JoinHandle<()>,
    /// Bytes of file data that were handed to the connection.
    sent: Arc<AtomicU64>,
}

impl Lanes {
    /// Starts the tasks; data leaves at `pace`.
    pub(super) fn new(sender: ChannelSender, pace: Option<Pace>) -> Self {
        let (ctl, mut ctl_frames) = mpsc::channel::<Bytes>(CTL_QUEUE);
        let (data, mut data_frames) = mpsc::channel::<DataFrame>(DATA_QUEUE);
        let (data_sender, sent) = (sender.clone(), Arc::new(AtomicU64::new(0)));
        let counted = Arc::clone(&sent);
        let ctl_task = tokio::spawn(async move {
            while let Some(frame) = ctl_frames.recv().await {
                if sender.send_ctl(frame).await.is_err() {
                    return;
                }
            }
        });
        let data_task = tokio::spawn(async move {
            while let Some(frame) = data_frames.recv().await {
                if let Some(pace) = &pace {
                    pace.wait_for(frame.bytes.len()).await;
                }
                counted.fetch_add(frame.bytes.len() as u64, Ordering::Relaxed);
                if data_sender.send_data(frame.header(), frame.bytes).await.is_err() {
                    return;
                }
            }
        });
        Self { ctl, data, ctl_task, data_task, sent }
    }

    /// Bytes of file data that were handed to the connection.
    pub(super) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Queues a control frame.
    ///
    /// # Errors
    /// The peer takes so little that the queue is full.
    pub(super) fn send_ctl(&self, frame: Vec<u8>) -> Result<(), Error> {
        match self.ctl.try_send(frame.into()) {
            Ok(()) | Err(TrySendError::Closed(_)) => Ok(()),
            Err(TrySendError::Full(_)) => Err(TransferError::Silent.into()),
        }
    }

    /// Waits until there is room for data frames; for ever once the connection is lost.
    pub(super) async fn data_room(&self) -> mpsc::PermitIterator<'_, DataFrame> {
        let room = self.data.capacity().max(1);
        match self.data.reserve_many(room).await {
            Ok(permits) => permits,
            Err(_) => std::future::pending().await,
        }
    }

    /// Sends what is queued, for a short time, and ends the tasks.
    pub(super) async fn flush(self) {
        let Self { ctl, data, ctl_task, data_task, sent } = self;
        tracing::debug!(bytes = sent.load(Ordering::Relaxed), "file data sent");
        drop((ctl, data));
        data_task.abort();
        let _ = timeout(FLUSH_MAX, ctl_task).await;
    }
}

/// Control frames that may wait: an offer of 100,000 entries takes about 2,000.
const CTL_QUEUE: usize = 4096;

/// Data frames that may wait: enough to keep the connection's own buffer full while the loop does something else.
const DATA_QUEUE: usize = 16;

/// How long the last control frames may take to leave.
const FLUSH_MAX: Duration = Duration::from_secs(1);
