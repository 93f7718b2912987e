//! What was typed.

use std::num::{NonZeroU32, NonZeroU64};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use p2pshare::signaling::{Proxy, ServerUrl};
use p2pshare::transport::IceServer;
use p2pshare_protocol::nearby::DeviceName;
use p2pshare_protocol::streams::Streams;

use super::parse::{
    parse_count, parse_duration, parse_ice_server, parse_pattern, parse_secret_digits, parse_size, parse_streams,
};

/// Send files straight from one device to another, end to end encrypted.
#[derive(Debug, Parser)]
#[command(name = "p2pshare", version, max_term_width = 100, after_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

const EXAMPLES: &str = "\
Examples:
  p2pshare send film.mp4                print a code, a link and a QR code, and wait
  p2pshare recv 123456                  fetch what is shared under that code
  tar c dir | p2pshare send -           share a stream ...
  p2pshare recv 123456 -o - | tar x     ... and take it as one
  p2pshare recv                         open an inbox that others fill
  p2pshare send notes.txt --to 123456   send into an inbox
  p2pshare recv --nearby bob            be seen on this network, without a code
  p2pshare send notes.txt --to bob      send to a device of this network
  p2pshare serve                        run a signalling server for others
  p2pshare doctor -s share.example.org  test this network and the way to a server

Exit codes:
   0  done, and acknowledged by the peer     7  the other side needs another version
   1  something else                         8  the local disk
   2  usage                                  9  entries changed or were skipped
   3  no such, expired or wrong code        10  network; run the command again to continue
   4  the peer could not be verified        11  declined, or over a limit
   5  a broken protocol                     12  timed out
   6  the password              130, 141, 143  SIGINT, standard output closed, SIGTERM";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Share files, folders, standard input or a text
    Send(SendArgs),
    /// Fetch what somebody shares, or open an inbox
    #[command(visible_alias = "receive")]
    Recv(RecvArgs),
    /// List the devices that let themselves be seen on this network
    Nearby(NearbyArgs),
    /// List the devices that are remembered, or forget some
    Devices(DevicesArgs),
    /// Run a signalling server
    Serve(p2pshare_signal::command::ServeArgs),
    /// Test this network, and say what to do about it
    Doctor(DoctorArgs),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the manual page
    Man,
}

#[derive(Debug, Args)]
pub(crate) struct SendArgs {
    /// Files and folders to share; `-` is standard input
    #[arg(value_name = "PATH", required_unless_present = "text", conflicts_with = "text")]
    pub(crate) paths: Vec<PathBuf>,

    /// Send into an inbox, or to a device of this network by its name, instead of hosting a share
    #[arg(long, value_name = "CODE|LINK|NAME")]
    pub(crate) to: Option<String>,

    /// Send this text
    #[arg(long, value_name = "STRING")]
    pub(crate) text: Option<String>,

    /// Name for standard input or for the only file
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,

    /// Leave out what matches; repeatable
    #[arg(long, value_name = "GLOB", value_parser = parse_pattern)]
    pub(crate) exclude: Vec<String>,

    /// Respect .gitignore and .ignore files
    #[arg(long)]
    pub(crate) ignore_files: bool,

    #[command(flatten)]
    pub(crate) share: ShareArgs,

    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

#[derive(Debug, Args)]
pub(crate) struct RecvArgs {
    /// The code (also in the groups it is shown in) or link of the sender; `-` reads it from standard input; nothing
    /// opens an inbox
    #[arg(value_name = "CODE|LINK", env = "P2PSHARE_CODE", hide_env_values = true, num_args = 0..=3)]
    pub(crate) invitation: Vec<String>,

    /// The folder to receive into; a new name is what one file becomes, or a new folder for several; `-` streams one file to
    /// standard output
    #[arg(short, long, value_name = "DIR|FILE|-")]
    pub(crate) output: Option<PathBuf>,

    /// Take what is offered without asking
    #[arg(short, long)]
    pub(crate) yes: bool,

    /// Take only what matches; repeatable
    #[arg(long, value_name = "GLOB", value_parser = parse_pattern)]
    pub(crate) only: Vec<String>,

    /// What to do with a file whose name is taken
    #[arg(long, value_enum, value_name = "HOW")]
    pub(crate) on_exists: Option<OnExistsArg>,

    /// Start over instead of continuing an interrupted transfer
    #[arg(long)]
    pub(crate) no_resume: bool,

    /// With --yes: also take names that begin with a dot, and into the home folder
    #[arg(long)]
    pub(crate) allow_hidden: bool,

    /// Refuse offers larger than this, such as 500MB or 10GiB
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub(crate) max_size: Option<NonZeroU64>,

    /// Refuse offers of more entries than this
    #[arg(long, value_name = "N", value_parser = parse_count)]
    pub(crate) max_files: Option<NonZeroU32>,

    /// With -o -: write to a terminal as well
    #[arg(long)]
    pub(crate) force: bool,

    /// Open an inbox without a code: others on this network see it under this name, and both sides compare a number
    /// [default: user@machine]
    #[arg(long, value_name = "NAME", num_args = 0..=1, conflicts_with_all = ["invitation", "code", "secret_digits", "copy"])]
    pub(crate) nearby: Option<Option<DeviceName>>,

    #[command(flatten)]
    pub(crate) share: ShareArgs,

    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

/// What the hosting side of a share decides.
#[derive(Debug, Args)]
pub(crate) struct ShareArgs {
    /// How many peers are served
    #[arg(long, value_name = "N", value_parser = parse_count, conflicts_with = "keep")]
    pub(crate) max: Option<NonZeroU32>,

    /// Stay until Ctrl-C, for any number of peers
    #[arg(long)]
    pub(crate) keep: bool,

