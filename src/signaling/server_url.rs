//! The address of a signalling server, as people write it.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use reqwest::Url;

use super::proxy::{Proxies, Proxy};

/// Where a signalling server is: scheme, host and port, nothing else.
///
/// Written in full (`https://share.example.org:8443`), or short: a name stands for `https://`, an IP address or
/// `localhost` for `http://`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ServerUrl {
    secure: bool,
    host: String,
    port: u16,
    /// Boxed, since errors hold these addresses.
    proxy: Option<Box<Proxy>>,
}

impl ServerUrl {
    /// The address of a server that listens on this machine without TLS.
    #[must_use]
    pub fn local(port: u16) -> Self {
        Self { secure: false, host: "127.0.0.1".to_owned(), port, proxy: None }
    }

    /// The same server, through the proxy that is for it, if one is.
    #[must_use]
    pub fn through(self, proxies: &Proxies) -> Self {
        let proxy = proxies.for_server(self.secure, &self.host).cloned().map(Box::new);
        Self { proxy, ..self }
    }

    /// The proxy on the way to it.
    pub(super) fn proxy(&self) -> Option<&Proxy> {
        self.proxy.as_deref()
    }

    /// Whether the way to the server is TLS.
    #[must_use]
    pub const fn is_secure(&self) -> bool {
        self.secure
    }

    /// The name or IP address, without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The TCP port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Where its WebSocket is.
    pub(super) fn websocket(&self) -> String {
        format!("{}://{}/ws", if self.secure { "wss" } else { "ws" }, self.authority())
    }

    /// Where its relay over a WebSocket is.
    pub(super) fn tunnel(&self) -> String {
        format!("{}://{}/relay", if self.secure { "wss" } else { "ws" }, self.authority())
    }

    /// Where its description is.
    pub(super) fn config(&self) -> String {
        format!("{self}/api/config")
    }

    fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        let default_port = if self.secure { 443 } else { 80 };
        if self.port == default_port { host } else { format!("{host}:{}", self.port) }
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", if self.secure { "https" } else { "http" }, self.authority())
    }
}

impl FromStr for ServerUrl {
    type Err = ServerUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refused = || ServerUrlError { value: text.to_owned() };
        let url = match text.split_once("://") {
            Some(_) => Url::parse(text),
            None => {
                let url = Url::parse(&format!("http://{text}"));
                if url.as_ref().is_ok_and(is_plain_by_default) { url } else { Url::parse(&format!("https://{text}")) }
            }
        }
        .map_err(|_| refused())?;
        let secure = match url.scheme() {
            "https" | "wss" => true,
            "http" | "ws" => false,
            _ => return Err(refused()),
        };
        let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
        let anonymous = url.username().is_empty() && url.password().is_none();
        match (bare_host(&url), url.port_or_known_default()) {
            (Some(host), Some(port)) if bare && anonymous => Ok(Self { secure, host, port, proxy: None }),
            _ => Err(refused()),
        }
    }
}

/// A text is no server's address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{value}` is no server address; write for example https://share.example.org or 192.0.2.7:8765")]
pub struct ServerUrlError {
    /// What was given.
    pub value: String,
}

/// Whether an address without a scheme stands for `http://`: certificates for these are rare.
fn is_plain_by_default(url: &Url) -> bool {
    bare_host(url).is_some_and(|host| host == "localhost" || host.parse::<IpAddr>().is_ok())
}

fn bare_host(url: &Url) -> Option<String> {
    let host = url.host_str()?;
    Some(host.trim_start_matches('[').trim_end_matches(']').to_owned()).filter(|h| !h.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_forms_stand_for_what_people_mean() {
        for (text, expected) in [
            ("share.example.org", "https://share.example.org"),
            ("share.example.org:8443", "https://share.example.org:8443"),
            ("127.0.0.1:8765", "http://127.0.0.1:8765"),
            ("localhost:8765", "http://localhost:8765"),
            ("[::1]:8765", "http://[::1]:8765"),
            ("http://share.example.org/", "http://share.example.org"),
            ("https://192.0.2.7:443", "https://192.0.2.7"),
            ("wss://Share.Example.org", "https://share.example.org"),
        ] {
            assert_eq!(text.parse::<ServerUrl>().unwrap().to_string(), expected, "{text}");
        }
    }

    #[test]
    fn its_parts_lead_to_the_server() {
        let server: ServerUrl = "[::1]:8765".parse().unwrap();
        assert_eq!((server.host(), server.port()), ("::1", 8765));
        assert_eq!(server.websocket(), "ws://[::1]:8765/ws");
        assert_eq!("share.example.org".parse::<ServerUrl>().unwrap().websocket(), "wss://share.example.org/ws");
    }

    #[test]
    fn what_is_no_address_is_named_in_the_error() {
        for text in [
            "",
            "/",
            "ftp://example.org",
            "https://",
            "https://example.org/share",
            "https://example.org/?a",
            "https://example.org/#v1.abc",
            "https://user:pw@example.org",
            "example.org:99999",
            "two words",
        ] {
            let error = text.parse::<ServerUrl>().unwrap_err();
            assert_eq!(error.value, text);
        }
    }
}
