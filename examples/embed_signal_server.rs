//! Runs a signalling server inside a program of your own, and ends it: `cargo run --example embed_signal_server`.
//!
//! In another terminal: `p2pshare send --server http://127.0.0.1:PORT README.md`, with the port that is printed.
#![expect(clippy::print_stdout, reason = "its output is its purpose")]

use std::time::Duration;

use p2pshare_signal::{Config, Limits, Server};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let limits = Limits { room_lifetime: Duration::from_secs(600), rooms_max: 100, ..Limits::default() };
    let server = Server::new(Config { limits, ..Config::default() })?;

    // Port 0 is any free one. A program with a web server of its own would listen on its own port here.
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("shares can meet at http://{}; Ctrl-C ends it", listener.local_addr()?);

    // Open connections are told and closed when the second argument is ready.
    let ctrl_c = async {
        // Without signals the server runs until the process ends.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    server.serve([listener], ctrl_c).await;
    println!("ended");
    Ok(())
}
