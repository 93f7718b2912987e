//! Rooms with a clock of their own, and short words for what is said to them.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use p2pshare_protocol::envelope::{Body, Cid, ClientMessage, ErrorCode, Outcome, RoomKind, ServerMessage, Token, Why};
use p2pshare_protocol::room::RoomId;
use p2pshare_signal::rooms::{Command, ConnectionId, Farewell, Rooms};
use p2pshare_signal::{Limits, Source};

use Command::{Close, Send};

/// Rooms with a clock of their own. Connections are from the same source unless they say otherwise.
pub(crate) struct Net {
    pub(crate) rooms: Rooms,
    pub(crate) now: Instant,
}

impl Net {
    pub(crate) fn new() -> Self {
        Self::with(Limits::default())
    }

    pub(crate) fn with(limits: Limits) -> Self {
        Self { rooms: Rooms::new(limits, [1; 32]), now: Instant::now() }
    }

    pub(crate) fn with_relay() -> Self {
        Self { rooms: Rooms::new(Limits::default(), [1; 32]).with_relay(), now: Instant::now() }
    }

    pub(crate) fn connect(&mut self) -> ConnectionId {
        self.connect_from("127.0.0.1")
    }

    pub(crate) fn connect_from(&mut self, address: &str) -> ConnectionId {
        self.rooms.connect(Source::new(address.parse().unwrap())).unwrap()
    }

    pub(crate) fn disconnect(&mut self, connection: ConnectionId) {
        self.rooms.disconnect(connection, self.now);
    }

    pub(crate) fn receive(&mut self, from: ConnectionId, message: impl Into<ClientMessage>) {
        self.rooms.receive(from, message.into(), self.now);
    }

    pub(crate) fn pass(&mut self, time: Duration) {
        self.now += time;
        self.rooms.handle_timeout(self.now);
    }

    pub(crate) fn drain(&mut self) -> Vec<Command> {
        std::iter::from_fn(|| self.rooms.next_command()).collect()
    }

    #[track_caller]
    pub(crate) fn expect<const N: usize>(&mut self, commands: [Command; N]) {
        assert_eq!(self.drain(), commands);
    }

    #[track_caller]
    pub(crate) fn expect_error(
        &mut self,
        to: ConnectionId,
        code: ErrorCode,
        room: Option<RoomId>,
        retry_after: Option<u32>,
    ) {
        self.expect([Send { to, message: ServerMessage::Error { code, room, retry_after } }]);
    }

    #[track_caller]
    pub(crate) fn create(&mut self, host: ConnectionId, message: impl Into<ClientMessage>) -> RoomId {
        self.create_with_token(host, message).0
    }

    #[track_caller]
    pub(crate) fn create_with_token(
        &mut self,
        host: ConnectionId,
        message: impl Into<ClientMessage>,
    ) -> (RoomId, Token) {
        self.receive(host, message);
        match &self.drain()[..] {
            [Send { to, message: ServerMessage::Created { room, token, .. } }] if *to == host => {
                (room.clone(), token.clone())
            }
            other => panic!("not created: {other:?}"),
        }
    }

    #[track_caller]
    pub(crate) fn join(&mut self, guest: ConnectionId, room: &RoomId) -> Cid {
        self.receive(guest, join(room));
        match &self.drain()[..] {
            [
                Send { message: ServerMessage::Peer { .. }, .. },
                Send { to, message: ServerMessage::Joined { cid, .. } },
            ] if *to == guest => *cid,
            other => panic!("not joined: {other:?}"),
        }
    }
}

/// The fields of a `create`, with defaults.
pub(crate) struct Create {
    pub(crate) v: u32,
    pub(crate) kind: RoomKind,
    pub(crate) room: Option<RoomId>,
    pub(crate) token: Option<Token>,
    pub(crate) ttl: Option<u32>,
    pub(crate) max: Option<NonZeroU32>,
}

impl From<Create> for ClientMessage {
    fn from(Create { v, kind, room, token, ttl, max }: Create) -> Self {
        Self::Create { v, kind, room, token, ttl, max }
    }
}

pub(crate) fn code() -> Create {
    Create { v: 1, kind: RoomKind::Code, room: None, token: None, ttl: None, max: None }
}

pub(crate) fn link(digit: char) -> Create {
    Create { kind: RoomKind::Link, room: Some(hex(digit)), ..code() }
}

pub(crate) fn reattach(room: &RoomId, token: &Token) -> Create {
    Create { room: Some(room.clone()), token: Some(token.clone()), ..code() }
}

pub(crate) fn join(room: &RoomId) -> ClientMessage {
    ClientMessage::Join { v: 1, room: room.clone() }
}

pub(crate) fn to(cid: Cid, body: &[u8]) -> ClientMessage {
    ClientMessage::To { cid, body: Body::new(body.to_vec()).unwrap() }
}

pub(crate) fn greet(room: &RoomId, body: &[u8]) -> ClientMessage {
    ClientMessage::Greet { room: room.clone(), body: Body::new(body.to_vec()).unwrap() }
}

pub(crate) fn from(cid: Cid, body: &[u8]) -> ServerMessage {
    ServerMessage::From { cid, body: Body::new(body.to_vec()).unwrap() }
}

pub(crate) fn report(cid: Cid, what: Outcome) -> ClientMessage {
    ClientMessage::Report { cid, what }
}

pub(crate) fn left(why: Why) -> ServerMessage {
    ServerMessage::Left { cid: Cid::HOST, why }
}

/// What a connection that broke the protocol gets.
pub(crate) fn refused(connection: ConnectionId) -> [Command; 2] {
    let message = ServerMessage::Error { code: ErrorCode::Protocol, room: None, retry_after: None };
    [Send { to: connection, message }, Close { connection, why: Farewell::Protocol }]
}

pub(crate) fn room(text: &str) -> RoomId {
    RoomId::parse(text).unwrap()
}

pub(crate) fn hex(digit: char) -> RoomId {
    room(&digit.to_string().repeat(32))
}
