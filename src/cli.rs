//! The command line: what was typed, what is shown, and what the program ends with.

mod args;
mod config;
mod decide;
mod format;
mod human;
mod json;
mod rate;
mod recv;
mod report;
mod run;
mod send;
mod serve;
mod text;
mod ui;

use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;

use args::{Cli, Command, CommonArgs};
use config::Config;
use p2pshare::Settings;
use p2pshare::transport::TransportConfig;
use report::{Exit, Report};

/// Runs the program.
pub(crate) fn main() -> ExitCode {
    let cli = Cli::parse();
    start_logging(match &cli.command {
        Command::Send(args) => args.common.verbose,
        Command::Recv(args) => args.common.verbose,
        Command::Serve(_) => 1,
    });
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return end(ui::fail_early(&format!("cannot start: {error}"))),
    };
    let exit = runtime.block_on(async {
        match cli.command {
            Command::Send(args) => send::run(args).await,
            Command::Recv(args) => recv::run(args).await,
            Command::Serve(args) => serve::run(args).await,
        }
    });
    // A thread that waits for the keyboard never ends; the process does.
    runtime.shutdown_background();
    end(exit)
}

fn end(exit: Exit) -> ExitCode {
    ExitCode::from(exit as u8)
}

/// Logs go to standard error. `P2PSHARE_LOG` takes the filters of the `tracing` crates and wins.
fn start_logging(verbose: u8) {
    let default = match verbose {
        0 => "off",
        1 => "warn,p2pshare=info,p2pshare_signal=info,rtc_mdns=error,rtc_dtls=error,rtc_ice=error",
        2 => "info,p2pshare=debug,p2pshare_signal=debug,rtc_mdns=error,rtc_dtls=error",
        _ => "debug",
    };
    let filter = EnvFilter::try_from_env("P2PSHARE_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).without_time().init();
}

/// What both directions need, from the command line and the configuration file.
fn settings(common: &CommonArgs, config: &Config) -> Result<Settings, Report> {
    let server = match &common.server {
        Some(server) => Some(server.clone()),
        None => config.server()?,
    };
    let name = config.name.clone().unwrap_or_else(own_name);
    Ok(Settings { server, name, transport: TransportConfig::default() })
}

/// `user@machine`, cut to what a greeting holds.
fn own_name() -> String {
    let machine = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let name = std::env::var("USER").map_or_else(|_| machine.clone(), |user| format!("{user}@{machine}"));
    name.chars().take(32).collect()
}
