//! How long it takes from the start of `recv` until the first bytes are verified and on the disk.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use super::files::Files;
use super::p2pshare::{Transfer, transfer};

/// Moves a small file several times and prints the median, and where the time goes in that run.
pub(crate) fn measure(binary: &Path) -> Result<()> {
    let files = Files::create(64 * 1024)?;
    let mut runs: Vec<(Duration, Transfer)> = Vec::new();
    for _ in 0..RUNS {
        let destination = files.destination()?;
        let run = transfer(binary, &files.source(), destination.path())?;
        files.compare(&destination.path().join("random.bin"))?;
        // A file of one chunk: its first byte and its last are written at once.
        runs.push((run.event("recv entry_done")?, run));
    }
    runs.sort_by_key(|(first_bytes, _)| *first_bytes);
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    println!(
        "\nset-up: {:.0} ms from the start of recv to the first 64 KiB verified under their name \
         (median of {RUNS}; {:.0} to {:.0})",
        ms(runs[RUNS / 2].0),
        ms(runs[0].0),
        ms(runs[RUNS - 1].0),
    );
    for (event, at) in &runs[RUNS / 2].1.events {
        // What the sender said before the receiver started took no time of it.
        if !at.is_zero() {
            println!("  {:>6.0} ms  {event}", ms(*at));
        }
    }
    println!("  {:>6.0} ms  recv ended", ms(runs[RUNS / 2].1.took));
    Ok(())
}

const RUNS: usize = 9;
