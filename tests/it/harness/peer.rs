//! A hostile peer: it knows the code, pairs properly and then says whatever the test wants.

mod moving;
mod pairing;

use std::time::{Duration, Instant};

use bytes::Bytes;
use p2pshare::signaling::{Signaling, SignalingReceiver};
use p2pshare::transport::{Channel, ChannelSender, Dialing, Identity, Incoming, TransportConfig};
use p2pshare_protocol::code::Code;
use p2pshare_protocol::ctl::Ctl;
use p2pshare_protocol::data_frame::DataFrame;
use p2pshare_protocol::envelope::{Cid, ClientMessage, RoomKind, ServerMessage};
use p2pshare_protocol::hash::Hash;
use p2pshare_protocol::host_identity::HostIdentity;
use p2pshare_protocol::keys::{Connection, Endpoint, SessionKeys};
use p2pshare_protocol::link::Link;
use p2pshare_protocol::offer::EntryId;
use p2pshare_protocol::pairing::{
    Entropy, GuestOptions, GuestPairing, GuestSecret, HostOptions, HostPairing, HostSecret, Input,
};
use p2pshare_protocol::room::RoomId;
use tokio::runtime::Runtime;
use tokio::time::timeout;

use self::pairing::{Machine, Pairing};
use super::PATIENCE;
use super::wire::Wire;

/// A host with a share of its own that waits for a guest.
pub(crate) struct HostileHost {
    runtime: Runtime,
    signaling: Signaling,
    secret: HostSecret,
    room: RoomId,
}

impl HostileHost {
    /// Opens a room for a code.
    pub(crate) fn open(server: &str) -> Self {
        let (runtime, signaling, room) = Self::create(server, RoomKind::Code, None);
        let secret = HostSecret::Code(Code::generate(room.nameplate().unwrap(), 4, &mut rng()).unwrap());
        Self { runtime, signaling, secret, room }
    }

    /// Opens the room of somebody else's link, with a key of its own.
    pub(crate) fn impersonate(server: &str, link: &str) -> Self {
        let link: Link = link.parse().unwrap();
        let (runtime, signaling, room) = Self::create(server, RoomKind::Link, Some(link.room()));
        let secret = HostSecret::Link { link, identity: HostIdentity::generate(&mut rng()) };
        Self { runtime, signaling, secret, room }
    }

    fn create(server: &str, kind: RoomKind, room: Option<RoomId>) -> (Runtime, Signaling, RoomId) {
        let runtime = Runtime::new().unwrap();
        let (signaling, room) = runtime.block_on(async {
            let mut signaling = Signaling::connect(&server.parse().unwrap()).await.unwrap();
            signaling
                .send(ClientMessage::Create { v: 1, kind, room, token: None, ttl: None, max: None })
                .await
                .unwrap();
            let ServerMessage::Created { room, .. } = signaling.next().await.unwrap() else { panic!("no room") };
            (signaling, room)
        });
        (runtime, signaling, room)
    }

    pub(crate) fn code(&self) -> String {
        let HostSecret::Code(code) = &self.secret else { panic!("no code") };
        code.to_string()
    }

    /// Waits for a guest and pairs with it.
    pub(crate) fn pair(self) -> Peer {
        self.try_pair(|sdp| sdp).expect("a pairing")
    }

    /// The same without QUIC, with all datagrams on a wire.
    pub(crate) fn pair_over(self, wire: &Wire) -> Peer {
        self.pair_with(|sdp| sdp, Some(wire.clone())).expect("a pairing")
    }

    /// The same, with an answer that is changed before it is sealed.
    pub(crate) fn try_pair(self, edit: fn(String) -> String) -> Result<Peer, String> {
        self.pair_with(edit, None)
    }

    fn pair_with(self, edit: fn(String) -> String, wire: Option<Wire>) -> Result<Peer, String> {
        let Self { runtime, signaling, secret, room } = self;
        let (channel, keys) = runtime.block_on(async {
            let (outgoing, mut incoming) = signaling.split();
            let cid = timeout(PATIENCE, next_guest(&mut incoming)).await.expect("a guest in time");
            let entropy = Entropy::generate(&mut rng());
            let machine = HostPairing::new(&secret, &room, HostOptions::default(), entropy, Instant::now());
            let config = TransportConfig { quic: wire.is_none(), ..TransportConfig::default() };
            let dialing = Dialing::prepare(&config).await.unwrap();
            let pairing = Pairing { machine: Machine::Host(machine), dialing, outgoing, incoming, cid, edit, wire };
            timeout(PATIENCE, pairing.run()).await.expect("a pairing in time")
        })?;
        Ok(Peer { runtime, channel, keys, unread: None })
    }
}

