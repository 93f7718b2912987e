//! `p2pshare serve`.

use std::io::Write;

use p2pshare_signal::command::{self, ServeArgs};

use super::report::{Exit, Report};
use super::ui;

pub(crate) async fn run(args: ServeArgs) -> Exit {
    command::raise_file_limit();
    let ready = |addresses: &[std::net::SocketAddr]| {
        for address in addresses {
            let _ = writeln!(std::io::stderr(), "listening on http://{address}");
        }
    };
    let stopped = async {
        if let Err(error) = command::stop_signal().await {
            tracing::warn!(%error, "signals are not noticed");
            std::future::pending::<()>().await;
        }
    };
    match command::run(&args, ready, stopped).await {
        Ok(()) => Exit::Done,
        Err(error) => {
            ui::fail(&Report::new(Exit::Network, error.to_string(), "Name a free address with --listen."), false)
        }
    }
}
