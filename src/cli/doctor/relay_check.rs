//! `doctor --relay-check`: what a relay grants that it must refuse, in words and as JSON.

use p2pshare::doctor::examine_relay;
use p2pshare::signaling::ServerUrl;
use p2pshare::transport::RelayProbe;
use p2pshare::{Error, Settings};
use p2pshare_protocol::envelope::ErrorCode;
use serde_json::{Value, json};

use crate::cli::report::{Exit, Report};

/// What came of it.
pub(super) struct Outcome {
    pub(super) exit: Exit,
    pub(super) text: String,
    pub(super) json: Value,
}

/// Examines the relay of a server.
///
/// # Errors
/// The server is not reached, has no relay, or the relay does not answer.
pub(super) async fn run(server: &ServerUrl, settings: &Settings) -> Result<Outcome, Report> {
    let examined = examine_relay(server, &settings.proxies).await.map_err(|error| refusal(server, &error))?;
    let probes = examined.map_err(|error| {
        let hint = "It has to be reached over UDP from here; `p2pshare doctor` tests that.";
        Report::new(Exit::Network, format!("the relay of {server} gives no address: {error}"), hint)
    })?;
    Ok(outcome(server, &probes))
}

fn refusal(server: &ServerUrl, error: &Error) -> Report {
    if matches!(error, Error::Refused { code: ErrorCode::NoRelay, .. }) {
        let hint = "Run it with --relay, or with --turn-url for a coturn.";
        return Report::new(Exit::Network, format!("the server {server} has no relay"), hint);
    }
    Report::of(error, None)
}

fn outcome(server: &ServerUrl, probes: &[RelayProbe]) -> Outcome {
    let wrong = probes.iter().filter(|probe| !probe.is_right()).count();
    let mut lines: Vec<_> = probes.iter().map(line).collect();
    lines.push(String::new());
    lines.push(match wrong {
        0 => format!("The relay of {server} refuses all {} that it must.", probes.len()),
        wrong => format!("The relay of {server} does not refuse {wrong} of {} as it should.", probes.len()),
    });
    if wrong > 0 {
        lines.push(
            "- Deny it peers in private and special networks, and give it quotas, before others use it.".to_owned(),
        );
    }
    let all = probes.iter().map(|probe| {
        json!({"asked": probe.asked, "expected": probe.expected, "refused": probe.refused, "right": probe.is_right()})
    });
    let json = json!({"v": 1, "event": "relay_check", "server": server.to_string(), "wrong": wrong,
        "probes": all.collect::<Vec<_>>()});
    let exit = if wrong == 0 { Exit::Done } else { Exit::Other };
    Outcome { exit, text: lines.join("\n"), json }
}

/// `  ok    a permission for 127.0.0.1: refused with 403`
fn line(probe: &RelayProbe) -> String {
    let word = if probe.is_right() { "ok" } else { "bad" };
    let said = match probe.refused {
        Some(code) => format!("refused with {code}"),
        None => "granted".to_owned(),
    };
    format!("  {word:<5} {}: {said}", probe.asked)
}
