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
mod browser;
mod context;
mod detour;
mod event;
mod find;
mod further;
mod guest;
mod host;
mod ice;
mod lanes;
mod line;
mod link_watch;
mod local;
mod mailbox;
mod nearby;
mod pace;
mod pair;
mod patience;
mod random;
mod receive;
mod search;
mod send;
mod slot;
mod stop;
mod store;
mod work;

pub use event::{
    Decision, Event, Events, OfferRequest, PasswordRequest, PeerId, Stage, Summary, UnlockRequest, VerifyRequest,
};
pub use guest::Invitation;
pub use host::ShareOptions;
pub use local::LOCAL_PORTS;
pub use nearby::{Encounter, Neighbour};
pub use receive::Destination;
pub use stop::{Stop, Stopper};

use context::Context;
pub(crate) use nearby::look_around;
pub(crate) use work::Work;

use crate::api::Settings;
use crate::error::Error;

/// Opens a share and does `work` with its guests.
pub(crate) async fn host_share(
    work: Work,
    share: &ShareOptions,
    settings: &Settings,
    events: Events,
    stop: Stop,
) -> Result<Summary, Error> {
    let context = Context::new(settings, events, stop);
    let server = settings.server.clone().map(|server| server.through(&settings.proxies));
    let place = local::place(server.as_ref(), share.code.as_ref(), settings.lan).await?;
    host::host(place, share, &settings.transport, work, context).await
}

/// Joins a share and does `work` with its host.
pub(crate) async fn join_share(
    work: Work,
    invitation: &Invitation,
    settings: &Settings,
    events: Events,
    stop: Stop,
) -> Result<Summary, Error> {
    let mut context = Context::new(settings, events, stop);
    let way = guest::WayOptions {
        config: &settings.transport,
        retry: settings.retry,
        verify: settings.verify,
        encounter: settings.encounter.as_ref(),
        on_lan: settings.lan,
        proxies: &settings.proxies,
    };
    let server = settings.server.clone().map(|server| server.through(&settings.proxies));
    let line = guest::join(invitation, server.as_ref(), way, &mut context).await?;
    let summary = work.run(line, &mut context).await?;
    context.events.report(Event::Done(context.peer, summary.clone()));
    Ok(summary)
}
