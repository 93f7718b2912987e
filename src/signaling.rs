//! The signalling client: one WebSocket to the server, typed messages both ways.
//!
//! A task of its own keeps the socket: it answers the server's pings and notices its silence whether or not anybody is
//! waiting for a message.

mod config;
mod dial;
mod error;
mod proxy;
mod server_url;
mod tunnel;

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use p2pshare_protocol::envelope::{ClientMessage, FIRST_MESSAGE_HEADER, ServerMessage};
use p2pshare_protocol::limits::ENVELOPE_BYTES_MAX;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Response;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, client_async_tls_with_config};

pub use config::{Description, describe, fetch_config};
pub use error::SignalingError;
pub use proxy::{Proxies, Proxy, ProxyError};
pub use server_url::{ServerUrl, ServerUrlError};
pub use tunnel::{TunnelPipe, open_tunnel};

/// A connection to a signalling server. Dropping it closes the socket.
#[derive(Debug)]
pub struct Signaling {
    sender: SignalingSender,
    receiver: SignalingReceiver,
}

impl Signaling {
    /// Connects to a server's `/ws`, over TLS if its address says so. Gives up after 10 s.
    ///
    /// # Errors
    /// The server cannot be reached, its certificate is not trusted, or it refuses.
    pub async fn connect(server: &ServerUrl) -> Result<Self, SignalingError> {
        Ok(Self::over(dial_up(server, None).await?.0))
    }

    /// The same, with a first message that rides with the request, which saves a round trip.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub async fn connect_saying(server: &ServerUrl, first: ClientMessage) -> Result<Self, SignalingError> {
        let (socket, was_heard) = dial_up(server, Some(&first)).await?;
        let signaling = Self::over(socket);
        if !was_heard {
            // A proxy, or an older server, took no notice of it.
            signaling.send(first).await?;
        }
        Ok(signaling)
    }

    fn over(socket: Socket) -> Self {
        let (outgoing, requests) = mpsc::channel(OUTGOING_MAX);
        let (events, incoming) = mpsc::channel(INCOMING_MAX);
        let task = tokio::spawn(async move { Connection { socket, requests, events }.run().await });
        Self {
            sender: SignalingSender { outgoing: outgoing.clone() },
            receiver: SignalingReceiver { outgoing, incoming, task },
        }
    }

    /// Hands a message to the socket; waits while 64 others are queued.
    ///
    /// # Errors
    /// The connection is closed; [`Signaling::next`] says why.
    pub async fn send(&self, message: ClientMessage) -> Result<(), SignalingError> {
        self.sender.send(message).await
    }

    /// Waits for the next message. Cancelling it loses nothing.
    ///
    /// # Errors
    /// The connection is closed, lost, or the server broke the protocol. After an error only `Closed` follows.
    pub async fn next(&mut self) -> Result<ServerMessage, SignalingError> {
        self.receiver.next().await
    }

    /// Sends what is queued, says goodbye and waits for it to leave, for at most a second.
    pub async fn close(self) {
        self.receiver.close().await;
    }

    /// A handle to send with, for as many tasks as need it.
    #[must_use]
    pub fn sender(&self) -> SignalingSender {
        self.sender.clone()
    }

    /// Parts the two directions. The socket closes when the receiver goes.
    #[must_use]
    pub fn split(self) -> (SignalingSender, SignalingReceiver) {
        (self.sender, self.receiver)
    }
}

/// The sending half of a [`Signaling`], for as many tasks as need it.
#[derive(Debug, Clone)]
pub struct SignalingSender {
    outgoing: mpsc::Sender<Request>,
}

impl SignalingSender {
    /// Hands a message to the socket; waits while 64 others are queued.
    ///
    /// # Errors
    /// The connection is closed; [`SignalingReceiver::next`] says why.
    pub async fn send(&self, message: ClientMessage) -> Result<(), SignalingError> {
        let request = Request::Send(message.encode());
        self.outgoing.send(request).await.map_err(|_| SignalingError::Closed { code: None })
    }
}

/// The receiving half of a [`Signaling`].
#[derive(Debug)]
pub struct SignalingReceiver {
    outgoing: mpsc::Sender<Request>,
    incoming: mpsc::Receiver<Result<ServerMessage, SignalingError>>,
    task: JoinHandle<()>,
}

impl SignalingReceiver {
    /// Waits for the next message. Cancelling it loses nothing.
    ///
    /// # Errors
    /// The connection is closed, lost, or the server broke the protocol. After an error only `Closed` follows.
    pub async fn next(&mut self) -> Result<ServerMessage, SignalingError> {
        self.incoming.recv().await.unwrap_or(Err(SignalingError::Closed { code: None }))
    }

