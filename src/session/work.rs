//! What a side does with its peer once the channel is there.

use std::sync::Arc;

use super::context::Context;
use super::event::Summary;
use super::receive::{Destination, receive};
use super::send::send;
use crate::error::Error;
use crate::storage::source::Source;
use crate::transport::Channel;

/// The direction of the files, and where they come from or go.
#[derive(Debug, Clone)]
pub(super) enum Work {
    Send(Arc<Source>),
    Receive(Destination),
}

impl Work {
    /// Does the work over a bound channel, and closes it.
    pub(super) async fn run(&self, mut channel: Channel, context: &mut Context) -> Result<Summary, Error> {
        let result = match self {
            Self::Send(source) => send(&mut channel, source, context).await,
            Self::Receive(destination) => receive(&mut channel, destination, context).await,
        };
        channel.close().await;
        result
    }
}
