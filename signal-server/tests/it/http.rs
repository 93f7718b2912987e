//! What the server answers over HTTP, and whom it does not let connect.

use std::time::Duration;

use p2pshare_protocol::envelope::{ClientMessage, ErrorCode, RoomKind, ServerMessage};
use p2pshare_protocol::nearby::{Device, DeviceKind, OpenLink};
use p2pshare_protocol::room::RoomId;
use p2pshare_protocol::server_config::{IceServer, ServerConfig, VersionRange};
use p2pshare_signal::{Config, Rate, RelayConfig, network_address};
use tokio::io::AsyncWriteExt;
use tokio_tungstenite::tungstenite;

use crate::harness::{TestServer, read_to_end};

#[tokio::test]
async fn it_says_that_it_is_well() {
    let server = TestServer::start();
    let answer = server.get("/healthz").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nok\n"), "{answer}");
}

#[tokio::test]
async fn it_describes_itself() {
    let stun = IceServer { urls: vec!["stun:stun.example.org".into()], username: None, credential: None };
    let server = TestServer::with(Config { ice_servers: vec![stun.clone()], ..Config::default() });
    let answer = server.get("/api/config").await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("content-type: application/json"), "{head}");
    let config: ServerConfig = serde_json::from_str(body).unwrap();
    assert_eq!(config.protocol, VersionRange::OURS);
    assert_eq!((config.limits.message_bytes, config.limits.room_lifetime_s), (32 * 1024, 3600));
    assert_eq!(config.ice_servers, [stun], "a client on this machine learns nothing from a reflector on it");
    assert!(!config.relay);
}

#[tokio::test]
async fn a_page_of_this_machine_is_told_where_others_find_the_server_and_nobody_else_is() {
    let server = TestServer::listening("0.0.0.0:0", Config::default());
    let elsewhere = async |host: &str, more: &str| {
        let request = format!("GET /api/config HTTP/1.1\r\nHost: {host}\r\n{more}Connection: close\r\n\r\n");
        let answer = server.request(&request).await;
        serde_json::from_str::<ServerConfig>(answer.split_once("\r\n\r\n").unwrap().1).unwrap().elsewhere
    };
    let expected = network_address().map(|ip| format!("http://{ip}:{}", server.address.port()));
    for host in ["localhost", "127.0.0.1:8765"] {
        assert_eq!(elsewhere(host, "").await, expected, "{host}");
    }
    assert_eq!(elsewhere("share.example.org", "").await, None, "a proxy's name");
    assert_eq!(elsewhere("localhost", "X-Forwarded-For: 192.0.2.7\r\n").await, None, "a proxy's client");
    let inward = TestServer::start().get("/api/config").await;
    assert!(!inward.contains("elsewhere"), "only this machine reaches it");
}

#[tokio::test]
async fn it_recommends_itself_as_reflector_to_clients_from_outside_and_tells_of_its_relay() {
    let server = TestServer::with(Config {
        trusted_proxies: vec!["127.0.0.1".parse().unwrap()],
        relay: Some(RelayConfig::embedded()),
        ..Config::default()
    });
    let answer = server.request(
        "GET /api/config HTTP/1.1\r\nHost: share.example.org\r\nX-Forwarded-For: 1.2.3.4\r\nConnection: close\r\n\r\n",
    );
    let answer = answer.await;
    let config: ServerConfig = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!(config.ice_servers[0].urls, [format!("stun:share.example.org:{}", server.address.port())]);
    assert!(config.relay);
}

#[tokio::test]
async fn a_link_opened_in_a_browser_finds_the_web_client_or_a_page_that_says_that_there_is_none() {
    let server = TestServer::start();
    let answer = server.get("/").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"));
    for header in [
        "content-security-policy: default-src 'none';",
        "script-src 'self';",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "x-content-type-options: nosniff",
        "referrer-policy: no-referrer",
        "cross-origin-opener-policy: same-origin",
        "cache-control: no-store",
    ] {
        assert!(answer.contains(header), "{header}");
    }
    assert!(!answer.contains("'unsafe-") && !answer.contains("<style") && !answer.contains("http-equiv"));
    assert!(answer.contains("p2pshare recv"));
    for loaded in answer.split("src=\"").skip(1).filter_map(|rest| rest.split_once('"')) {
        let file = server.get(loaded.0).await;
        assert!(file.starts_with("HTTP/1.1 200 OK\r\n"), "{}", loaded.0);
        assert!(file.contains("content-type: text/javascript"), "{}", loaded.0);
        assert!(file.contains("immutable") && file.contains("default-src 'none'"), "{}", loaded.0);
    }
    assert_eq!(answer.matches("<script").count(), answer.matches("src=\"/assets/").count(), "a script of its own");
}

#[tokio::test]
async fn other_paths_and_methods_are_refused() {
    let server = TestServer::start();
    assert!(server.get("/../etc/passwd").await.starts_with("HTTP/1.1 404"));
    assert!(server.get("/ws").await.starts_with("HTTP/1.1 400"));
    let post = format!("POST /healthz HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", server.address);
    assert!(server.request(&post).await.starts_with("HTTP/1.1 405"));
}

#[tokio::test]
async fn b_083_foreign_origin_is_refused() {
    let allowed = "https://app.example.org".parse().unwrap();
    let server = TestServer::with(Config { allowed_origins: vec![allowed], ..Config::default() });
    for foreign in ["https://evil.example", "null"] {
        let refused = server.client_with(&[("origin", foreign)]).await;
        assert_eq!(status(refused.err()), Some(403), "{foreign}");
    }
    let own = format!("http://{}", server.address);
    for welcome in [&own[..], "https://app.example.org"] {
        server.client_with(&[("origin", welcome)]).await.unwrap().create().await;
    }
    server.client().await.create().await;
}

