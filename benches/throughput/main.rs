//! How fast the whole tool is on this machine, beside other ways to move the same file in the same run.
//!
//! `cargo bench --bench throughput` moves 1 GiB from one p2pshare process to another, and the same file with scp, with a
//! plain TCP copy, and as a bare data channel. Linux; it measures with `/proc`. Environment:
//!
//! - `MIB=256`: another size; `ROUNDS=1`: fewer rounds than 3;
//! - `ONLY=p2pshare,tcp`: only some of `p2pshare`, `scp`, `tcp`, `bare`, `setup`;
//! - `P2PSHARE=PATH`: another binary than the one that was built for this bench.
//!
//! Files lie in `/dev/shm` where there is room, so that the disk is not what is measured. MB is 10^6 bytes, GiB is 2^30.
//! MB/s is the file's size by the time from the start of the receiving command to its end; "flowing" leaves out the time
//! before the offer was accepted. What arrives is compared with the file, byte for byte.
#![expect(clippy::print_stdout, reason = "its output is its purpose")]

mod bare;
mod files;
mod p2pshare;
#[expect(dead_code, reason = "the other bench needs more of it")]
mod process;
mod scp;
mod setup;
mod tcp;

use std::path::PathBuf;

use anyhow::{Context, Result};

use files::Files;
use process::Usage;

/// What one way of moving the file cost.
struct Row {
    name: &'static str,
    /// MB/s over the whole command; `None` for a channel without a command around it.
    whole: Option<f64>,
    /// MB/s while bytes flowed, where that is known.
    flowing: Option<f64>,
    /// Processor seconds a GiB and peak memory of the sending and the receiving side; `None` where both are one process.
    sides: Option<[Usage; 2]>,
    /// Processor seconds of both sides together, for the whole file.
    cpu_seconds: f64,
}

fn main() -> Result<()> {
    let number = |name: &str, default: u64| std::env::var(name).map_or(Ok(default), |value| value.parse());
    let (mib, rounds) = (number("MIB", 1024).context("MIB")?, number("ROUNDS", 3).context("ROUNDS")?);
    let only = std::env::var("ONLY").unwrap_or_else(|_| "p2pshare,scp,tcp,bare,setup".to_owned());
    let is_wanted = |name: &str| only.split(',').any(|wanted| wanted == name);
    let binary = std::env::var_os("P2PSHARE").map_or_else(|| env!("CARGO_BIN_EXE_p2pshare").into(), PathBuf::from);

    let files = Files::create(mib << 20)?;
    println!("{mib} MiB of random bytes in {}; {}", files.folder().display(), machine());
    println!("binary {}", binary.display());
    println!("\n{:<20}{:>8}{:>9}{:>23}{:>20}", "", "", "MB/s", "CPU s/GiB", "peak MiB");
    println!("{:<20}{:>8}{:>9}{:>23}{:>20}", "", "MB/s", "flowing", "send + receive", "send, receive");
    for _ in 0..rounds {
        if is_wanted("p2pshare") {
            show(&p2pshare::row(&binary, &files)?, &files);
        }
        if is_wanted("scp") {
            match scp::row(&files) {
                Ok(row) => show(&row, &files),
                Err(error) => println!("!!! scp NOT RUN: {error:#}"),
            }
        }
        if is_wanted("tcp") {
            show(&tcp::row(&files)?, &files);
        }
        if is_wanted("bare") {
            match bare::row(mib) {
                Ok(row) => show(&row, &files),
                Err(error) => println!("!!! bare data channel NOT RUN: {error:#}"),
            }
        }
    }
    if is_wanted("setup") { setup::measure(&binary) } else { Ok(()) }
}

fn show(row: &Row, files: &Files) {
    let gib = files.bytes() as f64 / f64::from(1 << 30);
    let rate = |rate: Option<f64>| rate.map_or_else(|| "-".to_owned(), |rate| format!("{rate:.0}"));
    let both = row.cpu_seconds / gib;
    let (cpu, memory) = match &row.sides {
        Some([sender, receiver]) => (
            format!("{:.2} + {:.2} = {both:.2}", sender.cpu_seconds / gib, receiver.cpu_seconds / gib),
            format!("{:.0}, {:.0}", sender.peak_mib(), receiver.peak_mib()),
        ),
        None => (format!("{both:.2}"), "-".to_owned()),
    };
    println!("{:<20}{:>8}{:>9}{cpu:>23}{memory:>20}", row.name, rate(row.whole), rate(row.flowing));
}

/// The processor and how many of it there are.
fn machine() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let count = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or("?").to_owned();
    format!("{count} x {}, load {load}", model.map_or("unknown processor", |(_, model)| model))
}
