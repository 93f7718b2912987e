//! `Lab`: makes machines and joins them.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::emulator::EmulatedLink;
use crate::link::Link;
use crate::machine::{Machine, run};

/// What keeps a lab from being set up here, in words for whoever could change it; `None` if nothing does.
#[must_use]
pub fn obstacle() -> Option<String> {
    let is_there =
        |tool: &str| Command::new(tool).arg("-V").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    if !rustix::process::geteuid().is_root() {
        return Some("network namespaces cannot be made here: run as root".to_owned());
    }
    for (tool, package) in [("ip", "iproute2"), ("nft", "nftables")] {
        if !is_there(tool) {
            return Some(format!("`{tool}` is not installed (Debian: apt-get install {package})"));
        }
    }
    let probe = Lab::new().and_then(|lab| {
        let (one, other) = (lab.machine("one")?, lab.machine("other")?);
        lab.link([(&one, "10.77.0.1"), (&other, "10.77.0.2")], Link::new(1000, 0.0, 0.0))
    });
    probe.err().map(|error| format!("a link between two network namespaces cannot be made here: {error:#}"))
}

/// A set of machines. They are deleted when it is dropped.
#[derive(Debug)]
pub struct Lab {
    prefix: String,
}

impl Lab {
    /// Starts an empty lab, and deletes what labs left whose process is gone.
    ///
    /// # Errors
    /// `ip` does not work.
    pub fn new() -> Result<Self> {
        use std::sync::atomic::{AtomicU32, Ordering};
        static LABS: AtomicU32 = AtomicU32::new(0);
        for namespace in namespaces()? {
            let owner = namespace.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next());
            if owner.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
                delete(&namespace);
            }
        }
        let number = LABS.fetch_add(1, Ordering::Relaxed);
        Ok(Self { prefix: format!("{PREFIX}{}-{number}-", std::process::id()) })
    }

    /// Makes a machine that is joined to nothing. Names within a lab are different.
    ///
    /// # Errors
    /// The system refuses.
    pub fn machine(&self, name: &str) -> Result<Machine> {
        Machine::create(name, format!("{}{name}", self.prefix)).with_context(|| format!("the machine {name}"))
    }

    /// Joins two machines, each under its address, by a link; each reaches the other and nobody else through it. On each,
    /// the device is called `to-` and the other's name.
    ///
    /// # Errors
    /// The system refuses.
    pub fn link(&self, ends: [(&Machine, &str); 2], link: Link) -> Result<EmulatedLink> {
        let [(one, one_address), (other, other_address)] = ends;
        let (to_other, to_one) = (device(other), device(one));
        let emulated = EmulatedLink::start([(one, &to_other), (other, &to_one)], link)?;
        for (machine, device, own, peer) in
            [(one, to_other, one_address, other_address), (other, to_one, other_address, one_address)]
        {
            machine.ip(&format!("addr add {own} peer {peer} dev {device}"))?;
            // Nothing but what a test sends goes through it, so that it loses the same packets each time.
            machine.ip(&format!("link set {device} addrgenmode none"))?;
            machine.ip(&format!("link set {device} txqueuelen 1000 up"))?;
        }
        Ok(emulated)
    }

    /// Joins two machines by a cable, each under its address and the length of the network's prefix, such as `10.0.0.1/24`.
    /// On each, the device is called `to-` and the other's name. Both are ready when this returns.
    ///
    /// # Errors
    /// The system refuses.
    pub fn cable(&self, ends: [(&Machine, &str); 2]) -> Result<()> {
        let [(one, one_address), (other, other_address)] = ends;
        let (to_other, to_one) = (device(other), device(one));
        let peer = other.namespace();
        one.ip(&format!("link add {to_other} type veth peer name {to_one} netns {peer}"))?;
        let ends = [(one, to_other, one_address), (other, to_one, other_address)];
        for (machine, device, address) in &ends {
            machine.ip(&format!("addr add {address} dev {device}"))?;
            machine.ip(&format!("link set {device} up"))?;
        }
        // Programs that look for networks leave out what the system has not declared ready, which it does after a moment.
        ends.iter().try_for_each(|(machine, device, _)| machine.until_ready(device))
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for namespace in namespaces().unwrap_or_default().iter().filter(|name| name.starts_with(&self.prefix)) {
            delete(namespace);
        }
    }
}

/// The device that leads to a machine, by the 15 characters that the system allows.
pub(crate) fn device(to: &Machine) -> String {
    format!("to-{}", to.name()).chars().take(15).collect()
}

fn namespaces() -> Result<Vec<String>> {
    let output = Command::new("ip").args(["netns", "list"]).output().context("starting ip")?;
    let list = String::from_utf8_lossy(&output.stdout);
    Ok(list.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect())
}

/// What cannot be deleted now is tried again by the next lab.
fn delete(namespace: &str) {
    let _ = run(Command::new("ip").args(["netns", "del", namespace]));
}

/// What the namespaces of all labs begin with; the number of their process follows.
const PREFIX: &str = "p2plab-";
