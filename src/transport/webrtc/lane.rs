//! `Lane`: sends on one data channel, and stops when the connection does.

use std::sync::Arc;

use bytes::BytesMut;
use webrtc::{data_channel::DataChannel, error::Error};

use crate::transport::{error::Lost, inbox::Ending};

/// The sending end of one data channel.
#[derive(Clone)]
pub(in crate::transport) struct Lane {
    channel: Arc<dyn DataChannel>,
    ending: Ending,
}

impl Lane {
    pub(super) fn new(channel: Arc<dyn DataChannel>, ending: Ending) -> Self {
        Self { channel, ending }
    }

    /// Sends a message. The library's own sending waits for ever on a path that has failed, hence the select.
    ///
    /// # Errors
    /// The connection is over.
    pub(in crate::transport) async fn send(&self, message: BytesMut) -> Result<(), Lost> {
        let sent = tokio::select! {
            biased;
            lost = self.ending.wait() => return Err(lost),
            sent = self.channel.send(message) => sent,
        };
        match sent {
            Ok(()) => Ok(()),
            Err(error) => {
                tracing::debug!(%error, "sending");
                let by_peer = matches!(error, Error::ErrDataChannelClosed | Error::ErrDataChannelNotExisted);
                self.ending.end(if by_peer { Lost::ClosedByPeer } else { Lost::Stopped });
                Err(self.ending.wait().await)
            }
        }
    }

    /// Waits until the connection is over.
    pub(in crate::transport) async fn lost(&self) -> Lost {
        self.ending.wait().await
    }
}
