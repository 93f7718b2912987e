//! Wrong codes: what both sides are told, how often, and what follows for the next guest.

use crate::harness::tree::noise;
use crate::harness::{Running, TestServer, Tree, World};

#[test]
fn a_wrong_code_is_told_on_both_sides_and_the_share_goes_on() {
    let (world, server) = (World::new(), TestServer::start());
    let sender = world.send(&server.url(), &[&world.file("film", "content")]);
    let wrong = wrong(&sender.code(), 1);
    let receiver = world.recv(&server.url(), &wrong).end().expect_exit(3);
    receiver.expect_says("wrong code").expect_says("Check the last 4 digits");
    sender.until_says("warning: somebody tried a wrong code; 2 tries left before the code changes");
    world.expect_no_trace();
    sender.terminate().expect_exit(143);
}

#[test]
fn b_052_three_wrong_proofs_retire_the_code_and_a_new_one_works() {
    let (world, server) = (World::new(), TestServer::start());
    let film = world.file("film", noise(10_000, 1));
    let sender = world.run_on_terminal(&["send", "--server", &server.url(), film.to_str().unwrap()]);
    let first = sender.code();
    for (nth, warning) in ["2 tries left", "1 try left", "no longer active, a new one follows"].iter().enumerate() {
        world.recv(&server.url(), &wrong(&first, nth as u32 + 1)).end().expect_exit(3);
        sender.until_says(warning);
    }
    let second = sender.nth_code(1);
    assert_ne!(first, second);
    let late = world.recv(&server.url(), &first).end().expect_exit(3);
    late.expect_says("no share answers to").expect_says("Ask for a new code");
    world.expect_no_trace();
    pair_with_short_number(&world, &server, sender, &second);
    assert_eq!(world.arrived(), Tree::of(&world.from()));
}

#[test]
fn b_052_a_link_is_not_burned_by_wrong_codes() {
    let (world, server) = (World::new(), TestServer::start());
    let film = world.file("film", "content");
    let sender = world.run_on_terminal(&["send", "--server", &server.url(), film.to_str().unwrap()]);
    let (code, link) = (sender.code(), sender.link());
    for nth in 1..=3 {
        world.recv(&server.url(), &wrong(&code, nth)).end().expect_exit(3);
    }
    pair_with_short_number(&world, &server, sender, &link);
    assert_eq!(world.arrived(), Tree::of(&world.from()));
}

#[test]
fn b_054_after_a_wrong_code_the_next_guest_compares_a_number() {
    let (world, server) = (World::new(), TestServer::start());
    let film = world.file("film", "content");
    let sender = world.run_on_terminal(&["send", "--server", &server.url(), film.to_str().unwrap()]);
    let code = sender.code();
    world.recv(&server.url(), &wrong(&code, 1)).end().expect_exit(3);
    pair_with_short_number(&world, &server, sender, &code);
    assert_eq!(world.arrived(), Tree::of(&world.from()));
}

#[test]
fn b_054_a_no_to_the_number_on_the_senders_side_ends_both() {
    let (world, server) = (World::new(), TestServer::start());
    let film = world.file("film", "content");
    let sender = world.run_on_terminal(&["send", "--server", &server.url(), film.to_str().unwrap()]);
    let code = sender.code();
    world.recv(&server.url(), &wrong(&code, 1)).end().expect_exit(3);
    let receiver = world.run_on_terminal(&["recv", "--yes", "--server", &server.url(), &code]);
    asked_number(&sender);
    asked_number(&receiver);
    sender.type_line("n");
    receiver.end().expect_exit(4);
    world.expect_no_trace();
    sender.end().expect_exit(4);
}

#[test]
fn b_054_a_no_to_the_number_on_the_receivers_side_ends_both() {
    let (world, server) = (World::new(), TestServer::start());
    let film = world.file("film", "content");
    let sender = world.run_on_terminal(&["send", "--server", &server.url(), film.to_str().unwrap()]);
    let code = sender.code();
    world.recv(&server.url(), &wrong(&code, 1)).end().expect_exit(3);
    let receiver = world.run_on_terminal(&["recv", "--yes", "--server", &server.url(), &code]);
    asked_number(&sender);
    asked_number(&receiver);
    receiver.type_line("n");
    receiver.end().expect_exit(4);
    world.expect_no_trace();
    sender.end().expect_exit(4);
}

#[test]
fn b_054_where_nobody_can_compare_a_number_nothing_is_received() {
    let (world, server) = (World::new(), TestServer::start());
    let sender = world.send(&server.url(), &[&world.file("film", "content")]);
    let code = sender.code();
    world.recv(&server.url(), &wrong(&code, 1)).end().expect_exit(3);
    world.recv(&server.url(), &code).end().expect_exit(4);
    world.expect_no_trace();
    sender.end().expect_exit(4);
}

/// Fetches while two people compare the short number and say that it is the same.
#[track_caller]
fn pair_with_short_number(world: &World, server: &TestServer, sender: Running, invitation: &str) {
    let receiver = world.run_on_terminal(&["recv", "--yes", "--server", &server.url(), invitation]);
    assert_eq!(asked_number(&sender), asked_number(&receiver), "both show the same number");
    sender.type_line("y");
    receiver.type_line("y");
    receiver.end().expect_exit(0);
    sender.end().expect_exit(0);
}

/// The number that a person is asked about.
#[track_caller]
fn asked_number(running: &Running) -> String {
    running.until_err(|text| {
        let (_, rest) = text.split_once("show the number ")?;
        rest.split_once('?').map(|(number, _)| number.to_owned())
    })
}

/// A code of the same share whose last digit is another one.
fn wrong(code: &str, by: u32) -> String {
    let (kept, last) = code.split_at(code.len() - 1);
    format!("{kept}{}", (last.parse::<u32>().unwrap() + by) % 10)
}
