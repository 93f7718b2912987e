//! How p2pshare does beside other tools, on this machine and over emulated links: the table of the README.
//!
//! `cargo bench --bench versus`, as root on Linux: machines are network namespaces (`tests/net`), nothing leaves this one.
//! Each tool that is installed takes its turn in every round, and what arrives is compared byte for byte. Environment:
//!
//! - `LINKS=loop,g1,m100,m300,m50`: some of these, or `MEGABITS:ROUND_TRIP_MS:LOSS_PERCENT`;
//! - `CASES=file,many,tiny`: one file of a size that suits the link, 10,000 files of 4 KiB, one byte; `beside-tcp`: the file
//!   while a TCP connection fills the link as well; `64m`: a file of so many MiB;
//! - `TOOLS=p2pshare,scp,…`: only some of `p2pshare`, `scp`, `rsync`, `socat`, `wormhole`, `wormhole-rs`, `sendme`, `croc`;
//! - `ROUNDS=3`; `LIMIT=60`: seconds after which a run is cut off;
//! - `P2PSHARE=PATH`: another binary than the one that was built for this bench; `P2PSHARE_OPTIONS=--no-quic`: more words.
//!
//! MB/s is the size by the time from the start of the receiving command to its end, in the round that is the median by that time
//! (of two the slower): with a sender that waits already, so nobody's typing counts, but all set-up does. "CPU" is the processor
//! seconds of both sides in that round, "on the link" the bytes that the sender put there for each byte of the files, "peak" the
//! most of all rounds. MB is 10^6 bytes.
#![expect(clippy::print_stdout, reason = "its output is its purpose")]

#[cfg(target_os = "linux")]
mod beside;
#[cfg(target_os = "linux")]
mod cases;
#[cfg(target_os = "linux")]
#[path = "../throughput/process.rs"]
#[expect(dead_code, reason = "the other bench needs more of it")]
mod process;
#[cfg(target_os = "linux")]
mod run;
#[cfg(target_os = "linux")]
mod table;
#[cfg(target_os = "linux")]
mod tools;

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("this bench needs Linux");
}

#[cfg(target_os = "linux")]
fn main() -> anyhow::Result<()> {
    use anyhow::Context as _;

    let variable = |name: &str, default: &str| std::env::var(name).unwrap_or_else(|_| default.to_owned());
    let list = |name: &str, default: &str| variable(name, default).split(',').map(str::to_owned).collect::<Vec<_>>();
    let number = |name: &str, default: u64| {
        std::env::var(name).map_or(Ok(default), |value| value.parse()).with_context(|| name.to_owned())
    };
    if let Some(obstacle) = p2pshare_net::obstacle() {
        anyhow::bail!("{obstacle}");
    }
    let (rounds, limit) = (number("ROUNDS", 1)?, std::time::Duration::from_secs(number("LIMIT", 60)?));
    let work = cases::Folder::create()?;
    let tools = tools::installed(&list("TOOLS", tools::ALL), work.path())?;
    println!("{}; load {}", tools.iter().map(|tool| tool.name).collect::<Vec<_>>().join(", "), load());
    for link in list("LINKS", "loop,g1,m100,m300,m50") {
        for case in list("CASES", "file,many,tiny") {
            let case = cases::Case::new(&case, &link, &work)?;
            let mut rows = table::Table::new(&link, &case);
            for round in 0..rounds as usize {
                for turn in 0..tools.len() {
                    let tool = &tools[(turn + round) % tools.len()];
                    rows.add(tool.name, run::run(tool, &link, &case, &work, limit));
                }
            }
            println!("{rows}");
        }
    }
    Ok(())
}

/// How busy the machine is.
#[cfg(target_os = "linux")]
fn load() -> String {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split(' ').next().unwrap_or("?").to_owned()
}
