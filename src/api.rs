//! What this library does: share or fetch files, as the side that hosts or as the one that joins, and see who is nearby.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use p2pshare_protocol::streams::Streams;
use zeroize::Zeroizing;

use crate::error::Error;
use crate::session::{
    Destination, Encounter, Events, Invitation, Neighbour, ShareOptions, Stop, Summary, Work, host_share, join_share,
    look_around,
};
use crate::signaling::{Proxies, ServerUrl};
use crate::storage::acquaintances::Acquaintances;
use crate::storage::source::Source;
use crate::transport::TransportConfig;

/// What both directions need.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The signalling server. Without one a share runs a server of its own, and a code is looked for on this machine and
    /// on the local network.
    pub server: Option<ServerUrl>,
    /// The proxies on the way to servers.
    pub proxies: Proxies,
    /// The name that the peer is told.
    pub name: String,
    /// The password to join with, if it is known beforehand; otherwise it is asked for.
    pub password: Option<Zeroizing<String>>,
    /// Whether the joining side wants both people to compare a short number.
    pub verify: bool,
    /// Who meets whom, on the side that joins a device that was found by its name alone: it is asked for the short number too.
    pub encounter: Option<Encounter>,
    /// The devices that are remembered, and whether more are to be.
    pub acquaintances: Option<Arc<Acquaintances>>,
    /// How long a lost peer is looked for; zero gives up at once.
    pub retry: Duration,
    /// The most bytes a second to move, with all guests together.
    pub limit: Option<NonZeroU64>,
    /// Over how many connections file data goes where QUIC does not carry it.
    pub streams: Streams,
    /// Whether the local network is told of shares, by their nameplates, and searched for codes.
    pub lan: bool,
    /// How the connection is made.
    pub transport: TransportConfig,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            server: None,
            proxies: Proxies::default(),
            name: String::new(),
            password: None,
            verify: false,
            encounter: None,
            acquaintances: None,
            retry: Duration::from_secs(600),
            limit: None,
            streams: Streams::Auto,
            lan: true,
            transport: TransportConfig::default(),
        }
    }
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
    host_share(Work::Send(source), share, settings, events, stop).await
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
    join_share(Work::Receive(destination.clone()), invitation, settings, events, stop).await
}

/// Opens an inbox: whoever has the code or link may send into `destination`.
///
/// # Errors
/// The inbox cannot be opened, or its only sender failed.
pub async fn inbox(
    destination: &Destination,
    share: &ShareOptions,
    settings: &Settings,
    events: Events,
    stop: Stop,
) -> Result<Summary, Error> {
    host_share(Work::Receive(destination.clone()), share, settings, events, stop).await
}

/// Sends `source` into the inbox that `invitation` leads to.
///
/// # Errors
/// The inbox cannot be joined, or does not take everything.
pub async fn send_to(
    invitation: &Invitation,
    source: Arc<Source>,
    settings: &Settings,
    events: Events,
    stop: Stop,
) -> Result<Summary, Error> {
    join_share(Work::Send(source), invitation, settings, events, stop).await
}

/// Looks for devices that let themselves be seen, on this machine's networks and at the server that the settings name: until
/// the time is up, or a moment after `is_enough` says so of those that were found.
///
/// # Errors
/// The server that was named cannot be asked, and nobody else was found.
pub async fn nearby(
    settings: &Settings,
    time: Duration,
    is_enough: impl Fn(&[Neighbour]) -> bool,
) -> Result<Vec<Neighbour>, Error> {
    look_around(settings, time, is_enough).await
}
