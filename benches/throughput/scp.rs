//! scp over a server of its own on a loopback port, with keys that are thrown away.

use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::Row;
use super::files::Files;
use super::process::{Watched, cpu_seconds_of_family};

/// Moves the file with scp.
pub(crate) fn row(files: &Files) -> Result<Row> {
    let sshd = find_sshd().context("sshd is not installed (Debian: apt-get install openssh-server)")?;
    let (keys, destination) = (files.destination()?, files.destination()?);
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
    let config = configure(keys.path(), port)?;
    // It forks a process for each connection; privileges are separated in a directory that a package would make.
    let _ = fs::create_dir_all("/run/sshd");
    let mut server = Watched::start(Command::new(sshd).arg("-D").arg("-f").arg(config).stderr(Stdio::null()))?;
    wait_for(port, &mut server)?;

    let copy = destination.path().join("random.bin");
    let (own, start) = (cpu_seconds_of_family(std::process::id()), Instant::now());
    run(scp(keys.path(), port).arg(files.source()).arg(format!("127.0.0.1:{}", copy.display())))?;
    let took = start.elapsed();
    let sender = cpu_seconds_of_family(std::process::id()) - own;
    // The server has waited for the process of the connection shortly after it is closed.
    let receiver = settled(|| cpu_seconds_of_family(server.child().id()));
    files.compare(&copy)?;
    let rate = files.bytes() as f64 / 1e6 / took.as_secs_f64();
    Ok(Row { name: "scp", whole: Some(rate), flowing: None, sides: None, cpu_seconds: sender + receiver })
}

/// The server's program: it wants to be started by its full path, and the folder it is in is often not searched.
fn find_sshd() -> Option<PathBuf> {
    let searched = std::env::var_os("PATH").unwrap_or_default();
    let usual = ["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from);
    std::env::split_paths(&searched).chain(usual).map(|folder| folder.join("sshd")).find(|path| path.is_file())
}

/// Makes keys and a configuration for the server; returns the configuration's path.
fn configure(keys: &Path, port: u16) -> Result<PathBuf> {
    let (host_key, user_key) = (keys.join("host"), keys.join("user"));
    for key in [&host_key, &user_key] {
        run(Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(key))?;
    }
    let config = keys.join("sshd_config");
    let text = format!(
        "Port {port}\nListenAddress 127.0.0.1\nHostKey {}\nAuthorizedKeysFile {}.pub\nPidFile none\nUsePAM no\n\
         StrictModes no\nPasswordAuthentication no\nPermitRootLogin prohibit-password\nSubsystem sftp internal-sftp\n",
        host_key.display(),
        user_key.display(),
    );
    fs::write(&config, text)?;
    Ok(config)
}

fn scp(keys: &Path, port: u16) -> Command {
    let mut command = Command::new("scp");
    command.args(["-q", "-F", "none", "-P"]).arg(port.to_string()).arg("-i").arg(keys.join("user"));
    for option in ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "IdentitiesOnly=yes", "BatchMode=yes"] {
        command.arg("-o").arg(option);
    }
    command
}

fn run(command: &mut Command) -> Result<()> {
    let output =
        command.stdin(Stdio::null()).output().with_context(|| format!("starting {:?}", command.get_program()))?;
    let name = command.get_program().to_string_lossy().into_owned();
    ensure!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(())
}

/// Waits until the server takes connections.
fn wait_for(port: u16, server: &mut Watched) -> Result<()> {
    let start = Instant::now();
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
        if let Some(status) = server.child().try_wait()? {
            bail!("sshd ended with {status}");
        }
        ensure!(start.elapsed() < Duration::from_secs(10), "sshd does not listen");
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// A figure that grows, once it has not grown for a while.
fn settled(mut figure: impl FnMut() -> f64) -> f64 {
    let mut last = figure();
    loop {
        thread::sleep(Duration::from_millis(300));
        let next = figure();
        if next <= last {
            return next;
        }
        last = next;
    }
}
