//! `Context`: what every part of one session needs.

use p2pshare_protocol::ctl::{Hello, Role};
use p2pshare_protocol::short_number::ShortNumber;
use tokio::sync::oneshot;

use super::event::{Event, Events, PeerId, Stage, VerifyRequest};
use super::stop::Stop;

/// Who the session is with, whom it reports to, and when it ends.
#[derive(Debug, Clone)]
pub(super) struct Context {
    pub(super) peer: PeerId,
    /// The name that the peer is told.
    pub(super) name: String,
    pub(super) events: Events,
    pub(super) stop: Stop,
}

impl Context {
    /// This side's greeting; the machines fill in what they do.
    pub(super) fn hello(&self) -> Hello {
        let agent = concat!("p2pshare/", env!("CARGO_PKG_VERSION")).to_owned();
        Hello { v: 1, role: Role::Sends, name: self.name.clone(), agent, features: Vec::new() }
    }

    /// Shows the short number and asks whether the other side shows the same.
    pub(super) fn ask_to_verify(&self, number: ShortNumber) -> oneshot::Receiver<bool> {
        let (answer, confirmation) = oneshot::channel();
        self.events.report(Event::Verify(self.peer, VerifyRequest { number, answer }));
        confirmation
    }

    pub(super) fn stage(&self, stage: Stage) {
        self.events.report(Event::Stage(self.peer, stage));
    }
}
