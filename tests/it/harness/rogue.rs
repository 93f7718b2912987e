//! A rogue: it speaks the handshake by hand, as host or as a crowd of guests, and breaks off where it likes.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use p2pshare::signaling::{Signaling, SignalingReceiver, SignalingSender};
use p2pshare_protocol::code::Code;
use p2pshare_protocol::cpace::Exchange;
use p2pshare_protocol::envelope::{Body, Cid, ClientMessage, RoomKind, ServerMessage, Why};
use p2pshare_protocol::keys::{KeySchedule, Mode, Transcript};
use p2pshare_protocol::lv::lv_cat;
use p2pshare_protocol::peer_message::{GuestProof, HostHello, HostProof, PeerMessage};
use p2pshare_protocol::role::Role;
use p2pshare_protocol::room::RoomId;
use p2pshare_protocol::seal::{Opener, Sealer};
use tokio::net::{TcpSocket, TcpStream};
use tokio::runtime::Runtime;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

use super::PATIENCE;

/// A host that knows its code and says what it likes.
pub(crate) struct RogueHost {
    runtime: Runtime,
    outgoing: SignalingSender,
    incoming: SignalingReceiver,
    pub(crate) code: Code,
}

/// What a host holds after a guest's right proof.
pub(crate) struct Met {
    pub(crate) cid: Cid,
    pub(crate) keys: KeySchedule,
    pub(crate) sealer: Sealer,
}

impl RogueHost {
    /// Opens a room and takes these secret digits for its code.
    pub(crate) fn open(server: &str, digits: &str) -> Self {
        let runtime = Runtime::new().unwrap();
        let (outgoing, incoming, code) = runtime.block_on(async {
            let mut signaling = Signaling::connect(&server.parse().unwrap()).await.unwrap();
            let create =
                ClientMessage::Create { v: 1, kind: RoomKind::Code, room: None, token: None, ttl: None, max: None };
            signaling.send(create).await.unwrap();
            let ServerMessage::Created { room, .. } = signaling.next().await.unwrap() else { panic!("no room") };
            let code = format!("{}-{digits}", room.as_str()).parse().unwrap();
            let (outgoing, incoming) = signaling.split();
            (outgoing, incoming, code)
        });
        Self { runtime, outgoing, incoming, code }
    }

    /// Waits for a guest; `None` if none comes in that time.
    pub(crate) fn next_guest(&mut self, limit: Duration) -> Option<Cid> {
        self.wait(limit, |message| match message {
            ServerMessage::Peer { cid, .. } => Some(cid),
            _ => None,
        })
    }

    /// Greets a guest and takes its proof, which is right if the guest has the same digits.
    pub(crate) fn meet(&mut self, cid: Cid) -> (GuestProof, Option<Met>) {
        let (prs, ci) = (Mode::Code.prs(self.code.secret().as_bytes()), Mode::Code.ci(&self.code.room()));
        let (sid, ad) = ([1; 16], lv_cat(&[b"1", b"1", &[0]]));
        let exchange = Exchange::new(Role::Host, &prs, &ci, &sid, &[7; 64]);
        let element = *exchange.element();
        self.say(cid, &PeerMessage::HostHello(HostHello { sid, element, ad: ad.clone() }));
        let body = self.wait(PATIENCE, |message| match message {
            ServerMessage::From { body, .. } => Some(body),
            _ => None,
        });
        let PeerMessage::GuestProof(proof) = PeerMessage::parse(&body.unwrap().into_bytes()).unwrap() else {
            panic!("no proof")
        };
        let isk = exchange.finish(&ad, &proof.element, &proof.ad).unwrap();
        let (host, guest) = ((&element, ad.as_slice()), (&proof.element, proof.ad.as_slice()));
        let keys = KeySchedule::new(&Transcript { sid: &sid, ci: &ci, host, guest }, &isk);
        let met = keys.is_guest_proof(&proof.proof).then(|| {
            Opener::new(&keys, Role::Guest, &sid).open(&proof.sealed).unwrap();
            Met { cid, sealer: Sealer::new(&keys, Role::Host, &sid), keys }
        });
        (proof, met)
    }

    /// Proves itself with this first frame.
    pub(crate) fn prove(&self, met: &mut Met, frame: &str) {
        let (nonce, sealed) = ([0x5a; 16], met.sealer.seal(frame.as_bytes()).unwrap());
        let proof = met.keys.host_proof(&nonce);
        self.say(met.cid, &PeerMessage::HostProof(HostProof { proof, nonce, auth: None, sealed }));
    }

    /// Sends a guest away as a host does that serves somebody else.
    pub(crate) fn kick(&self, cid: Cid) {
        self.runtime.block_on(self.outgoing.send(ClientMessage::Kick { cid, why: Why::Kicked })).unwrap();
    }

    fn say(&self, cid: Cid, message: &PeerMessage) {
        let body = Body::new(message.encode()).unwrap();
        self.runtime.block_on(self.outgoing.send(ClientMessage::To { cid, body })).unwrap();
    }

    fn wait<T>(&mut self, limit: Duration, look: impl Fn(ServerMessage) -> Option<T>) -> Option<T> {
        let Self { runtime, incoming, .. } = self;
        let found = async {
            loop {
                if let Some(found) = look(incoming.next().await.unwrap()) {
                    return found;
                }
            }
        };
        runtime.block_on(async { timeout(limit, found).await.ok() })
    }
}

/// A socket of a guest at the server.
pub(crate) struct Socket(WebSocketStream<TcpStream>);

impl Socket {
    /// Connects from an address of this machine.
    pub(crate) async fn connect_from(local: &str, server: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(format!("{local}:0").parse().unwrap()).unwrap();
        let stream = socket.connect(server).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self(client_async(format!("ws://{server}/ws"), stream).await.unwrap().0)
    }

    /// Asks to enter a room, and returns what the server answers.
    pub(crate) async fn join(&mut self, room: &RoomId) -> ServerMessage {
        let join = ClientMessage::Join { v: 1, room: room.clone() };
        self.0.send(Message::text(join.encode())).await.unwrap();
        self.hear().await
    }

    /// The next thing the server says.
    pub(crate) async fn hear(&mut self) -> ServerMessage {
        loop {
            let message = timeout(PATIENCE, self.0.next()).await.expect("the server answers").unwrap().unwrap();
            if let Message::Text(text) = message {
                return ServerMessage::decode(&text).unwrap();
            }
        }
    }
}