    /// Sends what is queued, says goodbye and waits for it to leave, for at most a second.
    pub async fn close(mut self) {
        let goodbye = async {
            if self.outgoing.send(Request::Close).await.is_ok() {
                let _ = (&mut self.task).await;
            }
        };
        if timeout(CLOSE_MAX, goodbye).await.is_err() {
            self.task.abort();
        }
    }
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Opens a socket within the time; also returns whether the server took the first message.
async fn dial_up(server: &ServerUrl, first: Option<&ClientMessage>) -> Result<(Socket, bool), SignalingError> {
    let opened = timeout(CONNECT_MAX, open(server, first)).await;
    opened.map_err(|_| SignalingError::TimedOut { server: server.clone() })?
}

async fn open(server: &ServerUrl, first: Option<&ClientMessage>) -> Result<(Socket, bool), SignalingError> {
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        .max_message_size(Some(ENVELOPE_BYTES_MAX))
        .max_frame_size(Some(ENVELOPE_BYTES_MAX));
    let first = first.and_then(|message| HeaderValue::try_from(message.encode()).ok());
    let (socket, response) = open_at(server, &server.websocket(), config, first).await?;
    Ok((socket, response.headers().contains_key(FIRST_MESSAGE_HEADER)))
}

/// Opens a WebSocket of the server; `first` goes along with the request.
async fn open_at(
    server: &ServerUrl,
    address: &str,
    config: WebSocketConfig,
    first: Option<HeaderValue>,
) -> Result<(Socket, Response), SignalingError> {
    dial::install_crypto();
    let reached = dial::connect_to(server).await;
    let stream = reached.map_err(|source| SignalingError::Unreachable { server: server.clone(), source })?;
    let failed = |error| SignalingError::from_handshake(server, error);
    let mut request = address.into_client_request().map_err(failed)?;
    if let Some(first) = first {
        request.headers_mut().insert(FIRST_MESSAGE_HEADER, first);
    }
    client_async_tls_with_config(request, stream, Some(config), None).await.map_err(failed)
}

/// What the halves ask of the task.
#[derive(Debug)]
enum Request {
    Send(String),
    Close,
}

/// The task's side of the connection.
struct Connection {
    socket: Socket,
    requests: mpsc::Receiver<Request>,
    events: mpsc::Sender<Result<ServerMessage, SignalingError>>,
}

impl Connection {
    async fn run(mut self) {
        if let Err(error) = self.exchange().await {
            // The reader may be gone or far behind; then there is nobody to tell.
            let _ = self.events.try_send(Err(error));
        }
        let _ = timeout(CLOSE_MAX, self.part()).await;
    }

    /// Says goodbye and reads on until the server has heard it. A socket that is closed while something lies unread in it
    /// is reset, and takes along what was sent last: the reason why this side ends.
    async fn part(&mut self) {
        if self.socket.close(None).await.is_ok() {
            while let Some(Ok(_)) = self.socket.next().await {}
        }
    }

    /// Carries messages both ways until either side has enough.
    async fn exchange(&mut self) -> Result<(), SignalingError> {
        let mut deaf_at = Instant::now() + SILENCE_MAX;
        loop {
            tokio::select! {
                () = self.events.closed() => return Ok(()),
                request = self.requests.recv() => match request {
                    Some(Request::Send(text)) => self.write(text, deaf_at).await?,
                    Some(Request::Close) | None => return Ok(()),
                },
                frame = timeout_at(deaf_at, self.socket.next()) => {
                    let frame = frame.map_err(|_| SignalingError::Silent)?;
                    deaf_at = Instant::now() + SILENCE_MAX;
                    if let Some(message) = read(frame)? {
                        self.events.try_send(Ok(message)).map_err(|_| SignalingError::Overrun)?;
                    }
                }
            }
        }
    }

    async fn write(&mut self, text: String, deadline: Instant) -> Result<(), SignalingError> {
        let sent = timeout_at(deadline, self.socket.send(Message::text(text))).await;
        sent.map_err(|_| SignalingError::Silent)?.map_err(SignalingError::from_socket)
    }
}

type Frame = Option<Result<Message, tokio_tungstenite::tungstenite::Error>>;

/// Reads what came off the socket; pings and pongs are `None`.
fn read(frame: Frame) -> Result<Option<ServerMessage>, SignalingError> {
    match frame {
        None => Err(SignalingError::Closed { code: None }),
        Some(Err(error)) => Err(SignalingError::from_socket(error)),
        Some(Ok(Message::Text(text))) => Ok(Some(ServerMessage::decode(&text)?)),
        Some(Ok(Message::Close(frame))) => Err(SignalingError::Closed { code: frame.map(|f| f.code.into()) }),
        Some(Ok(Message::Binary(_))) => Err(SignalingError::Binary),
        Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Ok(None),
    }
}

/// How long reaching the server may take, name lookup, TLS and upgrade included.
const CONNECT_MAX: Duration = Duration::from_secs(10);

/// How long a goodbye may take.
const CLOSE_MAX: Duration = Duration::from_secs(1);

/// How long a server may be silent: two of its pings, each 30 s, and half of one.
const SILENCE_MAX: Duration = Duration::from_secs(75);

/// How many messages wait to be sent.
const OUTGOING_MAX: usize = 64;

/// How many messages wait to be read, at most 8 MiB: more means that nobody reads, or that the server floods.
const INCOMING_MAX: usize = 256;

const READ_BUFFER_BYTES: usize = 8 * 1024;

#[cfg(test)]
mod tests;
