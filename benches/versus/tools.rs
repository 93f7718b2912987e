//! The tools: how each is started as server, sender and receiver.
//!
//! In a command `{source}`, `{name}`, `{out}`, `{work}` and `{code}` stand for the file, its name, the folder where it is to
//! arrive, a folder for this run, and what the sender told.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use p2pshare_net::{RECEIVER, SERVER};

/// The names of all, in the order they are shown.
pub(crate) const ALL: &str = "p2pshare,scp,rsync,socat,wormhole,wormhole-rs,sendme,croc";

/// Where a command runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Sender,
    Receiver,
    Server,
}

/// A command that has to be ready first: something listens on its port.
#[derive(Debug)]
pub(crate) struct Daemon {
    pub(crate) side: Side,
    pub(crate) command: String,
    pub(crate) port: u16,
}

/// A tool.
#[derive(Debug)]
pub(crate) struct Tool {
    pub(crate) name: &'static str,
    pub(crate) daemons: Vec<Daemon>,
    /// For a file, and for a folder. One that ends by itself, unless there is a receiving command.
    pub(crate) send: [String; 2],
    /// `None` where a daemon receives.
    pub(crate) receive: Option<[String; 2]>,
    /// Finds what the receiver has to be told in what the sender says; `None` where it listens first.
    pub(crate) code: Option<fn(&str) -> Option<String>>,
    /// The port that it then listens on.
    pub(crate) listens: u16,
}

/// Those of the wanted tools that are installed, in order.
pub(crate) fn installed(wanted: &[String], folder: &Path) -> Result<Vec<Tool>> {
    let mut tools = Vec::new();
    for name in wanted {
        match tool(name, folder) {
            Ok(tool) => tools.push(tool),
            Err(error) => println!("!!! {name} NOT RUN: {error:#}"),
        }
    }
    ensure!(!tools.is_empty(), "none of {} is installed", wanted.join(", "));
    Ok(tools)
}

fn tool(name: &str, folder: &Path) -> Result<Tool> {
    match name {
        "p2pshare" => Ok(p2pshare()),
        "scp" => {
            let files = ssh(folder)?;
            Ok(over_ssh(
                "scp",
                &files,
                format!("scp -q -r -F {}/config {{source}} {RECEIVER}:{{out}}/", files.display()),
            ))
        }
        "rsync" => {
            find("rsync")?;
            let files = ssh(folder)?;
            let send = format!("rsync -a -e 'ssh -F {}/config' {{source}} {RECEIVER}:{{out}}/", files.display());
            Ok(over_ssh("rsync", &files, send))
        }
        "socat" => find("socat").map(|_| socat()),
        "wormhole" => {
            find("wormhole")?;
            let options = format!("--relay-url ws://{SERVER}:4000/v1 --transit-helper tcp:{SERVER}:4001");
            let send = format!("wormhole {options} send {{source}}");
            let receive = format!("cd {{out}} && wormhole {options} receive --accept-file {{code}}");
            Ok(wormhole("wormhole", send, receive)?)
        }
        "wormhole-rs" => {
            find("wormhole-rs")?;
            let options = format!("--rendezvous-server ws://{SERVER}:4000/v1 --relay-server tcp://{SERVER}:4001");
            let send = format!("wormhole-rs send {options} {{source}}");
            // A folder arrives as an archive that a user has to unpack.
            let receive = format!(
                "wormhole-rs receive {options} --noconfirm --out-dir {{out}} {{code}} && cd {{out}} && \
                 for archive in *.tar; do [ ! -e $archive ] || {{ tar xf $archive && rm $archive; }}; done"
            );
            Ok(wormhole("wormhole-rs", send, receive)?)
        }
        "sendme" => find("sendme").map(|_| sendme()),
        "croc" => find("croc").map(|_| croc()),
        other => anyhow::bail!("no such tool; say some of {ALL}, not {other:?}"),
    }
}

fn p2pshare() -> Tool {
    let binary = std::env::var("P2PSHARE").unwrap_or_else(|_| env!("CARGO_BIN_EXE_p2pshare").to_owned());
    let more = std::env::var("P2PSHARE_OPTIONS").unwrap_or_default();
    let common = format!("--quiet --config /dev/null --server http://{SERVER}:8765 {more}");
    Tool {
        name: "p2pshare",
        daemons: vec![Daemon {
            side: Side::Server,
            command: format!("{binary} serve --listen {SERVER}:8765"),
            port: 8765,
        }],
        send: both(&format!("{binary} send {common} {{source}}")),
        receive: Some(both(&format!("{binary} recv {common} --yes -o {{out}} {{code}}"))),
        code: Some(|said| said.lines().find(|line| is_digits(line)).map(str::to_owned)),
        listens: 0,
    }
}

