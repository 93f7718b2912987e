//! The configuration file: `$XDG_CONFIG_HOME/p2pshare/config.toml`, with the names of the long options as keys.

mod values;

use std::num::{NonZeroU32, NonZeroU64};
use std::path::{Path, PathBuf};
use std::time::Duration;

use directories::ProjectDirs;
use p2pshare::signaling::{Proxy, ServerUrl};
use p2pshare::transport::IceServer;
use p2pshare_protocol::streams::Streams;
use serde::Deserialize;
use toml::{Table, Value};

use super::args::{CommonArgs, DoctorArgs, NearbyArgs, OnExistsArg, RecvArgs, SendArgs, ShareArgs};
use super::report::{Exit, Report};
use super::text::escape;

/// What the file sets. A flag beats an environment variable beats the file.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(crate) struct Config {
    /// Whether a variable named the server, which no other device knows of.
    #[serde(skip)]
    pub(crate) server_is_of_variable: bool,
    #[serde(deserialize_with = "values::server")]
    pub(crate) server: Option<ServerUrl>,
    #[serde(deserialize_with = "values::text")]
    pub(crate) name: Option<String>,
    #[serde(deserialize_with = "values::path")]
    output: Option<PathBuf>,
    #[serde(deserialize_with = "values::flag")]
    yes: Option<bool>,
    #[serde(deserialize_with = "values::on_exists")]
    on_exists: Option<OnExistsArg>,
    #[serde(deserialize_with = "values::flag")]
    no_resume: Option<bool>,
    #[serde(deserialize_with = "values::flag")]
    allow_hidden: Option<bool>,
    #[serde(deserialize_with = "values::size")]
    max_size: Option<NonZeroU64>,
    #[serde(deserialize_with = "values::count")]
    max_files: Option<NonZeroU32>,
    #[serde(deserialize_with = "values::patterns")]
    exclude: Option<Vec<String>>,
    #[serde(deserialize_with = "values::flag")]
    ignore_files: Option<bool>,
    #[serde(deserialize_with = "values::duration")]
    expire: Option<Duration>,
    #[serde(deserialize_with = "values::secret_digits")]
    secret_digits: Option<u8>,
    #[serde(deserialize_with = "values::flag")]
    copy: Option<bool>,
    #[serde(deserialize_with = "values::flag")]
    no_qr: Option<bool>,
    #[serde(deserialize_with = "values::flag")]
    verify: Option<bool>,
    #[serde(deserialize_with = "values::flag")]
    direct: Option<bool>,
    #[serde(deserialize_with = "values::flag")]
    relay: Option<bool>,
    #[serde(deserialize_with = "values::ice_servers")]
    ice_server: Option<Vec<IceServer>>,
    #[serde(deserialize_with = "values::proxy")]
    proxy: Option<Proxy>,
    #[serde(deserialize_with = "values::size")]
    limit: Option<NonZeroU64>,
    #[serde(deserialize_with = "values::flag")]
    no_lan: Option<bool>,
    #[serde(deserialize_with = "values::flag")]
    no_quic: Option<bool>,
    #[serde(deserialize_with = "values::streams")]
    streams: Option<Streams>,
    #[serde(deserialize_with = "values::retry")]
    retry: Option<Duration>,
    #[serde(deserialize_with = "values::duration")]
    timeout: Option<Duration>,
    #[serde(deserialize_with = "values::flag")]
    quiet: Option<bool>,
    #[serde(deserialize_with = "values::flag")]
    json: Option<bool>,
    #[serde(deserialize_with = "values::flag")]
    non_interactive: Option<bool>,
}

impl Config {
    /// Reads the file that was named, or the usual one if it is there; environment variables of the same names
    /// (`P2PSHARE_ON_EXISTS`) win over it.
    ///
    /// # Errors
    /// The file that was named is not there, or a value in it or in a variable is none; the report names it.
    pub(crate) fn load(named: Option<&Path>) -> Result<Self, Report> {
        let (mut table, file) = read(named)?;
        for (key, value) in &table {
            check(key, value, &Place::File(&file))?;
        }
        let mut server_is_of_variable = false;
        for key in KEYS {
            let variable = format!("P2PSHARE_{}", key.to_uppercase().replace('-', "_"));
            if let Some(text) = std::env::var(&variable).ok().filter(|text| !text.is_empty()) {
                let value = values::of_variable(key, text);
                check(key, &value, &Place::Variable(&variable))?;
                table.insert((*key).to_owned(), value);
                server_is_of_variable |= *key == "server";
            }
        }
        let whole: Self = table.try_into().map_err(|error: toml::de::Error| broken(&file, error.message()))?;
        if whole.direct == Some(true) && whole.relay == Some(true) {
            return Err(broken(&file, "direct and relay are both true"));
        }
        Ok(Self { server_is_of_variable, ..whole })
    }

