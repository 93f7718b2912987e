//! Which way two homes find to each other, behind routers of every sort.
//!
//! One round by default; `P2PSHARE_LAB_ROUNDS=3 tests/net/run nat` runs three of them.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use p2pshare_net::{Home, Internet, Machine, Process, Router};
use serde_json::{Value, json};

use super::{lock, program};

pub(super) fn behind_every_nat() -> Result<()> {
    let cells: Vec<_> = Router::NATS.iter().flat_map(|one| Router::NATS.map(|other| (*one, other))).collect();
    each_round(&Router::NATS, WITH_RELAY, |street| {
        street.try_all(&cells, BUSY_AT_ONCE, |(one, other), outcome| {
            let expected = if one.is_direct_to(other) { "direct" } else { "relay" };
            for path in outcome.paths()? {
                ensure!(path["kind"] == expected, "the path is {path}, not {expected}");
                ensure!(path["plane"] != "websocket", "a path over UDP is there, and {path} was taken");
                let reason = if expected == "relay" { json!("the two networks let nothing in") } else { Value::Null };
                ensure!(path["reason"] == reason, "the reason of {path} is not {reason}");
            }
            Ok(())
        })
    })
}

/// With datagrams alone: which public port a socket gets for two destinations, and whether a third one gets in at it.
pub(super) fn routers_are_of_their_sort() -> Result<()> {
    let internet = Internet::new()?;
    let bind = |machine: &Machine, address: &str| machine.enter(|| Ok(UdpSocket::bind((address, 0))?));
    let public = || bind(&internet.server, Internet::SERVER);
    let (one, other, stranger) = (public()?, public()?, public()?);
    let heard = |socket: &UdpSocket, limit| -> Result<Option<SocketAddr>> {
        socket.set_read_timeout(Some(limit))?;
        match socket.recv_from(&mut [0; 16]) {
            Ok((_, from)) => Ok(Some(from)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error.into()),
        }
    };
    for router in [Router::None, Router::Open, Router::Moderate, Router::Strict, Router::TcpOnly] {
        let home = bind(&internet.home(router.word(), router)?.machine, "0.0.0.0")?;
        home.send_to(b"one", one.local_addr()?)?;
        home.send_to(b"other", other.local_addr()?)?;
        let wait = if router == Router::TcpOnly { NOTHING_AFTER } else { LIMIT };
        let seen = (heard(&one, wait)?, heard(&other, wait)?);
        let (Some(seen_by_one), Some(seen_by_other)) = seen else {
            ensure!(router == Router::TcpOnly && seen == (None, None), "{router:?}: {seen:?}");
            continue;
        };
        ensure!((seen_by_one == seen_by_other) == (router != Router::Strict), "{router:?}: {seen:?}");
        one.send_to(b"back", seen_by_one)?;
        ensure!(heard(&home, LIMIT)?.is_some(), "{router:?}: an answer does not get in");
        stranger.send_to(b"hello", seen_by_one)?;
        let is_open = matches!(router, Router::None | Router::Open);
        let got_in = heard(&home, if is_open { LIMIT } else { NOTHING_AFTER })?.is_some();
        ensure!(got_in == is_open, "{router:?}: a stranger got in: {got_in}");
    }
    Ok(())
}

pub(super) fn with_nothing_but_tcp() -> Result<()> {
    each_round(&WITH_TCP_ONLY, WITH_RELAY, |street| {
        street.try_all(&blocked_cells(), WAITING_AT_ONCE, |(one, other), outcome| {
            for (path, (own, theirs)) in outcome.paths()?.into_iter().zip([(one, other), (other, one)]) {
                ensure!(path["kind"] == "relay" && path["plane"] == "websocket", "the path is {path}");
                let reason = match (own, theirs) {
                    (Router::TcpOnly, Router::TcpOnly) => "both networks block UDP",
                    (Router::TcpOnly, _) => "this network blocks UDP",
                    (_, _) => "the other network blocks UDP",
                };
                ensure!(path["reason"] == reason, "the reason of {path} is not {reason}");
            }
            Ok(())
        })
    })
}