/// A guest of somebody's share.
pub(crate) struct HostileGuest;

impl HostileGuest {
    /// Joins a share and pairs with its host.
    pub(crate) fn pair(server: &str, code: &str) -> Peer {
        Self::try_pair(server, code, |sdp| sdp).expect("a pairing")
    }

    /// The same, with an offer that is changed before it is sealed.
    pub(crate) fn try_pair(server: &str, code: &str, edit: fn(String) -> String) -> Result<Peer, String> {
        let runtime = Runtime::new().unwrap();
        let code: Code = code.parse().unwrap();
        let (channel, keys) = runtime.block_on(async {
            let signaling = Signaling::connect(&server.parse().unwrap()).await.unwrap();
            let (outgoing, mut incoming) = signaling.split();
            outgoing.send(ClientMessage::Join { v: 1, room: code.room() }).await.unwrap();
            let ServerMessage::Joined { .. } = incoming.next().await.unwrap() else { panic!("not let in") };
            let (room, entropy, now) = (code.room(), Entropy::generate(&mut rng()), Instant::now());
            let secret = GuestSecret::Code(code);
            let mut machine = GuestPairing::new(&secret, &room, GuestOptions::default(), entropy, now);
            let (dialing, offer) = Dialing::offer(&TransportConfig::default()).await.unwrap();
            machine.handle_input(Input::LocalDescription(edit(offer)), now).unwrap();
            let machine = Machine::Guest(Box::new(machine));
            let pairing = Pairing { machine, dialing, outgoing, incoming, cid: Cid::HOST, edit, wire: None };
            timeout(PATIENCE, pairing.run()).await.expect("a pairing in time")
        })?;
        Ok(Peer { runtime, channel, keys, unread: None })
    }
}

impl HostileGuest {
    /// Joins a share, waits for the host's first message and goes away.
    pub(crate) fn vanish(server: &str, code: &str) {
        let code: Code = code.parse().unwrap();
        Runtime::new().unwrap().block_on(async {
            let mut signaling = Signaling::connect(&server.parse().unwrap()).await.unwrap();
            signaling.send(ClientMessage::Join { v: 1, room: code.room() }).await.unwrap();
            while !matches!(signaling.next().await.unwrap(), ServerMessage::From { .. }) {}
            signaling.close().await;
        });
    }
}

/// A peer at the other end of an open channel, and the keys of the pairing. Nothing was said on the channel yet.
pub(crate) struct Peer {
    runtime: Runtime,
    channel: Channel,
    keys: SessionKeys,
    unread: Option<Incoming>,
}

impl Peer {
    /// The proof that the channel belongs to the pairing.
    pub(crate) fn mac(&self) -> [u8; 32] {
        let identity = self.channel.identity();
        self.keys.bind_mac(&connection(&identity))
    }

    /// Binds the channel, as an honest peer does.
    pub(crate) fn bind(mut self) -> Self {
        let frame = Ctl::Bind { mac: Hash(self.mac()) };
        loop {
            self.say(&frame);
            if let Some(Incoming::Ctl(theirs)) = self.next(Duration::from_millis(100)) {
                assert!(matches!(Ctl::decode(&theirs), Ok(Ctl::Bind { .. })), "the first frame binds");
                self.say(&frame);
                return self;
            }
        }
    }

    pub(crate) fn say(&self, frame: &Ctl) {
        self.say_bytes(&frame.encode());
    }

    pub(crate) fn say_json(&self, json: &str) {
        self.say_bytes(json.as_bytes());
    }

    /// Sends anything on the control lane. The other side may be gone, which is not this side's concern.
    pub(crate) fn say_bytes(&self, bytes: &[u8]) {
        let sender = self.channel.sender();
        let message = Bytes::copy_from_slice(bytes);
        let _ = self.runtime.block_on(async { timeout(PATIENCE, sender.send_ctl(message)).await });
    }

