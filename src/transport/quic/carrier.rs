//! `Carrier`: connects along the route of the WebRTC connection, and again when that changes or the connection is lost.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use noq::{Connection, ConnectionError, Endpoint, Incoming, PathId, SendStream, TokioRuntime, VarInt};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::{Instant, sleep, timeout},
};
use tracing::debug;

use super::{
    Plane, Role,
    config::{self, Configs},
    credentials,
    ctl::Source,
    handover::{self, Got},
    receive::Delivery,
    send::Writer,
    socket::{Attachment, QuicSocket},
    unconfirmed::Unconfirmed,
    words::{self, Deliveries, Listener},
};
use crate::transport::{error::Lost, inbox::InboxSender, socket::Route};

/// Keeps a QUIC connection beside the WebRTC one.
pub(super) struct Carrier {
    pub(super) plane: Arc<Plane>,
    pub(super) role: Role,
    pub(super) configs: Configs,
    pub(super) messages: InboxSender,
    /// Until the first connection is up.
    pub(super) answers: Option<mpsc::Receiver<Got>>,
}

impl Carrier {
    /// Runs until the WebRTC connection is over, or QUIC is given up.
    pub(super) async fn run(mut self) {
        let ending = self.plane.ending.clone();
        let mut routes = self.plane.sockets.routes();
        let (mut failures, mut has_knocked) = (0, false);
        while failures < MAX_FAILURES {
            // It knocks once where the peer was heard from, before anything is nominated.
            let route = tokio::select! {
                _ = ending.wait() => return,
                route = next_route(&mut routes, |route| route.is_nominated || !has_knocked) => route,
            };
            let Some(route) = route else { return };
            has_knocked = true;
            let start = Instant::now();
            let Some(attempt) = Attempt::new(&route, self.role, &self.configs) else {
                if route.is_nominated {
                    return;
                }
                continue;
            };
            let code = || if ending.reason().is_some() { ENDED } else { QUIC_ONLY };
            if let Some((connection, saying, route)) = self.open(&attempt, &route, &mut routes).await {
                debug!(remote = %route.remote, "QUIC is up");
                self.carry(&connection, saying, &route, &mut routes).await;
                debug!(reason = ?connection.close_reason(), "QUIC is down");
                // What was under way goes over the data channels, which are waited for where they are not open yet.
                let _ = self.plane.lane.opened().await;
            } else if !route.is_nominated {
                // It knocked in vain, which says nothing of the path to come.
                attempt.close(code(), LAST_WORD_LIMIT).await;
                continue;
            }
            self.plane.awaited.send_replace(None);
            let limit = if ending.reason().is_some() { LAST_WORD_LIMIT } else { CLOSE_LIMIT };
            attempt.close(code(), limit).await;
            failures = if start.elapsed() > STEADY { 0 } else { failures + 1 };
            tokio::select! {
                _ = ending.wait() => return,
                () = sleep(PAUSE * failures * failures) => {}
            }
        }
        debug!("QUIC is given up");
    }

    /// Connects, and waits until the way is the nominated one; returns it as well.
    async fn open(
        &self,
        attempt: &Attempt,
        route: &Route,
        routes: &mut watch::Receiver<Option<Route>>,
    ) -> Option<(Connection, SendStream, Route)> {
        let opened = async {
            loop {
                let (connection, saying) = tokio::select! {
                    () = leaves(routes, route, self.role) => return None,
                    opened = attempt.connect(route, self.role, &self.configs, &self.plane) => opened?,
                };
                #[cfg(test)]
                self.plane.sockets.faults.note_open();
                let nominated = tokio::select! {
                    biased;
                    nominated = next_route(routes, |route| route.is_nominated) => Some(nominated?),
                    // Whatever the reason, it is none for this side: nothing was said, and why there is no path shows here, too.
                    _ = connection.closed() => None,
                    // A relay is, and QUIC would only be in the way.
                    () = sleep(NOMINATED_WITHIN) => return None,
                };
                match nominated {
                    Some(nominated) if goes_along(&connection, route, &nominated) => {
                        return Some((connection, saying, nominated));
                    }
                    // The client knocks again, at the same socket for all that is known.
                    Some(_) | None if self.role == Role::Server => {}
                    Some(_) | None => return None,
                }
            }
        };
        tokio::select! {
            _ = self.plane.ending.wait() => None,
            opened = opened => opened,
        }
    }

