//! What the server answers over HTTP.

pub(crate) mod web;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Extension, Request, State};
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use futures_util::future::BoxFuture;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use p2pshare_protocol::envelope::FIRST_MESSAGE_HEADER;
use p2pshare_protocol::limits::{BODY_BYTES_MAX, ENVELOPE_BYTES_MAX};
use p2pshare_protocol::server_config::{IceServer, ServerConfig, ServerLimits, VersionRange};
use tokio_tungstenite::tungstenite::handshake::server::create_response_with_body;

use crate::client_address::client_address;
use crate::config::Config;
use crate::connection::Connection;
use crate::hub::{Hub, Seat};
use crate::neighbourhood::Neighbourhood;
use crate::origin;
use crate::own_address::{is_of_every_machine, network_address};
use crate::relay_access::{host_name, own_stun};
use crate::server::Ticket;
use crate::sources::Source;
use crate::tunnel::Tunnels;

/// What the routes share.
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) hub: Arc<Hub>,
    /// Where STUN is answered, if it is: the usual port, and the other one if there is one.
    pub(crate) stun_ports: Vec<u16>,
    /// The ports where every device around may connect.
    pub(crate) open_ports: Vec<u16>,
    /// What joins who has nothing but TCP, if there is a relay.
    pub(crate) tunnels: Option<Arc<Tunnels>>,
}

/// What the listener knows of a request's connection.
#[derive(Clone)]
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    /// The server's own address, as it was reached.
    pub(crate) own: SocketAddr,
    pub(crate) ticket: Ticket,
}

/// The server's routes. A request has to carry its [`Peer`] as an extension.
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    web::add_to(Router::new())
        .route("/ws", get(open_websocket))
        .route("/relay", get(open_tunnel))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/api/config", get(describe))
        .fallback(|| async { (StatusCode::NOT_FOUND, "not found\n") })
        .with_state(shared)
}

async fn describe(State(shared): State<Arc<Shared>>, Extension(peer): Extension<Peer>, headers: HeaderMap) -> Response {
    let limits = &shared.config.limits;
    let seconds = |time: std::time::Duration| u32::try_from(time.as_secs()).unwrap_or(u32::MAX);
    let config = ServerConfig {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        protocol: VersionRange::OURS,
        limits: ServerLimits {
            message_bytes: u32::try_from(ENVELOPE_BYTES_MAX).unwrap_or(u32::MAX),
            body_bytes: u32::try_from(BODY_BYTES_MAX).unwrap_or(u32::MAX),
            room_lifetime_s: seconds(limits.room_lifetime),
            room_lifetime_max_s: seconds(limits.room_lifetime_max),
            handshake_s: seconds(limits.handshake),
        },
        ice_servers: shared.ice_servers(&headers, client_of(&headers, &peer, &shared.config)),
        relay: shared.config.relay.is_some(),
        stun_ports: shared.stun_ports.clone(),
        elsewhere: shared.elsewhere(&headers, &peer),
    };
    ([(header::CACHE_CONTROL, "no-store")], Json(config)).into_response()
}

/// The WebSocket of rooms.
async fn open_websocket(
    State(shared): State<Arc<Shared>>,
    Extension(peer): Extension<Peer>,
    request: Request,
) -> Response {
    let limits = shared.config.limits.socket.clone();
    upgrade(&shared, peer, request, true, move |upgrade| async move {
        let Upgrade { upgraded, seat, has_spoken, shutdown } = upgrade;
        Connection::new(upgraded, seat, limits, has_spoken).await.run(shutdown).await;
    })
}

/// The WebSocket that carries what nothing else does.
async fn open_tunnel(
    State(shared): State<Arc<Shared>>,
    Extension(peer): Extension<Peer>,
    request: Request,
) -> Response {
    let Some(tunnels) = shared.tunnels.clone() else {
        return (StatusCode::NOT_FOUND, "this server has no relay\n").into_response();
    };
    let client = client_of(request.headers(), &peer, &shared.config);
    upgrade(&shared, peer, request, false, move |upgrade| async move {
        // The seat is kept: it counts the socket among those of its source.
        let Upgrade { upgraded, seat: _seat, shutdown, .. } = upgrade;
        tunnels.serve(upgraded, client, shutdown).await;
    })
}

/// A stream that has become a WebSocket.
struct Upgrade {
    upgraded: TokioIo<Upgraded>,
    seat: Seat,
    /// Whether its first message came with the request.
    has_spoken: bool,
    shutdown: BoxFuture<'static, ()>,
}

