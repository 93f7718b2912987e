//! `LinkWatch`: reports the path in use and its disturbances, and turns a lost connection into an error.

use std::time::Duration;

use p2pshare_protocol::streams::Look;
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
    /// The bytes of file data that were sent at the last look, and when that was.
    sent: (u64, Instant),
    is_disturbed: bool,
    /// Until when a connection that came back is not relied upon.
    distrusted: Option<Instant>,
}

impl LinkWatch {
    pub(super) fn new(context: &Context, channel: &Channel) -> Self {
        if let Some(buffers) = channel.socket_buffers().filter(|buffers| buffers.are_capped()) {
            context.events.report(Event::SmallSocketBuffers { granted: buffers.granted, wanted: buffers.wanted });
        }
        let now = Instant::now();
        let (sent, is_disturbed, distrusted) = ((0, now), false, None);
        Self { context: context.clone(), due: now, last: None, sent, is_disturbed, distrusted }
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
            self.distrusted = Some(Instant::now() + DISTRUST);
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
            Some((_, plane)) if self.is_distrusted() && *plane != DataPlane::Quic => Some(Goal::Any),
            Some((path, DataPlane::WebSocket)) if path.kind == PathKind::Relay => Some(Goal::Datagrams),
            Some((path, _)) if path.kind == PathKind::Relay => Some(Goal::Direct),
            Some(_) | None => None,
        }
    }

    fn is_distrusted(&self) -> bool {
        self.distrusted.is_some_and(|until| Instant::now() < until)
    }

    /// Has the path looked at soon: something about it has changed.
    pub(super) fn hurry(&mut self) {
        self.due = Instant::now();
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

    /// The same on the side that has `sent` so many bytes of file data; returns what decides about further connections, where those could be of
    /// use.
    pub(super) async fn look_at_spare(&mut self, channel: &Channel, sent: u64) -> Option<Look> {
        self.look(channel).await;
        let (before, at) = std::mem::replace(&mut self.sent, (sent, Instant::now()));
        let seconds = self.sent.1.duration_since(at).as_secs_f64().max(0.001);
        let rate = (sent.saturating_sub(before) as f64 / seconds) as u64;
        let (path, _) = self.last.filter(|_| channel.recipe().is_some())?;
        let (round_trip, is_relayed) = (path.round_trip?, path.kind == PathKind::Relay);
        Some(Look { round_trip, is_busy: channel.is_busy().await, rate, is_relayed })
    }
}

/// A look costs a snapshot of all statistics.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long another connection is looked for although the present one came back: SCTP and TCP repeat what was lost ever more
/// rarely, after a silence of fifteen seconds only when as many again have passed.
const DISTRUST: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Settings;
    use crate::session::event::Events;
    use crate::session::stop::Stop;

    #[tokio::test(start_paused = true)]
    async fn a_data_channel_that_came_back_is_not_relied_upon_for_a_while() {
        let mut watch = watch_of(DataPlane::DataChannel);
        assert_eq!(watch.wish(), None);
        watch.disturbed(true);
        assert_eq!(watch.wish(), Some(Goal::Any));
        watch.disturbed(false);
        assert_eq!(watch.wish(), Some(Goal::Any), "it repeats rarely what was lost");
        tokio::time::advance(DISTRUST).await;
        assert_eq!(watch.wish(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn quic_that_came_back_goes_on() {
        let mut watch = watch_of(DataPlane::Quic);
        watch.disturbed(true);
        watch.disturbed(false);
        assert_eq!(watch.wish(), None);
    }

    fn watch_of(data_plane: DataPlane) -> LinkWatch {
        let context = Context::new(&Settings::default(), Events::channel().0, Stop::new().1);
        let (kind, reason) = (PathKind::Direct, None);
        let path = Path { kind, data_plane, connections: 1, local: None, remote: None, round_trip: None, reason };
        let (due, last) = (Instant::now(), Some((path, data_plane)));
        LinkWatch { context, due, last, sent: (0, due), is_disturbed: false, distrusted: None }
    }
}
