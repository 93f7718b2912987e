//! Transfers over links, by the real program on both ends and as the server.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use p2pshare_net::{Link, Process, SERVER, Triangle};

use super::program;

pub(super) fn over_a_long_link() -> Result<()> {
    let transfer = Transfer::new(Link::new(300, 100.0, 0.0))?;
    transfer.files(&[("film", 16 << 20)])?;
    transfer.run(&[], |_| Ok(()))?;
    transfer.expect_plane("quic")
}

pub(super) fn over_a_lossy_link() -> Result<()> {
    let transfer = Transfer::new(Link::new(50, 80.0, 1.0))?;
    transfer.files(&[("film", 8 << 20)])?;
    transfer.run(&[], |_| Ok(()))?;
    transfer.expect_plane("quic")
}

pub(super) fn over_data_channels_alone() -> Result<()> {
    let transfer = Transfer::new(Link::new(100, 40.0, 0.0))?;
    transfer.files(&[("film", 8 << 20)])?;
    transfer.run(&["--no-quic"], |_| Ok(()))?;
    transfer.expect_plane("data_channel")
}

pub(super) fn over_several_connections() -> Result<()> {
    let transfer = Transfer::new(Link::new(50, 80.0, 1.0))?;
    transfer.files(&[("film", 2 << 20)])?;
    transfer.run(&["--no-quic", "--streams", "8"], |_| Ok(()))?;
    transfer.expect_plane("data_channel")?;
    // Each is described and opened over the lossy link while the file is on its way.
    let connections = transfer.connections()?;
    ensure!(connections > 1, "it went over one connection");
    Ok(())
}

pub(super) fn several_connections_cut_in_the_middle() -> Result<()> {
    let transfer = Transfer::new(Link::new(100, 40.0, 0.0))?;
    transfer.files(&[("film", 8 << 20)])?;
    transfer.run(&["--no-quic", "--streams", "4"], |receiver| transfer.cut(receiver))?;
    transfer.expect_plane("data_channel")
}

pub(super) fn one_of_several_connections_dies() -> Result<()> {
    let transfer = Transfer::new(Link::new(100, 40.0, 0.0))?;
    transfer.files(&[("film", 16 << 20)])?;
    transfer.run(&["--no-quic", "--streams", "3", "--limit", "2MB"], |receiver| {
        let first = until_connections(receiver, 3)?.context("the port of the first one")?;
        transfer.silence(|port| port != first)?;
        let silent = Instant::now();
        let (_, lost) = receiver.event(LIMIT, "reconnecting")?;
        println!("    counts as lost after {:.1} s", lost.saturating_duration_since(silent).as_secs_f64());
        Ok(())
    })?;
    transfer.expect_plane("data_channel")?;
    let connections = transfer.connections()?;
    ensure!(connections == 1, "it goes on over {connections} connections");
    Ok(())
}

pub(super) fn several_connections_through_a_relay() -> Result<()> {
    let mut transfer = Transfer::new(Link::new(100, 40.0, 0.0))?;
    transfer.serve = &["--relay", "--relay-allow", "10.77.0.0/24"];
    transfer.files(&[("film", 16 << 20)])?;
    // The relay gives each side two addresses.
    transfer.run(&["--no-quic", "--relay", "--streams", "8", "--limit", "2MB"], |receiver| {
        until_connections(receiver, 2)?;
        // While the addresses of those that fall silent are still taken, another connection needs some.
        transfer.silence(|_| true)?;
        let silent = Instant::now();
        let (_, found) = receiver.expect(LIMIT, |line| (connections_of(line)? == 1).then_some(()))?;
        println!("    goes on after {:.1} s", found.saturating_duration_since(silent).as_secs_f64());
        Ok(())
    })
}

pub(super) fn small_files() -> Result<()> {
    let transfer = Transfer::new(Link::new(100, 40.0, 0.0))?;
    let names: Vec<String> = (0..1000).map(|number| format!("{:02}/{number}", number / 50)).collect();
    let files: Vec<_> = names.iter().map(|name| (name.as_str(), 4096)).collect();
    transfer.files(&files)?;
    transfer.run(&[], |_| Ok(()))
}

