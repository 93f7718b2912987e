//! Shares a file or folder with the first receiver who has the code: `cargo run --example send_file -- README.md`.
#![expect(clippy::print_stdout, reason = "its output is its purpose")]

use std::sync::Arc;

use anyhow::Context;
use p2pshare::storage::source::{Source, WalkOptions};
use p2pshare::{Event, Events, Settings, ShareOptions, Stop};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let path = std::env::args_os().nth(1).context("usage: send_file PATH")?;
    let walked = Source::walk(&[path.into()], &WalkOptions::default())?;
    for notice in &walked.notices {
        println!("note: {notice:?}");
    }

    let (events, mut reports) = Events::channel();
    tokio::spawn(async move {
        while let Some(event) = reports.recv().await {
            show(event);
        }
    });

    // No server is named, so the share runs one of its own. Nobody stops it early; a program with a button would keep
    // the stopper.
    let (settings, share) = (Settings::default(), ShareOptions::default());
    let (_stopper, stop) = Stop::new();
    let summary = p2pshare::send(Arc::new(walked.source), &share, &settings, events, stop).await?;
    println!("{} bytes are on the receiver's disk, verified", summary.bytes);
    Ok(())
}

#[expect(clippy::wildcard_enum_match_arm, reason = "a program picks the events that it cares for")]
fn show(event: Event) {
    match event {
        Event::Shared { code, link } => println!("code {code}\nlink {link}"),
        Event::WrongCode { left } => println!("a wrong code was tried, {left} tries left"),
        // After a wrong code both sides show a number that people compare. Nobody is asked here, so the guest is refused.
        Event::Verify(_, request) => request.confirm(false),
        Event::Progress { bytes, .. } => println!("{bytes} bytes"),
        _ => {}
    }
}
