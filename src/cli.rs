//! The command line: what was typed, what is shown, and what the program ends with.

mod args;
mod arrived;
mod config;
mod desk;
mod devices;
mod doctor;
mod format;
mod human;
mod json;
mod keyboard;
mod menu;
mod nearby;
mod no_path;
mod only;
mod pages;
mod parse;
mod policy;
mod proxy;
mod qr;
mod questions;
mod rate;
mod recv;
mod report;
mod secret;
mod send;
mod serve;
mod setup;
mod start;
mod stop;
mod text;
mod ui;
mod words;

use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;

use args::{Cli, Command};
use report::{Exit, Report};

/// Runs the program.
pub(crate) fn main() -> ExitCode {
    let command = match Cli::parse().command {
        Some(command) => command,
        None => match start::ask() {
            Ok(command) => command,
            Err(exit) => return end(exit),
        },
    };
    let (verbose, is_json) = match &command {
        Command::Send(args) => (args.common.verbose, args.common.json),
        Command::Recv(args) => (args.common.verbose, args.common.json),
        Command::Nearby(args) => (args.verbose, args.json),
        Command::Doctor(args) => (args.verbose, args.json),
        Command::Serve(_) => (1, false),
        Command::Devices(_) | Command::Completions { .. } | Command::Man => (0, false),
    };
    if let Err(report) = start_logging(verbose) {
        return end(ui::fail(&report, is_json));
    }
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return end(ui::fail_early(&format!("cannot start: {error}"))),
    };
    let exit = runtime.block_on(async {
        match command {
            Command::Send(args) => send::run(args).await,
            Command::Recv(args) => recv::run(args).await,
            Command::Serve(args) => serve::run(args).await,
            Command::Devices(args) => devices::run(&args),
            Command::Nearby(args) => nearby::run(args).await,
            Command::Doctor(args) => doctor::run(args).await,
            Command::Completions { shell } => pages::completions(shell),
            Command::Man => pages::manual(),
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
///
/// # Errors
/// It holds none.
fn start_logging(verbose: u8) -> Result<(), Report> {
    let default = match verbose {
        0 => "off",
        1 => "warn,p2pshare=info,p2pshare_signal=info,rtc_mdns=error,rtc_dtls=error,rtc_ice=error",
        2 => "info,p2pshare=debug,p2pshare_signal=debug,rtc_mdns=error,rtc_dtls=error",
        _ => "debug",
    };
    let said = std::env::var_os(LOG_VARIABLE).map(|said| said.to_string_lossy().into_owned());
    let filter = match said.filter(|said| !said.is_empty()) {
        Some(said) => EnvFilter::try_new(&said).map_err(|error| {
            let why = format!("{error}; write for example p2pshare=debug");
            config::unusable_variable(LOG_VARIABLE, &text::escape(&format!("{said:?}")), &why)
        })?,
        None => EnvFilter::new(default),
    };
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).without_time().init();
    Ok(())
}

const LOG_VARIABLE: &str = "P2PSHARE_LOG";
