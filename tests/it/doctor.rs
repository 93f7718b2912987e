//! `doctor`, against servers on this machine. What it says of networks is tried in `tests/net`.

use p2pshare_signal::{Config, RelayConfig};
use serde_json::Value;

use crate::harness::process::OnTerminal;
use crate::harness::{Running, TestServer, World};

fn diagnose(world: &World, server: &str) -> (i32, Value) {
    let command = world.command(&["doctor", "--no-lan", "--json", "--server", server]);
    let ended = Running::start(command, OnTerminal::Nothing).end();
    (ended.exit, serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("{ended:?}")))
}

fn states(report: &Value) -> Vec<(&str, &str)> {
    let checks = report["checks"].as_array().unwrap().iter();
    checks.map(|check| (check["check"].as_str().unwrap(), check["state"].as_str().unwrap())).collect()
}

#[test]
fn all_that_works_is_said_to() {
    let relay = Some(RelayConfig::embedded());
    let server = TestServer::with(Config { relay, tells_nat_kinds: true, ..Config::default() });
    let (exit, report) = diagnose(&World::new(), &server.url());
    assert_eq!((exit, report["verdict"].as_str()), (0, Some("direct")), "{report}");
    for check in ["server", "websocket", "udp", "nat", "relay", "clock"] {
        assert!(states(&report).contains(&(check, "ok")), "{check}: {report}");
    }
    assert_eq!(report["relay"], serde_json::json!({"udp": true, "websocket": true}));
    assert_eq!(report["udp"]["ipv4"]["nat"], "none");
}

#[test]
fn a_relay_that_is_not_there_is_not_promised() {
    let server = TestServer::start();
    let (exit, report) = diagnose(&World::new(), &server.url());
    assert_eq!((exit, report["verdict"].as_str()), (0, Some("direct")));
    assert!(states(&report).contains(&("relay", "note")), "{report}");
    assert_eq!(report["relay"], Value::Null);
}

#[test]
fn a_server_that_is_not_there_ends_it_with_the_network_s_exit_code() {
    let world = World::new();
    let gone = TestServer::start().url();
    let (exit, report) = diagnose(&world, &gone);
    assert_eq!((exit, report["verdict"].as_str()), (10, Some("server_unreachable")), "{report}");
    let ended = Running::start(world.command(&["doctor", "--no-lan", "-s", &gone]), OnTerminal::Nothing).end();
    let ended = ended.expect_exit(10);
    assert!(ended.stdout.contains(&format!("The server {gone} cannot be used.")), "{ended:?}");
}

#[test]
fn the_report_for_people_holds_no_address_of_this_machine() {
    let server = TestServer::with(Config { tells_nat_kinds: true, ..Config::default() });
    // The one address that everybody may know is the server's own.
    let world = World::new();
    let command = world.command(&["doctor", "--no-lan", "-s", &server.url()]);
    let stdout = Running::start(command, OnTerminal::Nothing).end().stdout;
    assert_eq!(stdout.matches("127.0.0.1").count(), 1, "{stdout}");
    assert!(stdout.contains("Direct connections should work"), "{stdout}");
}

/// Examines a server's relay; returns the exit code, and what was asked for and not refused as it should be.
fn examine(relay: RelayConfig) -> (i32, Vec<String>) {
    let server = TestServer::with(Config { relay: Some(relay), ..Config::default() });
    let world = World::new();
    let command = world.command(&["doctor", "--json", "--relay-check", &server.url()]);
    let ended = Running::start(command, OnTerminal::Nothing).end();
    let report: Value = serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("{ended:?}"));
    let probes = report["probes"].as_array().unwrap();
    assert!(probes.len() > 30, "{report}");
    let wrong = probes.iter().filter(|probe| probe["right"] == false);
    (ended.exit, wrong.map(|probe| probe["asked"].as_str().unwrap().to_owned()).collect())
}

#[test]
fn b_090_to_b_097_the_own_relay_refuses_all_that_a_relay_must() {
    assert_eq!(examine(RelayConfig::embedded()), (0, Vec::new()));
}

#[test]
fn a_relay_that_leads_into_a_private_network_is_found_out() {
    let allowed = vec!["10.0.0.0/8".parse().unwrap()];
    let (exit, wrong) = examine(RelayConfig::Embedded { addresses: Vec::new(), ports: 49152..=65535, allowed });
    assert_eq!(exit, 1);
    assert_eq!(
        wrong,
        [
            "a permission for 10.0.0.1",
            "a channel to 10.0.0.1",
            "a permission for ::ffff:10.0.0.1",
            "a channel to ::ffff:10.0.0.1"
        ]
    );
}

#[test]
fn a_server_without_a_relay_has_none_to_examine() {
    let (world, server) = (World::new(), TestServer::start());
    let command = world.command(&["doctor", "--relay-check", &server.url()]);
    Running::start(command, OnTerminal::Nothing)
        .end()
        .expect_exit(10)
        .expect_says("has no relay")
        .expect_says("--relay");
}
