//! `LinkWatch`: reports the path in use and its disturbances, and turns a lost connection into an error.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::context::Context;
use super::event::Event;
use super::search::Goal;
use crate::error::Error;
use crate::transport::{Channel, DataPlane, Incoming, Path, PathKind};

/// What is told of a channel beside what it carries.
#[derive(Debug)]
pub(super) struct LinkWatch {
    context: Context,
    due: Instant,
    last: Option<(Path, DataPlane)>,
    is_disturbed: bool,
}

impl LinkWatch {
    pub(super) fn new(context: &Context, channel: &Channel) -> Self {
        if let Some(buffers) = channel.socket_buffers().filter(|buffers| buffers.are_capped()) {
            context.events.report(Event::SmallSocketBuffers { granted: buffers.granted, wanted: buffers.wanted });
        }
        Self { context: context.clone(), due: Instant::now(), last: None, is_disturbed: false }
    }

    /// Passes on what the channel carries.
    ///
    /// # Errors
    /// The connection is lost.
    pub(super) fn incoming(&mut self, incoming: Incoming) -> Result<Option<Incoming>, Error> {
        match incoming {
            Incoming::Ctl(_) | Incoming::Data(_) => return Ok(Some(incoming)),
            Incoming::Disturbed => self.disturbed(true),
            Incoming::Recovered => self.disturbed(false),
            Incoming::Lost(lost) => return Err(Error::Lost(lost)),
        }
        Ok(None)
    }

    fn disturbed(&mut self, is_disturbed: bool) {
        if std::mem::replace(&mut self.is_disturbed, is_disturbed) == is_disturbed {
            return;
        }
        if is_disturbed {
            self.context.lend_slot();
        } else {
            self.context.take_back_slot();
        }
        self.context.events.report(Event::Disturbed(self.context.peer, is_disturbed));
    }

    /// Takes note that another channel takes over.
    pub(super) fn replaced(&mut self) {
        self.disturbed(false);
    }

    /// What sort of connection would be better than the present one, if any.
    pub(super) fn wish(&self) -> Option<Goal> {
        match &self.last {
            _ if self.is_disturbed => Some(Goal::Any),
            Some((path, DataPlane::WebSocket)) if path.kind == PathKind::Relay => Some(Goal::Datagrams),
            Some((path, _)) if path.kind == PathKind::Relay => Some(Goal::Direct),
            Some(_) | None => None,
        }
    }

    /// Waits until it is time for a look at the path.
    pub(super) async fn due(&self) {
        sleep_until(self.due).await;
    }

    /// Looks at the path, and reports it when it or its round trip changed.
    pub(super) async fn look(&mut self, channel: &Channel) {
        self.due = Instant::now() + LOOK_EVERY;
        let seen = channel.path().await.map(|path| (path, channel.data_plane()));
        if seen != self.last
            && let Some((path, plane)) = seen
        {
            self.context.events.report(Event::Path(self.context.peer, path, plane));
        }
        self.last = seen;
    }
}

/// A look costs a snapshot of all statistics.
const LOOK_EVERY: Duration = Duration::from_secs(1);