    /// Takes note of why the peer closed QUIC.
    fn heed(&self, reason: &ConnectionError) {
        if is_the_end(reason) {
            self.plane.ending.end(Lost::ClosedByPeer);
        }
    }

    /// Carries data until the connection is lost or the route changes, and hands over to the data lane.
    async fn carry(
        &mut self,
        connection: &Connection,
        saying: SendStream,
        route: &Route,
        routes: &mut watch::Receiver<Option<Route>>,
    ) {
        let Some(id) = handover::connection_id(connection) else { return };
        let plane = Arc::clone(&self.plane);
        let unconfirmed = Arc::new(Unconfirmed::default());
        let (words, to_be_said) = mpsc::unbounded_channel();
        let (deliveries, unsaid) = Deliveries::queue();
        let delivery = Arc::new(Delivery::new(id, connection.clone(), self.messages.clone(), deliveries));
        plane.receiving().delivery = Some(Arc::clone(&delivery));
        let (heard, count) = watch::channel(0);
        let listener = Listener {
            ctl: Arc::clone(&plane.ctl),
            unconfirmed: Arc::clone(&unconfirmed),
            messages: self.messages.clone(),
            source: Source::Quic(id),
            heard,
        };
        let mut tasks = JoinSet::new();
        tasks.spawn(words::say(saying, to_be_said, unsaid, count));
        tasks.spawn(delivery.run(listener, plane.ending.clone()));
        plane.ctl.use_quic(words);

        let mut answers = self.answers.take();
        let lost = async {
            plane.sending.lock().await.use_quic(
                Writer::new(connection.clone(), id, unconfirmed, Arc::clone(&plane.kept_max)),
                answers.take(),
            );
            plane.quic.send_replace(Some(connection.clone()));
            plane.awaited.send_replace(None);
            tokio::select! {
                _ = plane.ending.wait() => {}
                () = leaves(routes, route, Role::Client) => debug!("the route has changed"),
            }
        };
        tokio::select! {
            reason = connection.closed() => self.heed(&reason),
            () = lost => {}
        }
        self.answers = answers;
        plane.quic.send_replace(None);
        connection.close(if plane.ending.reason().is_some() { ENDED } else { QUIC_ONLY }, b"");
        // An error means that the WebRTC connection is over as well.
        plane.ctl.quic_lost();
        let _ = plane.ctl.repeat().await;
        let mut sending = plane.sending.lock().await;
        sending.quic_lost();
        let _ = sending.hand_over().await;
        drop(sending);
        tasks.shutdown().await;
    }
}

/// An endpoint on the socket of a route.
struct Attempt {
    endpoint: Endpoint,
    attachment: Attachment,
}

impl Attempt {
    fn new(route: &Route, role: Role, configs: &Configs) -> Option<Self> {
        let socket = QuicSocket::attach(route, config::max_segments(route))?;
        let attachment = socket.attachment();
        let server = match role {
            Role::Client => None,
            Role::Server => Some(configs.server(route)),
        };
        let runtime = Arc::new(TokioRuntime);
        let endpoint = Endpoint::new_with_abstract_socket(config::endpoint(), server, Box::new(socket), runtime);
        let endpoint = endpoint.inspect_err(|error| debug!(%error, "no QUIC endpoint")).ok()?;
        Some(Self { endpoint, attachment })
    }

    /// Connects; also returns the stream for words.
    async fn connect(&self, route: &Route, role: Role, configs: &Configs, plane: &Arc<Plane>) -> Option<Opened> {
        let connecting = async {
            match role {
                Role::Client => {
                    let connecting = self.endpoint.connect_with(configs.client(route), route.remote, credentials::NAME);
                    let connecting = connecting.inspect_err(|error| debug!(%error, "no QUIC connection")).ok()?;
                    let opened = async {
                        let connection = connecting.await?;
                        let saying = connection.open_uni().await?;
                        Ok::<_, ConnectionError>((connection, saying))
                    };
                    opened.await.inspect_err(|error| debug!(%error, "no QUIC connection")).ok()
                }
                Role::Server => accept(&self.endpoint, plane).await,
            }
        };
        let limit = match role {
            Role::Client => CONNECT_LIMIT,
            Role::Server => ACCEPT_LIMIT,
        };
        timeout(limit, connecting).await.ok().flatten()
    }

    /// Tells the peer, waits so long for an answer, and leaves the socket to WebRTC.
    async fn close(self, code: VarInt, limit: Duration) {
        self.endpoint.close(code, b"");
        let _ = timeout(limit, self.endpoint.wait_all_draining()).await;
        drop(self.attachment);
    }
}

