//! The client against the real server, and against servers that are none.

use std::future::Future;

use p2pshare_protocol::envelope::{Body, Cid, ErrorCode, RoomKind, Why};
use p2pshare_protocol::room::RoomId;
use p2pshare_protocol::server_config::VersionRange;
use p2pshare_signal::{Config, Server};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::*;

#[tokio::test]
async fn two_clients_meet_and_talk() {
    let (server, _stop) = start().await;
    let (mut host, mut guest) = (connect(&server).await, connect(&server).await);
    let room = create(&mut host).await;
    guest.send(ClientMessage::Join { v: 1, room: room.clone() }).await.unwrap();
    let cid = Cid(1);
    assert_eq!(host.next().await.unwrap(), ServerMessage::Peer { cid, room: room.clone() });
    assert_eq!(guest.next().await.unwrap(), ServerMessage::Joined { cid, room });

    let body = Body::new(b"sealed".to_vec()).unwrap();
    guest.send(ClientMessage::To { cid: Cid::HOST, body: body.clone() }).await.unwrap();
    assert_eq!(host.next().await.unwrap(), ServerMessage::From { cid, body });
    guest.send(ClientMessage::Bye { room: None }).await.unwrap();
    guest.close().await;
    assert_eq!(host.next().await.unwrap(), ServerMessage::Left { cid, why: Why::Left });
}

#[tokio::test]
async fn a_first_message_rides_with_the_request() {
    let (server, _stop) = start().await;
    let mut host = connect(&server).await;
    let room = create(&mut host).await;
    let mut guest = Signaling::connect_saying(&server, ClientMessage::Join { v: 1, room: room.clone() }).await.unwrap();
    assert_eq!(guest.next().await.unwrap(), ServerMessage::Joined { cid: Cid(1), room: room.clone() });
    assert_eq!(host.next().await.unwrap(), ServerMessage::Peer { cid: Cid(1), room });
    guest.send(ClientMessage::Bye { room: None }).await.unwrap();
    assert!(matches!(host.next().await.unwrap(), ServerMessage::Left { .. }), "it was heard once");
}

#[tokio::test]
async fn a_first_message_that_was_not_heard_is_said_again() {
    let server = serving(|stream| async move {
        let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
        let said = socket.next().await.unwrap().unwrap().into_text().unwrap();
        let Ok(ClientMessage::Join { room, .. }) = ClientMessage::decode(&said) else { panic!("not joined: {said}") };
        let joined = ServerMessage::Joined { cid: Cid(7), room };
        socket.send(Message::text(joined.encode())).await.unwrap();
        read_to_end(socket.get_mut()).await;
    })
    .await;
    let join = ClientMessage::Join { v: 1, room: RoomId::parse("99999").unwrap() };
    let mut guest = Signaling::connect_saying(&server, join).await.unwrap();
    assert!(matches!(guest.next().await.unwrap(), ServerMessage::Joined { cid: Cid(7), .. }));
}

#[tokio::test]
async fn the_halves_serve_several_tasks() {
    let (server, _stop) = start().await;
    let (sender, mut receiver) = connect(&server).await.split();
    let join = ClientMessage::Join { v: 1, room: RoomId::parse("99999").unwrap() };
    for sender in [sender.clone(), sender] {
        sender.send(join.clone()).await.unwrap();
        let answer = receiver.next().await.unwrap();
        assert!(matches!(answer, ServerMessage::Error { code: ErrorCode::NotActive, .. }));
    }
}

#[tokio::test]
async fn waiting_can_be_given_up_without_a_loss() {
    let (server, _stop) = start().await;
    let mut client = connect(&server).await;
    for _ in 0..20 {
        let join = ClientMessage::Join { v: 1, room: RoomId::parse("99999").unwrap() };
        client.send(join).await.unwrap();
    }
    let mut answers = 0;
    while answers < 20 {
        tokio::select! {
            biased;
            answer = client.next() => { answer.unwrap(); answers += 1; }
            () = tokio::task::yield_now() => {}
        }
    }
}

#[tokio::test]
async fn dropping_the_receiver_closes_the_socket() {
    let (server, _stop) = start().await;
    let (mut host, guest) = (connect(&server).await, connect(&server).await);
    let room = create(&mut host).await;
    guest.send(ClientMessage::Join { v: 1, room }).await.unwrap();
    assert!(matches!(host.next().await.unwrap(), ServerMessage::Peer { .. }));
    let (_sender, receiver) = guest.split();
    drop(receiver);
    assert_eq!(host.next().await.unwrap(), ServerMessage::Left { cid: Cid(1), why: Why::Lost });
}

#[tokio::test]
async fn a_server_that_goes_down_says_so() {
    let (server, stop) = start().await;
    let mut client = connect(&server).await;
    create(&mut client).await;
    drop(stop);
    assert!(matches!(client.next().await, Err(SignalingError::Closed { code: Some(1001) })));
    assert!(matches!(client.next().await, Err(SignalingError::Closed { code: None })));
    let error = client.send(ClientMessage::Bye { room: None }).await.unwrap_err();
    assert!(error.is_transient());
}

