//! What strangers can make of a share: guesses at the code and the password, recordings, crowds at the door.

use std::time::{Duration, Instant};

use p2pshare_protocol::code::Code;
use p2pshare_protocol::cpace::Exchange;
use p2pshare_protocol::envelope::{ClientMessage, ErrorCode, ServerMessage};
use p2pshare_protocol::keys::{KeySchedule, Mode, Transcript};
use p2pshare_protocol::peer_message::{GuestProof, HostHello, PeerMessage};
use p2pshare_protocol::role::Role;
use serde_json::json;
use tokio::runtime::Runtime;

use crate::harness::process::OnTerminal;
use crate::harness::rogue::{RogueHost, Socket};
use crate::harness::{Passing, Proxy, Running, TestServer, Tree, World};

#[test]
fn b_050_what_a_server_records_of_a_transfer_tests_no_guess() {
    let (world, server) = (World::new(), TestServer::start());
    let proxy = Proxy::start(server.address, Passing::untouched);
    let sender = world.send(&proxy.url(), &[&world.file("film", "content")]);
    let code: Code = sender.code().parse().unwrap();
    world.recv(&proxy.url(), &code.to_string()).end().expect_exit(0);
    sender.end().expect_exit(0);
    let bodies = proxy.seen().into_iter().filter_map(|text| match ClientMessage::decode(&text) {
        Ok(ClientMessage::To { body, .. }) => PeerMessage::parse(&body.into_bytes()).ok(),
        _ => None,
    });
    let (mut hello, mut proof) = (None, None);
    for body in bodies {
        match body {
            PeerMessage::HostHello(said) => hello = Some(said),
            PeerMessage::GuestProof(said) => proof = Some(said),
            _ => {}
        }
    }
    let (hello, proof) = (hello.unwrap(), proof.unwrap());
    // The attack that cracks a salted challenge in no time (`a_salted_challenge_is_cracked_offline_at_once`): go through
    // all codes. Each gives a generator, and with a scalar of the attacker's own choice keys; none explains the proof.
    let explains =
        |guess: &str| [Role::Host, Role::Guest].iter().any(|&role| explains(&code, guess, role, &hello, &proof));
    let explained = (0..10_000).map(|n| format!("{n:04}")).filter(|guess| explains(guess)).count();
    assert_eq!(explained, 0, "a recording tells guesses apart");
    assert!(!explains(code.secret()), "not even the right one");
}

/// Whether a guess, with a scalar of the attacker's for one of the two, leads to keys that the guest's proof is made with.
fn explains(code: &Code, guess: &str, role: Role, hello: &HostHello, proof: &GuestProof) -> bool {
    let (prs, ci) = (Mode::Code.prs(guess.as_bytes()), Mode::Code.ci(&code.room()));
    let (own_ad, peer, peer_ad) = match role {
        Role::Host => (&hello.ad, &proof.element, &proof.ad),
        Role::Guest => (&proof.ad, &hello.element, &hello.ad),
    };
    let own = Exchange::new(role, &prs, &ci, &hello.sid, &[1; 64]);
    let Ok(isk) = own.finish(own_ad, peer, peer_ad) else { return false };
    let (host, guest) = ((&hello.element, hello.ad.as_slice()), (&proof.element, proof.ad.as_slice()));
    KeySchedule::new(&Transcript { sid: &hello.sid, ci: &ci, host, guest }, &isk).is_guest_proof(&proof.proof)
}

#[test]
fn b_053_a_thousand_guests_that_vanish_cost_nothing_and_the_right_one_gets_in() {
    let (world, server) = (World::new(), TestServer::start());
    let sender = world.send(&server.url(), &[&world.file("film", "content")]);
    let code = sender.code();
    let vanish = |count: usize| {
        let room = code.parse::<Code>().unwrap().room();
        Runtime::new().unwrap().block_on(async {
            for _ in 0..count {
                let mut guest = Socket::connect_from("127.0.0.1", server.address).await;
                assert!(matches!(guest.join(&room).await, ServerMessage::Joined { .. }));
                assert!(matches!(guest.hear().await, ServerMessage::From { .. }), "the host says hello");
            }
        });
    };
    vanish(200);
    let before = sender.peak_memory().unwrap();
    vanish(800);
    let after = sender.peak_memory().unwrap();
    assert!(after < before + (16 << 20), "{before} bytes of memory grew to {after}");
    let came = Instant::now();
    world.recv(&server.url(), &code).end().expect_exit(0);
    println!("after 1,000 guests that vanished the right one was served within {:?}", came.elapsed());
    let sender = sender.end().expect_exit(0);
    assert!(!sender.stderr.contains("wrong code"), "{}", sender.stderr);
    assert_eq!(world.arrived(), Tree::of(&world.from()));
}

