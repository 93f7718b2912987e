//! One transfer from end to end: pairing, then a sender or receiver machine, over the adapters.
//!
//! ```text
//!  host.rs ── one task a guest ──┐                       ┌── send.rs ──── storage::source
//!                                ├── pair.rs ── work.rs ─┤
//!  guest.rs ─────────────────────┘      │                └── receive.rs ── storage::sink
//!        signaling (mailbox.rs)     transport (bind.rs, lanes.rs, link_watch.rs)
//! ```
//!
//! The loops here perform what the machines of `p2pshare_protocol` ask for and decide nothing about a transfer.

mod bind;
mod context;
mod event;
mod guest;
mod host;
mod ice;
mod lanes;
mod link_watch;
mod local;
mod mailbox;
mod pair;
mod random;
mod receive;
mod send;
mod stop;
mod work;

pub use event::{Decision, Event, Events, OfferRequest, PeerId, Stage, Summary, VerifyRequest};
pub use guest::Invitation;
pub use host::ShareOptions;
pub use local::LOCAL_PORTS;
pub use receive::Destination;
pub use stop::{Stop, Stopper};

use std::sync::Arc;

use context::Context;
use work::Work;

use crate::api::Settings;
use crate::error::Error;
use crate::storage::source::Source;

/// Opens a share and serves `source` to its guests.
pub(crate) async fn host_share(
    source: Arc<Source>,
    share: &ShareOptions,
    settings: &Settings,
    events: Events,
    stop: Stop,
) -> Result<Summary, Error> {
    let context = Context { peer: PeerId(0), name: settings.name.clone(), events, stop };
    let place = local::place(settings.server.as_ref()).await?;
    host::host(&place, share, &settings.transport, Work::Send(source), context).await
}

/// Joins a share and receives from its host.
pub(crate) async fn join_share(
    invitation: &Invitation,
    destination: &Destination,
    settings: &Settings,
    events: Events,
    stop: Stop,
) -> Result<Summary, Error> {
    let mut context = Context { peer: PeerId(0), name: settings.name.clone(), events, stop };
    let channel = guest::join(invitation, settings.server.as_ref(), &settings.transport, &mut context).await?;
    let summary = Work::Receive(destination.clone()).run(channel, &mut context).await?;
    context.events.report(Event::Done(context.peer, summary.clone()));
    Ok(summary)
}