#[tokio::test]
async fn b_084_forwarded_addresses_count_only_from_a_trusted_proxy() {
    let mut config = Config::default();
    config.limits.source.loopback = true;
    config.limits.source.joins = Rate { count: 1, per: Duration::from_secs(3600) };

    let direct = TestServer::with(config.clone());
    assert_eq!(answer_to_join(&direct, &[("x-forwarded-for", "1.2.3.4")]).await, ErrorCode::NotActive);
    let claims = [("x-forwarded-for", "1.2.3.5"), ("cf-connecting-ip", "1.2.3.6"), ("x-real-ip", "1.2.3.7")];
    assert_eq!(answer_to_join(&direct, &claims).await, ErrorCode::RateLimited);

    config.trusted_proxies = vec!["127.0.0.1".parse().unwrap()];
    let behind_proxy = TestServer::with(config);
    for (forwarded_for, expected) in [
        ("9.9.9.9, 1.2.3.4", ErrorCode::NotActive),
        ("8.8.8.8, 1.2.3.4", ErrorCode::RateLimited),
        ("1.2.3.5", ErrorCode::NotActive),
    ] {
        let answer = answer_to_join(&behind_proxy, &[("x-forwarded-for", forwarded_for)]).await;
        assert_eq!(answer, expected, "{forwarded_for}");
    }
}

#[tokio::test]
async fn who_comes_through_a_proxy_that_is_not_known_is_on_no_network_and_through_a_known_one_on_its_own() {
    let looks = async |server: &TestServer, forwarded_for: &str| {
        let mut client = server.client_with(&[("x-forwarded-for", forwarded_for)]).await.unwrap();
        client.say(ClientMessage::Look {}).await;
        (client.hear().await, client)
    };
    let unaware = TestServer::start();
    let no_nearby = ServerMessage::Error { code: ErrorCode::NoNearby, room: None, retry_after: None };
    assert_eq!(looks(&unaware, "203.0.113.7").await.0, no_nearby);

    let trusted_proxies = vec!["127.0.0.1".parse().unwrap()];
    let server = TestServer::with(Config { trusted_proxies, ..Config::default() });
    let mut host = server.client_with(&[("x-forwarded-for", "203.0.113.7")]).await.unwrap();
    let link = OpenLink::try_from(format!("v1.{}", "A".repeat(43))).unwrap();
    let room = RoomId::parse(&"a".repeat(32)).unwrap();
    host.say(ClientMessage::Create {
        v: 1,
        kind: RoomKind::Link,
        room: Some(room.clone()),
        token: None,
        ttl: None,
        max: None,
    })
    .await;
    host.hear().await;
    let device = Device { room, name: "ann".parse().unwrap(), kind: DeviceKind::Page, link };
    host.say(ClientMessage::Show(device.clone())).await;
    // What the host is told after it shows that the server has taken it in.
    host.say(ClientMessage::Look {}).await;
    let seen = ServerMessage::Nearby { devices: vec![device] };
    assert_eq!(host.hear().await, seen);
    assert_eq!(looks(&server, "203.0.113.7").await.0, seen);
    assert_eq!(looks(&server, "203.0.113.8").await.0, ServerMessage::Nearby { devices: Vec::new() });
}

#[tokio::test]
async fn a_source_has_a_bounded_number_of_sockets() {
    let mut config = Config::default();
    config.limits.source.loopback = true;
    config.limits.source.sockets_max = 2;
    let server = TestServer::with(config);
    let mut first = server.client().await;
    let _second = server.client().await;
    assert_eq!(status(server.client_with(&[]).await.err()), Some(429));
    first.say(ClientMessage::Bye { room: None }).await;
    assert_eq!(first.hear_close().await, 1000);
    server.client().await;
}

#[tokio::test]
async fn b_075_a_request_that_dribbles_in_is_cut_off() {
    let mut config = Config::default();
    config.limits.socket.header_read = Duration::from_millis(100);
    let server = TestServer::with(config);
    let mut half = server.tcp().await;
    half.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: ").await.unwrap();
    let mut silent = server.tcp().await;
    // Either a 408 or nothing at all, but the end of the connection.
    let _ = read_to_end(&mut half).await;
    let _ = read_to_end(&mut silent).await;
    assert!(server.get("/healthz").await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn b_077_beyond_its_connections_it_refuses_and_recovers() {
    let mut config = Config::default();
    config.limits.socket.open_max = Some(2);
    let server = TestServer::with(config);
    let mut first = server.client().await;
    let _second = server.client().await;
    let refused = server.get("/healthz").await;
    assert!(refused.starts_with("HTTP/1.1 503") && refused.contains("Retry-After: 5"), "{refused}");
    first.say(ClientMessage::Bye { room: None }).await;
    assert_eq!(first.hear_close().await, 1000);
    drop(first);
    while !server.get("/healthz").await.starts_with("HTTP/1.1 200") {
        tokio::task::yield_now().await;
    }
}

async fn answer_to_join(server: &TestServer, headers: &[(&'static str, &str)]) -> ErrorCode {
    let mut client = server.client_with(headers).await.unwrap();
    client.say(ClientMessage::Join { v: 1, room: RoomId::parse("99999").unwrap() }).await;
    match client.hear().await {
        ServerMessage::Error { code, .. } => code,
        other => panic!("no error: {other:?}"),
    }
}

fn status(error: Option<tungstenite::Error>) -> Option<u16> {
    match error {
        Some(tungstenite::Error::Http(response)) => Some(response.status().as_u16()),
        _ => None,
    }
}
