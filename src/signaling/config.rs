//! Asks a signalling server about itself over HTTP.

use std::io;
use std::time::Duration;

use p2pshare_protocol::server_config::ServerConfig;

use super::{ServerUrl, SignalingError, dial};

/// Fetches a server's version, limits and ICE servers from `GET /api/config`. Gives up after 10 s.
///
/// # Errors
/// The server cannot be reached, refuses, or is no p2pshare server.
pub async fn fetch_config(server: &ServerUrl) -> Result<ServerConfig, SignalingError> {
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
    let body = body(response).await.map_err(|e| failed(server, e))?;
    body.and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .ok_or_else(|| SignalingError::NotAServer { server: server.clone() })
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
