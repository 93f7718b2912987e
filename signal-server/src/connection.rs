//! One WebSocket: its frames into the rooms, the rooms' messages onto it, and its limits.

use std::io;

use futures_util::{SinkExt, StreamExt};
use p2pshare_protocol::limits::ENVELOPE_BYTES_MAX;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{self, Message, Utf8Bytes};

use crate::bucket::Bucket;
use crate::hub::Seat;
use crate::limits::SocketLimits;
use crate::outbox::Outgoing;
use crate::rooms::Farewell;

/// A WebSocket that takes part.
pub(crate) struct Connection<S> {
    socket: WebSocketStream<S>,
    seat: Seat,
    limits: SocketLimits,
    messages: Bucket,
    pings: Bucket,
    /// When to send the next ping.
    ping_at: Instant,
    /// When to give up, unless something is heard before.
    deaf_at: Instant,
    /// Whether its first message has come.
    has_spoken: bool,
    /// Until when it is not read from, since it sends too fast.
    resume_at: Option<Instant>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// Takes over a stream after the upgrade; its first message may have come with the request.
    pub(crate) async fn new(upgraded: S, seat: Seat, limits: SocketLimits, has_spoken: bool) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER_BYTES)
            .write_buffer_size(0)
            .max_write_buffer_size(WRITE_BUFFER_BYTES_MAX)
            .max_message_size(Some(ENVELOPE_BYTES_MAX))
            .max_frame_size(Some(ENVELOPE_BYTES_MAX));
        let socket = WebSocketStream::from_raw_socket(upgraded, Role::Server, Some(config)).await;
        let now = Instant::now();
        Self {
            socket,
            seat,
            messages: Bucket::default(),
            pings: Bucket::default(),
            ping_at: now + limits.ping,
            deaf_at: now + if has_spoken { limits.silence } else { limits.first_message },
            has_spoken,
            resume_at: None,
            limits,
        }
    }

    /// Serves the connection until it ends.
    pub(crate) async fn run(mut self, shutdown: impl Future<Output = ()>) {
        let end = tokio::select! {
            end = self.exchange() => end,
            () = shutdown => End::Close(CloseCode::Away),
        };
        tracing::debug!(?end, "connection ends");
        let Self { mut socket, seat, limits, .. } = self;
        drop(seat);
        let goodbye = async {
            match end {
                End::Close(code) => socket.close(Some(CloseFrame { code, reason: Utf8Bytes::default() })).await.ok(),
                End::Closed => socket.close(None).await.ok(),
                End::Broken => None,
            }?;
            hang_up(socket.get_mut()).await.ok()
        };
        let _ = timeout(limits.close, goodbye).await;
    }

    async fn exchange(&mut self) -> End {
        loop {
            let wake_at = self.wake_at();
            let step = tokio::select! {
                () = self.seat.outbox().overflow() => Err(End::Close(CloseCode::Again)),
                outgoing = self.seat.outbox().next() => self.pass_on(outgoing).await,
                frame = self.socket.next(), if self.resume_at.is_none() => self.take_in(frame),
                () = sleep_until(wake_at) => self.handle_time().await,
            };
            if let Err(end) = step {
                return end;
            }
        }
    }

    async fn pass_on(&mut self, outgoing: Outgoing) -> Result<(), End> {
        match outgoing {
            Outgoing::Message(text) => self.write(Message::Text(text)).await,
            Outgoing::Close(Farewell::Done) => Err(End::Close(CloseCode::Normal)),
            Outgoing::Close(Farewell::Protocol) => Err(End::Close(CloseCode::Policy)),
        }
    }

    fn take_in(&mut self, frame: Frame) -> Result<(), End> {
        let frame = frame.ok_or(End::Broken)?.map_err(|e| End::after(&e))?;
        let now = Instant::now();
        match frame {
            Message::Text(text) => {
                self.has_spoken = true;
                self.throttle(now);
                self.seat.receive(&text);
            }
            Message::Ping(_) | Message::Pong(_) => {
                let taken = self.pings.take(self.limits.pings, now.into_std());
                taken.map_err(|_| End::Close(CloseCode::Policy))?;
            }
            Message::Binary(_) => return Err(End::Close(CloseCode::Unsupported)),
            Message::Close(_) => return Err(End::Closed),
            Message::Frame(_) => {}
        }
        if self.has_spoken {
            self.deaf_at = now + self.limits.silence;
        }
        Ok(())
    }

    /// Stops reading for a while after too many messages: the sender waits, nothing is lost.
    fn throttle(&mut self, now: Instant) {
        self.messages.charge(self.limits.messages, now.into_std());
        let wait = self.messages.check(self.limits.messages, now.into_std()).err();
        self.resume_at = wait.map(|wait| now + wait);
    }

    fn wake_at(&self) -> Instant {
        self.deaf_at.min(self.ping_at).min(self.resume_at.unwrap_or(self.deaf_at))
    }

    async fn handle_time(&mut self) -> Result<(), End> {
        let now = Instant::now();
        if self.resume_at.is_some_and(|at| at <= now) {
            self.resume_at = None;
        }
        if self.deaf_at <= now {
            return Err(End::Close(CloseCode::Policy));
        }
        if self.ping_at <= now {
            self.ping_at = now + self.limits.ping;
            self.write(Message::Ping(Default::default())).await?;
        }
        Ok(())
    }

    /// Sends a message, unless the other side reads so slowly that more is queued than may be.
    async fn write(&mut self, message: Message) -> Result<(), End> {
        let Self { socket, seat, .. } = self;
        tokio::select! {
            sent = timeout_at(self.deaf_at, socket.send(message)) => match sent {
                Ok(sent) => sent.map_err(|e| End::after(&e)),
                Err(_) => Err(End::Broken),
            },
            () = seat.outbox().overflow() => Err(End::Close(CloseCode::Again)),
        }
    }
}