#[test]
fn b_056_who_plays_host_and_is_always_busy_gets_two_guesses_and_no_more() {
    let (world, server) = (World::new(), TestServer::start());
    let mut impostor = RogueHost::open(&server.url(), "0000");
    let receiver = world.recv(&server.url(), &format!("{}-1234", impostor.code.nameplate().as_str()));
    for _ in 0..2 {
        let cid = impostor.next_guest(crate::harness::PATIENCE).expect("the guest comes");
        assert!(impostor.meet(cid).1.is_none(), "the guess is wrong");
        impostor.kick(cid);
    }
    let ended = receiver.end().expect_exit(4);
    ended.expect_says("it took the proof of this code twice and gave none").expect_says("Ask for a new code");
    assert_eq!(impostor.next_guest(Duration::from_millis(100)), None, "a third guess");
    world.expect_no_trace();
}

#[test]
fn b_064_two_shares_with_the_same_secret_digits_are_not_mixed_up() {
    let (world, server) = (World::new(), TestServer::start());
    let proxy = Proxy::start(server.address, Passing::untouched);
    let (one, other) = ("41-1234", "57-1234");
    let share = |code: &str| {
        let film = world.file("film", "content");
        let sender = world.run(&["send", "--server", &proxy.url(), "--code", code, film.to_str().unwrap()]);
        sender.code();
        sender
    };
    let senders = [share(one), share(other)];
    // Each guest is let into the room of the other share.
    proxy.lead("41", "57");
    proxy.lead("57", "41");
    for code in [one, other] {
        world.recv(&proxy.url(), code).end().expect_exit(3).expect_says("wrong code");
    }
    for sender in senders {
        sender.until_says("2 tries left");
        let ended = sender.terminate().expect_exit(143);
        assert_eq!(ended.stderr.matches("somebody tried a wrong code").count(), 1, "{}", ended.stderr);
    }
    world.expect_no_trace();
}

#[test]
fn b_065_a_hello_that_was_altered_leads_to_a_wrong_proof_and_nothing_else() {
    // The session identifier, first and last byte, and the flags at the end of the associated data.
    for at in [1, 16, 54] {
        let (world, server) = (World::new(), TestServer::start());
        let proxy = Proxy::start(server.address, move |mut passing: Passing| {
            if passing.is(crate::harness::Way::FromHost, 0) {
                passing.body[at] ^= 1;
            }
            passing.untouched()
        });
        let sender = world.send(&proxy.url(), &[&world.file("film", "content")]);
        let ended = world.recv(&proxy.url(), &sender.code()).end().expect_one_of(&[3, 5]);
        if ended.exit == 3 {
            sender.until_says("somebody tried a wrong code; 2 tries left");
        }
        sender.terminate().expect_exit(143);
        world.expect_no_trace();
    }
}

#[test]
fn b_070_codes_that_never_were_ended_or_were_used_get_the_same_answer() {
    let (world, server) = (World::new(), TestServer::start());
    let film = world.file("film", "content");
    let film = film.to_str().unwrap();
    let used = world.run(&["send", "--server", &server.url(), film]);
    let used_code = used.code();
    world.recv(&server.url(), &used_code).end().expect_exit(0);
    used.end().expect_exit(0);
    let expired = world.run(&["send", "--expire", "1s", "--server", &server.url(), film]);
    let expired_code = expired.code();
    expired.end().expect_exit(12);
    let never = (10..100)
        .map(|n| format!("{n}1234"))
        .find(|code| code[..2] != used_code[..2] && code[..2] != expired_code[..2]);
    let rooms = [("never was", never.unwrap()), ("was used", used_code), ("expired", expired_code)]
        .map(|(what, code)| (what, code.parse::<Code>().unwrap().room()));
    let mut told = Vec::new();
    Runtime::new().unwrap().block_on(async {
        for (what, room) in rooms {
            let mut times = Vec::new();
            let mut answers = Vec::new();
            for _ in 0..100 {
                let mut guest = Socket::connect_from("127.0.0.1", server.address).await;
                let asked = Instant::now();
                let ServerMessage::Error { code, retry_after, .. } = guest.join(&room).await else {
                    panic!("let in where {what}")
                };
                times.push(asked.elapsed());
                answers.push((code, retry_after));
            }
            times.sort();
            println!("a room that {what}: median {:?}", times[times.len() / 2]);
            answers.dedup();
            told.push(answers);
        }
    });
    assert!(told.iter().all(|answers| *answers == [(ErrorCode::NotActive, None)]), "{told:?}");
}

