//! Pipes: streams in and out, consumers that have enough, and scripts that look at every exit code.

use std::fs;

use crate::harness::process::OnTerminal;
use crate::harness::tree::{hash, noise};
use crate::harness::{Ended, Running, TestServer, World};

#[test]
fn a_stream_arrives_through_pipes_on_both_sides() {
    let (world, server) = (World::new(), TestServer::start());
    let film = world.file("film", noise(20_000_000, 11));
    let sender =
        shell(&world, "cat ../from/film | p2pshare send --name film - ; echo ends ${PIPESTATUS[@]} >&2", &server);
    let receiver = format!("p2pshare recv -y -o - {} | cat > film; echo ends ${{PIPESTATUS[@]}} >&2", sender.code());
    shell(&world, &receiver, &server).end().expect_exit(0).expect_says("ends 0 0");
    sender.end().expect_exit(0).expect_says("ends 0 0");
    assert_eq!(hash(&world.to().join("film")), hash(&film));
}

#[test]
fn a_long_stream_is_stored_whatever_arrives_first() {
    let (world, server) = (World::new(), TestServer::start());
    let film = world.file("film", noise(100_000_000, 15));
    let sender = shell(&world, "cat ../from/film | p2pshare send --name film -", &server);
    world.recv(&server.url(), &sender.code()).end().expect_exit(0);
    sender.end().expect_exit(0);
    assert_eq!(hash(&world.to().join("film")), hash(&film));
}

#[test]
fn a_file_goes_to_standard_output_as_it_is() {
    let (world, server) = (World::new(), TestServer::start());
    let film = world.file("film", noise(5_000_000, 12));
    let sender = world.send(&server.url(), &[&film]);
    let receiver = format!("p2pshare recv -y -o - {} > copy", sender.code());
    shell(&world, &receiver, &server).end().expect_exit(0);
    sender.end().expect_exit(0);
    assert_eq!(hash(&world.to().join("copy")), hash(&film));
    assert_eq!(world.arrived().names().collect::<Vec<_>>(), ["copy"], "nothing is spooled");
}

#[test]
fn a_consumer_that_has_enough_ends_both_sides() {
    let (world, server) = (World::new(), TestServer::start());
    let sender = shell(&world, "yes | p2pshare send - ; echo ends ${PIPESTATUS[@]} >&2", &server);
    let script = "p2pshare recv -y -o - CODE | head -c 1000 | wc -c; echo ends ${PIPESTATUS[@]} >&2";
    let received = shell(&world, &script.replace("CODE", &sender.code()), &server).end().expect_exit(0);
    assert_eq!(received.stdout, "1000\n");
    expect_no_panic(received.expect_says("ends 141 0 0").expect_says("who reads standard output has ended"));
    let sent = sender.end().expect_exit(0).expect_says("ends 141 10");
    expect_no_panic(sent.expect_says("the other side stopped the transfer").expect_says("run both commands again"));
}

#[test]
fn a_file_system_that_is_full_is_no_consumer_that_has_enough() {
    let (world, server) = (World::new(), TestServer::start());
    let sender = world.send(&server.url(), &[&world.file("film", noise(5_000_000, 13))]);
    let receiver = format!("p2pshare recv -y -o - {} > /dev/full", sender.code());
    shell(&world, &receiver, &server).end().expect_exit(8).expect_says("No space left on device");
    sender.end().expect_exit(10).expect_says("the receiver's disk cannot take it");
}

#[test]
fn nobody_has_to_read_the_paths_or_the_code() {
    let (world, server) = (World::new(), TestServer::start());
    let film = world.file("film", "content");
    let sender = shell(&world, "p2pshare send ../from/film >&- ; echo ends $? >&2", &server);
    let link = sender.link();
    let receiver = format!("sleep 0 | p2pshare recv -y '{link}' | true; echo ends ${{PIPESTATUS[@]}} >&2");
    let received = shell(&world, &receiver, &server).end().expect_exit(0).expect_says("ends 0 0 0");
    expect_no_panic(received);
    expect_no_panic(sender.end().expect_exit(0).expect_says("ends 0"));
    assert_eq!(fs::read(world.to().join("film")).unwrap(), fs::read(film).unwrap());
}

/// Runs a script of bash in which `p2pshare` is the program, as part of pipes.
fn shell(world: &World, script: &str, server: &TestServer) -> Running {
    let script = format!("p2pshare() {{ {} \"$@\"; }}\n{script}", env!("CARGO_BIN_EXE_p2pshare"));
    let mut command = world.command_of("/bin/bash", &["-c", &script]);
    command.env("P2PSHARE_SERVER", server.url());
    Running::start(command, OnTerminal::Nothing)
}

#[track_caller]
fn expect_no_panic(ended: Ended) {
    assert!(!ended.stderr.contains("panic"), "{}", ended.stderr);
}