#[tokio::test]
async fn a_server_describes_itself() {
    let (server, _stop) = start().await;
    let config = fetch_config(&server).await.unwrap();
    assert_eq!(config.protocol, VersionRange::OURS);
}

#[tokio::test]
async fn nobody_there_is_told_with_the_address() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = ServerUrl::local(listener.local_addr().unwrap().port());
    drop(listener);
    for error in [Signaling::connect(&server).await.unwrap_err(), fetch_config(&server).await.unwrap_err()] {
        assert!(matches!(error, SignalingError::Unreachable { .. }), "{error:?}");
        assert!(error.to_string().contains(&server.to_string()), "{error}");
    }
}

#[tokio::test]
async fn another_kind_of_server_is_told_apart() {
    for (answer, connect_status) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", Some(200)),
        ("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", Some(302)),
        ("SSH-2.0-OpenSSH_9.9\r\n", None),
    ] {
        let server = answering(answer).await;
        let error = Signaling::connect(&server).await.unwrap_err();
        match connect_status {
            Some(status) => {
                assert!(matches!(&error, SignalingError::Refused { status: s, .. } if *s == status), "{error:?}");
            }
            None => assert!(matches!(error, SignalingError::NotAServer { .. }), "{error:?}"),
        }
        let error = fetch_config(&server).await.unwrap_err();
        assert!(matches!(error, SignalingError::NotAServer { .. } | SignalingError::Refused { .. }), "{error:?}");
    }
}

#[tokio::test]
async fn a_server_that_speaks_no_tls_is_told_apart() {
    let plain = answering("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").await;
    let server: ServerUrl = format!("https://127.0.0.1:{}", plain.port()).parse().unwrap();
    let error = Signaling::connect(&server).await.unwrap_err();
    assert!(matches!(error, SignalingError::Tls { .. }), "{error:?}");
    let error = fetch_config(&server).await.unwrap_err();
    assert!(matches!(error, SignalingError::Tls { .. }), "{error:?}");
}

#[tokio::test]
async fn a_server_that_breaks_the_protocol_is_left() {
    for (frame, what) in [
        (&b"\x81\x02{}"[..], "no message"),
        (b"\x82\x01x", "a binary frame"),
        (b"\x81\x01\xff", "bad UTF-8"),
        (b"\x81\x7f\0\0\0\0\x01\0\0\0", "16 MiB"),
    ] {
        let server = serving(move |stream| async move {
            let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
            socket.get_mut().write_all(frame).await.unwrap();
            read_to_end(socket.get_mut()).await;
        })
        .await;
        let mut client = connect(&server).await;
        let error = client.next().await.unwrap_err();
        assert!(!error.is_transient(), "{what}: {error:?}");
        assert!(matches!(client.next().await, Err(SignalingError::Closed { code: None })), "{what}");
    }
}

#[tokio::test]
async fn a_server_that_floods_is_left() {
    let server = serving(|stream| async move {
        let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
        let text = ServerMessage::Left { cid: Cid(1), why: Why::Left }.encode();
        while socket.send(Message::text(text.clone())).await.is_ok() {}
    })
    .await;
    let client = connect(&server).await;
    while client.send(ClientMessage::Turn { cid: Cid::HOST }).await.is_ok() {}
}

/// Starts the real server; it ends when the sender is dropped.
async fn start() -> (ServerUrl, oneshot::Sender<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = ServerUrl::local(listener.local_addr().unwrap().port());
    let (stop, stopped) = oneshot::channel::<()>();
    let server = Server::new(Config::default()).unwrap();
    tokio::spawn(server.serve([listener], async {
        let _ = stopped.await;
    }));
    (url, stop)
}

/// Starts a server that treats every connection as told.
async fn serving<F>(treat: impl Fn(TcpStream) -> F + Send + 'static) -> ServerUrl
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = ServerUrl::local(listener.local_addr().unwrap().port());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(treat(stream));
        }
    });
    url
}

/// Starts a server that gives the same answer to whatever it is asked.
async fn answering(answer: &'static str) -> ServerUrl {
    serving(move |mut stream| async move {
        let mut request = [0; 1024];
        let _ = stream.read(&mut request).await;
        let _ = stream.write_all(answer.as_bytes()).await;
        let _ = stream.shutdown().await;
        read_to_end(&mut stream).await;
    })
    .await
}

async fn read_to_end(stream: &mut TcpStream) {
    let _ = stream.read_to_end(&mut Vec::new()).await;
}

async fn connect(server: &ServerUrl) -> Signaling {
    Signaling::connect(server).await.unwrap()
}

async fn create(host: &mut Signaling) -> RoomId {
    let create = ClientMessage::Create { v: 1, kind: RoomKind::Code, room: None, token: None, ttl: None, max: None };
    host.send(create).await.unwrap();
    let answer = host.next().await.unwrap();
    let ServerMessage::Created { room, .. } = answer else { panic!("not created: {answer:?}") };
    room
}
