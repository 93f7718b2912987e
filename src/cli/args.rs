//! What was typed.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use p2pshare::Invitation;
use p2pshare::signaling::ServerUrl;
use p2pshare_protocol::code::Code;
use p2pshare_protocol::link::Link;

/// Send files straight from one device to another, end to end encrypted.
#[derive(Debug, Parser)]
#[command(name = "p2pshare", version, max_term_width = 100, after_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXAMPLES: &str = "\
Examples:
  p2pshare send film.mp4          prints a code, a link and a QR code, and waits
  p2pshare recv 123456            fetches what is shared under that code
  p2pshare serve                  runs a signalling server for others";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Share files and folders
    Send(SendArgs),
    /// Fetch what somebody shares
    #[command(visible_alias = "receive")]
    Recv(RecvArgs),
    /// Run a signalling server
    Serve(p2pshare_signal::command::ServeArgs),
}

#[derive(Debug, Args)]
pub(crate) struct SendArgs {
    /// Files and folders to share
    #[arg(value_name = "PATH", required = true)]
    pub(crate) paths: Vec<PathBuf>,

    /// How many receivers may fetch the share
    #[arg(long, value_name = "N", default_value = "1", conflicts_with = "keep")]
    pub(crate) max: NonZeroU32,

    /// Stay until Ctrl-C, for any number of receivers
    #[arg(long)]
    pub(crate) keep: bool,

    /// How long the share can be joined, such as 90s, 10m, 2h
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, env = "P2PSHARE_EXPIRE", hide_env = true)]
    pub(crate) expire: Option<Duration>,

    /// Number of secret digits of the code
    #[arg(long, value_name = "4..12", value_parser = clap::value_parser!(u8).range(4..=12))]
    pub(crate) secret_digits: Option<u8>,

    /// Print no QR code
    #[arg(long)]
    pub(crate) no_qr: bool,

    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

#[derive(Debug, Args)]
pub(crate) struct RecvArgs {
    /// The code or link that the sender shows; `-` reads it from standard input
    #[arg(value_name = "CODE|LINK", env = "P2PSHARE_CODE", hide_env_values = true)]
    pub(crate) invitation: String,

    /// The folder to receive into
    #[arg(short, long, value_name = "DIR", default_value = ".")]
    pub(crate) output: PathBuf,

    /// Take what is offered without asking
    #[arg(short, long)]
    pub(crate) yes: bool,

    /// What to do with a file whose name is taken
    #[arg(long, value_enum, value_name = "HOW")]
    pub(crate) on_exists: Option<OnExistsArg>,

    /// Start over instead of continuing an interrupted transfer
    #[arg(long)]
    pub(crate) no_resume: bool,

    /// With --yes: also take names that begin with a dot
    #[arg(long)]
    pub(crate) allow_hidden: bool,

    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

#[derive(Debug, Args)]
pub(crate) struct CommonArgs {
    /// The signalling server; without one, a server inside this process or on this machine
    #[arg(short, long, value_name = "URL", env = "P2PSHARE_SERVER", hide_env_values = true)]
    pub(crate) server: Option<ServerUrl>,

    /// Print only what was asked for and errors
    #[arg(short, long, conflicts_with = "verbose")]
    pub(crate) quiet: bool,

    /// Say more; twice for details of the network
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,

    /// One JSON object a line on standard output
    #[arg(long)]
    pub(crate) json: bool,

    /// Never ask
    #[arg(long)]
    pub(crate) non_interactive: bool,

    /// The configuration file
    #[arg(long, value_name = "FILE", env = "P2PSHARE_CONFIG", hide_env_values = true)]
    pub(crate) config: Option<PathBuf>,
}

/// The five ways with a taken name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum OnExistsArg {
    /// Ask for each file
    Ask,
    /// Store as `name (1)`
    Rename,
    /// Leave the new one out
    Skip,
    /// Replace the old one
    Overwrite,
    /// Take nothing at all
    Fail,
}

/// Reads a code or link.
pub(crate) fn parse_invitation(text: &str) -> Result<Invitation, String> {
    let text = text.trim();
    if text.contains("://") || text.contains('#') {
        text.parse::<Link>().map(Invitation::Link).map_err(|e| e.to_string())
    } else {
        text.parse::<Code>().map(Invitation::Code).map_err(|e| e.to_string())
    }
}

/// Reads a duration: a number with `s`, `m`, `h` or `d`, or several of them, such as `1h30m`.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is no duration: write a number and a unit, such as 90s, 10m, 2h or 1d");
    let mut total = Duration::ZERO;
    let mut rest = text.trim();
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let number: u64 = rest[..digits].parse().map_err(|_| wrong())?;
        let mut after = rest[digits..].chars();
        let unit = match after.next() {
            Some('s') => 1,
            Some('m') => 60,
            Some('h') => 3600,
            Some('d') => 86_400,
            Some(_) | None => return Err(wrong()),
        };
        total = total.saturating_add(Duration::from_secs(number.saturating_mul(unit)));
        rest = after.as_str().trim_start();
    }
    if total.is_zero() { Err(wrong()) } else { Ok(total) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }

    #[test]
    fn durations_have_units() {
        assert_eq!(parse_duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_duration("1h30m"), Ok(Duration::from_secs(5400)));
        for bad in ["", "5", "m", "-1s", "1y", "0s"] {
            assert!(parse_duration(bad).is_err(), "{bad:?} was accepted");
        }
    }
}
