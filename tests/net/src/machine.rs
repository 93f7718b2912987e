//! `Machine`: a network namespace.

use std::fs::File;
use std::io::Write;
use std::os::fd::AsFd;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// A machine of the lab: its own interfaces, addresses, routes and firewall. The lab deletes it.
#[derive(Debug, Clone)]
pub struct Machine {
    name: String,
    namespace: String,
}

impl Machine {
    /// Makes a namespace with nothing but a loopback interface.
    pub(crate) fn create(name: &str, namespace: String) -> Result<Self> {
        run(Command::new("ip").args(["netns", "add", &namespace]))?;
        let machine = Self { name: name.to_owned(), namespace };
        machine.ip("link set lo up")?;
        // Each measurement starts without what earlier connections learned of the path.
        machine.run("sysctl -q -w net.ipv4.tcp_no_metrics_save=1")?;
        // What most machines use, whatever this one does; a kernel that does not allow it keeps its own.
        let _ = machine.run("sysctl -q -w net.ipv4.tcp_congestion_control=cubic");
        Ok(machine)
    }

    /// What the test calls it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the system calls it.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// A command that will run on it.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.namespace]).arg(program);
        command
    }

    /// Runs `ip` with these words on it.
    ///
    /// # Errors
    /// It fails; its own words are in the error.
    pub fn ip(&self, words: &str) -> Result<()> {
        run(Command::new("ip").args(["-n", &self.namespace]).args(words.split(' ')))
    }

    /// Runs a command of words without blanks in them on it.
    ///
    /// # Errors
    /// It fails; its own words are in the error.
    pub fn run(&self, words: &str) -> Result<()> {
        let mut words = words.split(' ');
        run(self.command(words.next().unwrap_or_default()).args(words))
    }

    /// Waits until the system says that a device is up.
    pub(crate) fn until_ready(&self, device: &str) -> Result<()> {
        let state = format!("/sys/class/net/{device}/operstate");
        let start = Instant::now();
        while start.elapsed() < READY_MAX {
            let output = self.command("cat").arg(&state).output().context("starting cat")?;
            if output.stdout.trim_ascii() == b"up" {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(20));
        }
        bail!("{device} on {} is not up", self.name)
    }

    /// Lets it pass on packets between its interfaces: a router.
    ///
    /// # Errors
    /// The system refuses.
    pub fn forward(&self) -> Result<()> {
        self.run("sysctl -q -w net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1")
    }

    /// Loads rules of nftables: a firewall, a NAT.
    ///
    /// # Errors
    /// `nft` is not installed or refuses; its own words are in the error.
    pub fn nft(&self, rules: &str) -> Result<()> {
        let mut nft = self.command("nft").args(["-f", "-"]).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        nft.stdin.take().context("its input")?.write_all(rules.as_bytes())?;
        let output = nft.wait_with_output()?;
        ensure!(output.status.success(), "nft on {}: {}", self.name, String::from_utf8_lossy(&output.stderr).trim());
        Ok(())
    }

    /// Does something on it, such as opening sockets, which stay there.
    ///
    /// # Errors
    /// It cannot be entered, or what `action` returns.
    ///
    /// # Panics
    /// If `action` does.
    pub fn enter<T: Send>(&self, action: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        // A thread of its own, since coming back is a second thing that can fail.
        thread::scope(|scope| {
            let entered = scope.spawn(|| {
                let path = format!("/run/netns/{}", self.namespace);
                let namespace = File::open(&path).with_context(|| path.clone())?;
                move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).context(path)?;
                action()
            });
            entered.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }
}

/// How long a device may take to be up.
const READY_MAX: Duration = Duration::from_secs(10);

/// Runs a command to its end.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let output =
        command.stdin(Stdio::null()).output().with_context(|| format!("starting {:?}", command.get_program()))?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(())
}
