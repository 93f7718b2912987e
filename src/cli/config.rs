//! The configuration file: `$XDG_CONFIG_HOME/p2pshare/config.toml`, with the names of the long options as keys.

use std::path::{Path, PathBuf};

use directories::ProjectDirs;
use p2pshare::signaling::ServerUrl;
use serde::Deserialize;

use super::args::{OnExistsArg, parse_duration};
use super::report::{Exit, Report};

/// What the file sets. A flag beats an environment variable beats the file.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Config {
    pub(crate) server: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) output: Option<PathBuf>,
    pub(crate) yes: Option<bool>,
    pub(crate) on_exists: Option<OnExistsArg>,
    pub(crate) expire: Option<String>,
    pub(crate) secret_digits: Option<u8>,
    pub(crate) no_qr: Option<bool>,
}

impl Config {
    /// Reads the file that was named, or the usual one if it is there.
    ///
    /// # Errors
    /// The file that was named is not there, or a file cannot be understood.
    pub(crate) fn load(named: Option<&Path>) -> Result<Self, Report> {
        let usual = ProjectDirs::from("", "", "p2pshare").map(|dirs| dirs.config_dir().join("config.toml"));
        let Some(path) = named.map(Path::to_owned).or(usual) else { return Ok(Self::default()) };
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(wrong(&path, &error.to_string())),
        };
        toml::from_str(&text).map_err(|error| wrong(&path, error.message()))
    }

    /// The server, parsed.
    pub(crate) fn server(&self) -> Result<Option<ServerUrl>, Report> {
        let parsed = self.server.as_deref().map(str::parse::<ServerUrl>).transpose();
        parsed.map_err(|error| Report::new(Exit::Usage, format!("in the configuration file: {error}"), ""))
    }

    /// How long a share can be joined, parsed.
    pub(crate) fn expire(&self) -> Result<Option<std::time::Duration>, Report> {
        let parsed = self.expire.as_deref().map(parse_duration).transpose();
        parsed.map_err(|error| Report::new(Exit::Usage, format!("in the configuration file: {error}"), ""))
    }
}

fn wrong(path: &Path, why: &str) -> Report {
    let message = format!("the configuration file {} cannot be used: {why}", path.display());
    Report::new(Exit::Usage, message, "The keys are the names of the long options.")
}
