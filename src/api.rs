//! The two things that this library does.

use std::sync::Arc;

use crate::error::Error;
use crate::session::{Destination, Events, Invitation, ShareOptions, Stop, Summary};
use crate::session::{host_share, join_share};
use crate::signaling::ServerUrl;
use crate::storage::source::Source;
use crate::transport::TransportConfig;

/// What both directions need.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// The signalling server. Without one a share runs a server of its own, and a code is looked for on this machine.
    pub server: Option<ServerUrl>,
    /// The name that the peer is told.
    pub name: String,
    /// How the connection is made.
    pub transport: TransportConfig,
}

/// Shares `source` with whoever has the code or link, which are reported as [`Event::Shared`](crate::Event::Shared).
///
/// Returns when the last receiver has everything, when the share expires or when it is stopped.
///
/// # Errors
/// The share cannot be opened, or its only receiver could not be served.
pub async fn send(
    source: Arc<Source>,
    share: &ShareOptions,
    settings: &Settings,
    events: Events,
    stop: Stop,
) -> Result<Summary, Error> {
    host_share(source, share, settings, events, stop).await
}

/// Fetches what is shared under `invitation`.
///
/// Offers are reported as [`Event::Offered`](crate::Event::Offered) and wait for an answer.
///
/// # Errors
/// The share cannot be joined, or not everything arrived.
pub async fn receive(
    invitation: &Invitation,
    destination: &Destination,
    settings: &Settings,
    events: Events,
    stop: Stop,
) -> Result<Summary, Error> {
    join_share(invitation, destination, settings, events, stop).await
}
