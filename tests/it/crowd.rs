//! Many receivers at once and streams without end: what they get, and how much memory that takes.
//!
//! Small by default. The full size:
//!
//! ```text
//! P2PSHARE_RECEIVERS=10 P2PSHARE_RECEIVERS_MIB=200 P2PSHARE_STREAM_MIB=20480 \
//!     cargo test --test it -- --nocapture --test-threads 1 crowd::
//! ```

use std::fs::File;
use std::thread;
use std::time::{Duration, Instant};

use crate::harness::process::OnTerminal;
use crate::harness::tree::{hash, noise};
use crate::harness::{Ended, Running, TestServer, World};

#[test]
fn receivers_at_the_same_time_all_get_everything_through_little_memory() {
    let (count, mib) = (number("P2PSHARE_RECEIVERS", 6), number("P2PSHARE_RECEIVERS_MIB", 12));
    let (world, server) = (World::new(), TestServer::start());
    let film = world.file("film", noise(mib << 20, 31));
    let max = count.to_string();
    let sender = world.run(&["send", "--max", &max, "--server", &server.url(), film.to_str().unwrap()]);
    let (code, started) = (sender.code(), Instant::now());
    let worlds: Vec<_> = (0..count).map(|_| World::new()).collect();
    let receivers: Vec<_> = worlds.iter().map(|world| world.recv(&server.url(), &code)).collect();
    let [(memory, _)] = watch([sender]);
    for receiver in receivers {
        receiver.end().expect_exit(0);
    }
    let (took, allowed) = (started.elapsed(), (64 << 20) + count as u64 * (8 << 20));
    eprintln!(
        "{count} receivers of {mib} MiB: {took:?}, the sender took {memory} bytes of memory, {allowed} are allowed"
    );
    for other in worlds {
        assert_eq!(hash(&other.to().join("film")), hash(&film));
    }
    assert!(memory > 1 << 20 && memory < allowed, "the sender took {memory} bytes of memory");
}

#[test]
fn a_long_stream_goes_through_little_memory_on_both_sides() {
    let bytes = (number("P2PSHARE_STREAM_MIB", 512) as u64) << 20;
    let (world, server) = (World::new(), TestServer::start());
    let url = server.url();
    let zeros = world.path().join("zeros");
    File::create(&zeros).unwrap().set_len(bytes).unwrap();
    let mut command = world.command(&["send", "--server", &url, "-"]);
    let sender = Running::start_fed(&mut command, File::open(&zeros).unwrap());
    let script = format!("exec {} recv -y -o - > >(wc -c)", env!("CARGO_BIN_EXE_p2pshare"));
    let mut command = world.command_of("/bin/bash", &["-c", &script]);
    command.env("P2PSHARE_SERVER", &url).env("P2PSHARE_CODE", sender.code());
    let started = Instant::now();
    let receiver = Running::start(command, OnTerminal::Nothing);
    let [(sent, _), (received, ended)] = watch([sender, receiver]);
    eprintln!("a stream of {bytes} bytes: {:?}, memory {sent} and {received} bytes", started.elapsed());
    assert_eq!(ended.stdout.trim(), bytes.to_string());
    assert!(sent > 1 << 20 && sent < 100 << 20, "the sender took {sent} bytes of memory");
    assert!(received > 1 << 20 && received < 100 << 20, "the receiver took {received} bytes of memory");
}

/// Watches how much memory programs take until all of them have ended well.
fn watch<const N: usize>(mut programs: [Running; N]) -> [(u64, Ended); N] {
    let mut peaks = [0; N];
    // All are asked each time, so that none is waited for longer than it runs.
    while programs.iter_mut().filter_map(|program| (!program.has_ended()).then_some(())).count() > 0 {
        for (peak, program) in peaks.iter_mut().zip(&programs) {
            *peak = program.peak_memory().unwrap_or(0).max(*peak);
        }
        thread::sleep(Duration::from_millis(10));
    }
    let mut peaks = peaks.into_iter();
    programs.map(|program| (peaks.next().unwrap(), program.end().expect_exit(0)))
}

fn number(name: &str, default: usize) -> usize {
    std::env::var(name).ok().map_or(default, |value| value.parse().unwrap())
}
