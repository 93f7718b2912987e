//! What a browser sees that follows a link: this is where the web client goes.
//!
//! A link's secret stands behind `#` and never leaves the browser, so every link asks for `/`.

use axum::http::header::{self, HeaderName};
use axum::response::Html;

/// Answers `GET /`.
pub(super) async fn show() -> ([(HeaderName, &'static str); 6], Html<&'static str>) {
    (SECURITY_HEADERS, Html(include_str!("page.html")))
}

/// The page may load nothing, run nothing, be framed by nobody, and tell nobody where its reader came from.
const SECURITY_HEADERS: [(HeaderName, &str); 6] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
         require-trusted-types-for 'script'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::CACHE_CONTROL, "no-store"),
];
