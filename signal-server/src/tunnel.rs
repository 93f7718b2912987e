//! The relay for who has nothing but TCP: two WebSockets of one session, joined. What passes is sealed by the two ends.
//!
//! A side says its credential first. When both are there, both are told `ready`, and from then on binary messages pass
//! from one to the other, no faster than they are read and within the relay's quotas.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use p2pshare_protocol::limits::TUNNEL_BYTES_MAX;
use p2pshare_protocol::tunnel::{READY, TunnelRequest};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};

use crate::limits::RelayLimits;
use crate::relay::credentials::{RelaySecret, is_expired};
use crate::relay::quota::{Direction, Quota, Verdict};
use crate::sources::Source;

/// All tunnels of a server.
#[derive(Debug)]
pub(crate) struct Tunnels {
    secret: RelaySecret,
    session_max: Duration,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    quota: Quota,
    /// Who is there and waits for the other side, by session.
    waiting: HashMap<String, Waiting>,
}

/// A side that waits.
#[derive(Debug)]
struct Waiting {
    username: String,
    joined: oneshot::Sender<Arrived>,
}

/// A side that has said who it is.
#[derive(Debug)]
struct Arrived {
    socket: Socket,
    username: String,
}

type Socket = WebSocketStream<TokioIo<Upgraded>>;

impl Tunnels {
    pub(crate) fn new(secret: RelaySecret, limits: &RelayLimits) -> Self {
        let state = State { quota: Quota::new(limits.clone()), waiting: HashMap::new() };
        Self { secret, session_max: limits.session_max, state: Mutex::new(state) }
    }

    /// Serves one side of a tunnel until it ends.
    pub(crate) async fn serve(&self, upgraded: TokioIo<Upgraded>, client: IpAddr, shutdown: impl Future<Output = ()>) {
        let config = WebSocketConfig::default()
            .read_buffer_size(BUFFER_BYTES)
            .write_buffer_size(0)
            .max_write_buffer_size(2 * TUNNEL_BYTES_MAX)
            .max_message_size(Some(TUNNEL_BYTES_MAX))
            .max_frame_size(Some(TUNNEL_BYTES_MAX));
        let mut socket = WebSocketStream::from_raw_socket(upgraded, Role::Server, Some(config)).await;
        let username = match timeout(FIRST_MAX, socket.next()).await {
            Ok(Some(Ok(Message::Text(text)))) => self.recognise(&text),
            Ok(_) | Err(_) => None,
        };
        let Some(username) = username else { return refuse(socket, CloseCode::Policy).await };
        let place = match Place::take(self, &username, Source::new(client)) {
            Some(place) => place,
            None => return refuse(socket, CloseCode::Again).await,
        };
        tokio::select! {
            () = self.meet(Arrived { socket, username: username.clone() }) => {}
            () = shutdown => {}
        }
        drop(place);
    }

    /// Who shows this credential, if it is a good one.
    fn recognise(&self, text: &str) -> Option<String> {
        let request: TunnelRequest = serde_json::from_str(text).ok()?;
        let is_good = !is_expired(&request.username, SystemTime::now())
            && self.secret.is_password(&request.username, &request.credential);
        is_good.then_some(request.username)
    }

    /// Joins a side to the other one if that is there, or waits for it; the one that waited carries for both.
    async fn meet(&self, arrived: Arrived) {
        let session = session_of(&arrived.username).to_owned();
        let first = self.lock().waiting.remove(&session);
        match first {
            Some(first) if first.username != arrived.username && !first.joined.is_closed() => {
                // The other side carries; if it has gone meanwhile, this one ends as well.
                let _ = first.joined.send(arrived);
            }
            Some(_) | None => self.wait(session, arrived).await,
        }
    }

