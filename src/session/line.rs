//! `Line`: the way to a peer that this side has paired with, renewed when it is lost and replaced when there is a better one.

use std::sync::Arc;
use std::time::Duration;

use p2pshare_protocol::keys::SessionKeys;
use p2pshare_protocol::streams::Stripe;
use tokio::time::{sleep, timeout};

use super::context::Context;
use super::event::Event;
use super::further::{Further, News};
use super::search::{Found, Goal, Search};
use crate::error::Error;
use crate::signaling::ServerUrl;
use crate::transport::{Channel, DataPlane, PathPolicy, TransportConfig};

/// A channel, and what it takes to get another one to the same peer.
pub(super) struct Line {
    pub(super) channel: Channel,
    keys: Arc<SessionKeys>,
    /// The keys before: the peer may not have got as far as the newest.
    previous: Option<Arc<SessionKeys>>,
    way: Way,
    /// Opens further connections beside the channel.
    pub(super) further: Further,
    /// Looks for another channel.
    pub(super) search: Option<Search>,
}

/// Where and how long the peer is looked for.
#[derive(Debug, Clone)]
pub(super) struct Way {
    pub(super) server: ServerUrl,
    pub(super) config: Arc<TransportConfig>,
    pub(super) retry: Duration,
}

impl Line {
    pub(super) fn new(channel: Channel, keys: SessionKeys, way: Way) -> Self {
        Self { channel, keys: Arc::new(keys), previous: None, way, further: Further::new(), search: None }
    }

    /// Opens a further connection beside the channel.
    pub(super) fn connect(&mut self, n: u8) {
        if let Some(recipe) = self.channel.recipe() {
            self.further.open(n, None, &recipe, &self.keys);
        }
    }

    /// Takes in what the peer says of a further connection.
    pub(super) fn hear(&mut self, n: u8, said: Stripe) {
        self.further.hear(n, said, self.channel.recipe().as_ref(), &self.keys);
    }

    /// Acts on news of further connections; returns what is to be told the peer, which the receiver of files tells when one is ready.
    pub(super) fn note(&mut self, news: News) -> (u8, Stripe) {
        match news {
            News::Say(n, said) => (n, said),
            News::Ready(n, channel) => {
                self.channel.join(*channel);
                (n, Stripe::Open)
            }
        }
    }

    /// Whether a lost connection is worth waiting for.
    pub(super) const fn can_renew(&self) -> bool {
        !self.way.retry.is_zero()
    }

    /// Looks for another channel, as long as there is something to be looked for.
    pub(super) fn look_for(&mut self, goal: Option<Goal>, context: &Context) {
        let is_possible = |goal: &Goal| {
            let is_asked_for = *goal == Goal::Direct && self.way.config.path_policy == PathPolicy::RelayOnly;
            self.can_renew() && !is_asked_for
        };
        match (goal.filter(is_possible), &self.search) {
            (None, _) => self.search = None,
            (Some(goal), Some(search)) if search.goal() == goal => {}
            (Some(goal), Some(search)) => search.change(goal),
            (Some(goal), None) => {
                let keys = std::iter::once(&self.keys).chain(&self.previous).cloned().collect();
                let needed_detour = self.channel.data_plane() == DataPlane::WebSocket;
                self.search = Some(Search::start(keys, self.way.clone(), context, goal, needed_detour));
            }
        }
    }

    /// Goes on over another channel to the same peer, which is about to do the same.
    pub(super) fn replace(&mut self, found: Found) {
        let old = self.take(found);
        tokio::spawn(async move {
            sleep(OLD_MAX).await;
            old.hang_up().await;
        });
    }

    fn take(&mut self, (channel, keys): Found) -> Channel {
        self.search = None;
        self.further = Further::new();
        self.previous = Some(std::mem::replace(&mut self.keys, Arc::new(keys)));
        std::mem::replace(&mut self.channel, channel)
    }

    /// Finds the peer again after the connection was lost with `error`.
    ///
    /// # Errors
    /// The peer did not come back in time (`error` then), or this side is told to stop.
    pub(super) async fn renew(&mut self, error: Error, context: &Context) -> Result<(), Error> {
        context.events.report(Event::Reconnecting(context.peer));
        context.lend_slot();
        self.look_for(Some(Goal::Any), context);
        let mut stop = context.stop.clone();
        let found = tokio::select! {
            () = stop.requested() => Err(Error::Stopped),
            found = timeout(self.way.retry, found(&mut self.search)) => found.map_err(|_| error),
        };
        let found = found.inspect_err(|_| self.search = None)?;
        context.take_back_slot();
        drop(self.take(found));
        context.events.report(Event::Reconnected(context.peer));
        Ok(())
    }
}

/// Waits until a search has found something; for ever if there is none. Cancel-safe.
pub(super) async fn found(search: &mut Option<Search>) -> Found {
    match search {
        Some(search) => search.found().await,
        None => std::future::pending().await,
    }
}

/// How long a channel is kept after another one took over: if the peer hears of its end first, it believes that all is lost.
const OLD_MAX: Duration = Duration::from_secs(2);
