//! One run of one tool: set up, timed, compared, taken down.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use p2pshare_net::{Link, Machine, RECEIVER, SERVER, Triangle};
use rustix::process::Signal;

use super::beside;
use super::cases::{Case, Folder};
use super::process::{Usage, Watched, cpu_seconds_of_family};
use super::tools::{Daemon, Side, Tool};

/// What a run cost.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    pub(crate) took: Duration,
    pub(crate) cpu_seconds: f64,
    /// The most memory of the sender and of the receiver; 0 where a daemon receives.
    pub(crate) peak_mib: [f64; 2],
    /// Bytes that the sender put on the link.
    pub(crate) on_link: Option<u64>,
    /// MB/s of a TCP connection beside it.
    pub(crate) beside: Option<f64>,
}

/// Moves the source of a case with a tool.
pub(crate) fn run(tool: &Tool, link: &str, case: &Case, folder: &Folder, limit: Duration) -> Result<Outcome> {
    let triangle = if link == "loop" { Triangle::on_one_machine()? } else { Triangle::new(link.parse::<Link>()?)? };
    let stage = Stage { triangle: &triangle, case, work: folder.fresh()? };
    let mut daemons = Vec::new();
    for daemon in &tool.daemons {
        daemons.push(stage.start_daemon(daemon)?);
    }
    let side_traffic = case.beside_tcp.then(|| beside::Flow::start(&triangle)).transpose()?;
    let deadline = Instant::now() + limit;
    let (sender, receiver) = stage.start_both(tool, deadline)?;
    let before = triangle.direct.as_ref().map(|direct| direct.counters()[0].bytes);
    let began = receiver.as_ref().unwrap_or(&sender).watched.started();
    let mark = side_traffic.as_ref().map(beside::Flow::mark);
    let last = receiver.as_ref().unwrap_or(&sender);
    wait_until(|| last.watched.has_ended(), deadline).map_err(|_| stage.cut_off(before, began.elapsed()))?;
    let beside = side_traffic.zip(mark).map(|(flow, mark)| flow.rate_since(mark));
    let (received, took) = receiver.map(Started::finish).transpose()?.unzip();
    let is_over = |sender: &Started| wait_until(|| sender.watched.has_ended(), Instant::now() + GRACE).is_ok();
    let (sent, sender_took) = if received.is_none() || is_over(&sender) {
        sender.finish()?
    } else {
        // One that serves on is told to stop, and need not be happy about it.
        sender.interrupt();
        sender.watched.end().map(|(usage, took, _)| (usage, took))?
    };
    case.compare(&stage.work.join("out"))?;
    // A daemon has waited for what it started, and counts it, shortly after the connection is closed.
    thread::sleep(SETTLE);
    let daemons = daemons.iter().filter(|(side, _)| *side != Side::Server).map(|(_, started)| started.cpu());
    let cpu_seconds = daemons.sum::<f64>() + sent.cpu_seconds + received.map_or(0.0, |usage| usage.cpu_seconds);
    let on_link = triangle.direct.as_ref().zip(before).map(|(direct, before)| direct.counters()[0].bytes - before);
    Ok(Outcome {
        took: took.unwrap_or(sender_took),
        cpu_seconds,
        peak_mib: [sent.peak_mib(), received.map_or(0.0, Usage::peak_mib)],
        on_link,
        beside,
    })
}

/// The machines and the folder of a run.
struct Stage<'a> {
    triangle: &'a Triangle,
    case: &'a Case,
    work: PathBuf,
}

