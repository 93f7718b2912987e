//! Machines on a network that leads nowhere, with nothing configured and no server.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use p2pshare_net::{Lab, Machine, Process};

use super::program;

pub(super) fn found_by_code_over_ipv4() -> Result<()> {
    found_by_code(["10.77.1.1/24", "10.77.1.2/24"], "http://10.77.1.1:8765/")
}

pub(super) fn found_by_code_over_ipv6() -> Result<()> {
    found_by_code(["fd77::1/64", "fd77::2/64"], "http://[fd77::1]:8765/")
}

fn found_by_code(addresses: [&str; 2], link_begins: &str) -> Result<()> {
    let lab = Lab::new()?;
    let (sender, receiver) = (machine(&lab, "sender")?, machine(&lab, "receiver")?);
    lab.cable([(&sender, addresses[0]), (&receiver, addresses[1])])?;
    let share = Share::start(&sender, &[])?;
    ensure!(share.link.starts_with(link_begins), "the link is {}, which the other machine cannot open", share.link);
    share.fetch(&receiver)
}

/// Both senders have one nameplate; which of them the receiver hears of first is up to the network.
pub(super) fn one_nameplate_twice() -> Result<()> {
    let lab = Lab::new()?;
    let switch = Switch::new(&lab)?;
    let receiver = switch.plug("receiver", 9)?;
    let _other = Share::start(&switch.plug("one", 1)?, &["--code", "70-123456"])?;
    Share::start(&switch.plug("two", 2)?, &["--code", "70-654321"])?.fetch(&receiver)
}

/// Joins machines to one network, which leads nowhere.
pub(super) struct Switch<'a> {
    lab: &'a Lab,
    bridge: Machine,
}

impl<'a> Switch<'a> {
    pub(super) fn new(lab: &'a Lab) -> Result<Self> {
        let bridge = lab.machine("switch")?;
        bridge.ip("link add bridge type bridge")?;
        bridge.ip("link set bridge up")?;
        Ok(Self { lab, bridge })
    }

    /// A new machine with the address of this number.
    pub(super) fn plug(&self, name: &str, number: usize) -> Result<Machine> {
        let plugged = machine(self.lab, name)?;
        let ends = [format!("10.77.1.{number}/24"), format!("10.78.{number}.1/32")];
        self.lab.cable([(&plugged, &ends[0]), (&self.bridge, &ends[1])])?;
        self.bridge.ip(&format!("link set to-{name} master bridge"))?;
        Ok(plugged)
    }
}

/// A machine whose IPv6 addresses are in use at once.
fn machine(lab: &Lab, name: &str) -> Result<Machine> {
    let machine = lab.machine(name)?;
    machine.run("sysctl -q -w net.ipv6.conf.default.accept_dad=0")?;
    Ok(machine)
}

/// A file that a machine shares.
struct Share {
    folder: PathBuf,
    content: String,
    process: Process,
    code: String,
    link: String,
}

impl Share {
    fn start(machine: &Machine, options: &[&str]) -> Result<Self> {
        let folder = std::env::temp_dir().join(machine.namespace());
        fs::create_dir_all(&folder)?;
        let content = format!("from {}", machine.namespace());
        fs::write(folder.join("note"), &content)?;
        let mut command = machine.command(program()?);
        command.args(["send", "--json"]).args(options).arg(folder.join("note")).env("P2PSHARE_CONFIG", "/dev/null");
        let mut process = Process::start("send", &mut command)?;
        let (event, _) = process.event(LIMIT, "code")?;
        let field = |name: &str| event[name].as_str().map(str::to_owned).with_context(|| format!("no {name}"));
        Ok(Self { code: field("code")?, link: field("link")?, folder, content, process })
    }

    /// Fetches it on another machine, by its code alone.
    fn fetch(self, machine: &Machine) -> Result<()> {
        let to = self.folder.join("to");
        fs::create_dir_all(&to)?;
        let mut command = machine.command(program()?);
        command.args(["recv", "--yes", "-o"]).arg(&to).arg(&self.code).env("P2PSHARE_CONFIG", "/dev/null");
        let (status, said) = Process::start("recv", &mut command)?.end(LIMIT)?;
        ensure!(status.success(), "recv {} ended with {status}; it said:\n{said}", self.code);
        let (status, said) = self.process.end(LIMIT)?;
        ensure!(status.success(), "send ended with {status}; it said:\n{said}");
        ensure!(fs::read_to_string(to.join("note"))? == self.content, "this came from somebody else");
        fs::remove_dir_all(&self.folder)?;
        Ok(())
    }
}

/// Longer than anything here takes on any machine.
const LIMIT: Duration = Duration::from_secs(60);