pub(super) fn cut_in_the_middle() -> Result<()> {
    let transfer = Transfer::new(Link::new(100, 40.0, 0.0))?;
    transfer.files(&[("film", 24 << 20)])?;
    transfer.run(&[], |receiver| transfer.cut(receiver))
}

/// Files on the sender's machine and a folder on the receiver's.
struct Transfer {
    triangle: Triangle,
    folder: PathBuf,
    /// Options of the server.
    serve: &'static [&'static str],
    path: std::cell::RefCell<Option<String>>,
}

impl Transfer {
    fn new(link: Link) -> Result<Self> {
        let folder = std::env::temp_dir().join(format!("p2plab-{}", std::process::id()));
        for part in ["source", "copy"] {
            fs::create_dir_all(folder.join(part))?;
        }
        Ok(Self { triangle: Triangle::new(link)?, folder, serve: &[], path: std::cell::RefCell::default() })
    }

    /// Writes files of so many bytes that do not compress.
    fn files(&self, files: &[(&str, usize)]) -> Result<()> {
        for (number, (name, bytes)) in files.iter().enumerate() {
            let path = self.folder.join("source/files").join(name);
            fs::create_dir_all(path.parent().context("a folder")?)?;
            let mut state = number as u64 + 1;
            let content = std::iter::repeat_with(|| {
                state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
                (state >> 56) as u8
            });
            fs::write(path, content.take(*bytes).collect::<Vec<u8>>())?;
        }
        Ok(())
    }