    /// Greets as somebody who sends (`sends`) or receives (`receives`) files.
    pub(crate) fn greet(&self, role: &str) {
        self.say_json(&format!(r#"{{"t":"hello","v":1,"role":"{role}","name":"mallory","agent":"test"}}"#));
    }

    /// Offers these entries, each given as JSON, in one page.
    pub(crate) fn offer(&self, entries: &str) {
        self.say_json(&format!(r#"{{"t":"offer","page":0,"entries":[{entries}],"last":true}}"#));
    }

    /// Sends a data frame, like [`Self::say_bytes`].
    pub(crate) fn data(&self, entry: u32, offset: u64, bytes: &[u8]) {
        let (sender, runtime) = (self.channel.sender(), &self.runtime);
        runtime.block_on(send_data(&sender, entry, offset, Bytes::copy_from_slice(bytes)));
    }

    /// Sends the hash of a chunk.
    pub(crate) fn hash(&self, entry: u32, chunk: u64, hash: Hash) {
        self.say(&Ctl::Hashes { chunks: vec![(EntryId(entry), chunk, hash)] });
    }

    /// The next frame on the control lane but signs of life and progress; `None` when the connection is over.
    pub(crate) fn hear(&mut self) -> Option<Ctl> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.next(left).expect("the other side says something") {
                Incoming::Ctl(frame) => match Ctl::decode(&frame).unwrap() {
                    Ctl::Ping | Ctl::Bind { .. } | Ctl::Progress { .. } => {}
                    frame => return Some(frame),
                },
                Incoming::Lost(_) => return None,
                Incoming::Data(_) | Incoming::Disturbed | Incoming::Recovered => {}
            }
        }
    }

    /// Waits for the other side's proof of the channel.
    pub(crate) fn hear_mac(&mut self) -> Hash {
        match self.next(PATIENCE) {
            Some(Incoming::Ctl(frame)) => match Ctl::decode(&frame) {
                Ok(Ctl::Bind { mac }) => mac,
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
    }

    /// Looks at the next control frame: takes it if it is a sign of life, and leaves any other for [`Self::hear`].
    pub(crate) fn hear_ping(&mut self) -> bool {
        let frame = loop {
            match self.next(PATIENCE) {
                Some(Incoming::Ctl(frame)) => break frame,
                // A machine that is busy elsewhere makes a silence of its own.
                Some(Incoming::Disturbed | Incoming::Recovered) => {}
                Some(Incoming::Data(_) | Incoming::Lost(_)) | None => return false,
            }
        };
        let is_ping = Ctl::decode(&frame) == Ok(Ctl::Ping);
        if !is_ping {
            self.unread = Some(Incoming::Ctl(frame));
        }
        is_ping
    }

    /// Waits for a frame of this type; anything else before it is ignored.
    pub(crate) fn hear_until(&mut self, name: &str) -> Ctl {
        loop {
            match self.hear() {
                Some(frame) if frame.name() == name => return frame,
                Some(_) => {}
                None => panic!("the connection ended before {name}"),
            }
        }
    }

    /// Waits until the other side has ended the connection; returns its frames until then.
    pub(crate) fn hear_out(&mut self) -> Vec<Ctl> {
        std::iter::from_fn(|| self.hear()).collect()
    }

    /// The next thing that happens within a time.
    pub(crate) fn next(&mut self, limit: Duration) -> Option<Incoming> {
        let Self { runtime, channel, unread, .. } = self;
        unread.take().or_else(|| runtime.block_on(async { timeout(limit, channel.next()).await.ok() }))
    }

    /// Closes the connection without a word.
    pub(crate) fn close(self) {
        self.runtime.block_on(self.channel.close());
    }

    /// Runs something with the raw sender, such as a flood.
    pub(crate) fn with_sender<T>(&self, run: impl AsyncFnOnce(ChannelSender) -> T) -> T {
        self.runtime.block_on(run(self.channel.sender()))
    }
}

pub(crate) async fn send_data(sender: &ChannelSender, entry: u32, offset: u64, bytes: Bytes) {
    let frame = DataFrame { entry: EntryId(entry), offset, bytes };
    let _ = timeout(PATIENCE, sender.send_data(frame.header(), frame.bytes)).await;
}

async fn next_guest(incoming: &mut SignalingReceiver) -> Cid {
    loop {
        if let ServerMessage::Peer { cid, .. } = incoming.next().await.unwrap() {
            return cid;
        }
    }
}

fn connection(identity: &Identity) -> Connection<'_> {
    Connection {
        local: Endpoint { fingerprint: &identity.local_fingerprint, ice_ufrag: &identity.local_ufrag },
        remote: Endpoint { fingerprint: &identity.remote_fingerprint, ice_ufrag: &identity.remote_ufrag },
    }
}

const fn rng() -> rand_core::UnwrapErr<getrandom::SysRng> {
    rand_core::UnwrapErr(getrandom::SysRng)
}
