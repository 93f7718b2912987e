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
use report::Exit;

/// Runs the program.
pub(crate) fn main() -> ExitCode {
    let command = match Cli::parse().command {
        Some(command) => command,
        None => match start::ask() {
            Ok(command) => command,
            Err(exit) => return end(exit),
        },
    };
    start_logging(match &command {
        Command::Send(args) => args.common.verbose,
        Command::Recv(args) => args.common.verbose,
        Command::Nearby(args) => args.verbose,
        Command::Doctor(args) => args.verbose,
        Command::Serve(_) => 1,
        Command::Devices(_) | Command::Completions { .. } | Command::Man => 0,
    });
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
