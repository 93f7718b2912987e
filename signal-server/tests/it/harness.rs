//! A server on a port of its own, and clients that speak to it.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use p2pshare_protocol::envelope::{Body, Cid, ClientMessage, RoomKind, ServerMessage, Token};
use p2pshare_protocol::room::RoomId;
use p2pshare_signal::{Config, Server, listen};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

/// A safety net for everything that is waited for; nothing comes near it unless it is broken.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A running server. Ends when dropped.
pub(crate) struct TestServer {
    pub(crate) address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl TestServer {
    pub(crate) fn start() -> Self {
        Self::with(Config::default())
    }

    pub(crate) fn with(config: Config) -> Self {
        Self::listening("127.0.0.1:0", config)
    }

    pub(crate) fn listening(at: &str, config: Config) -> Self {
        let listener = listen(at.parse().unwrap()).unwrap();
        let mut address = listener.local_addr().unwrap();
        if address.ip().is_unspecified() {
            address.set_ip(Ipv4Addr::LOCALHOST.into());
        }
        let server = Server::new(config).unwrap();
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(server.serve([listener], async {
            let _ = stopped.await;
        }));
        Self { address, stop: Some(stop), task }
    }

    /// Asks the server to end and waits until it has.
    pub(crate) async fn stop(mut self) {
        drop(self.stop.take());
        timeout(PATIENCE, &mut self.task).await.expect("the server ends").unwrap();
    }

    pub(crate) async fn tcp(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    pub(crate) async fn client(&self) -> Client {
        self.client_with(&[]).await.unwrap()
    }

    /// Connects with more headers.
    pub(crate) async fn client_with(&self, headers: &[(&'static str, &str)]) -> Result<Client, tungstenite::Error> {
        let (socket, _) = client_async(self.upgrade(headers), self.tcp().await).await?;
        Ok(Client { socket })
    }

    pub(crate) fn upgrade(&self, headers: &[(&'static str, &str)]) -> Request {
        let mut request = format!("ws://{}/ws", self.address).into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().append(*name, value.parse().unwrap());
        }
        request
    }

    /// Sends a request and reads the answer to its end.
    pub(crate) async fn request(&self, head: &str) -> String {
        let mut stream = self.tcp().await;
        stream.write_all(head.as_bytes()).await.unwrap();
        read_to_end(&mut stream).await.unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> String {
        self.request(&format!("GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.address)).await
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(crate) async fn read_to_end(stream: &mut TcpStream) -> io::Result<String> {
    let mut answer = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut answer)).await.expect("the server closes the connection")?;
    Ok(answer)
}

/// A client's WebSocket.
pub(crate) struct Client {
    pub(crate) socket: WebSocketStream<TcpStream>,
}

impl Client {
    pub(crate) async fn say(&mut self, message: ClientMessage) {
        self.say_text(&message.encode()).await;
    }

    pub(crate) async fn say_text(&mut self, text: &str) {
        self.socket.send(Message::text(text)).await.unwrap();
    }

    /// The next message.
    pub(crate) async fn hear(&mut self) -> ServerMessage {
        match self.frame().await {
            Some(Ok(Message::Text(text))) => ServerMessage::decode(&text).unwrap(),
            other => panic!("no message: {other:?}"),
        }
    }

    /// The code with which the server closes, whatever it says before.
    pub(crate) async fn hear_close(&mut self) -> u16 {
        loop {
            match self.frame().await {
                Some(Ok(Message::Close(Some(close)))) => return close.code.into(),
                Some(Ok(Message::Text(_) | Message::Ping(_))) => {}
                other => panic!("not closed properly: {other:?}"),
            }
        }
    }

    pub(crate) async fn frame(&mut self) -> Option<Result<Message, tungstenite::Error>> {
        timeout(PATIENCE, self.socket.next()).await.expect("the server says something")
    }

    pub(crate) async fn create(&mut self) -> (RoomId, Token) {
        self.say(create(None, None)).await;
        match self.hear().await {
            ServerMessage::Created { room, token, .. } => (room, token),
            other => panic!("not created: {other:?}"),
        }
    }

    pub(crate) async fn join(&mut self, room: &RoomId) -> Cid {
        self.say(ClientMessage::Join { v: 1, room: room.clone() }).await;
        match self.hear().await {
            ServerMessage::Joined { cid, .. } => cid,
            other => panic!("not joined: {other:?}"),
        }
    }
}

pub(crate) fn create(room: Option<RoomId>, token: Option<Token>) -> ClientMessage {
    ClientMessage::Create { v: 1, kind: RoomKind::Code, room, token, ttl: None, max: None }
}

pub(crate) fn to(cid: Cid, body: &[u8]) -> ClientMessage {
    ClientMessage::To { cid, body: Body::new(body.to_vec()).unwrap() }
}

pub(crate) fn from(cid: Cid, body: &[u8]) -> ServerMessage {
    ServerMessage::From { cid, body: Body::new(body.to_vec()).unwrap() }
}
