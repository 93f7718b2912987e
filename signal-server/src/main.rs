//! The signalling server as a program of its own.

use std::io::{self, Write};
use std::net::SocketAddr;

use anyhow::Context;
use clap::Parser;
use p2pshare_signal::command::{self, ServeArgs};
use tracing_subscriber::EnvFilter;

/// Introduces two devices that want to share files, and learns nothing about them
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(flatten)]
    serve: ServeArgs,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    let said = std::env::var_os(LOG_VARIABLE).map(|said| said.to_string_lossy().into_owned());
    let said = said.filter(|said| !said.is_empty()).unwrap_or_else(|| "info".to_owned());
    let filter =
        EnvFilter::try_new(&said).with_context(|| format!("the variable {LOG_VARIABLE}={said:?} cannot be used"))?;
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).init();
    command::raise_file_limit();
    command::run(&cli.serve, announce, async {
        if let Err(error) = command::stop_signal().await {
            tracing::error!(%error, "cannot listen for signals");
        }
    })
    .await?;
    Ok(())
}

/// Takes the filters of the `tracing` crates.
const LOG_VARIABLE: &str = "P2PSHARE_LOG";

/// Says where the server is. A closed stderr is no reason not to serve.
fn announce(addresses: &[SocketAddr]) {
    for address in addresses {
        let _ = writeln!(io::stderr(), "p2pshare-signal listens on http://{address}");
    }
}
