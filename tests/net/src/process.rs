//! `Process`: a command that runs on a machine of the lab.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// A running command whose output lines are read. It is killed when this is dropped before its end.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    started: Instant,
    lines: Receiver<(Instant, String)>,
    /// The lines that were taken, for telling what went wrong.
    seen: Vec<String>,
}

impl Process {
    /// Starts it with nothing to read. Its standard output and error are read as lines, in the order they come.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start(name: &str, command: &mut Command) -> Result<Self> {
        let started = Instant::now();
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("starting {name}: {:?}", command.get_program()))?;
        let (sender, lines) = channel();
        let outputs: [Option<Box<dyn std::io::Read + Send>>; 2] = [
            child.stdout.take().map(|output| Box::new(output) as Box<_>),
            child.stderr.take().map(|output| Box::new(output) as Box<_>),
        ];
        for output in outputs.into_iter().flatten() {
            let sender = sender.clone();
            thread::spawn(move || {
                for line in BufReader::new(output).lines().map_while(Result::ok) {
                    if sender.send((Instant::now(), line)).is_err() {
                        return;
                    }
                }
            });
        }
        Ok(Self { name: name.to_owned(), child, started, lines, seen: Vec::new() })
    }

    /// When it was started.
    #[must_use]
    pub const fn started(&self) -> Instant {
        self.started
    }

    /// Its number.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for a line that `pick` makes something of; returns that and when the line came.
    ///
    /// # Errors
    /// It ended, or the time is up, without such a line; what it said is in the error.
    pub fn expect<T>(&mut self, limit: Duration, mut pick: impl FnMut(&str) -> Option<T>) -> Result<(T, Instant)> {
        let deadline = Instant::now() + limit;
        loop {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok((at, line)) => {
                    let picked = pick(&line);
                    self.seen.push(line);
                    if let Some(picked) = picked {
                        return Ok((picked, at));
                    }
                }
                Err(_) => {
                    bail!("{} did not say what was expected within {limit:?}; it said:\n{}", self.name, self.said())
                }
            }
        }
    }

    /// What `pick` makes of the latest of the lines that came until now; `None` if it makes nothing of any.
    pub fn so_far<T>(&mut self, pick: impl FnMut(&str) -> Option<T>) -> Option<T> {
        self.seen.extend(self.lines.try_iter().map(|(_, line)| line));
        self.seen.iter().map(String::as_str).rev().find_map(pick)
    }

    /// Waits for an event of `--json`.
    ///
    /// # Errors
    /// As [`expect`](Self::expect).
    pub fn event(&mut self, limit: Duration, name: &str) -> Result<(Value, Instant)> {
        self.expect(limit, |line| {
            let event: Value = serde_json::from_str(line).ok()?;
            (event["event"] == name).then_some(event)
        })
    }

    /// Waits for its end; returns how it ended and all that it said.
    ///
    /// # Errors
    /// The time is up; it is killed then.
    pub fn end(mut self, limit: Duration) -> Result<(ExitStatus, String)> {
        let deadline = Instant::now() + limit;
        while let Ok((_, line)) = self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            self.seen.push(line);
        }
        // Its output is closed, so it ends now or never.
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait()? {
                return Ok((status, self.said()));
            }
            thread::sleep(LOOK_AFTER);
        }
        bail!("{} did not end within {limit:?}; it said:\n{}", self.name, self.said())
    }

    fn said(&self) -> String {
        self.seen.join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const LOOK_AFTER: Duration = Duration::from_millis(2);
