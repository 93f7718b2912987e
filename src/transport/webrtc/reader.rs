//! `Reader`: moves messages from one data channel to the inbox.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{mpsc, watch};
use webrtc::data_channel::{DataChannel, DataChannelEvent};

use super::keeper::Note;
use crate::transport::{
    channel::Incoming,
    error::Lost,
    inbox::{Ending, InboxSender},
    quic::Plane,
};

/// Which of the two lanes it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    Ctl,
    Data,
}

/// Moves messages from one lane to the inbox.
pub(super) struct Reader {
    pub(super) which: Which,
    pub(super) plane: Arc<Plane>,
    pub(super) messages: InboxSender,
    pub(super) notes: mpsc::UnboundedSender<Note>,
    pub(super) ending: Ending,
    /// Whether DTLS settled what was described. Nothing is passed on before.
    pub(super) examined: watch::Receiver<bool>,
}

impl Reader {
    pub(super) async fn run(mut self, lane: Arc<dyn DataChannel>) {
        loop {
            // `None` means that the driver is gone, by our own closing or by an accident. After `OnClose` the library
            // would have us wait for ever.
            let lost = match lane.poll().await {
                Some(DataChannelEvent::OnMessage(message)) => match self.pass(message.data.freeze()) {
                    Ok(()) => continue,
                    Err(lost) => lost,
                },
                Some(DataChannelEvent::OnOpen) => {
                    let _ = self.notes.send(Note::LaneOpen);
                    // Fails when the keeper has ended the connection.
                    let _ = self.examined.wait_for(|examined| *examined).await;
                    continue;
                }
                Some(DataChannelEvent::OnBufferedAmountLow) => {
                    self.note_low();
                    continue;
                }
                Some(DataChannelEvent::OnClose) => Lost::ClosedByPeer,
                Some(_) => continue,
                None => Lost::Stopped,
            };
            self.ending.end(lost);
            return;
        }
    }

    fn note_low(&self) {
        if self.which == Which::Data {
            self.plane.note_low();
        }
    }

    /// Passes on a message, unless it was about the lanes themselves.
    fn pass(&self, message: Bytes) -> Result<(), Lost> {
        let incoming = match self.which {
            Which::Ctl => self.plane.hear_ctl(message)?.map(Incoming::Ctl),
            Which::Data => self.plane.hear(message)?.map(Incoming::Data),
        };
        incoming.map_or(Ok(()), |incoming| self.messages.push(incoming))
    }
}