#[test]
fn b_071_whoever_fills_the_door_does_not_keep_others_out() {
    let (world, server) = (World::new(), TestServer::start());
    let sender = world.send(&server.url(), &[&world.file("film", "content")]);
    let code = sender.code();
    let room = code.parse::<Code>().unwrap().room();
    let runtime = Runtime::new().unwrap();
    let crowd = runtime.block_on(async {
        let mut crowd = Vec::new();
        for _ in 0..4 {
            let mut guest = Socket::connect_from("127.0.0.2", server.address).await;
            assert!(matches!(guest.join(&room).await, ServerMessage::Joined { .. }));
            crowd.push(guest);
        }
        crowd
    });
    world.recv(&server.url(), &code).end().expect_exit(0);
    sender.end().expect_exit(0);
    drop(crowd);
}

#[test]
fn b_072_ten_wrong_passwords_lock_the_share_until_its_owner_unlocks_it() {
    let (world, server) = (World::new(), TestServer::start());
    let film = world.file("film", "content");
    let url = server.url();
    let mut command = world.command(&["send", "--server", &url, film.to_str().unwrap()]);
    command.env("P2PSHARE_PASSWORD", "correct horse");
    let sender = Running::start(command, OnTerminal::Person);
    let code = sender.code();
    let fetch = |password: &str| {
        let mut command = world.command(&["recv", "--yes", "--server", &url, &code]);
        command.env("P2PSHARE_PASSWORD", password);
        Running::start(command, OnTerminal::Nothing)
    };
    // Three on a terminal, all of which count, also the last.
    let person = world.run_on_terminal(&["recv", "--yes", "--server", &url, &code]);
    for nth in 1..=3 {
        person.until_err(|screen| (screen.matches("Password of the share: ").count() >= nth).then_some(()));
        person.type_line(&format!("wrong {nth}"));
    }
    person.end().expect_exit(6).expect_says("wrong password");
    for _ in 0..7 {
        fetch("wrong horse").end().expect_exit(6);
    }
    sender.until_says("too many wrong passwords");
    fetch("correct horse").end().expect_exit(6).expect_says("takes no more passwords");
    world.expect_no_trace();
    sender.until_says("Allow more passwords? [y/N]");
    sender.type_line("y");
    // The answer is read a moment later.
    let received = (0..20).map(|_| fetch("correct horse").end()).find(|received| received.exit != 6);
    received.expect("it is unlocked").expect_exit(0);
    sender.end().expect_exit(0);
    assert_eq!(world.arrived(), Tree::of(&world.from()));
}

#[test]
fn b_073_a_password_that_costs_gigabytes_is_not_stretched() {
    for (memory_kib, passes, lanes) in [(4 << 20, 2, 1), (19_456, 1000, 1), (19_456, 2, 64)] {
        let (world, server) = (World::new(), TestServer::start());
        let mut host = RogueHost::open(&server.url(), "1234");
        let mut command = world.command(&["recv", "--yes", "--server", &server.url(), &host.code.to_string()]);
        command.env("P2PSHARE_PASSWORD", "correct horse");
        let mut receiver = Running::start(command, OnTerminal::Nothing);
        let cid = host.next_guest(crate::harness::PATIENCE).expect("the guest comes");
        let mut met = host.meet(cid).1.expect("the guest has the code");
        let cost = json!({"m": memory_kib, "t": passes, "p": lanes});
        let before = receiver.peak_memory().unwrap();
        let auth = json!({"t": "auth", "salt": "AAAAAAAAAAAAAAAAAAAAAA", "cost": cost});
        host.prove(&mut met, &auth.to_string());
        let mut after = before;
        while !receiver.has_ended() {
            after = receiver.peak_memory().unwrap_or(0).max(after);
            std::thread::sleep(Duration::from_millis(2));
        }
        receiver.end().expect_exit(5).expect_says("SECURITY");
        assert!(after < before + (16 << 20), "{before} bytes of memory grew to {after}");
        world.expect_no_trace();
    }
}
