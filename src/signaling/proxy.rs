//! Reaches a server through a proxy: HTTP CONNECT or SOCKS5. Only signalling goes that way, and what the server relays.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::str::FromStr;

use data_encoding::BASE64;
use reqwest::Url;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Which proxy is used for which server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxies {
    /// For servers with `https`.
    pub https: Option<Proxy>,
    /// For servers with `http`.
    pub http: Option<Proxy>,
    /// Names, domains and addresses that are reached without one, as in `NO_PROXY`; `*` is all.
    pub except: Vec<String>,
}

/// A proxy.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Proxy {
    kind: Kind,
    host: String,
    port: u16,
    /// Name and password.
    login: Option<(String, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Http,
    Socks5,
}

impl Proxies {
    /// The proxy for a server; this machine is reached without one.
    pub(super) fn for_server(&self, is_secure: bool, host: &str) -> Option<&Proxy> {
        let is_here = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
        if is_here || self.except.iter().any(|except| is_except(except, host)) {
            return None;
        }
        if is_secure { self.https.as_ref() } else { self.http.as_ref() }
    }
}

/// Whether an entry of `NO_PROXY` means this host.
fn is_except(except: &str, host: &str) -> bool {
    let except = except.trim().to_ascii_lowercase();
    let domain = except.trim_start_matches("*.").trim_start_matches('.');
    let is_inside = || host.strip_suffix(domain).is_some_and(|front| front.is_empty() || front.ends_with('.'));
    except == "*" || (!domain.is_empty() && is_inside())
}

impl Proxy {
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    pub(super) const fn port(&self) -> u16 {
        self.port
    }

    /// Its address with the login, for who speaks to it in another way.
    pub(super) fn url(&self) -> String {
        let scheme = if self.kind == Kind::Http { "http" } else { "socks5h" };
        let encode = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
        let login = self
            .login
            .as_ref()
            .map_or_else(String::new, |(name, password)| format!("{}:{}@", encode(name), encode(password)));
        format!("{scheme}://{login}{}", self.authority())
    }

    fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        format!("{host}:{}", self.port)
    }

    /// Has the proxy connect a stream to a host. Names are for the proxy to look up.
    pub(super) async fn lead(&self, stream: &mut TcpStream, host: &str, port: u16) -> io::Result<()> {
        match self.kind {
            Kind::Http => self.connect(stream, host, port).await,
            Kind::Socks5 => self.socks(stream, host, port).await,
        }
        .map_err(|error| io::Error::new(error.kind(), format!("the proxy {self}: {error}")))
    }

    async fn connect(&self, stream: &mut TcpStream, host: &str, port: u16) -> io::Result<()> {
        let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        let mut request = format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n");
        if let Some((name, password)) = &self.login {
            let login = BASE64.encode(format!("{name}:{password}").as_bytes());
            request += &format!("Proxy-Authorization: Basic {login}\r\n");
        }
        request += "\r\n";
        stream.write_all(request.as_bytes()).await?;
        let head = read_head(stream).await?;
        let status = head.split(' ').nth(1).and_then(|status| status.parse::<u16>().ok());
        match status {
            Some(200..300) => Ok(()),
            Some(407) => Err(refused("it wants a name and a password")),
            Some(status) => Err(refused(&format!("it refused with HTTP status {status}"))),
            None => Err(refused("it does not speak HTTP")),
        }
    }

    async fn socks(&self, stream: &mut TcpStream, host: &str, port: u16) -> io::Result<()> {
        let methods: &[u8] = if self.login.is_some() { &[5, 2, 0, 2] } else { &[5, 1, 0] };
        stream.write_all(methods).await?;
        let mut chosen = [0; 2];
        stream.read_exact(&mut chosen).await?;
        match (chosen, &self.login) {
            ([5, 0], _) => {}
            ([5, 2], Some((name, password))) => {
                let login = [vec![1], short(name)?, short(password)?].concat();
                stream.write_all(&login).await?;
                let mut answer = [0; 2];
                stream.read_exact(&mut answer).await?;
                if answer[1] != 0 {
                    return Err(refused("it does not take this name and password"));
                }
            }
            ([5, _], _) => return Err(refused("it wants a name and a password")),
            _ => return Err(refused("it does not speak SOCKS5")),
        }
        let destination = match host.parse::<IpAddr>() {
            Ok(IpAddr::V4(ip)) => [&[1], ip.octets().as_slice()].concat(),
            Ok(IpAddr::V6(ip)) => [&[4], ip.octets().as_slice()].concat(),
            Err(_) => [&[3], short(host)?.as_slice()].concat(),
        };
        stream.write_all(&[&[5, 1, 0], destination.as_slice(), &port.to_be_bytes()].concat()).await?;
        let mut answer = [0; 4];
        stream.read_exact(&mut answer).await?;
        let bound = match answer[3] {
            1 => 4,
            4 => 16,
            _ => usize::from(stream.read_u8().await?),
        };
        let mut rest = vec![0; bound + 2];
        stream.read_exact(&mut rest).await?;
        match answer[1] {
            0 => Ok(()),
            2 => Err(refused("its rules forbid the connection")),
            3..=6 => Err(refused("it cannot reach the server")),
            code => Err(refused(&format!("it refused with SOCKS code {code}"))),
        }
    }
}

