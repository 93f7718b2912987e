//! What the server answers over HTTP.

pub(crate) mod web;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Extension, Request, State};
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use p2pshare_protocol::envelope::FIRST_MESSAGE_HEADER;
use p2pshare_protocol::limits::{BODY_BYTES_MAX, ENVELOPE_BYTES_MAX};
use p2pshare_protocol::server_config::{ServerConfig, ServerLimits, VersionRange};
use tokio_tungstenite::tungstenite::handshake::server::create_response_with_body;

use crate::client_address::client_address;
use crate::config::Config;
use crate::connection::Connection;
use crate::hub::Hub;
use crate::origin;
use crate::server::Ticket;
use crate::sources::Source;

/// What the routes share.
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) hub: Arc<Hub>,
}

/// What the listener knows of a request's connection.
#[derive(Clone)]
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    pub(crate) ticket: Ticket,
}

/// The server's routes. A request has to carry its [`Peer`] as an extension.
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    web::add_to(Router::new())
        .route("/ws", get(open_websocket))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/api/config", get(describe))
        .fallback(|| async { (StatusCode::NOT_FOUND, "not found\n") })
        .with_state(shared)
}

async fn describe(State(shared): State<Arc<Shared>>) -> Response {
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
        ice_servers: shared.config.ice_servers.clone(),
    };
    ([(header::CACHE_CONTROL, "no-store")], Json(config)).into_response()
}

async fn open_websocket(
    State(shared): State<Arc<Shared>>,
    Extension(peer): Extension<Peer>,
    mut request: Request,
) -> Response {
    let headers = request.headers();
    let config = &shared.config;
    if !origin::is_allowed(text(headers, &header::ORIGIN), text(headers, &header::HOST), &config.allowed_origins) {
        return (StatusCode::FORBIDDEN, "this origin may not connect\n").into_response();
    }
    let Ok(mut response) = create_response_with_body(&request, Body::empty) else {
        return (StatusCode::BAD_REQUEST, "this is a WebSocket address\n").into_response();
    };
    let forwarded_for: Vec<_> = headers.get_all(FORWARDED_FOR).iter().map(|v| v.to_str().unwrap_or("")).collect();
    let address = client_address(peer.address.ip(), forwarded_for.into_iter(), &config.trusted_proxies);
    let Ok(seat) = shared.hub.connect(Source::new(address)) else {
        let retry_after = [(header::RETRY_AFTER, "30")];
        return (StatusCode::TOO_MANY_REQUESTS, retry_after, "too many connections\n").into_response();
    };
    let Some(upgrade) = request.extensions_mut().remove::<OnUpgrade>() else {
        return (StatusCode::BAD_REQUEST, "this connection cannot become a WebSocket\n").into_response();
    };
    let first = request.headers().get(FIRST_MESSAGE_HEADER).and_then(|value| value.to_str().ok());
    if let Some(message) = first.filter(|message| message.len() <= ENVELOPE_BYTES_MAX) {
        seat.receive(message);
        response.headers_mut().insert(FIRST_MESSAGE_HEADER, HeaderValue::from_static("heard"));
    }
    let has_spoken = response.headers().contains_key(FIRST_MESSAGE_HEADER);
    let limits = config.limits.socket.clone();
    tokio::spawn(async move {
        if let Ok(upgraded) = upgrade.await {
            let shutdown = peer.ticket.shutdown();
            Connection::new(TokioIo::new(upgraded), seat, limits, has_spoken).await.run(shutdown).await;
        }
        drop(peer);
    });
    response
}

/// A header's value; something that is no text is no allowed value either.
fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).map(|value| value.to_str().unwrap_or(""))
}

const FORWARDED_FOR: &str = "x-forwarded-for";
