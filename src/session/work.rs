//! What a side does with its peer once the channel is there.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::context::Context;
use super::event::Summary;
use super::line::Line;
use super::receive::{Destination, receive};
use super::send::send;
use crate::error::Error;
use crate::storage::source::Source;

/// The direction of the files, and where they come from or go.
#[derive(Debug, Clone)]
pub(crate) enum Work {
    Send(Arc<Source>),
    Receive(Destination),
}

impl Work {
    /// Does the work over a line, and closes it.
    pub(super) async fn run(&self, mut line: Line, context: &mut Context) -> Result<Summary, Error> {
        let result = match self {
            Self::Send(source) => send(&mut line, source, context).await,
            Self::Receive(destination) => receive(&mut line, destination, context).await,
        };
        match (self, &result) {
            // The sender's last word says that it has everything that this side said.
            (Self::Receive(_), Ok(_)) => line.channel.hang_up().await,
            (_, Ok(_)) => line.channel.close().await,
            // The last words of a side that gives up are worth a moment; the peer may be gone.
            (_, Err(_)) => drop(timeout(GOODBYE_MAX, line.channel.close()).await),
        }
        result
    }
}

/// How long a side that gives up may take to say so.
const GOODBYE_MAX: Duration = Duration::from_secs(2);
