//! The configuration file: `$XDG_CONFIG_HOME/p2pshare/config.toml`, with the names of the long options as keys.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use directories::ProjectDirs;
use serde::Deserialize;
use toml::{Table, Value};

use super::args::{CommonArgs, DoctorArgs, NearbyArgs, OnExistsArg, RecvArgs, SendArgs, ShareArgs};
use super::parse::{parse_duration, parse_ice_server, parse_retry, parse_size};
use super::report::{Exit, Report};

/// What the file sets. A flag beats an environment variable beats the file.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Config {
    pub(crate) server: Option<String>,
    pub(crate) name: Option<String>,
    output: Option<PathBuf>,
    yes: Option<bool>,
    on_exists: Option<OnExistsArg>,
    no_resume: Option<bool>,
    allow_hidden: Option<bool>,
    max_size: Option<String>,
    max_files: Option<std::num::NonZeroU32>,
    exclude: Option<Vec<String>>,
    ignore_files: Option<bool>,
    expire: Option<String>,
    secret_digits: Option<u8>,
    copy: Option<bool>,
    no_qr: Option<bool>,
    verify: Option<bool>,
    direct: Option<bool>,
    relay: Option<bool>,
    ice_server: Option<Vec<String>>,
    proxy: Option<String>,
    limit: Option<String>,
    no_lan: Option<bool>,
    no_quic: Option<bool>,
    retry: Option<String>,
    timeout: Option<String>,
    quiet: Option<bool>,
    json: Option<bool>,
    non_interactive: Option<bool>,
}

impl Config {
    /// Reads the file that was named, or the usual one if it is there; environment variables of the same names
    /// (`P2PSHARE_ON_EXISTS`) win over it.
    ///
    /// # Errors
    /// The file that was named is not there, or a file or a variable cannot be understood.
    pub(crate) fn load(named: Option<&Path>) -> Result<Self, Report> {
        let mut table = read(named)?;
        for (key, kind) in KEYS {
            let variable = format!("P2PSHARE_{}", key.to_uppercase().replace('-', "_"));
            if let Some(text) = std::env::var(&variable).ok().filter(|text| !text.is_empty()) {
                let value = kind.value_of(text);
                let alone = Table::from_iter([((*key).to_owned(), value.clone())]);
                checked(&alone, &format!("the variable {variable}"))?;
                table.insert((*key).to_owned(), value);
            }
        }
        checked(&table, "the configuration")
    }

    /// Sets what the command line of `send` leaves open.
    ///
    /// # Errors
    /// A value is none; the report names it.
    pub(crate) fn complete_send(&self, args: &mut SendArgs) -> Result<(), Report> {
        if args.exclude.is_empty() {
            args.exclude = self.exclude.clone().unwrap_or_default();
        }
        turn_on(&mut args.ignore_files, self.ignore_files);
        self.complete_share(&mut args.share)?;
        self.complete_common(&mut args.common)
    }

    /// Sets what the command line of `recv` leaves open.
    ///
    /// # Errors
    /// A value is none; the report names it.
    pub(crate) fn complete_recv(&self, args: &mut RecvArgs) -> Result<(), Report> {
        fill(&mut args.output, self.output.clone());
        turn_on(&mut args.yes, self.yes);
        fill(&mut args.on_exists, self.on_exists);
        turn_on(&mut args.no_resume, self.no_resume);
        turn_on(&mut args.allow_hidden, self.allow_hidden);
        fill(&mut args.max_size, parsed("max-size", self.max_size.as_deref(), parse_size)?);
        fill(&mut args.max_files, self.max_files);
        self.complete_share(&mut args.share)?;
        self.complete_common(&mut args.common)
    }

    /// Sets what the command line of `doctor` leaves open.
    ///
    /// # Errors
    /// A value is none; the report names it.
    pub(crate) fn complete_doctor(&self, args: &mut DoctorArgs) -> Result<(), Report> {
        fill(&mut args.server, parsed("server", self.server.as_deref(), parse_as)?);
        fill(&mut args.proxy, parsed("proxy", self.proxy.as_deref(), parse_as)?);
        turn_on(&mut args.no_lan, self.no_lan);
        turn_on(&mut args.json, self.json);
        Ok(())
    }

    /// Sets what the command line of `nearby` leaves open.
    ///
    /// # Errors
    /// A value is none; the report names it.
    pub(crate) fn complete_nearby(&self, args: &mut NearbyArgs) -> Result<(), Report> {
        fill(&mut args.server, parsed("server", self.server.as_deref(), parse_as)?);
        fill(&mut args.proxy, parsed("proxy", self.proxy.as_deref(), parse_as)?);
        turn_on(&mut args.no_lan, self.no_lan);
        turn_on(&mut args.json, self.json);
        Ok(())
    }

    fn complete_share(&self, args: &mut ShareArgs) -> Result<(), Report> {
        fill(&mut args.expire, parsed("expire", self.expire.as_deref(), parse_duration)?);
        if self.secret_digits.is_some_and(|digits| !(4..=12).contains(&digits)) {
            return Err(wrong("secret-digits in the configuration", "it is 4 to 12"));
        }
        fill(&mut args.secret_digits, self.secret_digits);
        turn_on(&mut args.copy, self.copy);
        turn_on(&mut args.no_qr, self.no_qr);
        Ok(())
    }

