//! Machines on a bridge that leads nowhere, without a server: they see each other, and send by name.

use std::fs;
use std::io::{Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use p2pshare_net::{Lab, Machine, Process};

use super::lan::Switch;
use super::program;

pub(super) fn see_each_other() -> Result<()> {
    let lab = Lab::new()?;
    let switch = Switch::new(&lab)?;
    let (ann, bob) = (switch.plug("ann", 1)?, switch.plug("bob", 2)?);
    let folder = std::env::temp_dir().join(ann.namespace());
    let to = folder.join("to");
    fs::create_dir_all(&to)?;
    fs::write(folder.join("note"), CONTENT)?;

    let to = to.to_string_lossy().into_owned();
    let mut at_bob = Person::start(&bob, &["recv", "--nearby", "bob", "--no-qr", "-o", &to])?;
    let mut at_ann = Person::start(&ann, &["recv", "--nearby", "ann", "--no-qr"])?;
    for person in [&mut at_bob, &mut at_ann] {
        person.until("Visible on this network as")?;
    }
    for machine in [&ann, &bob] {
        ensure!(names(machine)? == ["ann", "bob"], "{} sees {:?}", machine.name(), names(machine)?);
    }
    let note = folder.join("note").to_string_lossy().into_owned();
    let mut sending = Person::start(&ann, &["send", &note, "--to", "bob"])?;
    let shown = [sending.number("bob")?, at_bob.number("")?];
    ensure!(shown[0] == shown[1], "the two show {shown:?}");
    ensure!(!at_bob.seen.contains("note"), "the name of the file was told before anybody was let in");
    sending.type_line("y")?;
    at_bob.type_line("y")?;
    at_bob.until("Receive note")?;
    at_bob.type_line("y")?;
    at_bob.until("received note")?;
    sending.until("the receiver verified it")?;
    ensure!(fs::read_to_string(folder.join("to/note"))? == CONTENT, "another file arrived");
    fs::remove_dir_all(&folder)?;
    Ok(())
}

/// Whom a machine sees.
fn names(machine: &Machine) -> Result<Vec<String>> {
    let mut command = machine.command(program()?);
    command.args(["nearby", "--json"]).env("P2PSHARE_CONFIG", "/dev/null");
    let (status, said) = Process::start("nearby", &mut command)?.end(LIMIT)?;
    ensure!(status.success(), "nearby ended with {status}; it said:\n{said}");
    let events = said.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    Ok(events.filter_map(|event| event["name"].as_str().map(str::to_owned)).collect())
}

/// Somebody in front of a terminal, which `script` makes.
struct Person {
    child: Child,
    keyboard: ChildStdin,
    screen: Receiver<Vec<u8>>,
    seen: String,
}

impl Person {
    fn start(machine: &Machine, words: &[&str]) -> Result<Self> {
        let line = [
            &[program()?.to_string_lossy().into_owned()],
            &words.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>()[..],
        ];
        let mut script: Command = machine.command("script");
        script
            .args(["-q", "-f", "-e", "-c", &line.concat().join(" "), "/dev/null"])
            .env("P2PSHARE_CONFIG", "/dev/null");
        script.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = script.spawn().context("starting script (Debian: bsdutils)")?;
        let keyboard = child.stdin.take().context("a keyboard")?;
        let mut output = child.stdout.take().context("a screen")?;
        let (sender, screen) = channel();
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(read @ 1..) = output.read(&mut buffer) {
                if sender.send(buffer[..read].to_vec()).is_err() {
                    return;
                }
            }
        });
        Ok(Self { child, keyboard, screen, seen: String::new() })
    }

    fn until(&mut self, words: &str) -> Result<()> {
        let deadline = Instant::now() + LIMIT;
        while !self.seen.contains(words) {
            match self.screen.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(bytes) => self.seen += &String::from_utf8_lossy(&bytes),
                Err(_) => bail!("{words:?} did not come; there is:\n{}", self.seen),
            }
        }
        Ok(())
    }

    /// The number that it is asked about.
    fn number(&mut self, other: &str) -> Result<String> {
        self.until(&format!("Does {other}"))?;
        self.until("[y/N]")?;
        let asked = self.seen.split_once("show the number ").and_then(|(_, rest)| rest.get(..7));
        asked.map(str::to_owned).context("no number")
    }

    fn type_line(&mut self, line: &str) -> Result<()> {
        writeln!(self.keyboard, "{line}").context("typing")
    }
}

impl Drop for Person {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const CONTENT: &str = "a note to somebody nearby";

/// Longer than anything here takes on any machine.
const LIMIT: Duration = Duration::from_secs(60);
