//! Transfers whose network goes away in the middle, and comes back, or comes back as another one.
//!
//! One short outage and one change of address by default. `P2PSHARE_LAB_OUTAGES=20 tests/net/run outage` has twenty of each:
//! 5, 15 and 45 seconds, and changes of address.

use std::panic::resume_unwind;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use p2pshare_net::{Internet, Router};

use super::film::{Film, serve};
use super::lock;

pub(super) fn are_survived() -> Result<()> {
    let each: usize = std::env::var("P2PSHARE_LAB_OUTAGES").map_or(Ok(0), |each| each.parse())?;
    let kinds = if each == 0 { vec![Outage::Down(5), Outage::Moved] } else { ALL.to_vec() };
    let mut failed = Vec::new();
    // Those of a small run wait for nothing but time, and can do so together.
    for kinds in kinds.chunks(if each > 1 { 1 } else { ALL.len() }) {
        let tried = thread::scope(|scope| {
            let tries: Vec<_> = kinds.iter().map(|kind| scope.spawn(|| try_many(*kind, each.max(1)))).collect();
            tries.into_iter().map(|tried| tried.join().unwrap_or_else(|panic| resume_unwind(panic))).collect::<Vec<_>>()
        });
        for (kind, results) in kinds.iter().zip(tried) {
            failed.extend(tell(*kind, results?));
        }
    }
    if failed.is_empty() { Ok(()) } else { bail!("{}", failed.join("\n")) }
}

/// Prints how it went; returns what failed.
fn tell(kind: Outage, results: Vec<Result<Duration>>) -> Vec<String> {
    let mut seconds: Vec<_> = results.iter().flatten().map(Duration::as_secs_f64).collect();
    seconds.sort_by(f64::total_cmp);
    let soon = seconds.iter().filter(|seconds| **seconds <= SOON.as_secs_f64()).count();
    let (went_on, count) = (seconds.len(), results.len());
    println!("    {kind:?}: {went_on} of {count} went on, {soon} of them within {SOON:?}: {seconds:.1?} s");
    results.into_iter().filter_map(|result| Some(format!("{kind:?}: {:#}", result.err()?))).collect()
}

/// What happens in the middle.
#[derive(Debug, Clone, Copy)]
enum Outage {
    /// A link is down for so many seconds.
    Down(u64),
    /// A machine gets another address, or its router does.
    Moved,
}

const ALL: [Outage; 4] = [Outage::Down(5), Outage::Down(15), Outage::Down(45), Outage::Moved];

/// Where it happens, in turn.
#[derive(Debug, Clone, Copy)]
struct Place {
    is_at_sender: bool,
    /// The router's side of the Internet, of which the machine hears nothing; or the machine's own link.
    is_at_router: bool,
}

fn try_many(kind: Outage, count: usize) -> Result<Vec<Result<Duration>>> {
    let internet = Internet::new()?;
    let _serving = serve(&internet, &["--relay", "--relay-allow", Internet::NETWORK])?;
    let (waiting, results) = (Mutex::new(0..count), Mutex::new(Vec::new()));
    let next = || lock(&waiting).next();
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(number) = next() {
                    let place = Place { is_at_sender: number % 3 == 1, is_at_router: number % 5 >= 3 };
                    let result = one(&internet, kind, place, number);
                    lock(&results).push(result.with_context(|| format!("number {number}, {place:?}")));
                }
            });
        }
    });
    Ok(results.into_inner().unwrap_or_default())
}

/// How long a transfer takes to go on after the outage.
fn one(internet: &Internet, kind: Outage, place: Place, number: usize) -> Result<Duration> {
    let home = |side: &str, router| internet.home(&format!("{side}{number}"), router);
    // Every fourth one through the server's WebSocket, where only TCP notices.
    let router = if number % 4 == 1 { Router::TcpOnly } else { Router::Moderate };
    let (sender, receiver) = (home("s", Router::Moderate)?, home("r", router)?);
    // Two seconds before it, and some after it.
    let mut film = Film::start([&sender, &receiver], 12, 2)?;
    film.wait_for(3 << 20)?;

    let home = if place.is_at_sender { &sender } else { &receiver };
    match kind {
        Outage::Down(seconds) => {
            home.go_down(place.is_at_router)?;
            thread::sleep(Duration::from_secs(seconds));
            home.come_up(place.is_at_router)?;
        }
        Outage::Moved => home.move_on(place.is_at_router)?,
    }
    let back = Instant::now();
    // What waited in the receiver is confirmed at once; data that came since is more than that.
    let before = film.arrived();
    let took = film.wait_for(before + SLACK)?.saturating_duration_since(back);
    if matches!(kind, Outage::Moved) {
        let lost: Option<()> = film.receiving.so_far(|line| line.contains("reconnecting").then_some(()));
        ensure!(lost.is_none(), "it waited until the connection was lost, instead of looking for another one");
    }
    film.end()?;
    Ok(took)
}

/// What may wait in the receiver until it is told.
const SLACK: u64 = 1 << 20;

/// Transfers at the same time.
const AT_ONCE: usize = 5;

/// How soon a transfer should go on.
const SOON: Duration = Duration::from_secs(15);
