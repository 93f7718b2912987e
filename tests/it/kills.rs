//! Programs that are killed at random moments: what has its name is right, the rest goes on, and little is sent twice.
//!
//! A few kills over a tree by default that is too small to break the bound on what is sent again. The full size, which takes
//! about a quarter of an hour on two cores:
//!
//! ```text
//! P2PSHARE_KILLS=50 P2PSHARE_KILLS_MIB=300 cargo test --test it -- --nocapture --test-threads 1 kills::
//! ```
//!
//! `P2PSHARE_KILLS_SEED` names another sequence of moments; the figures go to standard error.

#![expect(clippy::print_stderr, reason = "figures are for people")]

use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::harness::process::OnTerminal;
use crate::harness::tree::noise;
use crate::harness::{Ended, PATIENCE, Running, TestServer, Tree, World};

#[test]
fn receivers_that_are_killed_at_any_moment_go_on_where_they_were() {
    Harness::new().kill("receiver", |setting, code, moment| {
        let killed = setting.receiver(code);
        std::thread::sleep(moment);
        killed.signal(Signal::KILL);
        killed.end();
        setting.expect_nothing_wrong();
        // The sender has not noticed, and the code is still good.
        setting.receiver(code).end_within(2 * PATIENCE).expect_exit(0)
    });
}

#[test]
fn receivers_go_on_where_they_were_after_their_sender_was_killed_at_any_moment() {
    Harness::new().kill("sender", |setting, code, moment| {
        let receiver = setting.receiver(code);
        std::thread::sleep(moment);
        setting.sender.signal(Signal::KILL);
        receiver.signal(Signal::INT);
        let first = receiver.end().expect_one_of(&[0, 130, 143]);
        setting.expect_nothing_wrong();
        setting.arrived_before += bytes_in(&first.stderr, "file data received");
        setting.sender = setting.send();
        let code = setting.sender.code();
        setting.receiver(&code).end_within(2 * PATIENCE).expect_exit(0)
    });
}

/// How much is killed, and when.
struct Harness {
    kills: u64,
    bytes: usize,
    seed: u64,
}

/// One tree on its way from a world to the same world.
struct Setting {
    world: World,
    server: TestServer,
    sender: Running,
    offered: Tree,
    /// What a receiver counted whose sender was killed, and could not count.
    arrived_before: u64,
}

impl Harness {
    fn new() -> Self {
        let number = |name: &str, default| std::env::var(name).ok().map_or(default, |value| value.parse().unwrap());
        Self {
            kills: number("P2PSHARE_KILLS", 2),
            bytes: usize::try_from(number("P2PSHARE_KILLS_MIB", 16)).unwrap() << 20,
            seed: number("P2PSHARE_KILLS_SEED", 1),
        }
    }

    /// Has somebody killed in the middle of each of many transfers, and checks what comes of them. `interrupt` is given the
    /// moment, counted from the receiver's start, and returns how the second receiver ended.
    fn kill(&self, whom: &str, interrupt: impl Fn(&mut Setting, &str, Duration) -> Ended) {
        let allowed = self.bytes as u64 / 20 + (16 << 20);
        let length = self.uninterrupted();
        eprintln!("seed {}: {} kills of the {whom}, {} bytes in {length:?}", self.seed, self.kills, self.bytes);
        let mut most = 0;
        for kill in 0..self.kills {
            let moment = length.mul_f64(random(self.seed, kill) * 1.1);
            let mut setting = Setting::new(self.bytes);
            let code = setting.sender.code();
            let ended = interrupt(&mut setting, &code, moment);
            let resumed =
                ended.stderr.lines().find(|line| line.starts_with("continuing: ")).unwrap_or("from the beginning");
            let resumed = resumed.to_owned();
            setting.expect_all();
            let moved = setting.moved(&ended, whom == "sender");
            let again = moved.saturating_sub(self.bytes as u64);
            eprintln!("  {kill}: killed after {moment:?}; {resumed}; {again} bytes sent again");
            assert!(again <= allowed, "{again} bytes were sent again, {allowed} may be");
            most = most.max(again);
        }
        eprintln!(
            "{} kills of the {whom}: all resumed, all right; at most {most} bytes sent again of {allowed}",
            self.kills
        );
    }

