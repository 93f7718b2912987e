//! How hosts and guests meet: given these inputs, rooms ask for exactly these commands. No socket, no clock, no luck.

use std::time::{Duration, Instant};

use Command::{Close, Grant, Send};
use p2pshare_protocol::envelope::{Cid, ClientMessage, ErrorCode, Outcome, ServerMessage, Token, Why};
use p2pshare_signal::Limits;
use p2pshare_signal::rooms::{Command, ConnectionId, Farewell, Rooms};

use crate::net::{Create, Net, code, from, greet, hex, join, left, link, reattach, refused, report, room, to};

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
fn a_greeting_waits_for_one_guest() {
    let mut net = Net::new();
    let (host, first, second) = (net.connect(), net.connect(), net.connect());
    let (room, token) = net.create_with_token(host, code());

    net.receive(host, greet(&room, b"old"));
    net.receive(host, greet(&room, b"hello"));
    net.receive(first, join(&room));
    net.expect([
        Send { to: host, message: ServerMessage::Greeted { cid: Cid(1) } },
        Send { to: host, message: ServerMessage::Peer { cid: Cid(1), room: room.clone() } },
        Send { to: first, message: ServerMessage::Joined { cid: Cid(1), room: room.clone() } },
        Send { to: first, message: from(Cid::HOST, b"hello") },
    ]);
    assert_eq!(net.join(second, &room), Cid(2), "it is there once");

    net.receive(host, greet(&room, b"hello"));
    net.disconnect(host);
    net.drain();
    let back = net.connect();
    net.receive(back, reattach(&room, &token));
    net.drain();
    let third = net.connect();
    assert_eq!(net.join(third, &room), Cid(1), "a host that was away has left nothing");
}

#[test]
fn only_a_room_s_own_host_leaves_a_greeting_and_a_short_one() {
    let mut net = Net::new();
    let (host, other, guest) = (net.connect(), net.connect(), net.connect());
    let room = net.create(host, code());
    net.create(other, link('a'));
    net.receive(other, greet(&room, b"I am not the host"));
    net.expect([]);
    net.join(guest, &room);
    net.receive(guest, greet(&room, b"nor am I"));
    net.expect(refused(guest));
    net.drain();
    net.receive(host, greet(&room, &[0; 513]));
    net.expect(refused(host));
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
fn an_agreed_nameplate_is_claimed_by_one_host_and_can_be_claimed_again_when_its_share_ends() {
    let mut net = Net::new();
    let (host, other) = (net.connect(), net.connect());
    let agreed = || Create { room: Some(room("77")), ..code() };
    assert_eq!(net.create(host, agreed()).as_str(), "77");
    net.receive(other, agreed());
    net.expect_error(other, ErrorCode::Taken, Some(room("77")), None);
    net.receive(host, ClientMessage::Bye { room: None });
    net.drain();
    assert_eq!(net.create(other, agreed()).as_str(), "77");
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
fn a_server_without_a_relay_says_so() {
    let mut net = Net::new();
    let host = net.connect();
    net.receive(host, ClientMessage::Turn { cid: Cid::HOST });
    net.expect_error(host, ErrorCode::NoRelay, None, None);
}

/// Takes out what is granted, as `(to, cid, session)`.
fn granted(net: &mut Net) -> Vec<(ConnectionId, Cid, String)> {
    let grant = |command| match command {
        Grant { to, cid, session } => (to, cid, session),
        other @ (Send { .. } | Close { .. }) => panic!("not granted: {other:?}"),
    };
    net.drain().into_iter().map(grant).collect()
}

#[test]
fn access_to_the_relay_is_granted_to_both_sides_once_the_guest_is_proven() {
    let mut net = Net::with_relay();
    let (host, guest) = (net.connect(), net.connect());
    let room = net.create(host, code());
    let cid = net.join(guest, &room);
    net.receive(guest, ClientMessage::Turn { cid: Cid::HOST });
    net.receive(host, ClientMessage::Turn { cid });
    net.expect([]);
    net.receive(host, report(cid, Outcome::Ok));
    let granted = granted(&mut net);
    let [(first, to_host, for_guest), (second, to_guest, for_host)] = granted.as_slice() else { panic!("{granted:?}") };
    assert_eq!((*first, *to_host, *second, *to_guest), (guest, Cid::HOST, host, cid));
    let (session, side) = for_guest.split_once('-').unwrap();
    assert_eq!((session.len(), side), (32, "guest"));
    assert_eq!(*for_host, format!("{session}-host"));
}

#[test]
fn access_to_the_relay_is_granted_late_and_only_once() {
    let mut net = Net::with_relay();
    let (host, guest) = (net.connect(), net.connect());
    let room = net.create(host, code());
    let cid = net.join(guest, &room);
    net.receive(host, report(cid, Outcome::Ok));
    net.receive(guest, ClientMessage::Turn { cid: Cid::HOST });
    assert_eq!(granted(&mut net).len(), 1);
    net.receive(guest, ClientMessage::Turn { cid: Cid::HOST });
    net.expect_error(guest, ErrorCode::RateLimited, None, None);
}

#[test]
fn who_has_not_paired_gets_no_access_to_the_relay() {
    let mut net = Net::with_relay();
    let (host, guest) = (net.connect(), net.connect());
    net.receive(guest, ClientMessage::Turn { cid: Cid::HOST });
    net.expect_error(guest, ErrorCode::NotActive, None, None);
    let room = net.create(host, code());
    let cid = net.join(guest, &room);
    net.receive(guest, ClientMessage::Turn { cid: Cid::HOST });
    net.receive(host, report(cid, Outcome::BadProof));
    net.expect([Send { to: guest, message: left(Why::BadProof) }]);
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
