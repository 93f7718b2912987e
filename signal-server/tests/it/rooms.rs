//! Given these inputs, rooms ask for exactly these commands. No socket, no clock, no luck.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use p2pshare_protocol::envelope::{Body, Cid, ClientMessage, ErrorCode, Outcome, RoomKind, ServerMessage, Token, Why};
use p2pshare_protocol::room::RoomId;
use p2pshare_signal::rooms::{Command, ConnectionId, Farewell, Rooms};
use p2pshare_signal::{Limits, Source};

use Command::{Close, Send};

#[test]
fn a_guest_and_a_host_find_each_other_and_talk() {
    let mut net = Net::new();
    let (host, guest) = (net.connect(), net.connect());
    let room = net.create(host, code());

    net.receive(guest, join(&room));
    net.expect([
        Send { to: host, message: ServerMessage::Peer { cid: Cid(1), room: room.clone() } },
        Send { to: guest, message: ServerMessage::Joined { cid: Cid(1), room } },
    ]);
    net.receive(host, to(Cid(1), b"hello"));
    net.expect([Send { to: guest, message: from(Cid::HOST, b"hello") }]);
    net.receive(guest, to(Cid::HOST, b"proof"));
    net.expect([Send { to: host, message: from(Cid(1), b"proof") }]);
    net.receive(host, report(Cid(1), Outcome::Ok));
    net.expect([]);
    net.receive(guest, ClientMessage::Bye { room: None });
    net.expect([
        Send { to: host, message: ServerMessage::Left { cid: Cid(1), why: Why::Left } },
        Close { connection: guest, why: Farewell::Done },
    ]);
}

#[test]
fn a_code_gets_a_nameplate_and_a_link_keeps_its_name() {
    let mut net = Net::new();
    let host = net.connect();
    assert_eq!(net.create(host, code()).as_str().len(), 2);
    assert_eq!(net.create(host, link('a')), hex('a'));
}

#[test]
fn one_socket_hosts_a_code_and_a_link_and_numbers_its_guests_across_both() {
    let mut net = Net::new();
    let (host, first, second) = (net.connect(), net.connect(), net.connect());
    let by_code = net.create(host, code());
    let by_link = net.create(host, link('a'));
    assert_eq!(net.join(first, &by_link), Cid(1));
    assert_eq!(net.join(second, &by_code), Cid(2));

    net.receive(host, to(Cid(1), b"x"));
    net.expect([Send { to: first, message: from(Cid::HOST, b"x") }]);
    net.receive(host, ClientMessage::Bye { room: Some(by_code.clone()) });
    net.expect([Send { to: second, message: left(Why::Left) }]);
    assert_eq!(net.create(host, code()).as_str().len(), 2, "a fresh code on the same socket");
    net.receive(first, to(Cid::HOST, b"y"));
    net.expect([Send { to: host, message: from(Cid(1), b"y") }]);
    assert_eq!(net.join(second, &by_link), Cid(3), "numbers are not used twice");
}

#[test]
fn a_socket_hosts_four_rooms_and_no_fifth() {
    let mut net = Net::new();
    let host = net.connect();
    for _ in 0..4 {
        net.create(host, code());
    }
    net.receive(host, code());
    net.expect_error(host, ErrorCode::ServerFull, None, Some(30));
}

#[test]
fn a_room_that_never_was_has_expired_or_is_used_up_gives_one_answer() {
    let mut net = Net::new();
    let (host, guest, late) = (net.connect(), net.connect(), net.connect());
    let never = room("99999");
    let used_up = net.create(host, Create { max: 1.try_into().ok(), ..code() });
    let cid = net.join(guest, &used_up);
    net.receive(host, report(cid, Outcome::Ok));
    let ended = net.create(host, link('b'));
    net.receive(host, ClientMessage::Bye { room: Some(ended.clone()) });
    net.expect([]);
    for room in [never, used_up, ended] {
        net.receive(late, join(&room));
        net.expect_error(late, ErrorCode::NotActive, Some(room), None);
    }
}