/// A connection, and the stream for this side's words.
type Opened = (Connection, SendStream);

/// Waits for a client that proves to be the peer; one that does not go on with its handshake holds up no other.
pub(super) async fn accept(endpoint: &Endpoint, plane: &Arc<Plane>) -> Option<Opened> {
    let mut welcomes = JoinSet::new();
    loop {
        tokio::select! {
            incoming = endpoint.accept() => {
                let incoming = incoming?;
                if welcomes.len() < config::MAX_INCOMING {
                    welcomes.spawn(welcome(incoming, Arc::clone(plane)));
                } else {
                    incoming.refuse();
                }
            }
            Some(welcomed) = welcomes.join_next() => {
                match welcomed.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic())) {
                    Ok(opened) => return Some(opened),
                    Err(error) => debug!(%error, "a QUIC client is refused"),
                }
            }
        }
    }
}

/// Takes a client in, and tells it what is to be said first before it has proven to be the peer: that says nothing to anybody else, and the
/// peer has it a round trip earlier.
async fn welcome(incoming: Incoming, plane: Arc<Plane>) -> Result<Opened, ConnectionError> {
    let (connection, _) = match incoming.accept()?.into_0rtt() {
        Ok(early) => early,
        // A server can always speak early.
        Err(connecting) => {
            let connection = connecting.await?;
            let saying = connection.open_uni().await?;
            return Ok((connection, saying));
        }
    };
    let mut saying = connection.open_uni().await?;
    // Fails when the connection is lost, which is looked at next.
    let _ = saying.write_chunk(words::encoded(plane.ctl.early_words())).await;
    connection.handshake_confirmed().await?;
    Ok((connection, saying))
}

/// Waits until there is a route of use; `None` when there will be none.
async fn next_route(routes: &mut watch::Receiver<Option<Route>>, is_of_use: impl Fn(&Route) -> bool) -> Option<Route> {
    routes.wait_for(|route| route.as_ref().is_some_and(&is_of_use)).await.ok()?.clone()
}

/// Whether a connection that was opened on an early route goes along the nominated one.
fn goes_along(connection: &Connection, early: &Route, nominated: &Route) -> bool {
    let remote = connection.path(PathId::ZERO).and_then(|path| path.remote_address().ok());
    let is_there =
        |remote: SocketAddr| (remote.ip(), remote.port()) == (nominated.remote.ip(), nominated.remote.port());
    nominated.local == early.local && remote.is_some_and(is_there)
}

/// Waits until the nominated pair is another one. A server takes its client in from wherever it comes to the same socket.
async fn leaves(routes: &mut watch::Receiver<Option<Route>>, route: &Route, role: Role) {
    let is_same = |now: &Route| now.is_same(route) || role == Role::Server && now.local == route.local;
    let is_other = |now: &Option<Route>| now.as_ref().is_some_and(|now| !is_same(now));
    if routes.wait_for(is_other).await.is_err() {
        std::future::pending().await
    }
}

/// Whether the peer closed QUIC because the connection as a whole is over.
fn is_the_end(reason: &ConnectionError) -> bool {
    matches!(reason, ConnectionError::ApplicationClosed(close) if close.error_code == ENDED)
}

/// Closes QUIC, and nothing else.
const QUIC_ONLY: VarInt = VarInt::from_u32(0);

/// Says that the connection as a whole is over.
const ENDED: VarInt = VarInt::from_u32(1);

/// How long a client tries. The data channels open meanwhile.
const CONNECT_LIMIT: Duration = Duration::from_secs(3);

/// How long a server waits for its client, which may try twice in that time.
const ACCEPT_LIMIT: Duration = Duration::from_secs(10);

/// How long an early connection waits for the path to be nominated.
const NOMINATED_WITHIN: Duration = Duration::from_secs(10);

/// How long the last words may take where the connection itself goes on.
const CLOSE_LIMIT: Duration = Duration::from_millis(200);

/// How long they may take at its end: enough for them to leave. The peer hears of that from WebRTC as well, once its data channels are open;
/// before, one that misses them waits until QUIC is silent for too long.
const LAST_WORD_LIMIT: Duration = Duration::from_millis(1);

/// A connection that lived this long was worth it.
const STEADY: Duration = Duration::from_secs(30);

/// Attempts in a row that may fail before QUIC is given up.
const MAX_FAILURES: u32 = 4;

/// Waits this long after the first failure, four times that after the second, and so on.
const PAUSE: Duration = Duration::from_millis(250);