/// How a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// We close it.
    Close(CloseCode),
    /// The other side said goodbye.
    Closed,
    /// It is gone without a word, or not worth one.
    Broken,
}

impl End {
    fn after(error: &tungstenite::Error) -> Self {
        match error {
            tungstenite::Error::Capacity(_) => Self::Close(CloseCode::Size),
            tungstenite::Error::Utf8(_) => Self::Close(CloseCode::Invalid),
            tungstenite::Error::Protocol(tungstenite::error::ProtocolError::ResetWithoutClosingHandshake)
            | tungstenite::Error::ConnectionClosed
            | tungstenite::Error::AlreadyClosed
            | tungstenite::Error::Io(_)
            | tungstenite::Error::Tls(_) => Self::Broken,
            tungstenite::Error::Protocol(_)
            | tungstenite::Error::AttackAttempt
            | tungstenite::Error::WriteBufferFull(_)
            | tungstenite::Error::Url(_)
            | tungstenite::Error::Http(_)
            | tungstenite::Error::HttpFormat(_) => Self::Close(CloseCode::Protocol),
        }
    }
}

type Frame = Option<Result<Message, tungstenite::Error>>;

/// Ends our direction of a stream and waits for the other side to end its own.
///
/// Closing while something is unread would make the system reset the connection, and what we sent last be lost.
pub(crate) async fn hang_up<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S) -> io::Result<()> {
    stream.shutdown().await?;
    let mut rest = [0; 4096];
    let mut unread = HANG_UP_BYTES_MAX;
    while unread > 0 {
        match stream.read(&mut rest).await? {
            0 => break,
            n => unread = unread.saturating_sub(n),
        }
    }
    Ok(())
}

/// What a socket's read buffer takes; with tungstenite's default 10,000 idle sockets take 1.3 GiB instead of 84 MiB.
const READ_BUFFER_BYTES: usize = 4096;

/// What may wait in a socket's write buffer: one message, and a pong.
const WRITE_BUFFER_BYTES_MAX: usize = 2 * ENVELOPE_BYTES_MAX;

/// How much is thrown away after a goodbye.
const HANG_UP_BYTES_MAX: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use p2pshare_protocol::envelope::ServerMessage;
    use tokio::io::DuplexStream;
    use tokio::task::JoinHandle;

    use super::*;
    use crate::hub::Hub;
    use crate::limits::Limits;
    use crate::rooms::Rooms;
    use crate::sources::Source;

    const CREATE: &str = r#"{"type":"create","v":1,"kind":"code"}"#;

    /// A client and the server's side of its connection. The tests' clock is paused: it moves when all are waiting.
    async fn connected() -> (WebSocketStream<DuplexStream>, JoinHandle<()>) {
        let limits = Limits::default();
        let hub = Arc::new(Hub::new(Rooms::new(limits.clone(), [1; 32]), None, limits.socket.clone()));
        let seat = hub.connect(Source::new([127, 0, 0, 1].into()), None, "localhost").unwrap();
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        let connection = Connection::new(theirs, seat, limits.socket, false).await;
        let task = tokio::spawn(connection.run(std::future::pending()));
        (WebSocketStream::from_raw_socket(ours, Role::Client, None).await, task)
    }

    #[tokio::test(start_paused = true)]
    async fn silence_before_the_first_message_ends_it_after_10_s() {
        let start = Instant::now();
        let (_client, task) = connected().await;
        task.await.unwrap();
        let goodbye = SocketLimits::default().close;
        assert_eq!(start.elapsed(), Duration::from_secs(10) + goodbye);
    }

    #[tokio::test(start_paused = true)]
    async fn silence_after_a_message_ends_it_after_75_s() {
        let start = Instant::now();
        let (mut client, task) = connected().await;
        client.send(Message::text(CREATE)).await.unwrap();
        task.await.unwrap();
        let goodbye = SocketLimits::default().close;
        assert_eq!(start.elapsed(), Duration::from_secs(75) + goodbye);
    }

    #[tokio::test(start_paused = true)]
    async fn answering_pings_keeps_it_for_as_long_as_its_room() {
        let start = Instant::now();
        let (mut client, _task) = connected().await;
        client.send(Message::text(CREATE)).await.unwrap();
        let (mut pings, mut messages) = (0, 0);
        while start.elapsed() < Duration::from_secs(3000) {
            match client.next().await.unwrap().unwrap() {
                Message::Ping(_) => pings += 1,
                Message::Text(text) => {
                    assert!(matches!(ServerMessage::decode(&text), Ok(ServerMessage::Created { .. })));
                    messages += 1;
                }
                other @ (Message::Binary(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_)) => {
                    panic!("{other:?}")
                }
            }
        }
        assert_eq!((pings, messages), (100, 1));
    }
}