#[test]
fn a_used_up_room_still_serves_the_guest_that_is_in() {
    let mut net = Net::new();
    let (host, guest) = (net.connect(), net.connect());
    let room = net.create(host, Create { max: 1.try_into().ok(), ..code() });
    let cid = net.join(guest, &room);
    net.receive(host, report(cid, Outcome::Ok));
    net.receive(guest, to(Cid::HOST, b"candidate"));
    net.expect([Send { to: host, message: from(cid, b"candidate") }]);
}

#[test]
fn b_053_guests_that_vanish_before_their_proof_cost_nothing() {
    let mut net = Net::new();
    let host = net.connect();
    let room = net.create(host, Create { max: 1.try_into().ok(), ..code() });
    for n in 1..=1000 {
        let guest = net.connect();
        assert_eq!(net.join(guest, &room), Cid(n));
        net.disconnect(guest);
        net.expect([Send { to: host, message: ServerMessage::Left { cid: Cid(n), why: Why::Lost } }]);
    }
    let honest = net.connect();
    assert_eq!(net.join(honest, &room), Cid(1001));
}

#[test]
fn a_handshake_ends_after_15_s_for_both_sides() {
    let mut net = Net::new();
    let (host, guest) = (net.connect(), net.connect());
    let room = net.create(host, code());
    let cid = net.join(guest, &room);
    net.pass(Duration::from_millis(14_999));
    net.expect([]);
    net.pass(Duration::from_millis(1));
    net.expect([
        Send { to: host, message: ServerMessage::Left { cid, why: Why::TimedOut } },
        Send { to: guest, message: left(Why::TimedOut) },
    ]);
    assert_eq!(net.join(guest, &room), Cid(2), "the socket may try again");
}

#[test]
fn a_reported_guest_may_stay_as_long_as_the_room() {
    let mut net = Net::new();
    let (host, guest) = (net.connect(), net.connect());
    let room = net.create(host, code());
    let cid = net.join(guest, &room);
    net.receive(host, report(cid, Outcome::Ok));
    net.pass(Duration::from_secs(3599));
    net.expect([]);
    net.pass(Duration::from_secs(1));
    net.expect([
        Send { to: guest, message: left(Why::Expired) },
        Send { to: host, message: ServerMessage::Ended { room, why: Why::Expired } },
    ]);
}

#[test]
fn a_fifth_handshake_of_the_same_source_waits_its_turn() {
    let mut net = Net::new();
    let host = net.connect();
    let room = net.create(host, code());
    let guests: Vec<_> = (0..4).map(|_| net.connect()).collect();
    for guest in &guests {
        net.join(*guest, &room);
    }
    let fifth = net.connect();
    net.receive(fifth, join(&room));
    net.expect_error(fifth, ErrorCode::Busy, Some(room.clone()), Some(2));
    net.receive(host, report(Cid(2), Outcome::Ok));
    assert_eq!(net.join(fifth, &room), Cid(5));
}

#[test]
fn b_071_who_holds_all_places_gives_one_to_a_guest_from_elsewhere() {
    let mut net = Net::new();
    let host = net.connect();
    let room = net.create(host, code());
    let greedy: Vec<_> = (0..4).map(|_| net.connect_from("198.51.100.66")).collect();
    for guest in &greedy {
        net.join(*guest, &room);
    }
    let honest = net.connect_from("192.0.2.1");
    net.receive(honest, join(&room));
    net.expect([
        Send { to: host, message: ServerMessage::Left { cid: Cid(1), why: Why::TimedOut } },
        Send { to: greedy[0], message: left(Why::TimedOut) },
        Send { to: host, message: ServerMessage::Peer { cid: Cid(5), room: room.clone() } },
        Send { to: honest, message: ServerMessage::Joined { cid: Cid(5), room: room.clone() } },
    ]);
    net.receive(greedy[0], join(&room));
    net.expect_error(greedy[0], ErrorCode::Busy, Some(room), Some(2));
}

#[test]
fn a_wrong_proof_removes_the_guest_and_counts_against_its_source() {
    let mut net = Net::new();
    let host = net.connect();
    let room = net.create(host, code());
    for n in 1..=10 {
        let guest = net.connect_from("198.51.100.66");
        net.join(guest, &room);
        net.receive(host, report(Cid(n), Outcome::BadProof));
        net.expect([Send { to: guest, message: left(Why::BadProof) }]);
    }
    let again = net.connect_from("198.51.100.66");
    net.receive(again, join(&room));
    net.expect_error(again, ErrorCode::RateLimited, Some(room.clone()), Some(360));
    let other = net.connect_from("198.51.100.67");
    assert_eq!(net.join(other, &room), Cid(11));
}

