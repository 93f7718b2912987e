//! Tells a browser from a command line by its greeting.

use p2pshare_protocol::ctl::Hello;

/// The feature that command lines have and browsers do not: they know QUIC, whether or not they use it.
pub(super) const FEATURE: &str = "quic";

/// Whether the peer is a browser.
pub(super) fn is_browser(hello: &Hello) -> bool {
    !hello.features.iter().any(|feature| feature == FEATURE)
}