impl Stage<'_> {
    /// Starts a daemon and waits until it listens.
    fn start_daemon(&self, daemon: &Daemon) -> Result<(Side, Started)> {
        let started = self.start(daemon.side, &daemon.command, "", "daemon")?;
        self.wait_for(daemon.side, daemon.port, &started)?;
        Ok((daemon.side, started))
    }

    /// Starts sender and receiver, in the order that the tool needs, and hands on the code.
    fn start_both(&self, tool: &Tool, deadline: Instant) -> Result<(Started, Option<Started>)> {
        let kind = usize::from(self.case.is_folder());
        let start = |side, command: &str, code: &str, name| self.start(side, command, code, name);
        let Some(receive) = &tool.receive else {
            return Ok((start(Side::Sender, &tool.send[kind], "", "send")?, None));
        };
        let Some(find_code) = tool.code else {
            let receiver = start(Side::Receiver, &receive[kind], "", "receive")?;
            self.wait_for(Side::Receiver, tool.listens, &receiver)?;
            return Ok((start(Side::Sender, &tool.send[kind], "", "send")?, Some(receiver)));
        };
        let sender = start(Side::Sender, &tool.send[kind], "", "send")?;
        let mut code = None;
        wait_until(
            || {
                code = find_code(&sender.said());
                code.is_some() || sender.watched.has_ended()
            },
            deadline,
        )?;
        let code = code.with_context(|| format!("no code; it said:\n{}", sender.said()))?;
        let receiver = start(Side::Receiver, &receive[kind], &code, "receive")?;
        Ok((sender, Some(receiver)))
    }

    /// Starts a command of the shell. What it says goes to a file.
    fn start(&self, side: Side, command: &str, code: &str, name: &str) -> Result<Started> {
        let log = self.work.join(format!("{name}-{:?}.log", Instant::now()).replace([' ', '{', '}', ':'], ""));
        let out = self.work.join("out");
        let filled = [
            ("{source}", self.case.source.display().to_string()),
            ("{name}", self.case.file_name()),
            ("{out}", out.display().to_string()),
            ("{work}", self.work.display().to_string()),
            ("{code}", code.to_owned()),
        ]
        .into_iter()
        .fold(command.to_owned(), |text, (place, value)| text.replace(place, &value));
        // One command replaces the shell, so that its memory is what is seen.
        let is_single = !filled.contains(['|', ';', '&']);
        let filled = if is_single { format!("exec {filled}") } else { filled };
        let mut command = self.machine(side).command("bash");
        command.args(["-c", &filled]).current_dir(&self.work).env("HOME", &self.work).env("PYTHONUNBUFFERED", "1");
        command.stdin(Stdio::null()).stdout(File::create(&log)?).stderr(File::options().append(true).open(&log)?);
        Ok(Started { watched: Watched::start(&mut command)?, log })
    }

    fn machine(&self, side: Side) -> &Machine {
        match side {
            Side::Sender => &self.triangle.sender,
            Side::Receiver => &self.triangle.receiver,
            Side::Server => &self.triangle.server,
        }
    }

    /// Waits until something listens. It is asked of the system, since a connection would be a visitor.
    fn wait_for(&self, side: Side, port: u16, started: &Started) -> Result<()> {
        let address = if side == Side::Server { SERVER } else { RECEIVER };
        let is_listening = || {
            let mut ss = self.machine(side).command("ss");
            let output = ss.args(["-Htln", "src", &format!("{address}:{port}")]).output();
            output.is_ok_and(|output| !output.stdout.is_empty())
        };
        let ready = wait_until(|| is_listening() || started.watched.has_ended(), Instant::now() + READY_MAX);
        ready
            .and_then(|()| {
                ensure!(!started.watched.has_ended(), "it ended at once");
                Ok(())
            })
            .with_context(|| format!("a daemon on port {port} is not ready; it said:\n{}", started.said()))
    }

    /// The error of a run that took too long, with what it had got done.
    fn cut_off(&self, before: Option<u64>, elapsed: Duration) -> anyhow::Error {
        let counters = self.triangle.direct.as_ref().map(|direct| direct.counters()[0].bytes);
        let rate = counters.zip(before).map(|(now, before)| (now - before) as f64 / elapsed.as_secs_f64() / 1e6);
        let rate = rate.map_or_else(String::new, |rate| format!(", with at most {rate:.2} MB/s until then"));
        anyhow::anyhow!("cut off after {:.0} s{rate}", elapsed.as_secs_f64())
    }
}

/// A running command and those that it started.
struct Started {
    watched: Watched,
    log: PathBuf,
}

impl Started {
    fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Processor seconds so far.
    fn cpu(&self) -> f64 {
        cpu_seconds_of_family(self.watched.id())
    }

    fn interrupt(&self) {
        self.watched.signal(Signal::INT);
        if wait_until(|| self.watched.has_ended(), Instant::now() + GRACE).is_err() {
            self.watched.signal(Signal::KILL);
        }
    }

    /// Waits for its end; a failure comes with what it said.
    fn finish(self) -> Result<(Usage, Duration)> {
        let said = self.said();
        self.watched.finish().with_context(|| format!("it said:\n{said}"))
    }
}

/// Waits until something is so.
///
/// # Errors
/// The time is up.
fn wait_until(mut is_so: impl FnMut() -> bool, deadline: Instant) -> Result<()> {
    while !is_so() {
        if Instant::now() > deadline {
            bail!("the time is up");
        }
        thread::sleep(LOOK_AFTER);
    }
    Ok(())
}

const LOOK_AFTER: Duration = Duration::from_millis(2);

/// How long a sender may take to end after its receiver has.
const GRACE: Duration = Duration::from_secs(3);

/// Enough for a daemon to notice that a connection is over.
const SETTLE: Duration = Duration::from_millis(300);

/// How long a daemon may take to listen.
const READY_MAX: Duration = Duration::from_secs(20);