    /// Sets what the command line of `send` leaves open.
    pub(crate) fn complete_send(&self, args: &mut SendArgs) {
        if args.exclude.is_empty() {
            args.exclude = self.exclude.clone().unwrap_or_default();
        }
        turn_on(&mut args.ignore_files, self.ignore_files);
        self.complete_share(&mut args.share);
        self.complete_common(&mut args.common);
    }

    /// Sets what the command line of `recv` leaves open.
    pub(crate) fn complete_recv(&self, args: &mut RecvArgs) {
        fill(&mut args.output, self.output.clone());
        turn_on(&mut args.yes, self.yes);
        fill(&mut args.on_exists, self.on_exists);
        turn_on(&mut args.no_resume, self.no_resume);
        turn_on(&mut args.allow_hidden, self.allow_hidden);
        fill(&mut args.max_size, self.max_size);
        fill(&mut args.max_files, self.max_files);
        self.complete_share(&mut args.share);
        self.complete_common(&mut args.common);
    }

    /// Sets what the command line of `doctor` leaves open.
    pub(crate) fn complete_doctor(&self, args: &mut DoctorArgs) {
        fill(&mut args.server, self.server.clone());
        fill(&mut args.proxy, self.proxy.clone());
        turn_on(&mut args.no_lan, self.no_lan);
        turn_on(&mut args.json, self.json);
    }

    /// Sets what the command line of `nearby` leaves open.
    pub(crate) fn complete_nearby(&self, args: &mut NearbyArgs) {
        fill(&mut args.server, self.server.clone());
        fill(&mut args.proxy, self.proxy.clone());
        turn_on(&mut args.no_lan, self.no_lan);
        turn_on(&mut args.json, self.json);
    }

    fn complete_share(&self, args: &mut ShareArgs) {
        fill(&mut args.expire, self.expire);
        fill(&mut args.secret_digits, self.secret_digits);
        turn_on(&mut args.copy, self.copy);
        turn_on(&mut args.no_qr, self.no_qr);
    }