/// A text with its length in front, as SOCKS has them.
fn short(text: &str) -> io::Result<Vec<u8>> {
    let length = u8::try_from(text.len()).map_err(|_| refused("a name is too long for SOCKS5"))?;
    Ok([&[length], text.as_bytes()].concat())
}

/// Reads the head of an answer, and nothing of what follows it.
async fn read_head(stream: &mut TcpStream) -> io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() >= HEAD_BYTES_MAX {
            return Err(refused("its answer is too long"));
        }
        head.push(stream.read_u8().await?);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

fn refused(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionRefused, why.to_owned())
}

impl FromStr for Proxy {
    type Err = ProxyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let whole = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let url = Url::parse(&whole).map_err(|_| ProxyError)?;
        let (kind, usual_port) = match url.scheme() {
            "http" => (Kind::Http, 80),
            "socks5" | "socks5h" | "socks" => (Kind::Socks5, 1080),
            _ => return Err(ProxyError),
        };
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or(ProxyError)?;
        let decode = |text: &str| percent_decode(text).ok_or(ProxyError);
        let login = match (url.username(), url.password()) {
            ("", None) => None,
            (name, password) => Some((decode(name)?, decode(password.unwrap_or(""))?)),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        Ok(Self { kind, host, port: url.port().unwrap_or(usual_port), login })
    }
}

fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let pair = (byte == b'%').then(|| [rest.next(), rest.next()]);
        bytes.push(match pair {
            Some([Some(high), Some(low)]) => {
                let digits = [high, low];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            Some(_) => return None,
            None => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.kind == Kind::Http { "http" } else { "socks5" };
        write!(f, "{scheme}://{}", self.authority())
    }
}

/// Leaves the password out.
impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({self})")
    }
}

/// A text is no proxy's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is no proxy; write for example http://proxy.example.org:3128 or socks5://NAME:PASSWORD@127.0.0.1:1080")]
pub struct ProxyError;

/// The longest head of a proxy's answer.
const HEAD_BYTES_MAX: usize = 8 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_are_written_as_everywhere() {
        for (text, shown) in [
            ("http://proxy.example.org:3128", "http://proxy.example.org:3128"),
            ("proxy.example.org:3128", "http://proxy.example.org:3128"),
            ("http://ann:s%40cret@proxy.example.org", "http://proxy.example.org:80"),
            ("socks5h://[::1]", "socks5://[::1]:1080"),
        ] {
            assert_eq!(text.parse::<Proxy>().unwrap().to_string(), shown, "{text}");
        }
        let proxy: Proxy = "http://ann:s%40cret@proxy.example.org".parse().unwrap();
        assert_eq!(proxy.login, Some(("ann".to_owned(), "s@cret".to_owned())));
        assert!(!format!("{proxy:?}").contains("cret"));
        for bad in ["", "https://proxy.example.org", "ftp://a", "http://", "http://a%zz:b@c"] {
            assert!(bad.parse::<Proxy>().is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn this_machine_and_exceptions_are_reached_without_one() {
        let proxy: Proxy = "http://proxy.example.org".parse().unwrap();
        let except = ["intra.example.org", ".corp.example.org", "*.lab.example.org", "192.0.2.7"];
        let except = except.map(str::to_owned).to_vec();
        let proxies = Proxies { https: Some(proxy), http: None, except };
        let is_used = |host| proxies.for_server(true, host).is_some();
        for host in ["share.example.org", "notintra.example.org", "192.0.2.77"] {
            assert!(is_used(host), "{host}");
        }
        let without =
            ["localhost", "127.0.0.1", "::1", "intra.example.org", "a.intra.example.org", "b.corp.example.org"];
        for host in without.into_iter().chain(["c.lab.example.org", "192.0.2.7"]) {
            assert!(!is_used(host), "{host}");
        }
        assert!(proxies.for_server(false, "share.example.org").is_none(), "none for http");
        let all = Proxies { except: vec!["*".to_owned()], ..proxies };
        assert!(all.for_server(true, "share.example.org").is_none());
    }
}