    fn complete_common(&self, args: &mut CommonArgs) -> Result<(), Report> {
        fill(&mut args.server, parsed("server", self.server.as_deref(), parse_as)?);
        turn_on(&mut args.verify, self.verify);
        turn_on(&mut args.direct, self.direct.filter(|_| !args.relay));
        turn_on(&mut args.relay, self.relay.filter(|_| !args.direct));
        fill(&mut args.proxy, parsed("proxy", self.proxy.as_deref(), parse_as)?);
        if args.ice_server.is_empty() {
            for url in self.ice_server.iter().flatten() {
                args.ice_server.extend(parsed("ice-server", Some(url), parse_ice_server)?);
            }
        }
        fill(&mut args.limit, parsed("limit", self.limit.as_deref(), parse_size)?);
        turn_on(&mut args.no_lan, self.no_lan);
        turn_on(&mut args.no_quic, self.no_quic);
        fill(&mut args.retry, parsed("retry", self.retry.as_deref(), parse_retry)?);
        fill(&mut args.timeout, parsed("timeout", self.timeout.as_deref(), parse_duration)?);
        turn_on(&mut args.quiet, self.quiet.filter(|_| args.verbose == 0));
        turn_on(&mut args.json, self.json);
        turn_on(&mut args.non_interactive, self.non_interactive);
        Ok(())
    }
}

fn fill<T>(place: &mut Option<T>, value: Option<T>) {
    if place.is_none() {
        *place = value;
    }
}

fn turn_on(flag: &mut bool, value: Option<bool>) {
    *flag |= value.unwrap_or(false);
}

fn read(named: Option<&Path>) -> Result<Table, Report> {
    let usual = ProjectDirs::from("", "", "p2pshare").map(|dirs| dirs.config_dir().join("config.toml"));
    let Some(path) = named.map(Path::to_owned).or(usual) else { return Ok(Table::new()) };
    let place = format!("the configuration file {}", path.display());
    match std::fs::read_to_string(&path) {
        Ok(text) => {
            let table: Table = text.parse().map_err(|error: toml::de::Error| wrong(&place, error.message()))?;
            checked(&table, &place)?;
            Ok(table)
        }
        Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => Ok(Table::new()),
        Err(error) => Err(wrong(&place, &error.to_string())),
    }
}

fn checked(table: &Table, place: &str) -> Result<Config, Report> {
    table.clone().try_into().map_err(|error: toml::de::Error| wrong(place, error.message()))
}

/// Reads a value as the command line would.
fn parsed<T>(key: &str, value: Option<&str>, parse: impl Fn(&str) -> Result<T, String>) -> Result<Option<T>, Report> {
    value.map(parse).transpose().map_err(|error| wrong(&format!("{key} in the configuration"), &error))
}

fn parse_as<T: FromStr<Err: std::fmt::Display>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|error: T::Err| error.to_string())
}

fn wrong(place: &str, why: &str) -> Report {
    let message = format!("{place} cannot be used: {why}");
    Report::new(Exit::Usage, message, "The keys are the names of the long options; see the README for all of them.")
}

/// What a variable holds.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Text,
    Number,
    Flag,
    /// Several, with commas in between.
    List,
}

impl Kind {
    /// A variable's text as the type of its key; what it cannot be is told when the value is used.
    fn value_of(self, text: String) -> Value {
        match self {
            Self::Text => Value::String(text),
            Self::Number => text.parse().map_or(Value::String(text), Value::Integer),
            Self::Flag => match text.to_lowercase().as_str() {
                "1" | "true" | "yes" | "on" => Value::Boolean(true),
                "0" | "false" | "no" | "off" => Value::Boolean(false),
                _ => Value::String(text),
            },
            Self::List => Value::Array(text.split(',').map(|item| Value::String(item.to_owned())).collect()),
        }
    }
}

/// The keys that have a variable of their own. The server has one on the command line.
const KEYS: &[(&str, Kind)] = &[
    ("name", Kind::Text),
    ("output", Kind::Text),
    ("yes", Kind::Flag),
    ("on-exists", Kind::Text),
    ("no-resume", Kind::Flag),
    ("allow-hidden", Kind::Flag),
    ("max-size", Kind::Text),
    ("max-files", Kind::Number),
    ("exclude", Kind::List),
    ("ignore-files", Kind::Flag),
    ("expire", Kind::Text),
    ("secret-digits", Kind::Number),
    ("copy", Kind::Flag),
    ("no-qr", Kind::Flag),
    ("verify", Kind::Flag),
    ("direct", Kind::Flag),
    ("relay", Kind::Flag),
    ("ice-server", Kind::List),
    ("proxy", Kind::Text),
    ("limit", Kind::Text),
    ("no-lan", Kind::Flag),
    ("no-quic", Kind::Flag),
    ("retry", Kind::Text),
    ("timeout", Kind::Text),
    ("quiet", Kind::Flag),
    ("json", Kind::Flag),
    ("non-interactive", Kind::Flag),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_of_the_type_of_their_key() {
        assert_eq!(Kind::Flag.value_of("Yes".to_owned()), Value::Boolean(true));
        assert_eq!(Kind::Flag.value_of("0".to_owned()), Value::Boolean(false));
        assert_eq!(Kind::Number.value_of("7".to_owned()), Value::Integer(7));
        for (key, kind) in KEYS {
            let text = match kind {
                Kind::Text if *key == "on-exists" => "skip",
                Kind::Text | Kind::List => "a",
                Kind::Number => "8",
                Kind::Flag => "true",
            };
            let table = Table::from_iter([((*key).to_owned(), kind.value_of(text.to_owned()))]);
            assert!(checked(&table, "test").is_ok(), "{key}");
        }
    }
}