#[test]
fn a_guess_counts_even_if_the_guesser_hangs_up_before_the_verdict() {
    let mut net = Net::new();
    let host = net.connect();
    let room = net.create(host, code());
    for n in 1..=10 {
        let guest = net.connect_from("198.51.100.66");
        net.join(guest, &room);
        net.receive(guest, to(Cid::HOST, b"guess"));
        net.disconnect(guest);
        net.receive(host, report(Cid(n), Outcome::BadProof));
        net.drain();
    }
    let again = net.connect_from("198.51.100.66");
    net.receive(again, join(&room));
    net.expect_error(again, ErrorCode::RateLimited, Some(room), Some(360));
}

#[test]
fn one_guest_is_reported_on_once() {
    let mut net = Net::new();
    let (host, guest) = (net.connect(), net.connect());
    let room = net.create(host, Create { max: 2.try_into().ok(), ..code() });
    let cid = net.join(guest, &room);
    net.receive(host, report(cid, Outcome::Ok));
    net.receive(host, report(cid, Outcome::Ok));
    net.receive(host, report(cid, Outcome::BadProof));
    net.expect([]);
    let second = net.connect();
    net.join(second, &room);
}

#[test]
fn a_kicked_guest_is_told_what_the_host_says() {
    let mut net = Net::new();
    let (host, guest) = (net.connect(), net.connect());
    let room = net.create(host, code());
    let cid = net.join(guest, &room);
    net.receive(host, ClientMessage::Kick { cid, why: Why::Kicked });
    net.expect([Send { to: guest, message: left(Why::Kicked) }]);
    net.receive(guest, to(Cid::HOST, b"late"));
    net.receive(host, to(cid, b"late"));
    net.receive(host, report(cid, Outcome::Ok));
    net.expect([]);
}

#[test]
fn a_lost_host_has_a_minute_to_come_back_with_its_token() {
    let mut net = Net::new();
    let (host, guest) = (net.connect(), net.connect());
    let (room, token) = net.create_with_token(host, code());
    net.join(guest, &room);
    net.disconnect(host);
    net.expect([Send { to: guest, message: left(Why::Lost) }]);
    net.receive(guest, join(&room));
    net.expect_error(guest, ErrorCode::Busy, Some(room.clone()), Some(2));

    net.pass(Duration::from_secs(59));
    let back = net.connect();
    net.receive(back, reattach(&room, &token));
    net.expect([Send { to: back, message: ServerMessage::Created { room: room.clone(), token, expires: 3541 } }]);
    assert_eq!(net.join(guest, &room), Cid(1));
    net.pass(Duration::from_secs(10));
    net.expect([]);
}

#[test]
fn a_host_that_stays_away_loses_its_room() {
    let mut net = Net::new();
    let (host, guest) = (net.connect(), net.connect());
    let (room, token) = net.create_with_token(host, code());
    net.disconnect(host);
    net.pass(Duration::from_secs(60));
    net.expect([]);
    net.receive(guest, join(&room));
    net.expect_error(guest, ErrorCode::NotActive, Some(room.clone()), None);
    let back = net.connect();
    net.receive(back, reattach(&room, &token));
    net.expect_error(back, ErrorCode::NotActive, Some(room), None);
}

#[test]
fn a_token_takes_a_room_from_a_socket_that_is_not_known_to_be_lost() {
    let mut net = Net::new();
    let (old, new, guest) = (net.connect(), net.connect(), net.connect());
    let (room, token) = net.create_with_token(old, code());
    net.join(guest, &room);
    net.receive(new, reattach(&room, &token));
    net.expect([
        Send { to: guest, message: left(Why::Lost) },
        Send { to: old, message: ServerMessage::Ended { room: room.clone(), why: Why::Replaced } },
        Send { to: new, message: ServerMessage::Created { room: room.clone(), token, expires: 3600 } },
    ]);
    net.disconnect(old);
    net.expect([]);
    assert_eq!(net.join(guest, &room), Cid(1));
}