pub(super) fn with_nothing_but_tcp_and_no_relay() -> Result<()> {
    each_round(&WITH_TCP_ONLY, &[], |street| {
        street.try_all(&blocked_cells(), WAITING_AT_ONCE, |(one, other), outcome| {
            for (own, theirs, (exit, said)) in [(one, other, &outcome.sent), (other, one, &outcome.received)] {
                ensure!(*exit == 10, "it ended with exit code {exit}");
                let where_ = match (own, theirs) {
                    (Router::TcpOnly, _) => "this network seems to block UDP",
                    (_, _) => "the other network seems to block UDP",
                };
                ensure!(said.contains(where_), "it should say that {where_}");
            }
            Ok(())
        })
    })
}

/// All pairs of homes of which at least one has nothing but TCP.
fn blocked_cells() -> Vec<Cell> {
    let all = WITH_TCP_ONLY.iter().flat_map(|one| WITH_TCP_ONLY.map(|other| (*one, other)));
    all.filter(|(one, other)| [one, other].contains(&&Router::TcpOnly)).collect()
}

/// Does something in streets of their own, since a server bounds how many shares a home opens in a while.
fn each_round(routers: &[Router], options: &[&str], action: impl Fn(&Street) -> Result<()>) -> Result<()> {
    let rounds: usize = std::env::var("P2PSHARE_LAB_ROUNDS").map_or(Ok(1), |rounds| rounds.parse())?;
    (0..rounds).try_for_each(|_| action(&Street::new(routers, options)?))
}

/// Homes on both sides of an Internet, and its server.
struct Street {
    senders: BTreeMap<&'static str, Home>,
    receivers: BTreeMap<&'static str, Home>,
    // A process is for one thread at a time.
    _serving: Mutex<Process>,
    _internet: Internet,
    folder: PathBuf,
}

/// Two routers: the sender's and the receiver's.
type Cell = (Router, Router);

/// What both ends of a transfer said.
struct Outcome {
    took: Option<Duration>,
    sent: (i32, String),
    received: (i32, String),
}

impl Street {
    fn new(routers: &[Router], serve_options: &[&str]) -> Result<Self> {
        let internet = Internet::new()?;
        let homes = |side: &str| -> Result<BTreeMap<_, _>> {
            let home = |router: &Router| {
                let word = router.word();
                Ok((word, internet.home(&format!("{side}{word}"), *router)?))
            };
            routers.iter().map(home).collect()
        };
        let (senders, receivers) = (homes("s-")?, homes("r-")?);
        let mut serving = internet.server.command(program()?);
        serving.args(["serve", "--listen", &format!("{}:8765", Internet::SERVER)]).args(serve_options);
        let mut serving = Process::start("serve", &mut serving)?;
        serving.expect(LIMIT, |line| line.contains("8765").then_some(()))?;
        let folder = std::env::temp_dir().join(internet.server.namespace());
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("note"), CONTENT)?;
        Ok(Self { senders, receivers, _serving: Mutex::new(serving), _internet: internet, folder })
    }

    /// Moves a file between each two homes, so many at a time, and has what came of it judged.
    fn try_all(
        &self,
        cells: &[Cell],
        at_once: usize,
        judge: impl Fn(Cell, &Outcome) -> Result<()> + Sync,
    ) -> Result<()> {
        let (waiting, results) = (Mutex::new(cells.iter().copied().enumerate()), Mutex::new(Vec::new()));
        let next = || lock(&waiting).next();
        thread::scope(|scope| {
            for _ in 0..at_once {
                scope.spawn(|| {
                    while let Some((number, cell)) = next() {
                        let tried = self.transfer(cell, &self.folder.join(number.to_string()));
                        let judged = tried.and_then(|outcome| {
                            judge(cell, &outcome).with_context(|| outcome.told())?;
                            Ok(outcome.took)
                        });
                        lock(&results).push((cell, judged));
                    }
                });
            }
        });
        tell(results.into_inner().unwrap_or_default(), cells.len())
    }

    fn transfer(&self, (one, other): Cell, folder: &Path) -> Result<Outcome> {
        fs::create_dir_all(folder)?;
        let both = |machine: &Machine, words: &[&str]| -> Result<_> {
            let mut command = machine.command(program()?);
            command.args(words).args(["--json", "--server", &format!("http://{}:8765", Internet::SERVER)]);
            command.env("P2PSHARE_CONFIG", "/dev/null");
            Ok(command)
        };
        let note = self.folder.join("note");
        let mut sending = both(&self.senders[one.word()].machine, &["send", &note.to_string_lossy()])?;
        let mut sending = Process::start("send", &mut sending)?;
        let (event, _) = sending.event(LIMIT, "code")?;
        let code = event["code"].as_str().context("a code")?.to_owned();
        let to = folder.to_string_lossy();
        let mut receiving = both(&self.receivers[other.word()].machine, &["recv", "--yes", "-o", &to, &code])?;
        let mut receiving = Process::start("recv", &mut receiving)?;
        let connected = receiving.event(LIMIT, "path").ok();
        let took = connected.map(|(_, at)| at - receiving.started());
        let (received, sent) = (receiving.end(LIMIT)?, sending.end(LIMIT)?);
        if received.0.success() {
            ensure!(fs::read(folder.join("note"))? == CONTENT, "another file arrived");
        }
        let exit = |status: std::process::ExitStatus| status.code().unwrap_or(-1);
        Ok(Outcome { took, sent: (exit(sent.0), sent.1), received: (exit(received.0), received.1) })
    }
}

