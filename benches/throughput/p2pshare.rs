//! One transfer between two p2pshare processes.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::Value;

use super::Row;
use super::files::Files;
use super::process::{Usage, Watched};

/// What a transfer took.
pub(crate) struct Transfer {
    /// From the start of the receiving command to its end.
    pub(crate) took: Duration,
    /// From the start of the receiving command to each event of either side, in order.
    pub(crate) events: Vec<(String, Duration)>,
    pub(crate) sender: Usage,
    pub(crate) receiver: Usage,
}

/// Moves the file and checks the copy.
pub(crate) fn row(binary: &Path, files: &Files) -> Result<Row> {
    let destination = files.destination()?;
    let transfer = transfer(binary, &files.source(), destination.path())?;
    files.compare(&destination.path().join("random.bin"))?;
    let megabytes = files.bytes() as f64 / 1e6;
    let flowing = transfer.took - transfer.event("recv accepted")?;
    Ok(Row {
        name: "p2pshare",
        whole: Some(megabytes / transfer.took.as_secs_f64()),
        flowing: Some(megabytes / flowing.as_secs_f64()),
        sides: Some([transfer.sender, transfer.receiver]),
        cpu_seconds: transfer.sender.cpu_seconds + transfer.receiver.cpu_seconds,
    })
}

/// Moves `file` into `folder`.
pub(crate) fn transfer(binary: &Path, file: &Path, folder: &Path) -> Result<Transfer> {
    let mut sender = Watched::start(command(binary).arg("send").arg("--json").arg(file))?;
    let send_lines = lines(&mut sender)?;
    let code = loop {
        let (_, event) = send_lines.recv().context("the sender ended before it had a code")?;
        if event["event"] == "code" {
            break event["code"].as_str().context("a code")?.to_owned();
        }
    };
    let mut receiver = Watched::start(command(binary).args(["recv", "--json", "--yes", &code, "-o"]).arg(folder))?;
    let recv_lines = lines(&mut receiver)?;
    let start = receiver.started();
    let (receiver, took) = receiver.finish()?;
    let (sender, _) = sender.finish()?;
    let named = |side: &str, (at, event): (Instant, Value)| {
        let name = format!("{side} {}", event["event"].as_str().unwrap_or("?"));
        (name, at.saturating_duration_since(start))
    };
    let mut events: Vec<_> = send_lines.into_iter().map(|line| named("send", line)).collect();
    events.extend(recv_lines.into_iter().map(|line| named("recv", line)));
    events.sort_by_key(|(_, at)| *at);
    Ok(Transfer { took, events, sender, receiver })
}

impl Transfer {
    /// When an event came first.
    pub(crate) fn event(&self, name: &str) -> Result<Duration> {
        let found = self.events.iter().find(|(event, _)| event == name);
        found.map(|(_, at)| *at).with_context(|| format!("no event {name}"))
    }
}

/// A command that the settings of this machine's user have no part in.
fn command(binary: &Path) -> Command {
    let mut command = Command::new(binary);
    command.env_remove("P2PSHARE_SERVER").env("P2PSHARE_CONFIG", "/dev/null");
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    command
}

/// The events that a process prints, with the time at which each came.
fn lines(process: &mut Watched) -> Result<Receiver<(Instant, Value)>> {
    let output = process.child().stdout.take().context("standard output")?;
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            let at = Instant::now();
            if let Ok(event) = serde_json::from_str(&line)
                && sender.send((at, event)).is_err()
            {
                return;
            }
        }
    });
    Ok(receiver)
}
