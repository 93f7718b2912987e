//! The whole server over real sockets.

use std::time::Duration;

use futures_util::SinkExt;
use p2pshare_protocol::envelope::{Cid, ClientMessage, ErrorCode, FIRST_MESSAGE_HEADER, Outcome, ServerMessage, Why};
use p2pshare_protocol::limits::{BODY_BYTES_MAX, ENVELOPE_BYTES_MAX};
use p2pshare_signal::{Config, Rate};
use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, timeout};
use tokio_tungstenite::tungstenite::{Bytes, Message};

use crate::harness::{PATIENCE, TestServer, create, from, to};

#[tokio::test]
async fn host_and_guest_meet_talk_and_part() {
    let server = TestServer::start();
    let (mut host, mut guest) = (server.client().await, server.client().await);
    let (room, _) = host.create().await;
    let cid = guest.join(&room).await;
    assert_eq!(host.hear().await, ServerMessage::Peer { cid, room });

    host.say(to(cid, b"hello")).await;
    assert_eq!(guest.hear().await, from(Cid::HOST, b"hello"));
    let longest = vec![7; BODY_BYTES_MAX];
    guest.say(to(Cid::HOST, &longest)).await;
    assert_eq!(host.hear().await, from(cid, &longest));
    host.say(ClientMessage::Report { cid, what: Outcome::Ok }).await;

    guest.say(ClientMessage::Bye { room: None }).await;
    assert_eq!(guest.hear_close().await, 1000);
    assert_eq!(host.hear().await, ServerMessage::Left { cid, why: Why::Left });
}

#[tokio::test]
async fn a_first_message_with_the_request_is_as_good_and_as_bad_as_any() {
    let server = TestServer::start();
    let mut host = server.client().await;
    let (room, _) = host.create().await;
    let join = ClientMessage::Join { v: 1, room: room.clone() }.encode();
    let mut guest = server.client_with(&[(FIRST_MESSAGE_HEADER, &join)]).await.unwrap();
    assert_eq!(guest.hear().await, ServerMessage::Joined { cid: Cid(1), room: room.clone() });
    assert_eq!(host.hear().await, ServerMessage::Peer { cid: Cid(1), room });
    let mut junk = server.client_with(&[(FIRST_MESSAGE_HEADER, "{}")]).await.unwrap();
    assert!(matches!(junk.hear().await, ServerMessage::Error { code: ErrorCode::Protocol, .. }));
    assert_eq!(junk.hear_close().await, 1008);
}

#[tokio::test]
async fn a_socket_that_vanishes_is_noticed() {
    let server = TestServer::start();
    let (mut host, mut guest) = (server.client().await, server.client().await);
    let (room, _) = host.create().await;
    let cid = guest.join(&room).await;
    host.hear().await;
    drop(guest);
    assert_eq!(host.hear().await, ServerMessage::Left { cid, why: Why::Lost });
}

#[tokio::test]
async fn a_host_comes_back_with_its_token() {
    let server = TestServer::start();
    let (mut host, mut guest) = (server.client().await, server.client().await);
    let (room, token) = host.create().await;
    guest.join(&room).await;
    drop(host);
    assert_eq!(guest.hear().await, ServerMessage::Left { cid: Cid::HOST, why: Why::Lost });

    let mut back = server.client().await;
    back.say(create(Some(room.clone()), Some(token.clone()))).await;
    let ServerMessage::Created { room: again, token: same, .. } = back.hear().await else { panic!("not created") };
    assert_eq!((&again, same), (&room, token));
    guest.join(&room).await;
}

#[tokio::test]
async fn a_guest_that_does_not_prove_itself_is_removed() {
    let mut config = Config::default();
    config.limits.handshake = Duration::from_millis(50);
    let server = TestServer::with(config);
    let (mut host, mut guest) = (server.client().await, server.client().await);
    let (room, _) = host.create().await;
    let cid = guest.join(&room).await;
    host.hear().await;
    assert_eq!(host.hear().await, ServerMessage::Left { cid, why: Why::TimedOut });
    assert_eq!(guest.hear().await, ServerMessage::Left { cid: Cid::HOST, why: Why::TimedOut });
}

#[tokio::test]
async fn a_room_ends_when_its_life_is_over() {
    let mut config = Config::default();
    config.limits.room_lifetime = Duration::from_millis(50);
    let server = TestServer::with(config);
    let mut host = server.client().await;
    let (room, _) = host.create().await;
    assert_eq!(host.hear().await, ServerMessage::Ended { room, why: Why::Expired });
}

#[tokio::test]
async fn b_081_what_is_no_message_is_refused_and_ends_the_connection() {
    let server = TestServer::start();
    for text in ["", "{}", r#"{"type":"list"}"#, r#"{"type":"to","cid":1,"body":""}"#, &"[".repeat(10_000)] {
        let mut client = server.client().await;
        client.say_text(text).await;
        let refused = ServerMessage::Error { code: ErrorCode::Protocol, room: None, retry_after: None };
        assert_eq!(client.hear().await, refused, "{text}");
        assert_eq!(client.hear_close().await, 1008, "{text}");
    }
}