    /// How long the share can be joined, such as 90s, 10m, 2h
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub(crate) expire: Option<Duration>,

    /// A code agreed on beforehand, such as 12-345678
    #[arg(long, value_name = "CODE")]
    pub(crate) code: Option<String>,

    /// Number of secret digits of the code
    #[arg(long, value_name = "4..12", value_parser = parse_secret_digits)]
    pub(crate) secret_digits: Option<u8>,

    /// Put the code on the clipboard (by OSC 52, which also works over ssh)
    #[arg(long)]
    pub(crate) copy: bool,

    /// Print no QR code
    #[arg(long)]
    pub(crate) no_qr: bool,
}

#[derive(Debug, Args)]
pub(crate) struct CommonArgs {
    /// The signalling server; without one, a server inside this process, on this machine or on the local network
    /// [env: P2PSHARE_SERVER]
    #[arg(short, long, value_name = "URL")]
    pub(crate) server: Option<ServerUrl>,

    /// Use a password: asked for, or the first line of a file or of standard input (`-`)
    #[arg(long, value_name = "FILE|-", num_args = 0..=1, require_equals = true)]
    pub(crate) password: Option<Option<PathBuf>>,

    /// Both sides compare a short number before anything flows
    #[arg(long)]
    pub(crate) verify: bool,

    /// Nearby: know the other device again by its key, so that no number need be compared; both sides have to say so
    #[arg(long)]
    pub(crate) remember: bool,

    /// Move at most this much a second, with all peers together, such as 5MB
    #[arg(long, value_name = "RATE", value_parser = parse_size)]
    pub(crate) limit: Option<NonZeroU64>,

    /// Move file data over WebRTC data channels only
    #[arg(long)]
    pub(crate) no_quic: bool,

    /// Over how many connections file data moves where QUIC does not carry it, 1 to 16; auto is one, and up to 8 where a
    /// long path has room for more [default: auto]
    #[arg(long, value_name = "auto|N", value_parser = parse_streams)]
    pub(crate) streams: Option<Streams>,

    /// Do not tell the local network of the share, nor search it for a code
    #[arg(long)]
    pub(crate) no_lan: bool,
    /// Never use a relay
    #[arg(long, conflicts_with = "relay")]
    pub(crate) direct: bool,

    /// Always use a relay, so that the other device does not learn this one's address
    #[arg(long)]
    pub(crate) relay: bool,

    /// STUN or TURN server to use instead of the server's, such as stun:stun.example.org:3478 or
    /// turn:NAME:PASSWORD@turn.example.org:3478; repeatable
    #[arg(long, value_name = "URL", value_parser = parse_ice_server)]
    pub(crate) ice_server: Vec<IceServer>,

    /// Proxy on the way to the server, such as http://proxy.example.org:3128 or socks5://127.0.0.1:1080
    /// [default: HTTPS_PROXY, ALL_PROXY]
    #[arg(long, value_name = "URL")]
    pub(crate) proxy: Option<Proxy>,

    /// How long a lost peer is looked for, such as 10m; 0s gives up at once
    #[arg(long, value_name = "DURATION", value_parser = super::parse::parse_retry)]
    pub(crate) retry: Option<Duration>,

    /// Give up when nobody has come, or answered, by then
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub(crate) timeout: Option<Duration>,

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

#[derive(Debug, Args)]
pub(crate) struct DevicesArgs {
    /// Forget the devices of this name
    #[arg(long, value_name = "NAME")]
    pub(crate) forget: Option<String>,

    /// One JSON object for each device on standard output
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct NearbyArgs {
    /// The server to ask for devices of this network, beside those that the network itself tells of
    /// [env: P2PSHARE_SERVER]
    #[arg(short, long, value_name = "URL")]
    pub(crate) server: Option<ServerUrl>,

    /// Proxy on the way to the server [default: HTTPS_PROXY, ALL_PROXY]
    #[arg(long, value_name = "URL")]
    pub(crate) proxy: Option<Proxy>,

    /// Ask only the server, and not the local network
    #[arg(long)]
    pub(crate) no_lan: bool,

    /// One JSON object for each device on standard output
    #[arg(long)]
    pub(crate) json: bool,

    /// Log details of the network; twice for more
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,

    /// The configuration file
    #[arg(long, value_name = "FILE", env = "P2PSHARE_CONFIG", hide_env_values = true)]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// The server to test the way to; without one, only this machine and its network are tested [env: P2PSHARE_SERVER]
    #[arg(short, long, value_name = "URL")]
    pub(crate) server: Option<ServerUrl>,

    /// Test the relay of the server instead, for who runs it: whether it refuses what it must
    #[arg(long, value_name = "URL")]
    pub(crate) relay_check: Option<ServerUrl>,

    /// Proxy on the way to the server [default: HTTPS_PROXY, ALL_PROXY]
    #[arg(long, value_name = "URL")]
    pub(crate) proxy: Option<Proxy>,

    /// Say nothing on the local network, and do not test it
    #[arg(long)]
    pub(crate) no_lan: bool,

    /// One JSON object on standard output, which holds this machine's addresses too
    #[arg(long)]
    pub(crate) json: bool,

    /// Log details of the network; twice for more
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,

    /// The configuration file
    #[arg(long, value_name = "FILE", env = "P2PSHARE_CONFIG", hide_env_values = true)]
    pub(crate) config: Option<PathBuf>,
}

/// The ways with a taken name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnExistsArg {
    /// Ask for each of them; the default on a terminal
    Ask,
    /// Store as `name (1)`; the default where nobody can be asked
    Rename,
    /// Leave the new one out
    Skip,
    /// Replace the old one
    Overwrite,
    /// Take nothing at all
    Fail,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }
}
