//! `Watched`: a process whose processor time and memory are known when it ends.

use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

/// What a process took, with those that it started and waited for.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Usage {
    /// Processor time, user and system.
    pub(crate) cpu_seconds: f64,
    /// The most memory that was resident, in bytes.
    pub(crate) peak_bytes: u64,
}

impl Usage {
    pub(crate) fn peak_mib(self) -> f64 {
        self.peak_bytes as f64 / f64::from(1 << 20)
    }
}

/// A running process; it is killed when this is dropped before its end, with those that it started.
pub(crate) struct Watched {
    child: Child,
    started: Instant,
    /// Looks on; ends with the process.
    observer: Option<JoinHandle<Result<(Usage, Instant)>>>,
}

impl Watched {
    pub(crate) fn start(command: &mut Command) -> Result<Self> {
        let started = Instant::now();
        let child =
            command.process_group(0).spawn().with_context(|| format!("starting {:?}", command.get_program()))?;
        let pid = child.id();
        Ok(Self { child, started, observer: Some(thread::spawn(move || observe(pid))) })
    }

    /// Its number.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// When it was started.
    pub(crate) const fn started(&self) -> Instant {
        self.started
    }

    /// Gives access to its pipes.
    pub(crate) const fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Whether it has ended.
    pub(crate) fn has_ended(&self) -> bool {
        self.observer.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Waits for its end and says what it took, and how long it ran.
    pub(crate) fn finish(self) -> Result<(Usage, Duration)> {
        let id = self.child.id();
        let (usage, took, status) = self.end()?;
        ensure!(status.success(), "process {id} ended with {status}");
        Ok((usage, took))
    }

    /// The same, however it ends.
    pub(crate) fn end(mut self) -> Result<(Usage, Duration, ExitStatus)> {
        let observer = self.observer.take().expect("taken only here");
        let observed = observer.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        let (usage, ended) = observed?;
        Ok((usage, ended - self.started, self.child.wait()?))
    }

    /// Sends a signal to it and to those that it started.
    pub(crate) fn signal(&self, signal: Signal) {
        if let Some(group) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            // It may have ended by itself meanwhile.
            let _ = kill_process_group(group, signal);
        }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        // Until it is waited for, its number is nobody else's.
        if let Ok(None) = self.child.try_wait() {
            self.signal(Signal::KILL);
            let _ = self.child.wait();
        }
    }
}

/// Processor seconds of a process and of those that it has waited for.
pub(crate) fn cpu_seconds_of_family(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let values: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    let ticks = |&field: &usize| values.get(field).and_then(|value| value.parse::<f64>().ok()).unwrap_or(0.0);
    TIMES.iter().map(ticks).sum::<f64>() / CLOCK_TICKS_PER_SECOND
}

/// Looks at a process until it ends. Its memory is unknown from then on, its processor time from when it is waited for.
fn observe(pid: u32) -> Result<(Usage, Instant)> {
    let mut usage = Usage::default();
    let mut looks = 0;
    while !has_ended(pid)? {
        if looks % LOOKS_PER_SAMPLE == 0 {
            usage.peak_bytes = usage.peak_bytes.max(peak_bytes(pid));
        }
        looks += 1;
        thread::sleep(LOOK_AFTER);
    }
    usage.cpu_seconds = cpu_seconds_of_family(pid);
    Ok((usage, Instant::now()))
}

fn has_ended(pid: u32) -> Result<bool> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).context("a process has a number")?;
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    Ok(waitid(WaitId::Pid(pid), options)?.is_some())
}

fn peak_bytes(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    peak.and_then(|peak| peak.trim().strip_suffix(" kB")?.parse::<u64>().ok()).unwrap_or(0) * 1024
}

/// User and system time, its own and that of children that ended: fields of `/proc/PID/stat` after the name.
const TIMES: &[usize] = &[11, 12, 13, 14];

const CLOCK_TICKS_PER_SECOND: f64 = 100.0;

const LOOK_AFTER: Duration = Duration::from_millis(2);

const LOOKS_PER_SAMPLE: u32 = 16;