#[tokio::test]
async fn b_074_frames_that_are_too_long_binary_or_broken_end_the_connection() {
    let server = TestServer::start();
    let mut client = server.client().await;
    client.say_text(&"x".repeat(ENVELOPE_BYTES_MAX + 1)).await;
    assert_eq!(client.hear_close().await, 1009);

    let mut client = server.client().await;
    client.socket.send(Message::Binary(Bytes::from_static(b"x"))).await.unwrap();
    assert_eq!(client.hear_close().await, 1003);

    let long_ping = [&b"\x89\xfe\0\x7e\0\0\0\0"[..], &[0; 126]].concat();
    for (what, bytes, code) in [
        ("an unmasked frame", &b"\x81\x02{}"[..], 1002),
        ("a reserved bit", &b"\xc1\x80\0\0\0\0"[..], 1002),
        ("a ping of 126 bytes", &long_ping, 1002),
        ("bad UTF-8", &b"\x81\x81\0\0\0\0\xff"[..], 1007),
    ] {
        let mut client = server.client().await;
        client.socket.get_mut().write_all(bytes).await.unwrap();
        assert_eq!(client.hear_close().await, code, "{what}");
    }
}

#[tokio::test]
async fn b_074_a_message_in_a_hundred_thousand_pieces_is_cut_off() {
    let server = TestServer::start();
    let mut client = server.client().await;
    let mut pieces = b"\x01\x81\0\0\0\0x".to_vec();
    for _ in 0..100_000 {
        pieces.extend(b"\x00\x81\0\0\0\0x");
    }
    // The server stops reading long before the end.
    let _ = timeout(PATIENCE, client.socket.get_mut().write_all(&pieces)).await.expect("the server reads or closes");
    assert_eq!(client.hear_close().await, 1009);
}

#[tokio::test]
async fn b_074_a_flood_of_pings_is_cut_off() {
    let server = TestServer::start();
    let mut client = server.client().await;
    client.create().await;
    for _ in 0..1000 {
        if client.socket.send(Message::Ping(Bytes::new())).await.is_err() {
            break;
        }
    }
    loop {
        match client.frame().await {
            Some(Ok(Message::Pong(_))) => {}
            Some(Ok(Message::Close(Some(close)))) => break assert_eq!(u16::from(close.code), 1008),
            other => panic!("not closed properly: {other:?}"),
        }
    }
}

#[tokio::test]
async fn b_075_a_websocket_without_a_first_message_is_closed() {
    let mut config = Config::default();
    config.limits.socket.first_message = Duration::from_millis(50);
    let server = TestServer::with(config);
    let mut silent = server.client().await;
    assert_eq!(silent.hear_close().await, 1008);
}

#[tokio::test]
async fn messages_beyond_the_rate_wait_and_none_is_lost() {
    let mut config = Config::default();
    config.limits.socket.messages = Rate { count: 10, per: Duration::from_millis(100) };
    let server = TestServer::with(config);
    let (mut host, mut guest) = (server.client().await, server.client().await);
    let (room, _) = host.create().await;
    let cid = guest.join(&room).await;
    host.hear().await;
    let start = Instant::now();
    for n in 0..30 {
        guest.say(to(Cid::HOST, &[n])).await;
    }
    for n in 0..30 {
        assert_eq!(host.hear().await, from(cid, &[n]));
    }
    assert!(start.elapsed() >= Duration::from_millis(200), "31 messages at 10 in 100 ms, 10 of them at once");
}

#[tokio::test]
async fn b_078_a_subscriber_that_never_reads_is_closed() {
    let mut config = Config::default();
    config.limits.guest_bytes_max = usize::MAX;
    config.limits.socket.messages = Rate { count: 1_000_000, per: Duration::from_secs(1) };
    config.limits.socket.close = PATIENCE;
    let server = TestServer::with(config);
    let (mut host, mut deaf) = (server.client().await, server.client().await);
    let (room, _) = host.create().await;
    let cid = deaf.join(&room).await;
    host.hear().await;
    let body = vec![0; BODY_BYTES_MAX];
    let left = async {
        loop {
            tokio::select! {
                frame = host.frame() => break frame,
                () = tokio::task::yield_now() => {}
            }
            host.say(to(cid, &body)).await;
        }
    };
    let Some(Ok(Message::Text(text))) = timeout(PATIENCE, left).await.unwrap() else { panic!("no message") };
    assert_eq!(ServerMessage::decode(&text).unwrap(), ServerMessage::Left { cid, why: Why::Lost });
    assert_eq!(deaf.hear_close().await, 1013);
}

#[tokio::test]
async fn a_shutdown_says_goodbye_to_everybody_and_takes_no_longer_than_two_seconds() {
    let server = TestServer::start();
    let (mut host, mut guest) = (server.client().await, server.client().await);
    let (room, _) = host.create().await;
    guest.join(&room).await;
    let idle_http = server.tcp().await;
    let address = server.address;
    let start = Instant::now();
    server.stop().await;
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    assert_eq!(host.hear_close().await, 1001);
    assert_eq!(guest.hear_close().await, 1001);
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
    drop(idle_http);
}
