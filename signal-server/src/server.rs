//! The listeners: accepting, bounding and ending connections.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::config::{Config, RelayConfig};
use crate::connection::hang_up;
use crate::hub::Hub;
use crate::limits::SocketLimits;
use crate::relay::credentials::RelaySecret;
use crate::relay::{Relay, RelaySetup};
use crate::relay_access::{RelayAccess, RelayUrls};
use crate::rooms::Rooms;
use crate::routes::{Peer, Shared, router, web};
use crate::tunnel::Tunnels;
use crate::udp::{self, RelayPlace, Udp};

/// A signalling server.
pub struct Server {
    config: Config,
    rooms: Rooms,
    /// The secrets of the relay: what credentials and what nonces are made with.
    drawn: [[u8; 32]; 2],
}

impl Server {
    /// Prepares a server.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub fn new(config: Config) -> io::Result<Self> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(io::Error::other)?;
        let mut rooms = Rooms::new(config.limits.clone(), seed);
        if let Some(digit) = config.nameplate_last_digit {
            rooms = rooms.with_last_digit(digit);
        }
        rooms = rooms.without(&config.nameplates_elsewhere);
        let mut drawn = [[0; 32]; 2];
        getrandom::fill(drawn.as_flattened_mut()).map_err(io::Error::other)?;
        Ok(Self { config, rooms, drawn })
    }

    /// Puts the parts together, now that it is known where the server listens.
    fn assemble(self, listeners: &[TcpListener]) -> (Arc<Shared>, Udp) {
        let Self { config, rooms, drawn: [secret, nonce_key] } = self;
        let sockets = open_udp(listeners, config.udp_listen.as_deref());
        let others = if config.tells_nat_kinds { udp::open_others(&sockets) } else { Vec::new() };
        let stun_ports = [&sockets, &others].into_iter().filter_map(|sockets| sockets.first()?.local_addr().ok());
        let stun_ports: Vec<_> = stun_ports.map(|address| address.port()).collect();
        let port = stun_ports.first().copied();
        let addresses = listeners.iter().filter_map(|listener| listener.local_addr().ok());
        let open_ports = addresses.filter(|address| address.ip() == Ipv4Addr::UNSPECIFIED).map(|a| a.port()).collect();
        let (relay, access) = match (&config.relay, port) {
            (Some(RelayConfig::Embedded { addresses, ports, allowed }), Some(port)) => {
                let secret = RelaySecret::new(&secret);
                let access = RelayAccess { secret: secret.clone(), place: RelayUrls::Here { port } };
                let (limits, allowed) = (config.limits.relay.clone(), allowed.clone());
                let relay = Relay::new(RelaySetup { limits, secret, nonce_key, allowed, is_own: udp::is_own });
                let place = RelayPlace { addresses: addresses.clone(), ports: ports.clone() };
                (Some((relay, place)), Some(access))
            }
            (Some(RelayConfig::External { urls, secret }), _) => {
                let place = RelayUrls::Elsewhere(urls.clone());
                (None, Some(RelayAccess { secret: secret.clone(), place }))
            }
            // The relay over a WebSocket is left.
            (Some(RelayConfig::Embedded { .. }), None) => {
                let (secret, place) = (RelaySecret::new(&secret), RelayUrls::Elsewhere(Vec::new()));
                (None, Some(RelayAccess { secret, place }))
            }
            (None, _) => (None, None),
        };
        let tunnels = access.as_ref().map(|access| Tunnels::new(access.secret.clone(), &config.limits.relay));
        let tunnels = tunnels.map(Arc::new);
        let hub = Arc::new(Hub::new(rooms, access, config.limits.socket.clone()));
        (Arc::new(Shared { config, hub, stun_ports, open_ports, tunnels }), Udp::new(sockets, others, relay))
    }

    /// Serves until `shutdown` is ready, then closes the WebSockets with 1001 and returns within 2 s.
    pub async fn serve(self, listeners: impl IntoIterator<Item = TcpListener>, shutdown: impl Future<Output = ()>) {
        let listeners: Vec<_> = listeners.into_iter().collect();
        let (shared, udp) = self.assemble(&listeners);
        let limits = shared.config.limits.socket.clone();
        if !web::has_client() {
            tracing::warn!("this program was built without the web client: links work on the command line only");
        }
        let (down, is_down) = watch::channel(false);
        let (alive, mut all_gone) = mpsc::channel(1);
        let acceptor = Acceptor {
            router: router(shared.clone()),
            http: http(&limits),
            open: Arc::new(Semaphore::new(open_max(&limits))),
            turned_away: Arc::new(Semaphore::new(TURNED_AWAY_MAX)),
            limits,
            is_down,
            alive,
        };
        let mut accepting = JoinSet::new();
        for listener in listeners {
            accepting.spawn(acceptor.clone().accept(listener));
        }
        drop(acceptor);
        accepting.spawn(udp.serve());
        tokio::select! {
            () = shutdown => {}
            () = shared.hub.keep_time() => {}
        }
        tracing::info!(rooms = shared.hub.room_count(), "shutting down");
        accepting.shutdown().await;
        down.send_replace(true);
        let _ = timeout(GOODBYES_MAX, all_gone.recv()).await;
    }
}

