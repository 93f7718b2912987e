//! What hosts and guests may not do: given these inputs, rooms ask for exactly these commands.

use std::time::Duration;

use Command::Send;
use p2pshare_protocol::envelope::{Cid, ClientMessage, ErrorCode, Outcome, ServerMessage, Token, Why};
use p2pshare_protocol::room::RoomId;
use p2pshare_signal::Limits;
use p2pshare_signal::rooms::{Command, ConnectionId};

use crate::net::{Create, Net, code, join, left, link, refused, report, room, to};

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
        ("a code named like a link", |net, c| {
            net.receive(c, Create { room: Some(room(&"a".repeat(32))), ..code() });
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

/// What a connection does out of place.
type Case = fn(&mut Net, ConnectionId);
