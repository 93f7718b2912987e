//! The signalling server as a program of its own.

use std::io::{self, Write};
use std::net::SocketAddr;

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
    let filter = EnvFilter::try_from_env("P2PSHARE_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
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

/// Says where the server is. A closed stderr is no reason not to serve.
fn announce(addresses: &[SocketAddr]) {
    for address in addresses {
        let _ = writeln!(io::stderr(), "p2pshare-signal listens on http://{address}");
    }
}
