//! Asks a signalling server about itself over HTTP.

use std::io;
use std::time::{Duration, Instant, SystemTime};

use p2pshare_protocol::server_config::ServerConfig;

use super::{ServerUrl, SignalingError, dial};

/// What a server says of itself, and how it said it.
#[derive(Debug, Clone)]
pub struct Description {
    /// What it says.
    pub config: ServerConfig,
    /// How far its clock is ahead of this machine's, in seconds, if it told the time.
    pub clock_ahead_s: Option<i64>,
    /// How long the answer took, the connection included.
    pub took: Duration,
}

/// Fetches a server's version, limits and ICE servers from `GET /api/config`. Gives up after 10 s.
///
/// # Errors
/// The server cannot be reached, refuses, or is no p2pshare server.
pub async fn fetch_config(server: &ServerUrl) -> Result<ServerConfig, SignalingError> {
    describe(server).await.map(|description| description.config)
}

/// The same, with what the answer itself tells.
///
/// # Errors
/// As [`fetch_config`].
pub async fn describe(server: &ServerUrl) -> Result<Description, SignalingError> {
    let start = Instant::now();
    dial::install_crypto();
    let mut builder = reqwest::Client::builder().no_proxy();
    if let Some(proxy) = server.proxy() {
        builder = builder.proxy(reqwest::Proxy::all(proxy.url()).map_err(|e| failed(server, e))?);
    }
    let client = builder
        .timeout(FETCH_MAX)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(|e| failed(server, e))?;
    let response = client.get(server.config()).send().await.map_err(|e| failed(server, e))?;
    if !response.status().is_success() {
        return Err(SignalingError::Refused { server: server.clone(), status: response.status().as_u16() });
    }
    let date = response.headers().get(reqwest::header::DATE).and_then(|date| date.to_str().ok());
    let date = date.and_then(|date| httpdate::parse_http_date(date).ok());
    let clock_ahead_s = date.map(|date| seconds(date) - seconds(SystemTime::now()));
    let body = body(response).await.map_err(|e| failed(server, e))?;
    let config = body.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let config = config.ok_or_else(|| SignalingError::NotAServer { server: server.clone() })?;
    Ok(Description { config, clock_ahead_s, took: start.elapsed() })
}

/// Seconds since 1970; what is before counts as that.
fn seconds(time: SystemTime) -> i64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// Reads a response's body; `None` if it is longer than any description of a server.
async fn body(mut response: reqwest::Response) -> reqwest::Result<Option<Vec<u8>>> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > CONFIG_BYTES_MAX {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body))
}

fn failed(server: &ServerUrl, error: reqwest::Error) -> SignalingError {
    let server = server.clone();
    if error.is_timeout() {
        return SignalingError::TimedOut { server };
    }
    let is_tls = causes(&error).any(|cause| cause.is::<rustls::Error>());
    let is_connect = error.is_connect();
    let source = io::Error::other(error.without_url());
    match (is_tls, is_connect) {
        (true, _) => SignalingError::Tls { server, source },
        (false, true) => SignalingError::Unreachable { server, source },
        (false, false) => SignalingError::NotAServer { server },
    }
}

/// The errors behind an error, an `io::Error`'s content included.
fn causes<'a>(
    error: &'a (dyn std::error::Error + 'static),
) -> impl Iterator<Item = &'a (dyn std::error::Error + 'static)> {
    std::iter::successors(Some(error), |e| match e.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(inner) => Some(inner as &(dyn std::error::Error + 'static)),
        None => e.source(),
    })
}

/// How long the question may take.
const FETCH_MAX: Duration = Duration::from_secs(10);

/// The longest description of a server, in bytes.
const CONFIG_BYTES_MAX: usize = 64 * 1024;
