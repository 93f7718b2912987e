//! Receiving again: with the same code, with a new one, and while somebody else is at it.

use std::fs;
use std::time::Duration;

use rustix::process::Signal;

use crate::harness::process::OnTerminal;
use crate::harness::tree::{hash, noise};
use crate::harness::{Running, TestServer, World};

#[test]
fn a_receiver_that_was_killed_goes_on_with_the_same_code_and_says_so() {
    let (world, server) = (World::new(), TestServer::start());
    let film = world.file("film", noise(24_000_000, 41));
    let sender = slow_sender(&world, &server, &["--keep", film.to_str().unwrap()]);
    let (code, first) = (sender.code(), world.recv(&server.url(), &sender.code()));
    until_a_part_holds(&world, 4 << 20);
    first.signal(Signal::KILL);
    first.end().expect_exit(137);
    let again = world.run(&["recv", "--json", "--yes", "--server", &server.url(), &code]).end().expect_exit(0);
    let said = |name: &str| again.events().into_iter().find(|event| event["event"] == name).expect("it says so");
    let resumed = said("resumed")["from"].as_u64().unwrap();
    assert!(resumed >= 3 << 20, "{resumed}");
    assert_eq!(said("done")["moved"].as_u64(), Some(24_000_000 - resumed));
    assert_eq!(hash(&world.to().join("film")), hash(&film));
    assert_eq!(world.arrived().names().collect::<Vec<_>>(), ["film"]);
}

#[test]
fn a_second_receiver_of_the_same_in_the_same_place_is_told_and_disturbs_nothing() {
    let (world, server) = (World::new(), TestServer::start());
    let film = world.file("film", noise(12_000_000, 42));
    let sender = slow_sender(&world, &server, &["--max", "2", film.to_str().unwrap()]);
    let (code, first) = (sender.code(), world.recv(&server.url(), &sender.code()));
    until_a_part_holds(&world, 1 << 20);
    let second = world.recv(&server.url(), &code).end().expect_exit(8);
    second.expect_says("film is already being received here").expect_says("Another p2pshare is at it");
    first.end().expect_exit(0);
    sender.terminate();
    assert_eq!(hash(&world.to().join("film")), hash(&film));
    assert_eq!(world.arrived().names().collect::<Vec<_>>(), ["film"]);
}

#[test]
fn ctrl_c_ends_a_receiver_soon_whose_sender_is_gone() {
    let (world, server) = (World::new(), TestServer::start());
    let film = world.file("film", noise(12_000_000, 43));
    let sender = slow_sender(&world, &server, &[film.to_str().unwrap()]);
    let receiver = world.recv(&server.url(), &sender.code());
    until_a_part_holds(&world, 1 << 20);
    sender.signal(Signal::KILL);
    receiver.signal(Signal::INT);
    // Far less than it takes to notice that a peer is gone.
    receiver.end_within(Duration::from_secs(8)).expect_exit(130).expect_says("what arrived is kept");
}

fn slow_sender(world: &World, server: &TestServer, arguments: &[&str]) -> Running {
    let url = server.url();
    let arguments = [&["send", "--limit", "4M", "--server", &url], arguments].concat();
    Running::start(world.command(&arguments), OnTerminal::Nothing)
}

/// Waits until so many bytes lie in a part file where files arrive.
fn until_a_part_holds(world: &World, bytes: u64) {
    let holds = |entry: fs::DirEntry| entry.metadata().is_ok_and(|data| data.len() > bytes);
    while !fs::read_dir(world.to()).unwrap().flatten().any(holds) {
        std::thread::sleep(Duration::from_millis(20));
    }
}
