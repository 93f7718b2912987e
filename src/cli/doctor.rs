//! `p2pshare doctor`: a report on this network, which can be copied whole, and what it means in one sentence.

mod findings;
mod relay_check;
mod verdict;

use std::io::Write;

use p2pshare::Settings;
use p2pshare::doctor::{Diagnosis, diagnose};
use serde_json::json;

use self::findings::{Finding, findings};
use self::verdict::{Verdict, verdict};
use super::args::DoctorArgs;
use super::config::Config;
use super::proxy::proxies;
use super::report::{Exit, Report};
use super::text::untrusted_json;
use super::ui;

pub(crate) async fn run(mut args: DoctorArgs) -> Exit {
    let settings = Config::load(args.config.as_deref()).and_then(|config| settings(&mut args, &config));
    let settings = match settings {
        Ok(settings) => settings,
        Err(report) => return ui::fail(&report, args.json),
    };
    if let Some(server) = &args.relay_check {
        return match relay_check::run(server, &settings).await {
            Ok(outcome) => {
                let text = if args.json { untrusted_json(&outcome.json.to_string()) } else { outcome.text };
                let _ = writeln!(std::io::stdout(), "{text}");
                outcome.exit
            }
            Err(report) => ui::fail(&report, args.json),
        };
    }
    if !args.json {
        let _ = writeln!(std::io::stderr(), "testing this network; this takes a few seconds");
    }
    let diagnosis = diagnose(&settings).await;
    let (findings, verdict) = (findings(&diagnosis), verdict(&diagnosis));
    let text = if args.json { as_json(&diagnosis, &findings, &verdict) } else { as_text(&findings, &verdict) };
    // A reader that went away has seen enough.
    let _ = writeln!(std::io::stdout(), "{text}");
    verdict.exit
}

fn settings(args: &mut DoctorArgs, config: &Config) -> Result<Settings, Report> {
    config.complete_doctor(args);
    let proxies = proxies(args.proxy.as_ref())?;
    Ok(Settings { server: args.server.clone(), proxies, lan: !args.no_lan, ..Settings::default() })
}

/// No line of it holds an address of this machine or of its network, so that it can be shown to anybody.
fn as_text(findings: &[Finding], verdict: &Verdict) -> String {
    let mut lines = vec![format!("p2pshare {} on {}", env!("CARGO_PKG_VERSION"), std::env::consts::OS)];
    for Finding { check, state, says } in findings {
        lines.push(format!("  {:<5} {check:<10} {says}", state.word()));
    }
    lines.push(String::new());
    lines.push(verdict.says.clone());
    lines.extend(verdict.advice.iter().map(|advice| format!("- {advice}")));
    lines.join("\n")
}

fn as_json(diagnosis: &Diagnosis, findings: &[Finding], verdict: &Verdict) -> String {
    let checks = findings.iter().map(|f| json!({"check": f.check, "state": f.state.word(), "says": f.says}));
    let server = diagnosis.server.as_ref();
    let description = server.and_then(|server| server.description.as_ref().ok());
    let introduction = server.and_then(|server| server.introduction.as_ref()?.as_ref().ok());
    let relay = introduction.and_then(|introduction| introduction.relay.as_ref());
    let seen = |family: usize| {
        let reflections = server.and_then(|server| server.reflections[family].as_ref())?;
        let nat = reflections.nat().map(findings::nat_word);
        Some(json!({"answered": reflections.is_answered(), "nat": nat,
            "local": reflections.local.to_string(), "public": reflections.public().map(|a| a.to_string())}))
    };
    let value = json!({
        "v": 1, "event": "doctor", "version": env!("CARGO_PKG_VERSION"),
        "verdict": verdict.name, "exit": verdict.exit as u8, "says": verdict.says, "advice": verdict.advice,
        "checks": checks.collect::<Vec<_>>(),
        "server": server.map(|server| server.server.to_string()),
        "server_version": description.map(|description| &description.config.version),
        "round_trip_ms": introduction.map(|it| it.round_trip.as_secs_f64() * 1000.0),
        "udp": {"ipv4": seen(0), "ipv6": seen(1)},
        "relay": relay.map(|relay| json!({
            "udp": relay.udp.as_ref().map(Result::is_ok), "websocket": relay.websocket.is_ok()})),
        "multicast": diagnosis.multicast,
        "socket_buffer_bytes": diagnosis.buffers.granted,
        "clock_ahead_s": description.and_then(|description| description.clock_ahead_s),
    });
    untrusted_json(&value.to_string())
}
