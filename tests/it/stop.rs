//! Ctrl-C, SIGTERM and refusals: how each side ends, and that the other one is told at once.

use std::fs;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::harness::{Running, TestServer, World};

#[test]
fn b_103_ctrl_c_before_anybody_came_ends_the_sender_with_130() {
    let (world, server) = (World::new(), TestServer::start());
    let sender = world.send(&server.url(), &[&world.file("film", "content")]);
    let code = sender.code();
    sender.signal(Signal::INT);
    sender.end_within(AT_ONCE).expect_exit(130);
    world.recv(&server.url(), &code).end().expect_exit(3).expect_says("no share answers to");
}

#[test]
fn b_103_sigterm_and_sighup_end_the_sender_with_143() {
    let (world, server) = (World::new(), TestServer::start());
    for signal in [Signal::TERM, Signal::HUP] {
        let sender = world.send(&server.url(), &[&world.file("film", "content")]);
        sender.code();
        sender.signal(signal);
        sender.end_within(AT_ONCE).expect_exit(143);
    }
}

#[test]
fn b_103_ctrl_c_at_the_receiver_is_told_to_the_sender_and_keeps_the_part() {
    let transfer = Transfer::under_way(LONG);
    let stopped = Instant::now();
    transfer.receiver.signal(Signal::INT);
    let sender = transfer.sender.end_within(AT_ONCE).expect_exit(10);
    assert!(stopped.elapsed() < TOLD_WITHIN, "the sender learned it after {:?}", stopped.elapsed());
    let last = sender.events().pop().unwrap();
    assert_eq!((&last["event"], &last["message"]), (&json!("error"), &json!("the other side stopped the transfer")));
    assert_eq!((&last["exit"], &last["resumable"]), (&json!(10), &json!(true)));
    transfer.receiver.end_within(AT_ONCE).expect_exit(130).expect_says("what arrived is kept");
    transfer.world.expect_no_final_name();
    assert!(transfer.world.arrived().names().any(|name| name.ends_with(".part")), "the part is kept");
}

#[test]
fn b_103_ctrl_c_at_the_sender_is_told_to_the_receiver_who_keeps_the_part() {
    let transfer = Transfer::under_way(LONG);
    let stopped = Instant::now();
    transfer.sender.signal(Signal::INT);
    let receiver = transfer.receiver.end_within(AT_ONCE).expect_exit(10);
    assert!(stopped.elapsed() < TOLD_WITHIN, "the receiver learned it after {:?}", stopped.elapsed());
    receiver.expect_says("the other side stopped the transfer");
    transfer.sender.end_within(AT_ONCE).expect_exit(130);
    transfer.world.expect_no_final_name();
    assert!(transfer.world.arrived().names().any(|name| name.ends_with(".part")), "the part is kept");
}

#[test]
fn b_103_sigterm_in_the_middle_ends_with_143() {
    let transfer = Transfer::under_way(LONG);
    transfer.receiver.signal(Signal::TERM);
    transfer.receiver.end_within(AT_ONCE).expect_exit(143);
    transfer.sender.end_within(AT_ONCE).expect_exit(10);
    transfer.world.expect_no_final_name();
}

#[test]
fn b_103_ctrl_c_at_any_moment_ends_both_sides_cleanly() {
    let server = TestServer::start();
    for step in 0..10 {
        let world = World::new();
        let sender = world.send(&server.url(), &[&world.file("film", vec![7; 8 << 20])]);
        let mut receiver = world.recv(&server.url(), &sender.code());
        // Not what is tested hangs on the pause, but when in its life the receiver is hit.
        std::thread::sleep(Duration::from_millis(step * 40));
        if !receiver.has_ended() {
            receiver.signal(Signal::INT);
        }
        let received = receiver.end_within(AT_ONCE).expect_one_of(&[0, 130]);
        if received.exit == 130 {
            world.expect_no_final_name();
        }
        if sender.terminate().exit == 0 {
            assert_eq!(fs::read(world.to().join("film")).unwrap(), vec![7; 8 << 20]);
        }
    }
}