    fn complete_common(&self, args: &mut CommonArgs) {
        fill(&mut args.server, self.server.clone());
        turn_on(&mut args.verify, self.verify);
        turn_on(&mut args.direct, self.direct.filter(|_| !args.relay));
        turn_on(&mut args.relay, self.relay.filter(|_| !args.direct));
        fill(&mut args.proxy, self.proxy.clone());
        if args.ice_server.is_empty() {
            args.ice_server = self.ice_server.clone().unwrap_or_default();
        }
        fill(&mut args.limit, self.limit);
        turn_on(&mut args.no_lan, self.no_lan);
        turn_on(&mut args.no_quic, self.no_quic);
        fill(&mut args.streams, self.streams);
        fill(&mut args.retry, self.retry);
        fill(&mut args.timeout, self.timeout);
        turn_on(&mut args.quiet, self.quiet.filter(|_| args.verbose == 0));
        turn_on(&mut args.json, self.json);
        turn_on(&mut args.non_interactive, self.non_interactive);
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

/// The keys of a file, and its name.
fn read(named: Option<&Path>) -> Result<(Table, PathBuf), Report> {
    let named = named.filter(|path| !path.as_os_str().is_empty());
    let usual = ProjectDirs::from("", "", "p2pshare").map(|dirs| dirs.config_dir().join("config.toml"));
    let Some(path) = named.map(Path::to_owned).or(usual) else { return Ok((Table::new(), PathBuf::new())) };
    match std::fs::read_to_string(&path) {
        Ok(text) => match text.parse() {
            Ok(table) => Ok((table, path)),
            Err(error) => Err(broken(&path, &with_line(&error, &text))),
        },
        Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => Ok((Table::new(), path)),
        Err(error) => Err(broken(&path, &error.to_string())),
    }
}

fn with_line(error: &toml::de::Error, text: &str) -> String {
    let line = error.span().and_then(|span| text.get(..span.start)).map(|before| before.matches('\n').count() + 1);
    line.map_or_else(|| error.message().to_owned(), |line| format!("line {line}: {}", error.message()))
}

/// Where a value comes from.
enum Place<'a> {
    File(&'a Path),
    Variable(&'a str),
}

/// Whether a key takes a value; the report names both, and where they stand.
fn check(key: &str, value: &Value, place: &Place<'_>) -> Result<(), Report> {
    let is_known = KEYS.contains(&key);
    let Err(error) = Table::from_iter([(key.to_owned(), value.clone())]).try_into::<Config>() else { return Ok(()) };
    let why = error.message();
    // The addresses of proxies and of TURN servers may hold a password.
    let shown = if HOLD_PASSWORDS.contains(&key) { "…".to_owned() } else { escape(&value.to_string()) };
    Err(match place {
        Place::File(file) if !is_known => {
            let message = format!("the configuration file {} has an unknown key: {}", file.display(), escape(key));
            Report::new(Exit::Usage, message, KEYS_HINT)
        }
        Place::File(file) => {
            let message = format!("{key} = {shown} in {} cannot be used: {why}", file.display());
            Report::new(Exit::Usage, message, "Correct that line or remove it.")
        }
        Place::Variable(name) => unusable_variable(name, &shown, why),
    })
}

/// Says that a variable holds nothing that can be used.
pub(super) fn unusable_variable(name: &str, shown: &str, why: &str) -> Report {
    let message = format!("the variable {name}={shown} cannot be used: {why}");
    Report::new(Exit::Usage, message, "Correct the variable or unset it.")
}

fn broken(file: &Path, why: &str) -> Report {
    let message = format!("the configuration file {} cannot be used: {why}", file.display());
    Report::new(Exit::Usage, message, KEYS_HINT)
}

const KEYS_HINT: &str =
    "A line is KEY = VALUE, and the keys are the names of the long options; see the README for all of them.";

/// The keys, each of which has a variable of its own.
const KEYS: &[&str] = &[
    "server",
    "name",
    "output",
    "yes",
    "on-exists",
    "no-resume",
    "allow-hidden",
    "max-size",
    "max-files",
    "exclude",
    "ignore-files",
    "expire",
    "secret-digits",
    "copy",
    "no-qr",
    "verify",
    "direct",
    "relay",
    "ice-server",
    "proxy",
    "limit",
    "no-lan",
    "no-quic",
    "streams",
    "retry",
    "timeout",
    "quiet",
    "json",
    "non-interactive",
];

/// The keys whose values are not shown.
const HOLD_PASSWORDS: [&str; 2] = ["ice-server", "proxy"];

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(file: &str) -> String {
        let (key, value) = file.parse::<Table>().unwrap().into_iter().next().unwrap();
        let report = check(&key, &value, &Place::File(Path::new("c.toml"))).expect_err(file);
        assert!(report.hint.is_some(), "{file}");
        report.message
    }

    #[test]
    fn a_value_that_is_none_is_named_with_its_key() {
        for file in [
            "yes = \"maybe\"",
            "on-exists = \"replace\"",
            "max-size = \"10 parsecs\"",
            "max-files = 0",
            "max-files = -1",
            "exclude = [\"[\"]",
            "expire = 10",
            "secret-digits = 3",
            "secret-digits = 300",
            "server = \"ftp://x\"",
            "output = 5.5",
            "name = 7",
            "limit = \"fast\"",
            "retry = \"soon\"",
            "timeout = \"0s\"",
            "json = \"\"",
        ] {
            let message = refused(file);
            assert!(message.starts_with(&format!("{file} in c.toml cannot be used: ")), "{message}");
            assert!(!message.contains("expected"), "in the words of a library: {message}");
        }
        assert!(refused("quite = true").ends_with("unknown key: quite"));
    }

    #[test]
    fn a_value_that_may_hold_a_password_is_not_shown() {
        for file in ["proxy = \"zz://ann:s3cret@x\"", "ice-server = \"turn:ann:s3cret@\""] {
            let message = refused(file);
            assert!(!message.contains("s3cret") && message.contains("= …"), "{message}");
        }
    }

    #[test]
    fn every_key_is_read_from_a_file_and_from_a_variable() {
        for key in KEYS {
            let (in_file, in_variable) = match *key {
                "server" => ("\"192.0.2.7\"", "192.0.2.7"),
                "name" | "output" => ("\"a\"", "a"),
                "on-exists" => ("\"skip\"", "skip"),
                "max-size" | "limit" => ("5000", "5kB"),
                "max-files" | "streams" => ("7", "7"),
                "secret-digits" => ("8", "8"),
                "exclude" => ("[\"*.tmp\"]", "*.tmp,*.raw"),
                "expire" | "retry" | "timeout" => ("\"10m\"", "10m"),
                "ice-server" => ("\"stun:a:1\"", "stun:a:1,stun:b:2"),
                "proxy" => ("\"socks5://a:1\"", "a:1"),
                _ => ("true", "Yes"),
            };
            let table: Table = format!("{key} = {in_file}").parse().unwrap();
            assert_eq!(check(key, &table[*key], &Place::File(Path::new("c.toml"))), Ok(()));
            let value = values::of_variable(key, in_variable.to_owned());
            assert_eq!(check(key, &value, &Place::Variable("X")), Ok(()));
        }
    }
}
