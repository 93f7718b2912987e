//! What passes on the wire, and strangers on the network who shoot into the setup of a connection.

use std::collections::{HashMap, HashSet};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::harness::tree::noise;
use crate::harness::wire::{Origin, Wire};
use crate::harness::{HostileHost, TestServer, Tree, World};

/// How much larger the tests are than by default, to be set for a run at length.
fn scale() -> usize {
    std::env::var("P2PSHARE_TEST_SCALE").map_or(1, |scale| scale.parse().unwrap())
}

#[test]
fn b_061_records_are_sealed_with_chacha20_and_no_number_is_used_twice() {
    let (world, server) = (World::new(), TestServer::start());
    let host = HostileHost::open(&server.url());
    let receiver = world.recv(&server.url(), &host.code());
    let wire = Wire::lay();
    let mut sender = host.pair_over(&wire).bind();
    sender.greet("sends");
    let content = noise((8 << 20) * scale(), 17);
    sender.offer(&format!(r#"{{"path":["film"],"kind":"file","size":{}}}"#, content.len()));
    sender.serve(&HashMap::from([(0, content)]));
    receiver.end().expect_exit(0);
    let (mut suites, mut numbers, mut records) = (HashSet::new(), HashSet::new(), 0);
    for (origin, datagram) in wire.seen() {
        for record in records_of(&datagram) {
            if record.epoch == 0 && record.kind == HANDSHAKE && record.payload.first() == Some(&SERVER_HELLO) {
                suites.insert(suite_of(record.payload));
            }
            if record.epoch > 0 && record.kind != HANDSHAKE {
                records += 1;
                assert!(numbers.insert((origin, record.epoch, record.number)), "a number is used twice");
            }
        }
    }
    println!("{records} records, {} numbers", numbers.len());
    assert_eq!(suites, HashSet::from([[0xcc, 0xa9]]), "the suites that were agreed on");
    assert!(records > 5000, "only {records} records passed");
    let both = [Origin::Program, Origin::Peer].map(|origin| numbers.iter().any(|(from, ..)| *from == origin));
    assert_eq!(both, [true; 2], "both ways were seen");
}

#[test]
fn b_063_strangers_who_shoot_into_the_setup_do_not_stop_it() {
    for round in 0..6 * scale() {
        let (world, server) = (World::new(), TestServer::start());
        let film = world.file("film", noise(300_000, 18));
        let sender = world.send(&server.url(), &[&film]);
        let (is_over, shots) = (AtomicBool::new(false), AtomicU64::new(0));
        std::thread::scope(|scope| {
            let code = sender.code();
            let began = Instant::now();
            let receiver = world.recv(&server.url(), &code);
            let pids = [&sender, &receiver].map(|side| side.pid().as_raw_nonzero().get());
            let (is_over, shots) = (&is_over, &shots);
            scope.spawn(move || {
                let stranger = UdpSocket::bind("127.0.0.3:0").unwrap();
                let elsewhere = UdpSocket::bind("0.0.0.0:0").unwrap();
                while !is_over.load(Ordering::Relaxed) {
                    for target in pids.iter().flat_map(|pid| udp_sockets(*pid)) {
                        for shot in shots_at_setup() {
                            // From another address of this machine where the target has one, else from another port.
                            let from = if target.ip().is_loopback() { &stranger } else { &elsewhere };
                            let _ = from.send_to(&shot, target);
                            shots.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                    std::thread::sleep(Duration::from_millis(4));
                }
            });
            let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| receiver.end()));
            let took = began.elapsed();
            // Before anything else, or the stranger never rests.
            is_over.store(true, Ordering::Relaxed);
            ended.expect("the receiver ends").expect_exit(0);
            println!("round {round}: {took:?} under {} shots", shots.load(Ordering::Relaxed));
        });
        sender.end().expect_exit(0);
        assert!(shots.load(Ordering::Relaxed) > 0, "nobody shot");
        assert_eq!(world.arrived(), Tree::of(&world.from()));
    }
}

/// A DTLS `ClientHello`, a STUN binding request with a wrong name and key, an SCTP INIT, and what could be QUIC.
fn shots_at_setup() -> [Vec<u8>; 5] {
    let mut hello = vec![22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 54, 1, 0, 0, 42, 0, 0, 0, 0, 0, 0, 0, 42, 254, 253];
    hello.extend(noise(32, 1));
    hello.extend([0, 0, 0, 2, 0xcc, 0xa9, 1, 0]);
    let mut binding = vec![0, 1, 0, 36, 0x21, 0x12, 0xa4, 0x42];
    binding.extend(noise(12, 2));
    binding.extend([0, 6, 0, 8]);
    binding.extend(b"evil:bad");
    binding.extend([0, 8, 0, 20]);
    binding.extend(noise(20, 3));
    let mut init = vec![0x13, 0x88, 0x13, 0x88, 0, 0, 0, 0, 1, 2, 3, 4, 1, 0, 0, 20];
    init.extend([1, 2, 3, 4, 0, 16, 0, 0, 255, 255, 255, 255, 0, 0, 0, 1]);
    let mut application_data = vec![23, 254, 253, 0, 1, 0, 0, 0, 0, 0, 1, 0, 40];
    application_data.extend(noise(40, 4));
    let mut initial = vec![0xc3, 0, 0, 0, 1, 8];
    initial.extend(noise(1194, 5));
    [hello, binding, init, application_data, initial]
}

/// The UDP sockets of a process, by the address that reaches them.
fn udp_sockets(pid: i32) -> Vec<SocketAddr> {
    let links = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let inodes: HashSet<String> = links
        .filter_map(|link| std::fs::read_link(link.path()).ok())
        .filter_map(|link| Some(link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned()))
        .collect();
    let table = std::fs::read_to_string(format!("/proc/{pid}/net/udp")).unwrap_or_default();
    let mine = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let mine = mine.filter(|fields| fields.get(9).is_some_and(|inode| inodes.contains(*inode)));
    mine.filter_map(|fields| {
        let (address, port) = fields[1].split_once(':')?;
        let address = Ipv4Addr::from(u32::from_str_radix(address, 16).ok()?.to_le_bytes());
        let reached = if address.is_unspecified() { Ipv4Addr::LOCALHOST } else { address };
        Some((reached, u16::from_str_radix(port, 16).ok()?).into())
    })
    .collect()
}

/// A DTLS record in the clear part of it.
struct Record<'a> {
    kind: u8,
    epoch: u16,
    number: u64,
    payload: &'a [u8],
}

/// The records of a datagram that is DTLS (RFC 7983 tells it from the others by its first byte).
fn records_of(mut datagram: &[u8]) -> Vec<Record<'_>> {
    let mut records = Vec::new();
    while let Some((head, rest)) = datagram.split_first_chunk::<13>()
        && (20..64).contains(&head[0])
    {
        let length = usize::from(u16::from_be_bytes([head[11], head[12]]));
        let (payload, others) = rest.split_at(length.min(rest.len()));
        let number = u64::from_be_bytes([0, 0, head[5], head[6], head[7], head[8], head[9], head[10]]);
        records.push(Record { kind: head[0], epoch: u16::from_be_bytes([head[3], head[4]]), number, payload });
        datagram = others;
    }
    records
}

/// The suite that a `ServerHello` names: behind its header of 12 bytes, version, random and session identifier.
fn suite_of(hello: &[u8]) -> [u8; 2] {
    let session_bytes = usize::from(hello[12 + 34]);
    let at = 12 + 35 + session_bytes;
    [hello[at], hello[at + 1]]
}

const HANDSHAKE: u8 = 22;
const SERVER_HELLO: u8 = 2;
