//! Fetches what is shared under a code into the current folder: `cargo run --example receive_file -- 123456`.
#![expect(clippy::print_stdout, reason = "its output is its purpose")]

use anyhow::Context;
use p2pshare::storage::sink::SinkOptions;
use p2pshare::{Decision, Destination, Event, Events, Invitation, Settings, Stop};
use p2pshare_protocol::ctl::DeclineReason;

/// What this program takes without asking anybody, in bytes.
const TAKEN_MAX: u64 = 10 << 30;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let code = std::env::args().nth(1).context("usage: receive_file CODE")?;
    let invitation = Invitation::Code(code.parse()?);
    let destination = Destination::Folder { path: ".".into(), options: SinkOptions::default() };

    let (events, mut reports) = Events::channel();
    tokio::spawn(async move {
        while let Some(event) = reports.recv().await {
            answer(event);
        }
    });

    let (_stopper, stop) = Stop::new();
    let summary = p2pshare::receive(&invitation, &destination, &Settings::default(), events, stop).await?;
    println!("{} bytes in {:.1} s", summary.bytes, summary.took.as_secs_f64());
    Ok(())
}

#[expect(clippy::wildcard_enum_match_arm, reason = "a program picks the events that it cares for")]
fn answer(event: Event) {
    match event {
        // Nothing is written before the offer is answered. Its paths are a stranger's text: print them escaped.
        Event::Offered(_, request) if request.offer.bytes() <= TAKEN_MAX => {
            let everything = request.offer.iter().map(|(id, _)| id).collect();
            request.decide(Decision::accept(everything));
        }
        Event::Offered(_, request) => request.decide(Decision::Decline(DeclineReason::Limit)),
        Event::EntryDone { path, .. } => println!("{path:?}"),
        _ => {}
    }
}