fn over_ssh(name: &'static str, files: &Path, send: String) -> Tool {
    let server = find("/usr/sbin/sshd").or_else(|_| find("sshd")).unwrap_or_default();
    let command =
        format!("{} -D -e -f {}/sshd_config -p 2222 -o ListenAddress={RECEIVER}", server.display(), files.display());
    let daemons = vec![Daemon { side: Side::Receiver, command, port: 2222 }];
    Tool { name, daemons, send: both(&send), receive: None, code: None, listens: 0 }
}

fn socat() -> Tool {
    Tool {
        name: "socat",
        daemons: Vec::new(),
        send: [
            format!("socat -u -b 131072 FILE:{{source}} TCP:{RECEIVER}:7000"),
            format!("cd {{source}}/.. && tar cf - {{name}} | socat -u -b 131072 - TCP:{RECEIVER}:7000"),
        ],
        receive: Some([
            format!("socat -u -b 131072 TCP-LISTEN:7000,bind={RECEIVER} CREATE:{{out}}/{{name}}"),
            format!("socat -u -b 131072 TCP-LISTEN:7000,bind={RECEIVER} - | tar xf - -C {{out}}"),
        ]),
        code: None,
        listens: 7000,
    }
}

/// Both clients use the servers of the Python one.
fn wormhole(name: &'static str, send: String, receive: String) -> Result<Tool> {
    find("twist").context("magic-wormhole-mailbox-server and -transit-relay are needed beside it")?;
    let daemons = vec![
        Daemon {
            side: Side::Server,
            command: format!(
                "twist wormhole-mailbox --port=tcp:4000:interface={SERVER} --channel-db={{work}}/channels --usage-db={{work}}/usage"
            ),
            port: 4000,
        },
        Daemon {
            side: Side::Server,
            command: format!("twist transitrelay --port=tcp:4001:interface={SERVER}"),
            port: 4001,
        },
    ];
    let code = |said: &str| {
        let is_code = |word: &&str| word.split('-').count() == 3 && word.split('-').next().is_some_and(is_digits);
        said.split_whitespace().find(is_code).map(str::to_owned)
    };
    Ok(Tool { name, daemons, send: both(&send), receive: Some(both(&receive)), code: Some(code), listens: 0 })
}

fn sendme() -> Tool {
    Tool {
        name: "sendme",
        daemons: Vec::new(),
        send: both("cd {work} && exec sendme send --relay disabled --ticket-type addresses {source}"),
        receive: Some(both("cd {out} && exec sendme receive --relay disabled {code}")),
        code: Some(|said| said.split("sendme receive ").nth(1)?.split_whitespace().next().map(str::to_owned)),
        listens: 0,
    }
}

fn croc() -> Tool {
    let options = format!("--relay {SERVER}:9009");
    Tool {
        name: "croc",
        daemons: vec![Daemon { side: Side::Server, command: format!("croc relay --host {SERVER}"), port: 9009 }],
        send: both(&format!("croc {options} send {{source}}")),
        receive: Some(both(&format!("cd {{out}} && CROC_SECRET={{code}} exec croc {options} --yes"))),
        code: Some(|said| said.split("Code is: ").nth(1)?.split_whitespace().next().map(str::to_owned)),
        listens: 0,
    }
}

/// Makes keys and settings for an SSH server and its client, once.
fn ssh(folder: &Path) -> Result<PathBuf> {
    find("scp")?;
    find("/usr/sbin/sshd").or_else(|_| find("sshd")).context("Debian: apt-get install openssh-server")?;
    let files = folder.join("ssh");
    if files.exists() {
        return Ok(files);
    }
    fs::create_dir_all(&files)?;
    // It forks a process for each connection; privileges are separated in a folder that a package would make.
    let _ = fs::create_dir_all("/run/sshd");
    for key in ["host", "id"] {
        let status =
            Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(files.join(key)).status()?;
        ensure!(status.success(), "ssh-keygen ended with {status}");
    }
    let at = files.display();
    fs::write(
        files.join("sshd_config"),
        format!(
            "HostKey {at}/host\nAuthorizedKeysFile {at}/id.pub\nStrictModes no\nPermitRootLogin prohibit-password\n\
             PasswordAuthentication no\nUsePAM no\nUseDNS no\nPidFile none\nSubsystem sftp internal-sftp\n"
        ),
    )?;
    fs::write(
        files.join("config"),
        format!(
            "Host *\nIdentityFile {at}/id\nIdentitiesOnly yes\nStrictHostKeyChecking no\nUserKnownHostsFile /dev/null\n\
             LogLevel ERROR\nPort 2222\n"
        ),
    )?;
    Ok(files)
}

fn both(command: &str) -> [String; 2] {
    [command.to_owned(), command.to_owned()]
}

fn find(program: &str) -> Result<PathBuf> {
    let searched = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&searched).map(|folder| folder.join(program)).find(|path| path.is_file());
    found.with_context(|| format!("{program} is not installed"))
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}
