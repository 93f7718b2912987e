//! What goes on by itself: connections that are lost, servers that go away, sides that were suspended.

use std::fs;
use std::process::Command;
use std::time::Duration;

use p2pshare_signal::{Config, Rate};
use rustix::process::Signal;

use crate::harness::process::OnTerminal;
use crate::harness::proxy::Fate;
use crate::harness::tree::{hash, noise};
use crate::harness::{Ended, PATIENCE, Proxy, Running, TestServer, Tree, Way, World};

#[test]
fn b_079_a_server_that_is_killed_in_the_middle_of_a_transfer_is_not_missed() {
    let world = World::new();
    let server = Server::start(&world, "127.0.0.1:0");
    let film = world.file("film", noise(12_000_000, 21));
    let sender = Running::start(patient(&world, &server, &["send", "--limit", "4M", film.to_str().unwrap()]), NONE);
    let receiver = Running::start(patient(&world, &server, &["recv", "-y", &sender.code()]), NONE);
    until_some_arrived(&world);
    drop(server);
    receiver.end().expect_exit(0);
    sender.end().expect_exit(0);
    assert_eq!(world.arrived(), Tree::of(&world.from()));
}

#[test]
fn who_comes_too_often_waits_as_long_as_the_server_asks() {
    let mut config = Config::default();
    let (two, per) = (2, Duration::from_secs(2));
    config.limits.source.loopback = true;
    // A share has two rooms.
    config.limits.source.creates = Rate { count: two, per };
    config.limits.source.joins = Rate { count: 1, per };
    let server = TestServer::with(config);
    let worlds = [World::new(), World::new()];
    // One after the other: if each opened one of its rooms, both would have to wait.
    let shares = worlds.each_ref().map(|world| {
        let sender = world.send(&server.url(), &[&world.file("film", "content")]);
        let code = sender.code();
        (sender, code)
    });
    let receivers = [0, 1].map(|i| worlds[i].recv(&server.url(), &shares[i].1));
    let senders = shares.map(|(sender, _)| sender);
    let waited = |ended: [Ended; 2]| {
        let waited = ended.map(|ended| ended.expect_exit(0).stderr.contains("the server asks to wait"));
        waited.iter().filter(|waited| **waited).count()
    };
    assert_eq!(waited(receivers.map(Running::end)), 1);
    assert_eq!(waited(senders.map(Running::end)), 1);
}

#[test]
fn who_comes_while_the_share_still_waits_for_its_link_is_served() {
    let mut config = Config::default();
    config.limits.source.loopback = true;
    config.limits.source.creates = Rate { count: 1, per: Duration::from_secs(2) };
    let server = TestServer::with(config);
    let world = World::new();
    let film = world.file("film", noise(100_000, 25));
    let sender = world.run(&["send", "--server", &server.url(), "--code", "4711-8642", film.to_str().unwrap()]);
    sender.until_says("the server asks to wait");
    // The code has its room, and the link has to wait for its own.
    world.recv(&server.url(), "4711-8642").end().expect_exit(0);
    sender.end().expect_exit(0);
    assert_eq!(world.arrived(), Tree::of(&world.from()));
}

#[test]
fn b_079_a_code_stays_good_when_the_server_is_killed_and_restarted() {
    let world = World::new();
    let server = Server::start(&world, "127.0.0.1:0");
    let film = world.file("film", noise(100_000, 22));
    let sender = world.send(&server.url, &[&film]);
    let code = sender.code();
    let server = server.restart(&world);
    // Whoever is earlier than the sender is told that nobody shares.
    let tries = (1..30).map(|pause| {
        std::thread::sleep(Duration::from_millis(pause * 100));
        world.recv(&server.url, &code).end()
    });
    let received = tries.into_iter().find(|ended| ended.exit != 3).expect("the sender comes back");
    received.expect_exit(0);
    let sent = sender.end().expect_exit(0);
    assert_eq!(sent.stdout, format!("{code}\n"), "there is no other code");
    assert_eq!(world.arrived(), Tree::of(&world.from()));
}