    async fn wait(&self, session: String, mut arrived: Arrived) {
        let (joined, other) = oneshot::channel();
        let waiting = Waiting { username: arrived.username.clone(), joined };
        self.lock().waiting.insert(session, waiting);
        let other = tokio::select! {
            other = timeout(OTHER_MAX, other) => other.ok().and_then(Result::ok),
            // A side that waits has nothing to say: it leaves.
            _ = arrived.socket.next() => None,
        };
        match other {
            Some(other) => self.carry(arrived, other).await,
            None => {
                self.lock().waiting.retain(|_, waiting| !waiting.joined.is_closed());
                refuse(arrived.socket, CloseCode::Again).await;
            }
        }
    }

    async fn carry(&self, one: Arrived, other: Arrived) {
        let (mut to_one, from_one) = one.socket.split();
        let (mut to_other, from_other) = other.socket.split();
        for side in [&mut to_one, &mut to_other] {
            if side.send(Message::text(READY)).await.is_err() {
                return;
            }
        }
        let until = Instant::now() + self.session_max;
        let forth = self.pass(from_one, &mut to_other, &one.username, until);
        let back = self.pass(from_other, &mut to_one, &other.username, until);
        tokio::select! {
            () = forth => {}
            () = back => {}
        }
        for side in [&mut to_one, &mut to_other] {
            let _ = timeout(CLOSE_MAX, side.close()).await;
        }
    }

    /// Passes on what one side says until it ends, is silent, or has used up what it may.
    async fn pass(
        &self,
        mut from: SplitStream<Socket>,
        to: &mut SplitSink<Socket, Message>,
        username: &str,
        until: Instant,
    ) {
        loop {
            let deadline = until.min(Instant::now() + SILENCE_MAX);
            let Ok(Some(Ok(message))) = timeout_at(deadline, from.next()).await else { return };
            let bytes = match message {
                Message::Binary(bytes) => bytes,
                Message::Ping(_) | Message::Pong(_) => continue,
                Message::Text(_) | Message::Close(_) | Message::Frame(_) => return,
            };
            loop {
                let verdict = self.lock().quota.carry(username, bytes.len(), Direction::ToPeer, Instant::now().into());
                // What comes meanwhile waits in the system, and its sender with it.
                match verdict {
                    Verdict::Carry => break,
                    Verdict::Later(at) => {
                        sleep_until(at.into()).await;
                        break;
                    }
                    Verdict::Drop => sleep(TOO_FAST_PAUSE).await,
                    Verdict::UsedUp => return,
                }
            }
            if timeout(SILENCE_MAX, to.send(Message::Binary(bytes))).await.is_err() {
                return;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A side's place among those that the quotas count.
struct Place<'a> {
    tunnels: &'a Tunnels,
    username: &'a str,
    source: Source,
}

impl<'a> Place<'a> {
    fn take(tunnels: &'a Tunnels, username: &'a str, source: Source) -> Option<Self> {
        let taken = tunnels.lock().quota.take(username, source, Instant::now().into());
        taken.is_ok().then_some(Self { tunnels, username, source })
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.tunnels.lock().quota.release(self.username, self.source);
    }
}

/// The session of a user name: what is between the time and the side.
fn session_of(username: &str) -> &str {
    let session = username.split_once(':').map_or(username, |(_, session)| session);
    session.rsplit_once('-').map_or(session, |(session, _)| session)
}

async fn refuse(mut socket: Socket, code: CloseCode) {
    let goodbye = CloseFrame { code, reason: Default::default() };
    let _ = timeout(CLOSE_MAX, socket.close(Some(goodbye))).await;
}

/// How long a side may take to say who it is.
const FIRST_MAX: Duration = Duration::from_secs(10);

/// How long a side waits for the other: both find out at about the same time that nothing else works.
const OTHER_MAX: Duration = Duration::from_secs(30);

/// How long a side may be silent; the two ends say something every few seconds.
const SILENCE_MAX: Duration = Duration::from_secs(75);

/// How long to hold a message back that comes too fast.
const TOO_FAST_PAUSE: Duration = Duration::from_millis(5);

/// How long a goodbye may take.
const CLOSE_MAX: Duration = Duration::from_secs(1);

const BUFFER_BYTES: usize = 16 * 1024;
