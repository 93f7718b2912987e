//! `Film`: a transfer between two homes that takes long enough for something to happen in its middle.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use p2pshare_net::{Home, Internet, Process};
use serde_json::Value;

use super::program;

/// A transfer that is under way.
pub(super) struct Film {
    pub(super) sending: Process,
    pub(super) receiving: Process,
    folder: PathBuf,
    content: Vec<u8>,
}

impl Film {
    /// Starts to send so many MiB at so many MB a second.
    pub(super) fn start([from, to]: [&Home; 2], mebibytes: u32, megabytes_per_second: u32) -> Result<Self> {
        let folder = std::env::temp_dir().join(format!("{}-film", from.machine.namespace()));
        let (source, copy) = (folder.join("film"), folder.join("copy"));
        fs::create_dir_all(&copy)?;
        let words = 0..mebibytes << 18;
        let content: Vec<u8> = words.flat_map(|word| word.wrapping_mul(0x9e37_79b1).to_le_bytes()).collect();
        fs::write(&source, &content)?;
        let both = |home: &Home, words: &[&str]| -> Result<_> {
            let mut command = home.machine.command(program()?);
            command.args(words).args(["--json", "--server", &format!("http://{}:8765", Internet::SERVER)]);
            command.env("P2PSHARE_CONFIG", "/dev/null");
            Ok(command)
        };
        let rate = format!("{megabytes_per_second}MB");
        let mut sending = both(from, &["send", "--limit", &rate, &source.to_string_lossy()])?;
        let mut sending = Process::start("send", &mut sending)?;
        let (event, _) = sending.event(LIMIT, "code")?;
        let code = event["code"].as_str().context("a code")?.to_owned();
        let mut receiving = both(to, &["recv", "--yes", "-o", &copy.to_string_lossy(), &code])?;
        let receiving = Process::start("recv", &mut receiving)?;
        Ok(Self { sending, receiving, folder, content })
    }

    /// Waits until more than so many bytes are on the receiver's disk; returns when they were.
    pub(super) fn wait_for(&mut self, bytes: u64) -> Result<Instant> {
        let (_, at) = self.receiving.expect(LIMIT, |line| progress(line).filter(|there| *there > bytes))?;
        Ok(at)
    }

    /// What is on the receiver's disk by now, in bytes.
    pub(super) fn arrived(&mut self) -> u64 {
        self.receiving.so_far(progress).unwrap_or_default()
    }

    /// Waits for the end, which has to be a good one.
    pub(super) fn end(self) -> Result<()> {
        let ((received, said), (sent, sender_said)) = (self.receiving.end(LIMIT)?, self.sending.end(LIMIT)?);
        ensure!(received.success() && sent.success(), "{received}, {sent}; they said:\n{said}\n\n{sender_said}");
        ensure!(fs::read(self.folder.join("copy/film"))? == self.content, "another file arrived");
        fs::remove_dir_all(&self.folder)?;
        Ok(())
    }
}

/// Starts the server of an Internet.
pub(super) fn serve(internet: &Internet, options: &[&str]) -> Result<Process> {
    let mut serving = internet.server.command(program()?);
    serving.args(["serve", "--listen", &format!("{}:8765", Internet::SERVER)]).args(options);
    let mut serving = Process::start("serve", &mut serving)?;
    serving.expect(LIMIT, |line| line.contains("8765").then_some(()))?;
    Ok(serving)
}

/// The bytes that a line says are on the disk.
fn progress(line: &str) -> Option<u64> {
    let event: Value = serde_json::from_str(line).ok()?;
    if event["event"] == "progress" { event["bytes"].as_u64() } else { None }
}

/// Longer than anything here takes on any machine.
pub(super) const LIMIT: Duration = Duration::from_secs(120);