impl Drop for Street {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Outcome {
    /// The paths that each of the two told last.
    fn paths(&self) -> Result<[Value; 2]> {
        let last = |(exit, said): &(i32, String)| -> Result<Value> {
            ensure!(*exit == 0, "it ended with exit code {exit}");
            let path = said.lines().rfind(|line| line.contains(r#""event":"path""#)).context("no path was told")?;
            Ok(serde_json::from_str(path)?)
        };
        Ok([last(&self.sent)?, last(&self.received)?])
    }

    fn told(&self) -> String {
        format!("send said:\n{}\nrecv said:\n{}\n", self.sent.1, self.received.1)
    }
}

/// Prints how a round went; fails if something in it did.
fn tell(results: Vec<(Cell, Result<Option<Duration>>)>, count: usize) -> Result<()> {
    let mut failed = Vec::new();
    let (mut took, mut line) = (Vec::new(), String::new());
    for ((one, other), result) in results {
        let name = format!("{}/{}", one.word(), other.word());
        match result {
            Ok(Some(time)) => {
                line += &format!(" {name} {:.1}", time.as_secs_f64());
                took.push(time);
            }
            Ok(None) => line += &format!(" {name}"),
            Err(error) => failed.push(format!("{name}: {error:#}")),
        }
    }
    println!("    {} of {count} as expected; seconds until the path was there:{line}", count - failed.len());
    let late = took.iter().filter(|took| **took > SOON).count();
    println!("    {} of {} within {SOON:?}", took.len() - late, took.len());
    if failed.is_empty() { Ok(()) } else { bail!("{}", failed.join("\n")) }
}

const WITH_RELAY: &[&str] = &["--relay", "--relay-allow", Internet::NETWORK];

const WITH_TCP_ONLY: [Router; 5] = [Router::None, Router::Open, Router::Moderate, Router::Strict, Router::TcpOnly];

/// How long to wait for what should not come.
const NOTHING_AFTER: Duration = Duration::from_millis(300);

const CONTENT: &[u8] = b"a note from another network";

/// Transfers at the same time: what two processors can do without making each other late.
const BUSY_AT_ONCE: usize = 4;

/// The same for those that wait most of the time.
const WAITING_AT_ONCE: usize = 9;

/// How soon two devices should be connected.
const SOON: Duration = Duration::from_secs(15);

/// Longer than anything here takes on any machine.
const LIMIT: Duration = Duration::from_secs(90);
