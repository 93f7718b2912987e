//! Destinations that cannot be written, and how much memory a large file takes.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::thread;
use std::time::Duration;

use crate::harness::process::OnTerminal;
use crate::harness::{Running, TestServer, World};

#[test]
fn b_022_a_destination_that_is_missing_or_no_folder_exits_with_8() {
    let (world, server) = (World::new(), TestServer::start());
    let file = world.file("file", "content");
    for to in [world.path().join("missing/"), world.path().join("missing/name"), file.join("")] {
        let to = to.to_str().unwrap();
        let ended = world.run(&["recv", "--yes", "--server", &server.url(), "-o", to, "123456"]).end();
        let folder = to.strip_suffix("/name").unwrap_or(to);
        let says = if to.contains("missing") {
            format!("there is no folder {folder}")
        } else {
            format!("{folder} is not a folder")
        };
        ended.expect_exit(8).expect_says(&says);
    }
}

#[test]
fn b_022_a_destination_that_is_read_only_exits_with_8() {
    let (world, server) = (World::new(), TestServer::start());
    let sender = world.send(&server.url(), &[&world.file("film", "content")]);
    let mut command = unprivileged(&world, &["recv", "--yes", "--server", &server.url(), &sender.code()]);
    fs::set_permissions(world.to(), fs::Permissions::from_mode(0o555)).unwrap();
    command.current_dir(world.to());
    let receiver = Running::start(command, OnTerminal::Nothing).end().expect_exit(8);
    fs::set_permissions(world.to(), fs::Permissions::from_mode(0o755)).unwrap();
    receiver.expect_says("cannot be written");
    sender.end().expect_one_of(&[10, 11]);
    world.expect_no_trace();
}

#[test]
fn b_022_a_destination_that_goes_away_in_the_middle_exits_with_8() {
    let (world, server) = (World::new(), TestServer::start());
    world.file("share/a", vec![1; 1000]);
    let big = fs::File::create(world.from().join("share/b")).unwrap();
    big.set_len(512 << 20).unwrap();
    let sender = world.send(&server.url(), &[&world.from().join("share")]);
    let to = world.to().join("gone");
    fs::create_dir(&to).unwrap();
    let receiver = world.run(&["recv", "--yes", "--server", &server.url(), "-o", to.to_str().unwrap(), &sender.code()]);
    while !to.join("share/a").exists() {
        thread::sleep(Duration::from_millis(5));
    }
    // The receiver goes on making files while the folder is emptied.
    while to.exists() {
        let _ = fs::remove_dir_all(&to);
    }
    receiver.end().expect_exit(8);
    sender.end().expect_exit(10);
    assert!(!to.exists(), "it was made again");
}

#[test]
fn a_gibibyte_moves_through_little_memory() {
    let (world, server) = (World::new(), TestServer::start());
    let film = world.from().join("film");
    fs::File::create(&film).unwrap().set_len(1 << 30).unwrap();
    let mut sender = world.send(&server.url(), &[&film]);
    let mut receiver = world.recv(&server.url(), &sender.code());
    let (mut sent, mut received) = (0, 0);
    while !(sender.has_ended() && receiver.has_ended()) {
        sent = sender.peak_memory().unwrap_or(0).max(sent);
        received = receiver.peak_memory().unwrap_or(0).max(received);
        thread::sleep(Duration::from_millis(20));
    }
    receiver.end().expect_exit(0);
    sender.end().expect_exit(0);
    assert_eq!(fs::metadata(world.to().join("film")).unwrap().len(), 1 << 30);
    assert!(sent > 1 << 20 && received > 1 << 20, "memory was measured");
    assert!(sent < 100 << 20 && received < 100 << 20, "the sender took {sent} bytes, the receiver {received}");
}

/// The program as somebody who is not root, whom permissions bind.
fn unprivileged(world: &World, arguments: &[&str]) -> Command {
    if !rustix::process::geteuid().is_root() {
        return world.command(arguments);
    }
    // The build folder may be out of reach for others.
    let program = world.path().join("p2pshare");
    fs::hard_link(env!("CARGO_BIN_EXE_p2pshare"), &program)
        .or_else(|_| fs::copy(env!("CARGO_BIN_EXE_p2pshare"), &program).map(drop))
        .unwrap();
    for folder in [world.path(), &world.to(), &world.home()] {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let mut command = world.command_of(&program, arguments);
    command.uid(65534).gid(65534);
    command
}