#[test]
fn b_048_nobody_takes_a_room_without_its_token() {
    let mut net = Net::new();
    let (host, thief) = (net.connect(), net.connect());
    let by_code = net.create(host, code());
    net.create(host, link('a'));
    net.receive(thief, reattach(&by_code, &Token::new([0; 16])));
    net.expect_error(thief, ErrorCode::NotActive, Some(by_code), None);
    net.receive(thief, link('a'));
    net.expect_error(thief, ErrorCode::Taken, Some(hex('a')), None);
    net.disconnect(host);
    net.receive(thief, link('a'));
    net.expect_error(thief, ErrorCode::Taken, Some(hex('a')), Some(60));
}

#[test]
fn a_room_lives_as_long_as_asked_for_but_at_most_a_day() {
    let mut net = Net::new();
    let host = net.connect();
    for (ttl, expires) in [(Some(5), 5), (Some(0), 1), (Some(u32::MAX), 86_400), (None, 3600)] {
        net.receive(host, Create { ttl, ..code() });
        let [Send { message: ServerMessage::Created { expires: told, .. }, .. }] = &net.drain()[..] else {
            panic!("not created")
        };
        assert_eq!(*told, expires);
    }
}

#[test]
fn a_nameplate_rests_for_ten_minutes() {
    let mut net = Net::new();
    let host = net.connect();
    let mut seen: Vec<RoomId> = Vec::new();
    for _ in 0..49 {
        let room = net.create(host, code());
        assert!(!seen.contains(&room));
        net.receive(host, ClientMessage::Bye { room: Some(room.clone()) });
        seen.push(room);
    }
    assert_eq!(net.create(host, code()).as_str().len(), 2);
    assert_eq!(net.create(host, code()).as_str().len(), 3);
    net.pass(Duration::from_secs(600));
    assert_eq!(net.create(host, code()).as_str().len(), 2);
}

#[test]
fn a_server_of_many_can_mark_its_nameplates() {
    let rooms = Rooms::new(Limits::default(), [1; 32]).with_last_digit(7);
    let mut net = Net { rooms, now: Instant::now() };
    let host = net.connect();
    for _ in 0..4 {
        assert!(net.create(host, code()).as_str().ends_with('7'));
    }
}

#[test]
fn another_protocol_version_is_told_apart() {
    let mut net = Net::new();
    let (host, guest) = (net.connect(), net.connect());
    net.receive(host, Create { v: 2, ..code() });
    net.expect_error(host, ErrorCode::Version, None, None);
    net.receive(guest, ClientMessage::Join { v: 0, room: room("12") });
    net.expect_error(guest, ErrorCode::Version, Some(room("12")), None);
}

#[test]
fn a_full_server_says_so() {
    let mut net = Net::with(Limits { rooms_max: 2, ..Limits::default() });
    let host = net.connect();
    net.create(host, code());
    net.create(host, code());
    let other = net.connect();
    net.receive(other, code());
    net.expect_error(other, ErrorCode::ServerFull, None, Some(30));
    net.disconnect(host);
    net.pass(Duration::from_secs(60));
    net.create(other, code());
}

#[test]
fn creates_and_joins_are_bounded_per_source() {
    let mut net = Net::new();
    let eager = net.connect_from("192.0.2.1");
    for _ in 0..10 {
        let room = net.create(eager, code());
        net.receive(eager, ClientMessage::Bye { room: Some(room) });
    }
    net.receive(eager, code());
    net.expect_error(eager, ErrorCode::RateLimited, None, Some(6));
    net.pass(Duration::from_secs(6));
    net.create(eager, code());
    let guesser = net.connect_from("192.0.2.2");
    for _ in 0..30 {
        net.receive(guesser, join(&room("99999")));
        net.expect_error(guesser, ErrorCode::NotActive, Some(room("99999")), None);
    }
    net.receive(guesser, join(&room("99999")));
    net.expect_error(guesser, ErrorCode::RateLimited, Some(room("99999")), Some(2));
}