/// Turns a request into a WebSocket that `serve` takes over, if its origin and its source's limits allow it.
fn upgrade<F: Future<Output = ()> + Send + 'static>(
    shared: &Arc<Shared>,
    peer: Peer,
    mut request: Request,
    is_of_rooms: bool,
    serve: impl FnOnce(Upgrade) -> F + Send + 'static,
) -> Response {
    let headers = request.headers();
    let config = &shared.config;
    if !origin::is_allowed(text(headers, &header::ORIGIN), text(headers, &header::HOST), &config.allowed_origins) {
        return (StatusCode::FORBIDDEN, "this origin may not connect\n").into_response();
    }
    let Ok(mut response) = create_response_with_body(&request, Body::empty) else {
        return (StatusCode::BAD_REQUEST, "this is a WebSocket address\n").into_response();
    };
    let address = client_of(headers, &peer, config);
    // Whoever stands behind a proxy that is not known cannot be told apart from the others behind it.
    let is_masked = headers.contains_key(FORWARDED_FOR) && !config.trusts(peer.address.ip());
    let neighbourhood = (!is_masked).then(|| match config.is_inside_device {
        true => Neighbourhood::around(address, peer.own.ip()),
        false => Neighbourhood::of(address),
    });
    let Ok(seat) =
        shared.hub.connect(Source::new(address), neighbourhood.map(|network| (network, address)), host_of(headers))
    else {
        let retry_after = [(header::RETRY_AFTER, "30")];
        return (StatusCode::TOO_MANY_REQUESTS, retry_after, "too many connections\n").into_response();
    };
    let Some(upgrade) = request.extensions_mut().remove::<OnUpgrade>() else {
        return (StatusCode::BAD_REQUEST, "this connection cannot become a WebSocket\n").into_response();
    };
    let first = request.headers().get(FIRST_MESSAGE_HEADER).and_then(|value| value.to_str().ok());
    if let Some(message) = first.filter(|message| is_of_rooms && message.len() <= ENVELOPE_BYTES_MAX) {
        seat.receive(message);
        response.headers_mut().insert(FIRST_MESSAGE_HEADER, HeaderValue::from_static("heard"));
    }
    let has_spoken = response.headers().contains_key(FIRST_MESSAGE_HEADER);
    tokio::spawn(async move {
        if let Ok(upgraded) = upgrade.await {
            let shutdown = peer.ticket.shutdown();
            serve(Upgrade { upgraded: TokioIo::new(upgraded), seat, has_spoken, shutdown: Box::pin(shutdown) }).await;
        }
        drop(peer);
    });
    response
}

impl Shared {
    /// What a client is recommended: what the operator says, and this server where it answers STUN.
    fn ice_servers(&self, headers: &HeaderMap, client: IpAddr) -> Vec<IceServer> {
        let host = text(headers, &header::HOST).and_then(host_name);
        let own = host.zip(self.stun_ports.first()).and_then(|(host, port)| own_stun(host, *port, client));
        self.config.ice_servers.iter().cloned().chain(own).collect()
    }

    /// The address under which others reach this server, for who calls it by one that is its own on every machine.
    fn elsewhere(&self, headers: &HeaderMap, peer: &Peer) -> Option<String> {
        let port = peer.own.port();
        let is_here = peer.address.ip().to_canonical().is_loopback() && !headers.contains_key(FORWARDED_FOR);
        let is_needed = is_here && is_of_every_machine(host_of(headers)) && self.open_ports.contains(&port);
        let ip = if is_needed { network_address() } else { None };
        ip.map(|ip| format!("http://{}", SocketAddr::new(ip, port)))
    }
}

/// Whose request it is.
fn client_of(headers: &HeaderMap, peer: &Peer, config: &Config) -> IpAddr {
    let forwarded_for: Vec<_> = headers.get_all(FORWARDED_FOR).iter().map(|v| v.to_str().unwrap_or("")).collect();
    client_address(peer.address.ip(), forwarded_for.into_iter(), &config.trusted_proxies)
}

/// The server's name as the client calls it.
fn host_of(headers: &HeaderMap) -> &str {
    text(headers, &header::HOST).and_then(host_name).unwrap_or("localhost")
}

/// A header's value; something that is no text is no allowed value either.
fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).map(|value| value.to_str().unwrap_or(""))
}

const FORWARDED_FOR: &str = "x-forwarded-for";