/// Keeps a connection's place among the open ones, and tells it when to end.
#[derive(Clone)]
pub(crate) struct Ticket {
    is_down: watch::Receiver<bool>,
    _alive: mpsc::Sender<Infallible>,
    _place: Arc<OwnedSemaphorePermit>,
}

impl Ticket {
    /// Is ready when the server shuts down.
    pub(crate) fn shutdown(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut is_down = self.is_down.clone();
        async move {
            // An error means that the server is gone altogether.
            let _ = is_down.wait_for(|down| *down).await;
        }
    }
}

/// Opens UDP beside the listeners, or where the operator says. A port that is not to be had is no reason not to serve.
fn open_udp(listeners: &[TcpListener], wanted: Option<&[SocketAddr]>) -> Vec<UdpSocket> {
    let beside = || listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect();
    let addresses = wanted.map_or_else(beside, <[_]>::to_vec);
    let open = |address| match udp::open(address) {
        Ok(socket) => Some(socket),
        Err(error) => {
            tracing::warn!(%error, "no STUN and no relay: UDP at port {} cannot be opened", address.port());
            None
        }
    };
    addresses.into_iter().filter_map(open).collect()
}

#[derive(Clone)]
struct Acceptor {
    router: Router,
    http: http1::Builder,
    limits: SocketLimits,
    /// Places for connections.
    open: Arc<Semaphore>,
    /// Places for those that get none and are told so.
    turned_away: Arc<Semaphore>,
    is_down: watch::Receiver<bool>,
    /// Held by everything that has to end before the server has.
    alive: mpsc::Sender<Infallible>,
}

impl Acceptor {
    async fn accept(self, listener: TcpListener) {
        loop {
            match listener.accept().await {
                Ok((stream, address)) => self.admit(stream, address).await,
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    // Out of files or memory: both come back when connections end.
                    tracing::warn!(%error, "cannot accept connections for a moment");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// Gives a connection a place, or tells it that there is none. Waits while neither can be done; those that come
    /// meanwhile stay in the system's queue.
    async fn admit(&self, stream: TcpStream, address: SocketAddr) {
        tokio::select! {
            biased;
            Ok(place) = self.open.clone().acquire_owned() => {
                let ticket =
                    Ticket { is_down: self.is_down.clone(), _alive: self.alive.clone(), _place: Arc::new(place) };
                // A socket that is gone already has none, and will say so when it is read.
                let own = stream.local_addr().unwrap_or(address);
                tokio::spawn(self.clone().serve(stream, Peer { address, own, ticket }));
            }
            Ok(place) = self.turned_away.clone().acquire_owned() => {
                tokio::spawn(turn_away(stream, place, self.limits.close));
            }
            // The semaphores are never closed.
            else => {}
        }
    }

    async fn serve(self, stream: TcpStream, peer: Peer) {
        let _ = stream.set_nodelay(true);
        let shutdown = peer.ticket.shutdown();
        let routes = TowerToHyperService::new(self.router);
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(peer.clone());
            routes.call(request)
        });
        let connection = self.http.serve_connection(TokioIo::new(stream), service).with_upgrades();
        let mut connection = std::pin::pin!(connection);
        tokio::select! {
            _ = connection.as_mut() => {}
            () = shutdown => {
                connection.as_mut().graceful_shutdown();
                let _ = timeout(self.limits.close, connection).await;
            }
        }
    }
}

fn http(limits: &SocketLimits) -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(limits.header_read)
        .max_buf_size(HTTP_BUFFER_BYTES)
        .max_headers(HTTP_HEADERS_MAX);
    http
}

/// Answers a connection that gets no place, so that its user learns why.
async fn turn_away(mut stream: TcpStream, place: OwnedSemaphorePermit, close: Duration) {
    let answer = async {
        stream.write_all(FULL).await?;
        hang_up(&mut stream).await
    };
    let _ = timeout(close, answer).await;
    drop(place);
}

/// Whether an error of `accept` is about the connection that was to be accepted, and not about the listener.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused
    )
}

/// How many connections may be open: as configured, or what the limit on open files leaves to the rest of the program.
fn open_max(limits: &SocketLimits) -> usize {
    let of_files = file_limit().map_or(OPEN_MAX, |files| files.saturating_sub(FILES_RESERVED).max(files / 2));
    limits.open_max.unwrap_or(of_files).clamp(1, OPEN_MAX)
}

#[cfg(unix)]
fn file_limit() -> Option<usize> {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    limit.current.and_then(|files| files.try_into().ok())
}

#[cfg(not(unix))]
fn file_limit() -> Option<usize> {
    None
}

/// The most connections, whatever the system would allow.
const OPEN_MAX: usize = 1 << 20;

/// How many open files are left to everything that is no connection (half of them if there are few).
const FILES_RESERVED: usize = 512;

/// How many connections at once are told that there is no place.
const TURNED_AWAY_MAX: usize = 64;

/// How long to wait when nothing can be accepted: short enough to recover soon, long enough not to spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long the connections may take to say goodbye.
const GOODBYES_MAX: Duration = Duration::from_millis(1800);

/// What hyper reads ahead at most: the head of a request has to fit.
const HTTP_BUFFER_BYTES: usize = 16 * 1024;

/// The most headers of a request.
const HTTP_HEADERS_MAX: usize = 64;

const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nContent-Type: text/plain\r\n\
    Content-Length: 15\r\nConnection: close\r\n\r\nserver is full\n";