#[test]
fn b_081_messages_out_of_place_end_the_connection() {
    let cases: [(&str, Case); 11] = [
        ("a body from nobody", |net, c| net.receive(c, to(Cid::HOST, b"x"))),
        ("a body to nobody", |net, c| net.receive(c, to(Cid(1), b"x"))),
        ("a kick by nobody", |net, c| net.receive(c, ClientMessage::Kick { cid: Cid(1), why: Why::Kicked })),
        ("a report by nobody", |net, c| net.receive(c, report(Cid(1), Outcome::Ok))),
        ("a stamp that was not asked for", |net, c| net.receive(c, ClientMessage::Pow { stamp: String::new() })),
        ("a code with a name of its own", |net, c| {
            net.receive(c, Create { room: Some(room("12")), ..code() });
        }),
        ("a link without a name", |net, c| {
            net.receive(c, Create { room: None, ..link('a') });
        }),
        ("a link named like a code", |net, c| {
            net.receive(c, Create { room: Some(room("12")), ..link('a') });
        }),
        ("a token without a room", |net, c| {
            net.receive(c, Create { token: Some(Token::new([0; 16])), ..code() });
        }),
        ("a host that joins", |net, c| {
            let room = net.create(c, code());
            net.receive(c, join(&room));
        }),
        ("a host that speaks to a guest it never had", |net, c| {
            net.create(c, code());
            net.receive(c, to(Cid(1), b"x"));
        }),
    ];
    for (what, case) in cases {
        let mut net = Net::new();
        let connection = net.connect();
        case(&mut net, connection);
        assert_eq!(net.drain(), refused(connection), "{what}");
        net.receive(connection, code());
        net.expect([]);
    }
}

#[test]
fn b_081_a_guest_may_not_do_what_is_the_hosts() {
    let kick = ClientMessage::Kick { cid: Cid(1), why: Why::Kicked };
    for message in [code().into(), join(&room("12")), kick, report(Cid(1), Outcome::Ok), to(Cid(1), b"x")] {
        let mut net = Net::new();
        let (host, guest) = (net.connect(), net.connect());
        let room = net.create(host, code());
        let cid = net.join(guest, &room);
        net.receive(guest, message);
        assert_eq!(net.drain(), refused(guest));
        net.disconnect(guest);
        net.expect([Send { to: host, message: ServerMessage::Left { cid, why: Why::Lost } }]);
    }
}

#[test]
fn a_host_may_not_touch_the_guests_of_another() {
    let mut net = Net::new();
    let (host, other, guest) = (net.connect(), net.connect(), net.connect());
    let room = net.create(host, code());
    let others_room = net.create(other, code());
    let cid = net.join(guest, &room);
    net.receive(other, ClientMessage::Bye { room: Some(room) });
    net.expect([]);
    net.receive(other, to(cid, b"x"));
    assert_eq!(net.drain(), refused(other));
    net.disconnect(other);
    net.receive(guest, join(&others_room));
    assert_eq!(net.drain(), refused(guest), "it is in a room");
}

#[test]
fn a_guest_has_a_share_of_the_relay_and_no_more() {
    let mut net = Net::with(Limits { guest_bytes_max: 10, ..Limits::default() });
    let (host, guest) = (net.connect(), net.connect());
    let room = net.create(host, code());
    let cid = net.join(guest, &room);
    net.receive(host, to(cid, b"12345"));
    net.receive(guest, to(Cid::HOST, b"12345"));
    net.drain();
    net.receive(guest, to(Cid::HOST, b"6"));
    assert_eq!(net.drain(), refused(guest));
}

#[test]
fn there_is_no_relay_yet() {
    let mut net = Net::new();
    let host = net.connect();
    net.receive(host, ClientMessage::Turn { cid: Cid::HOST });
    net.expect_error(host, ErrorCode::NoRelay, None, None);
}

#[test]
fn nothing_is_left_when_everybody_is_gone() {
    let mut net = Net::new();
    let (host, guest) = (net.connect(), net.connect());
    let room = net.create(host, code());
    net.create(host, link('a'));
    net.join(guest, &room);
    net.receive(host, ClientMessage::Bye { room: None });
    net.expect([Send { to: guest, message: left(Why::Left) }, Close { connection: host, why: Farewell::Done }]);
    net.disconnect(host);
    net.disconnect(guest);
    assert_eq!(net.rooms.room_count(), 0);
    assert_eq!(net.rooms.poll_timeout(), None);
}

