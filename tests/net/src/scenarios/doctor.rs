//! What `doctor` says of networks of every sort, and whether it is right.

use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use p2pshare_net::{Internet, Machine, Process, Router};
use serde_json::Value;

use super::program;

pub(super) fn is_right_where_there_is_a_relay() -> Result<()> {
    is_right(&["--relay", "--relay-allow", Internet::NETWORK], true)
}

pub(super) fn is_right_where_there_is_none() -> Result<()> {
    is_right(&[], false)
}

/// All sorts at the same time: each waits most of the time for what does not come.
fn is_right(serve_options: &[&str], has_relay: bool) -> Result<()> {
    let internet = Internet::new()?;
    let mut serving = internet.server.command(program()?);
    serving.args(["serve", "--listen", &format!("{}:8765", Internet::SERVER)]).args(serve_options);
    let mut serving = Process::start("serve", &mut serving)?;
    serving.expect(LIMIT, |line| line.contains("8765").then_some(()))?;
    let homes: Vec<_> =
        ROUTERS.iter().map(|router| Ok((*router, internet.home(router.word(), *router)?))).collect::<Result<_>>()?;
    thread::scope(|scope| {
        let started: Vec<_> =
            homes.iter().map(|(router, home)| scope.spawn(move || judge(*router, &home.machine, has_relay))).collect();
        started
            .into_iter()
            .try_for_each(|judged| judged.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })
}

fn judge(router: Router, home: &Machine, has_relay: bool) -> Result<()> {
    let (exit, report) = diagnose(home).with_context(|| format!("behind {router:?}"))?;
    let (verdict, expected_exit) = match (router, has_relay) {
        (Router::None | Router::Open | Router::Moderate, _) => ("direct", 0),
        (Router::Strict, true) => ("direct_or_relay", 0),
        (Router::Strict, false) => ("strict", 10),
        (Router::TcpOnly, true) => ("relay_only", 0),
        (Router::TcpOnly, false) => ("udp_blocked", 10),
    };
    let nat = if router == Router::TcpOnly { Value::Null } else { router.word().into() };
    let udp = &report["udp"]["ipv4"];
    ensure!(report["verdict"] == verdict && exit == expected_exit, "behind {router:?}, exit code {exit}: {report}");
    ensure!(udp["nat"] == nat && udp["answered"] == (router != Router::TcpOnly), "behind {router:?}: {report}");
    if has_relay {
        let works = serde_json::json!({"udp": router != Router::TcpOnly, "websocket": true});
        ensure!(report["relay"] == works, "behind {router:?}: {report}");
    }
    Ok(())
}

fn diagnose(home: &Machine) -> Result<(i32, Value)> {
    let mut command = home.command(program()?);
    command.args(["doctor", "--json", "--server", &format!("http://{}:8765", Internet::SERVER)]);
    command.env("P2PSHARE_CONFIG", "/dev/null");
    let (status, said) = Process::start("doctor", &mut command)?.end(LIMIT)?;
    let report = said.lines().last().context("it said nothing")?;
    Ok((status.code().unwrap_or(-1), serde_json::from_str(report).with_context(|| said.clone())?))
}

const ROUTERS: [Router; 5] = [Router::None, Router::Open, Router::Moderate, Router::Strict, Router::TcpOnly];

/// Longer than anything here takes on any machine.
const LIMIT: Duration = Duration::from_secs(60);
