//! A hostile signalling server: it stands before the real one and does what it likes with what passes.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::thread;

use futures_util::{SinkExt, StreamExt};
use p2pshare_protocol::envelope::{Body, Cid, ClientMessage, ServerMessage};
use p2pshare_protocol::room::RoomId;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, accept_async, client_async};

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    FromHost,
    FromGuest,
}

/// A body on its way from one side to the other.
#[derive(Debug, Clone)]
pub(crate) struct Passing {
    pub(crate) way: Way,
    /// How many bodies went this way before, in this pairing.
    pub(crate) number: usize,
    /// Which pairing, from 0.
    pub(crate) pairing: usize,
    pub(crate) body: Vec<u8>,
}

/// What becomes of a body: what is delivered instead of it, to whom.
#[derive(Debug, Default)]
pub(crate) struct Fate {
    /// What the other side gets.
    pub(crate) on: Vec<Vec<u8>>,
    /// What the speaker gets, as if it came from the other side.
    pub(crate) back: Vec<Vec<u8>>,
}

impl Passing {
    /// Delivers the body as it is.
    pub(crate) fn untouched(self) -> Fate {
        Fate { on: vec![self.body], back: Vec::new() }
    }

    /// Whether this is a certain body: `number` counts those of one side from 0.
    pub(crate) fn is(&self, way: Way, number: usize) -> bool {
        self.way == way && self.number == number
    }
}

type Hook = Box<dyn FnMut(Passing) -> Fate + Send>;

/// The proxy. Ends when dropped.
pub(crate) struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    _stop: oneshot::Sender<()>,
}

struct Shared {
    upstream: SocketAddr,
    hook: Mutex<Hook>,
    /// How many guests came.
    guests: Mutex<usize>,
    /// Rooms whose guests are led into another one.
    led: Mutex<HashMap<RoomId, RoomId>>,
    /// Every byte of text that passed, both ways, on all sockets.
    seen: Mutex<Vec<String>>,
}

impl Proxy {
    /// Stands before the server at `upstream`; `hook` decides on every body.
    pub(crate) fn start(upstream: SocketAddr, hook: impl FnMut(Passing) -> Fate + Send + 'static) -> Self {
        let (led, seen) = (Mutex::default(), Mutex::default());
        let hook = Mutex::new(Box::new(hook) as Hook);
        let shared = Arc::new(Shared { upstream, hook, guests: Mutex::default(), led, seen });
        let (told, address) = std::sync::mpsc::channel();
        let (stop, stopped) = oneshot::channel::<()>();
        let served = Arc::clone(&shared);
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                told.send(listener.local_addr().unwrap()).unwrap();
                tokio::select! {
                    _ = stopped => {}
                    () = accept(listener, served) => {}
                }
            });
        });
        Self { address: address.recv().unwrap(), shared, _stop: stop }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Leads the guests of one room into another.
    pub(crate) fn lead(&self, from: &str, to: &str) {
        self.shared.led.lock().unwrap().insert(RoomId::parse(from).unwrap(), RoomId::parse(to).unwrap());
    }

    /// Everything that the server saw and said.
    pub(crate) fn seen(&self) -> Vec<String> {
        self.shared.seen.lock().unwrap().clone()
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            // Sockets that break are how many of these tests end.
            let _ = carry(stream, &shared).await;
        });
    }
}

/// Carries a connection: a WebSocket message by message, anything else as it is.
async fn carry(mut stream: TcpStream, shared: &Shared) -> io::Result<()> {
    let mut upstream = TcpStream::connect(shared.upstream).await?;
    // Messages that wait for an acknowledgement would come later than the peers find each other.
    stream.set_nodelay(true)?;
    upstream.set_nodelay(true)?;
    let mut head = [0; 8];
    while stream.peek(&mut head).await? < head.len() {
        tokio::task::yield_now().await;
    }
    if !head.starts_with(b"GET /ws ") {
        copy_bidirectional(&mut stream, &mut upstream).await?;
        return Ok(());
    }
    let client = accept_async(stream).await.map_err(io::Error::other)?;
    let url = format!("ws://{}/ws", shared.upstream);
    let (server, _) = client_async(url, upstream).await.map_err(io::Error::other)?;
    Socket { shared, client, server, guest: None, counts: [0; 2] }.run().await.map_err(io::Error::other)
}

struct Socket<'a> {
    shared: &'a Shared,
    client: WebSocketStream<TcpStream>,
    server: WebSocketStream<TcpStream>,
    /// Which guest this is; `None` for a host.
    guest: Option<usize>,
    /// Bodies that passed from a host, to its latest guest.
    counts: [usize; 2],
}

type WsError = tokio_tungstenite::tungstenite::Error;

impl Socket<'_> {
    async fn run(mut self) -> Result<(), WsError> {
        loop {
            tokio::select! {
                message = self.client.next() => match message {
                    Some(Ok(Message::Text(text))) => self.spoken(&text).await?,
                    Some(Ok(message)) => self.server.send(message).await?,
                    Some(Err(_)) | None => return Self::part(self.server).await,
                },
                message = self.server.next() => match message {
                    Some(Ok(message)) => {
                        if let Message::Text(text) = &message {
                            self.note(text.to_string());
                        }
                        // A client that is gone may have said something before.
                        let _ = self.client.send(message).await;
                    }
                    Some(Err(_)) | None => return Self::part(self.client).await,
                },
            }
        }
    }

    /// Closes one side after the other has gone. A socket that is dropped with something unread in it is reset, and takes
    /// along what was sent last.
    async fn part(mut socket: WebSocketStream<TcpStream>) -> Result<(), WsError> {
        // The goodbye of the other side may have been passed on already.
        let _ = socket.close(None).await;
        while let Some(Ok(_)) = socket.next().await {}
        Ok(())
    }

    fn note(&self, text: String) {
        self.shared.seen.lock().unwrap().push(text);
    }

    /// A client said something.
    async fn spoken(&mut self, text: &str) -> Result<(), WsError> {
        self.note(text.to_owned());
        let mut message = ClientMessage::decode(text).expect("the program speaks the protocol");
        if let ClientMessage::Join { room, .. } = &mut message {
            let mut guests = self.shared.guests.lock().unwrap();
            self.guest = Some(*guests);
            *guests += 1;
            if let Some(other) = self.shared.led.lock().unwrap().get(room) {
                room.clone_from(other);
            }
        }
        if matches!(message, ClientMessage::Greet { .. }) {
            // A greeting that no guest gets has the host say it again when one comes, where the hook sees it.
            return Ok(());
        }
        let ClientMessage::To { cid, body } = message else {
            return self.server.send(Message::text(message.encode())).await;
        };
        let fate = self.decide(cid, body);
        for body in fate.on {
            let message = ClientMessage::To { cid, body: Body::new(body).unwrap() };
            self.server.send(Message::text(message.encode())).await?;
        }
        for body in fate.back {
            let message = ServerMessage::From { cid, body: Body::new(body).unwrap() };
            self.client.send(Message::text(message.encode())).await?;
        }
        Ok(())
    }

    fn decide(&mut self, cid: Cid, body: Body) -> Fate {
        // A host numbers its guests from 1 as they come.
        let pairing = self.guest.unwrap_or_else(|| cid.0.saturating_sub(1) as usize);
        let way = if self.guest.is_some() { Way::FromGuest } else { Way::FromHost };
        if self.counts[0] != pairing {
            self.counts = [pairing, 0];
        }
        let number = self.counts[1];
        self.counts[1] += 1;
        self.shared.hook.lock().unwrap()(Passing { way, number, pairing, body: body.into_bytes() })
    }
}