#[test]
fn a_stopped_receiver_finishes_when_it_comes_back() {
    let transfer = Transfer::under_way(SHORT);
    transfer.receiver.signal(Signal::INT);
    transfer.receiver.end_within(AT_ONCE).expect_exit(130);
    transfer.sender.end_within(AT_ONCE).expect_exit(10);
    let Transfer { world, server, .. } = transfer;
    let film = world.from().join("film");
    let sender = world.send(&server.url(), &[&film]);
    world.recv(&server.url(), &sender.code()).end().expect_exit(0);
    sender.end().expect_exit(0);
    assert_eq!(world.arrived().names().collect::<Vec<_>>(), ["film"]);
    assert_eq!(fs::metadata(world.to().join("film")).unwrap().len(), SHORT);
}

#[test]
fn b_021_a_receiver_who_declines_leaves_no_trace_and_tells_the_sender() {
    let (world, server) = (World::new(), TestServer::start());
    let film = world.file("film", "content");
    let sender = world.send(&server.url(), &[&film]);
    let receiver = world.run_on_terminal(&["recv", "--server", &server.url(), &sender.code()]);
    receiver.until_says("Receive film (7 B)? [Y/n]");
    receiver.type_line("n");
    receiver.end().expect_exit(11).expect_says("declined");
    sender.end().expect_exit(11).expect_says("declined");
    world.expect_no_trace();
}

#[test]
fn a_receiver_who_says_yes_receives() {
    let (world, server) = (World::new(), TestServer::start());
    let film = world.file("film", "content");
    for answer in ["y", ""] {
        let sender = world.send(&server.url(), &[&film]);
        let receiver =
            world.run_on_terminal(&["recv", "--on-exists", "overwrite", "--server", &server.url(), &sender.code()]);
        receiver.until_says("[Y/n]");
        receiver.type_line(answer);
        receiver.end().expect_exit(0);
        sender.end().expect_exit(0);
    }
    assert_eq!(world.arrived().names().collect::<Vec<_>>(), ["film"]);
}

#[test]
fn ctrl_c_at_the_question_declines() {
    let (world, server) = (World::new(), TestServer::start());
    let sender = world.send(&server.url(), &[&world.file("film", "content")]);
    let receiver = world.run_on_terminal(&["recv", "--server", &server.url(), &sender.code()]);
    receiver.until_says("[Y/n]");
    receiver.signal(Signal::INT);
    receiver.end_within(AT_ONCE).expect_exit(130);
    sender.end_within(AT_ONCE).expect_exit(10).expect_says("the other side stopped the transfer");
    world.expect_no_trace();
}

/// A transfer that takes long enough to be stopped.
struct Transfer {
    world: World,
    server: TestServer,
    sender: Running,
    receiver: Running,
}

impl Transfer {
    /// Starts one and waits until some of it is on the receiver's disk.
    fn under_way(bytes: u64) -> Self {
        let (world, server) = (World::new(), TestServer::start());
        let film = world.file("film", "");
        fs::File::options().write(true).open(&film).unwrap().set_len(bytes).unwrap();
        let sender = world.run(&["send", "--json", "--server", &server.url(), film.to_str().unwrap()]);
        let code = sender.until_out(|text| {
            let event: Value = serde_json::from_str(text.lines().find(|line| line.contains("\"code\""))?).ok()?;
            Some(event["code"].as_str()?.to_owned())
        });
        let receiver = world.recv(&server.url(), &code);
        sender.until_out(|text| {
            let progress = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            progress
                .filter_map(|event| event["bytes"].as_u64().filter(|_| event["event"] == "progress"))
                .find(|&bytes| bytes > 0)
        });
        Self { world, server, sender, receiver }
    }
}

/// Too much to be moved before the signal comes, in bytes.
const LONG: u64 = 4 << 30;

/// The same, and yet moved to its end by a test, in bytes.
const SHORT: u64 = 800 << 20;

/// Within this time the other side is told.
const TOLD_WITHIN: Duration = Duration::from_secs(2);

/// Whoever is stopped or told ends within this time, which is less than it takes to notice a silent peer.
const AT_ONCE: Duration = Duration::from_secs(10);