    /// How long a transfer takes that nobody interrupts, from the receiver's start.
    fn uninterrupted(&self) -> Duration {
        let setting = Setting::new(self.bytes);
        let code = setting.sender.code();
        let started = Instant::now();
        setting.receiver(&code).end_within(2 * PATIENCE).expect_exit(0);
        started.elapsed()
    }
}

impl Setting {
    /// A tree of so many bytes: small files, files of some chunks, and a large one.
    fn new(bytes: usize) -> Self {
        let world = World::new();
        let mut left = bytes;
        let mut add = |name: String, length: usize, seed: u8| {
            let length = length.min(left);
            left -= length;
            world.file(&name, noise(length, seed));
            left
        };
        for number in 0..40 {
            add(format!("tree/small/{number}"), usize::from(number) * 500, number);
            if number % 4 == 0 {
                add(format!("tree/some/{number}"), bytes / 40 + 12_345, number + 100);
            }
        }
        add("tree/large".to_owned(), usize::MAX, 200);
        let (server, offered) = (TestServer::start(), Tree::of(&world.from()));
        let sender = start(&world, &server, &["send", "--keep", world.from().join("tree").to_str().unwrap()]);
        Self { world, server, sender, offered, arrived_before: 0 }
    }

    fn send(&self) -> Running {
        let tree = self.world.from().join("tree");
        start(&self.world, &self.server, &["send", "--keep", tree.to_str().unwrap()])
    }

    fn receiver(&self, code: &str) -> Running {
        start(&self.world, &self.server, &["recv", "--yes", code])
    }

    /// Asserts that what has its name is what was offered under it.
    fn expect_nothing_wrong(&self) {
        let arrived = self.world.arrived();
        let unlike = arrived.files_unlike(&self.offered);
        let wrong: Vec<_> = unlike.into_iter().filter(|name| !name.starts_with(".p2pshare-")).collect();
        assert!(wrong.is_empty(), "under a final name and not what was offered: {wrong:?}");
    }

    /// Asserts that everything arrived, and nothing is left over.
    fn expect_all(&self) {
        assert_eq!(self.world.arrived(), self.offered);
    }

    /// The bytes of file data that were moved in all: what the sender counted, or, of one that was killed, the receivers.
    fn moved(self, ended: &Ended, by_receivers: bool) -> u64 {
        let sent = self.sender.terminate();
        if by_receivers {
            return self.arrived_before + bytes_in(&ended.stderr, "file data received");
        }
        bytes_in(&sent.stderr, "file data sent")
    }
}

fn start(world: &World, server: &TestServer, arguments: &[&str]) -> Running {
    let mut command: Command = world.command(arguments);
    command.env("P2PSHARE_SERVER", server.url()).env("P2PSHARE_LOG", "p2pshare::session=debug").env("NO_COLOR", "1");
    Running::start(command, OnTerminal::Nothing)
}

/// The sum of what a log tells in lines of a kind.
fn bytes_in(log: &str, kind: &str) -> u64 {
    let counted = log.lines().filter(|line| line.contains(kind)).filter_map(|line| line.split_once("bytes="));
    counted.map(|(_, bytes)| bytes.trim().parse::<u64>().unwrap()).sum()
}

/// A number from 0 to 1 that looks random and is the same in each run.
fn random(seed: u64, index: u64) -> f64 {
    let hash = blake3::hash(&[seed.to_be_bytes(), index.to_be_bytes()].concat());
    let (bytes, _) = hash.as_bytes().split_first_chunk().unwrap();
    u32::from_be_bytes(*bytes) as f64 / f64::from(u32::MAX)
}