    /// Sends the files with these options on both ends, does something `meanwhile`, and compares what arrived.
    fn run(&self, options: &[&str], meanwhile: impl FnOnce(&mut Process) -> Result<()>) -> Result<()> {
        let Triangle { sender, receiver, server, .. } = &self.triangle;
        let url = format!("http://{SERVER}:8765");
        let program = program()?;
        let mut serving = server.command(&program);
        serving.args(["serve", "--listen", &format!("{SERVER}:8765")]).args(self.serve);
        let mut serving = Process::start("serve", &mut serving)?;
        serving.expect(LIMIT, |line| line.contains("8765").then_some(()))?;
        let both = |command: &mut std::process::Command| {
            command.args(["--json", "--server", &url]).args(options).env("P2PSHARE_CONFIG", "/dev/null");
        };
        let mut sending = sender.command(&program);
        both(sending.arg("send").arg(self.folder.join("source/files")));
        let mut sending = Process::start("send", &mut sending)?;
        let (event, _) = sending.event(LIMIT, "code")?;
        let code = event["code"].as_str().context("a code")?.to_owned();
        let mut receiving = receiver.command(&program);
        both(receiving.args(["recv", "--yes", "-o"]).arg(self.folder.join("copy")).arg(code));
        let mut receiving = Process::start("recv", &mut receiving)?;
        let start = receiving.started();
        meanwhile(&mut receiving)?;
        let (status, said) = receiving.end(LIMIT)?;
        let took = start.elapsed();
        ensure!(status.success(), "recv ended with {status}; it said:\n{said}");
        let (status, sender_said) = sending.end(LIMIT)?;
        ensure!(status.success(), "send ended with {status}; it said:\n{sender_said}");
        let bytes = compare(&self.folder.join("source/files"), &self.folder.join("copy/files"))?;
        self.tell(bytes, took);
        let mut paths = said.lines().filter(|line| line.contains(r#""event":"path""#));
        *self.path.borrow_mut() = paths.next_back().map(str::to_owned);
        Ok(())
    }

    /// Cuts the link for three seconds once some of the file has arrived.
    fn cut(&self, receiver: &mut Process) -> Result<()> {
        receiver.expect(LIMIT, |line| {
            let event: serde_json::Value = serde_json::from_str(line).ok()?;
            (event["event"] == "progress" && event["bytes"].as_u64()? > 4 << 20).then_some(())
        })?;
        let direct = self.triangle.direct.as_ref().context("a direct link")?;
        direct.cut();
        thread::sleep(Duration::from_secs(3));
        direct.mend();
        Ok(())
    }

    /// Has the receiver hear nothing and say nothing more on those of its present ports that are meant.
    fn silence(&self, is_meant: impl Fn(u16) -> bool) -> Result<()> {
        let machine = &self.triangle.receiver;
        let sockets = machine.command("cat").arg("/proc/net/udp").output().context("the receiver's sockets")?;
        let ports: Vec<_> = String::from_utf8_lossy(&sockets.stdout).lines().filter_map(port_of).collect();
        let mut rules = "table inet silent {\n".to_owned();
        for (hook, which) in [("input", "dport"), ("output", "sport")] {
            rules += &format!("chain {hook} {{ type filter hook {hook} priority 0;\n");
            for port in ports.iter().filter(|port| is_meant(**port)) {
                rules += &format!("udp {which} {port} drop\n");
            }
            rules += "}\n";
        }
        machine.nft(&(rules + "}\n"))
    }

    /// Over how many connections it went in the end.
    fn connections(&self) -> Result<u64> {
        let path = self.path.borrow().clone().context("no path was told")?;
        connections_of(&path).context("the number of connections")
    }

    fn tell(&self, bytes: u64, took: Duration) {
        let counters = self.triangle.direct.as_ref().map(|link| link.counters()[0]).unwrap_or_default();
        println!(
            "    {bytes} bytes in {:.2} s, {:.2} MB/s with set-up; {:.3} bytes on the link for each of them; {counters:?}",
            took.as_secs_f64(),
            bytes as f64 / took.as_secs_f64() / 1e6,
            counters.bytes as f64 / bytes as f64,
        );
    }

    /// Checks what carried the data in the end.
    fn expect_plane(&self, plane: &str) -> Result<()> {
        let path = self.path.borrow().clone().context("no path was told")?;
        let event: serde_json::Value = serde_json::from_str(&path)?;
        ensure!(event["plane"] == plane, "the data went by {}, not by {plane}", event["plane"]);
        Ok(())
    }
}

impl Drop for Transfer {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// An event of this name.
fn event(line: &str, name: &str) -> Option<serde_json::Value> {
    serde_json::from_str(line).ok().filter(|event: &serde_json::Value| event["event"] == name)
}

/// Over how many connections a line says that it goes.
fn connections_of(line: &str) -> Option<u64> {
    event(line, "path")?["connections"].as_u64()
}

/// Waits until a transfer goes over so many connections; returns the local port of the first one, if that is told.
fn until_connections(receiver: &mut Process, count: u64) -> Result<Option<u16>> {
    let path = |line: &str| event(line, "path").filter(|_| connections_of(line) == Some(count));
    let (path, _) = receiver.expect(LIMIT, path)?;
    Ok(path["local"].as_str().and_then(|local| local.rsplit_once(':')?.1.parse().ok()))
}

/// The local port in a line of `/proc/net/udp`.
fn port_of(line: &str) -> Option<u16> {
    let (_, port) = line.split_whitespace().nth(1)?.rsplit_once(':')?;
    u16::from_str_radix(port, 16).ok()
}

/// Compares every file below two folders; returns their bytes.
fn compare(source: &Path, copy: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(source)? {
        let entry = entry?;
        let (from, to) = (entry.path(), copy.join(entry.file_name()));
        if entry.file_type()?.is_dir() {
            bytes += compare(&from, &to)?;
        } else {
            let (from, to) = (fs::read(&from)?, fs::read(&to).with_context(|| format!("{} is missing", to.display()))?);
            ensure!(from == to, "{} differs from what was sent", entry.path().display());
            bytes += from.len() as u64;
        }
    }
    Ok(bytes)
}

/// Longer than anything here takes on any machine.
const LIMIT: Duration = Duration::from_secs(60);