#[test]
fn b_079_two_sides_that_are_pairing_when_the_server_is_killed_find_each_other_when_it_is_back() {
    let world = World::new();
    let server = Server::start(&world, "127.0.0.1:0");
    let (told, lost) = std::sync::mpsc::channel();
    let proxy = Proxy::start(server.address().parse().unwrap(), move |passing| {
        if passing.pairing == 0 && passing.is(Way::FromGuest, 0) && told.send(()).is_ok() {
            return Fate::default();
        }
        passing.untouched()
    });
    let sender = world.send(&proxy.url(), &[&world.file("film", noise(100_000, 23))]);
    let receiver = world.recv(&proxy.url(), &sender.code());
    // The proof of the first attempt has gone, and no answer comes.
    lost.recv_timeout(PATIENCE).unwrap();
    drop(lost);
    let _server = server.restart(&world);
    receiver.end().expect_exit(0);
    sender.end().expect_exit(0);
    assert_eq!(world.arrived(), Tree::of(&world.from()));
}

#[test]
fn a_transfer_and_a_pipe_go_on_after_a_side_was_suspended() {
    let (files, pipe) = (World::new(), World::new());
    let server = Server::start(&files, "127.0.0.1:0");
    let film = files.file("film", noise(24_000_000, 24));
    let sender = Running::start(patient(&files, &server, &["send", "--limit", "4M", film.to_str().unwrap()]), NONE);
    let receiver = Running::start(patient(&files, &server, &["recv", "-y", &sender.code()]), NONE);
    fs::copy(&film, pipe.from().join("film")).unwrap();
    let mut command = patient(&pipe, &server, &["send", "--limit", "4M", "-"]);
    let producer = Running::start_fed(&mut command, fs::File::open(&film).unwrap());
    let mut command = patient(&pipe, &server, &["recv", "-y", "-o", "-", &producer.code()]);
    let consumer = Running::start_into(&mut command, fs::File::create(pipe.to().join("film")).unwrap());
    until_some_arrived(&files);
    until_some_arrived(&pipe);
    for suspended in [&receiver, &producer] {
        suspended.signal(Signal::STOP);
    }
    // Longer than either side bears with silence.
    std::thread::sleep(Duration::from_secs(32));
    for suspended in [&receiver, &producer] {
        suspended.signal(Signal::CONT);
    }
    for ended in [receiver, sender, consumer, producer] {
        ended.end_within(2 * PATIENCE).expect_exit(0).expect_says("connected again, continuing");
    }
    for world in [files, pipe] {
        assert_eq!(hash(&world.to().join("film")), hash(&world.from().join("film")));
    }
}

/// The server of the program, in a process of its own. Killed when dropped.
struct Server {
    url: String,
    _running: Running,
}

impl Server {
    fn start(world: &World, listen: &str) -> Self {
        let running = world.run(&["serve", "--listen", listen]);
        let url = running.until_err(|text| {
            let line = text[..text.rfind('\n')?].lines().find_map(|line| line.strip_prefix("listening on "))?;
            Some(line.to_owned())
        });
        Self { url, _running: running }
    }

    fn address(&self) -> &str {
        self.url.trim_start_matches("http://")
    }

    /// Kills it and starts another at the same address.
    fn restart(self, world: &World) -> Self {
        let address = self.address().to_owned();
        drop(self);
        Self::start(world, &address)
    }
}

/// The program with the patience that it has by default.
fn patient(world: &World, server: &Server, arguments: &[&str]) -> Command {
    let mut command = world.command(arguments);
    command.env("P2PSHARE_SERVER", &server.url).env_remove("P2PSHARE_RETRY");
    command
}

/// Waits until something lies where files arrive.
fn until_some_arrived(world: &World) {
    let is_some =
        |folder: fs::ReadDir| folder.flatten().any(|entry| entry.metadata().is_ok_and(|data| data.len() > 1 << 20));
    while !is_some(fs::read_dir(world.to()).unwrap()) {
        std::thread::sleep(Duration::from_millis(20));
    }
}

const NONE: OnTerminal = OnTerminal::Nothing;
