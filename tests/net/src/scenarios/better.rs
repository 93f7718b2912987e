//! A transfer that began on a poor way moves to a better one once that is there.

use std::thread;

use anyhow::{Result, ensure};
use p2pshare_net::{Internet, Process, Router};
use serde_json::Value;

use super::film::{Film, LIMIT, serve};

pub(super) fn is_taken() -> Result<()> {
    let internet = Internet::new()?;
    let _serving = serve(&internet, &["--relay", "--relay-allow", Internet::NETWORK])?;
    let internet = &internet;
    // A firewall that lets UDP through at last; a NAT that is told to be less strict.
    let tries = [("tcp", Router::TcpOnly, ("relay", "websocket")), ("nat", Router::Strict, ("relay", "data_channel"))];
    thread::scope(|scope| {
        let tries = tries.map(|(name, before, way)| scope.spawn(move || move_on(internet, name, before, way)));
        tries.into_iter().try_for_each(|tried| tried.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })
}

fn move_on(internet: &Internet, name: &str, before: Router, (kind, plane): (&str, &str)) -> Result<()> {
    let sender = internet.home(&format!("s-{name}"), Router::Moderate)?;
    let receiver = internet.home(&format!("r-{name}"), before)?;
    let mut film = Film::start([&sender, &receiver], 16, 1)?;
    for side in [&mut film.sending, &mut film.receiving] {
        let (path, _) = side.event(LIMIT, "path")?;
        ensure!(path["kind"] == kind && path["plane"] == plane, "it should begin by {kind}, {plane}, not by {path}");
    }
    receiver.change(Router::Moderate)?;
    until_direct(&mut film.sending)?;
    until_direct(&mut film.receiving)?;
    let arrived = film.arrived();
    println!("    {name}: direct after {arrived} bytes");
    film.wait_for(arrived + (1 << 20))?;
    let said: Option<()> = film.receiving.so_far(|line| line.contains("reconnecting").then_some(()));
    ensure!(said.is_none(), "nothing was lost, so nothing should be said to be");
    film.end()
}

fn until_direct(side: &mut Process) -> Result<()> {
    let is_direct = |line: &str| {
        let event: Value = serde_json::from_str(line).ok()?;
        (event["event"] == "path" && event["kind"] == "direct").then_some(())
    };
    side.expect(LIMIT, is_direct)?;
    Ok(())
}
