//! The configuration file: `$XDG_CONFIG_HOME/p2pshare/config.toml`, with the names of the long options as keys.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use directories::ProjectDirs;
use serde::Deserialize;

use super::args::OnExistsArg;
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
    pub(crate) verify: Option<bool>,
    pub(crate) no_lan: Option<bool>,
    pub(crate) limit: Option<String>,
    pub(crate) retry: Option<String>,
    pub(crate) max_size: Option<String>,
    pub(crate) max_files: Option<std::num::NonZeroU32>,
}

impl Config {
    /// Reads the file that was named, or the usual one if it is there; environment variables of the same names
    /// (`P2PSHARE_ON_EXISTS`) win over it.
    ///
    /// # Errors
    /// The file that was named is not there, or a file cannot be understood.
    pub(crate) fn load(named: Option<&Path>) -> Result<Self, Report> {
        let mut table = read(named)?;
        for key in ENVIRONMENT {
            let variable = format!("P2PSHARE_{}", key.to_uppercase().replace('-', "_"));
            if let Ok(value) = std::env::var(variable) {
                table.insert((*key).to_owned(), value_of(key, value));
            }
        }
        table.try_into().map_err(|error: toml::de::Error| wrong("the configuration", error.message()))
    }
}

fn read(named: Option<&Path>) -> Result<toml::Table, Report> {
    let usual = ProjectDirs::from("", "", "p2pshare").map(|dirs| dirs.config_dir().join("config.toml"));
    let Some(path) = named.map(Path::to_owned).or(usual) else { return Ok(toml::Table::new()) };
    let place = format!("the configuration file {}", path.display());
    match std::fs::read_to_string(&path) {
        Ok(text) => {
            let table: toml::Table = text.parse().map_err(|error: toml::de::Error| wrong(&place, error.message()))?;
            let checked: Result<Config, _> = table.clone().try_into();
            checked.map_err(|error: toml::de::Error| wrong(&place, error.message()))?;
            Ok(table)
        }
        Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => Ok(toml::Table::new()),
        Err(error) => Err(wrong(&place, &error.to_string())),
    }
}

/// A variable's text as the type of its key.
fn value_of(key: &str, text: String) -> toml::Value {
    match key {
        "yes" | "no-qr" | "no-lan" | "verify" => toml::Value::Boolean(matches!(text.as_str(), "1" | "true" | "yes")),
        "secret-digits" | "max-files" => text.parse().map_or(toml::Value::String(text), toml::Value::Integer),
        _ => toml::Value::String(text),
    }
}

/// Reads a value of the file as the command line would.
///
/// # Errors
/// The value is none; the report names it.
pub(crate) fn parsed<T>(value: Option<&str>, parse: impl Fn(&str) -> Result<T, String>) -> Result<Option<T>, Report> {
    value.map(parse).transpose().map_err(|error| wrong("the configuration", &error))
}

/// The same for a type that parses itself.
///
/// # Errors
/// The value is none; the report names it.
pub(crate) fn parsed_as<T: FromStr<Err: std::fmt::Display>>(value: Option<&str>) -> Result<Option<T>, Report> {
    parsed(value, |text| text.parse().map_err(|error: T::Err| error.to_string()))
}

fn wrong(place: &str, why: &str) -> Report {
    let message = format!("{place} cannot be used: {why}");
    Report::new(Exit::Usage, message, "The keys are the names of the long options.")
}

/// The keys that have a variable of their own. The server has one on the command line.
const ENVIRONMENT: &[&str] = &[
    "name",
    "output",
    "yes",
    "on-exists",
    "expire",
    "secret-digits",
    "no-lan",
    "no-qr",
    "verify",
    "limit",
    "retry",
    "max-size",
    "max-files",
];