/// What a connection does out of place.
type Case = fn(&mut Net, ConnectionId);

/// Rooms with a clock of their own. Connections are from the same source unless they say otherwise.
struct Net {
    rooms: Rooms,
    now: Instant,
}

impl Net {
    fn new() -> Self {
        Self::with(Limits::default())
    }

    fn with(limits: Limits) -> Self {
        Self { rooms: Rooms::new(limits, [1; 32]), now: Instant::now() }
    }

    fn connect(&mut self) -> ConnectionId {
        self.connect_from("127.0.0.1")
    }

    fn connect_from(&mut self, address: &str) -> ConnectionId {
        self.rooms.connect(Source::new(address.parse().unwrap())).unwrap()
    }

    fn disconnect(&mut self, connection: ConnectionId) {
        self.rooms.disconnect(connection, self.now);
    }

    fn receive(&mut self, from: ConnectionId, message: impl Into<ClientMessage>) {
        self.rooms.receive(from, message.into(), self.now);
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.rooms.handle_timeout(self.now);
    }

    fn drain(&mut self) -> Vec<Command> {
        std::iter::from_fn(|| self.rooms.next_command()).collect()
    }

    #[track_caller]
    fn expect<const N: usize>(&mut self, commands: [Command; N]) {
        assert_eq!(self.drain(), commands);
    }

    #[track_caller]
    fn expect_error(&mut self, to: ConnectionId, code: ErrorCode, room: Option<RoomId>, retry_after: Option<u32>) {
        self.expect([Send { to, message: ServerMessage::Error { code, room, retry_after } }]);
    }

    #[track_caller]
    fn create(&mut self, host: ConnectionId, message: impl Into<ClientMessage>) -> RoomId {
        self.create_with_token(host, message).0
    }

    #[track_caller]
    fn create_with_token(&mut self, host: ConnectionId, message: impl Into<ClientMessage>) -> (RoomId, Token) {
        self.receive(host, message);
        match &self.drain()[..] {
            [Send { to, message: ServerMessage::Created { room, token, .. } }] if *to == host => {
                (room.clone(), token.clone())
            }
            other => panic!("not created: {other:?}"),
        }
    }

    #[track_caller]
    fn join(&mut self, guest: ConnectionId, room: &RoomId) -> Cid {
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
struct Create {
    v: u32,
    kind: RoomKind,
    room: Option<RoomId>,
    token: Option<Token>,
    ttl: Option<u32>,
    max: Option<NonZeroU32>,
}

impl From<Create> for ClientMessage {
    fn from(Create { v, kind, room, token, ttl, max }: Create) -> Self {
        Self::Create { v, kind, room, token, ttl, max }
    }
}

fn code() -> Create {
    Create { v: 1, kind: RoomKind::Code, room: None, token: None, ttl: None, max: None }
}

fn link(digit: char) -> Create {
    Create { kind: RoomKind::Link, room: Some(hex(digit)), ..code() }
}

fn reattach(room: &RoomId, token: &Token) -> Create {
    Create { room: Some(room.clone()), token: Some(token.clone()), ..code() }
}

fn join(room: &RoomId) -> ClientMessage {
    ClientMessage::Join { v: 1, room: room.clone() }
}

fn to(cid: Cid, body: &[u8]) -> ClientMessage {
    ClientMessage::To { cid, body: Body::new(body.to_vec()).unwrap() }
}

fn from(cid: Cid, body: &[u8]) -> ServerMessage {
    ServerMessage::From { cid, body: Body::new(body.to_vec()).unwrap() }
}

fn report(cid: Cid, what: Outcome) -> ClientMessage {
    ClientMessage::Report { cid, what }
}

fn left(why: Why) -> ServerMessage {
    ServerMessage::Left { cid: Cid::HOST, why }
}

/// What a connection that broke the protocol gets.
fn refused(connection: ConnectionId) -> [Command; 2] {
    let message = ServerMessage::Error { code: ErrorCode::Protocol, room: None, retry_after: None };
    [Send { to: connection, message }, Close { connection, why: Farewell::Protocol }]
}

fn room(text: &str) -> RoomId {
    RoomId::parse(text).unwrap()
}

fn hex(digit: char) -> RoomId {
    room(&digit.to_string().repeat(32))
}
