//! The web client: files that were built into this program, and what browsers are told about them.
//!
//! A link's secret stands behind `#` and never leaves the browser, so every link asks for `/`. A program that was built
//! without a client answers with a page that says so.

use axum::Router;
use axum::body::Body;
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::http::{HeaderMap, Response};
use axum::routing::get;

/// A file of the client.
struct WebFile {
    /// Where it is asked for.
    path: &'static str,
    plain: &'static [u8],
    /// The same, compressed, where that is shorter.
    gzip: Option<&'static [u8]>,
}

/// Adds the client's files to the routes, or the page that says that there are none.
pub(super) fn add_to<S: Clone + Send + Sync + 'static>(router: Router<S>) -> Router<S> {
    let mut router = router;
    for file in FILES.iter().filter(|file| file.path != INDEX) {
        router = router.route(file.path, get(async |headers: HeaderMap| answer(file, &headers)));
    }
    let index = FILES.iter().find(|file| file.path == INDEX).unwrap_or(&WITHOUT_CLIENT);
    PAGES
        .iter()
        .fold(router, |router, page| router.route(page, get(async |headers: HeaderMap| answer(index, &headers))))
}

/// Whether a client was built into this program.
pub(crate) const fn has_client() -> bool {
    !FILES.is_empty()
}

fn answer(file: &WebFile, request: &HeaderMap) -> Response<Body> {
    let is_page = file.path == INDEX;
    let gzip = file.gzip.filter(|_| accepts_gzip(request));
    let mut response = Response::new(Body::from(gzip.unwrap_or(file.plain)));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type(file.path)));
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if gzip.is_some() {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    // The page is asked for anew each time, so that what it loads is of this very program; the rest is named by its hash.
    let is_hashed = file.path.starts_with("/assets/");
    let cache = if is_hashed { "public, max-age=31536000, immutable" } else { "no-store" };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    for (name, value) in SECURITY_HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    let policy = if is_page { page_policy(request) } else { HeaderValue::from_static(FILE_POLICY) };
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    response
}

/// What the page may do: run and show its own files, and talk to this server. WebRTC is not under this rule.
fn page_policy(request: &HeaderMap) -> HeaderValue {
    // Not every browser counts WebSockets of the same origin as 'self'.
    let host = request.get(header::HOST).and_then(|host| host.to_str().ok()).filter(|host| is_host(host));
    let sockets = host.map_or(String::new(), |host| format!(" ws://{host} wss://{host}"));
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; \
         connect-src 'self'{sockets}; worker-src 'self'; frame-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types p2pshare"
    );
    HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static(FILE_POLICY))
}

/// Whether a text can be nothing but a host with a port.
fn is_host(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':' | b'[' | b']'))
}

fn accepts_gzip(request: &HeaderMap) -> bool {
    let accepted = request.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or("");
    accepted.split(',').any(|coding| coding.trim().eq_ignore_ascii_case("gzip"))
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "webmanifest" => "application/manifest+json",
        _ => "application/octet-stream",
    }
}

/// Where the page is: at the start, at the devices around, and at its test of the network.
const PAGES: [&str; 3] = ["/", "/nearby", "/test"];

const INDEX: &str = "/index.html";

static FILES: &[WebFile] = &include!(concat!(env!("OUT_DIR"), "/web_files.rs"));

static WITHOUT_CLIENT: WebFile = WebFile { path: INDEX, plain: include_bytes!("page.html"), gzip: None };

/// A file by itself, the client's worker for one, may load nothing. `sandbox` would keep the worker from its storage.
const FILE_POLICY: &str = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const SECURITY_HEADERS: [(HeaderName, &str); 4] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (header::X_FRAME_OPTIONS, "DENY"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_names_the_host_only_if_it_is_one() {
        let policy = |host: &'static str| {
            let headers = HeaderMap::from_iter([(header::HOST, HeaderValue::from_static(host))]);
            page_policy(&headers).to_str().unwrap().to_owned()
        };
        assert!(policy("[::1]:8765").contains("connect-src 'self' ws://[::1]:8765 wss://[::1]:8765;"));
        assert!(policy("a.example; script-src *").contains("connect-src 'self';"));
    }

    #[test]
    fn compression_is_used_only_where_it_is_understood() {
        let accepts =
            |value| accepts_gzip(&HeaderMap::from_iter([(header::ACCEPT_ENCODING, HeaderValue::from_static(value))]));
        assert!(accepts("br, gzip, deflate"));
        assert!(!accepts("br") && !accepts("gzip;q=0"));
    }
}
