//! A world of its own for each test: home, source and destination folders, and commands that see nothing else.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::process::{OnTerminal, Running};
use super::tree::Tree;

/// Folders that are removed when the test ends.
pub(crate) struct World {
    folder: TempDir,
}

impl World {
    pub(crate) fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("p2pshare-it-").tempdir().unwrap();
        for name in ["home", "from", "to"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        Self { folder }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// Where files are sent from.
    pub(crate) fn from(&self) -> PathBuf {
        self.folder.path().join("from")
    }

    /// Where files arrive.
    pub(crate) fn to(&self) -> PathBuf {
        self.folder.path().join("to")
    }

    /// Writes a file to be sent.
    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.from().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    /// The program in this world, in the folder where files arrive.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        self.command_of(env!("CARGO_BIN_EXE_p2pshare"), arguments)
    }

    /// A program in this world.
    pub(crate) fn command_of(&self, program: impl AsRef<Path>, arguments: &[&str]) -> Command {
        let mut command = Command::new(program.as_ref());
        command
            .args(arguments)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("LANG", "C.UTF-8")
            .env("TERM", "xterm")
            // Whoever is lost in a test does not come back.
            .env("P2PSHARE_RETRY", "0s")
            .env("HOME", self.home())
            .env("XDG_CONFIG_HOME", self.home().join("config"))
            .env("XDG_STATE_HOME", self.home().join("state"))
            // Nothing is said to networks that are not the test's own.
            .env("P2PSHARE_NO_LAN", "true")
            .current_dir(self.to());
        command
    }

    /// Runs the program without a terminal.
    pub(crate) fn run(&self, arguments: &[&str]) -> Running {
        Running::start(self.command(arguments), OnTerminal::Nothing)
    }

    /// Runs the program in front of a person: input and messages on a terminal, standard output in a pipe.
    pub(crate) fn run_on_terminal(&self, arguments: &[&str]) -> Running {
        Running::start(self.command(arguments), OnTerminal::Person)
    }

    /// Shares paths on a server.
    pub(crate) fn send(&self, server: &str, paths: &[&Path]) -> Running {
        let mut arguments = vec!["send", "--server", server];
        arguments.extend(paths.iter().map(|path| path.to_str().unwrap()));
        self.run(&arguments)
    }

    /// Fetches a share into the destination, without being asked.
    pub(crate) fn recv(&self, server: &str, code: &str) -> Running {
        self.run(&["recv", "--server", server, "--yes", code])
    }

    /// What has arrived, hidden names included.
    pub(crate) fn arrived(&self) -> Tree {
        Tree::of(&self.to())
    }

    /// Asserts that nothing was written where files arrive, nor into the home folder.
    #[track_caller]
    pub(crate) fn expect_no_trace(&self) {
        assert_eq!(self.arrived(), Tree::default(), "something was written");
        assert_eq!(Tree::of(&self.home()), Tree::default(), "something was written into the home folder");
    }

    /// Asserts that nothing but unfinished files lies where files arrive.
    #[track_caller]
    pub(crate) fn expect_no_final_name(&self) {
        let arrived = self.arrived();
        let is_part = |name: &str| name.starts_with(".p2pshare-");
        assert!(arrived.names().all(is_part), "a name that is final: {arrived:?}");
    }
}
