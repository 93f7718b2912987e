//! Which path a transfer takes, and what is said when there is none.

use p2pshare_signal::{Config, RelayConfig};
use serde_json::Value;

use crate::harness::tree::noise;
use crate::harness::{TestServer, Tree, World};

fn relay_server() -> TestServer {
    TestServer::with(Config { relay: Some(RelayConfig::embedded()), ..Config::default() })
}

/// The kinds of path that a program told of, in their order.
fn kinds(events: &[Value]) -> Vec<&str> {
    let mut kinds: Vec<_> = events.iter().filter(|e| e["event"] == "path").filter_map(|e| e["kind"].as_str()).collect();
    kinds.dedup();
    kinds
}

#[test]
fn relay_only_devices_meet_at_the_servers_relay_and_say_so() {
    let (world, server) = (World::new(), relay_server());
    let film = world.file("film.mp4", noise(3_000_000, 1));
    let sender = world.run(&["send", "--relay", "--server", &server.url(), film.to_str().unwrap()]);
    let receiver = world.run(&["recv", "--relay", "--json", "--yes", "--server", &server.url(), &sender.code()]);
    let events = receiver.end().expect_exit(0).events();
    sender.end().expect_exit(0).expect_says("relay");
    assert_eq!(world.arrived(), Tree::of(&world.from()));
    assert_eq!(kinds(&events), ["relay"]);
}

#[test]
fn one_side_that_is_relay_only_is_enough_for_a_relayed_path() {
    let (world, server) = (World::new(), relay_server());
    let film = world.file("film.mp4", noise(1_000_000, 2));
    let sender = world.send(&server.url(), &[&film]);
    let receiver = world.run(&["recv", "--relay", "--json", "--yes", "--server", &server.url(), &sender.code()]);
    let events = receiver.end().expect_exit(0).events();
    sender.end().expect_exit(0);
    assert_eq!(world.arrived(), Tree::of(&world.from()));
    assert_eq!(kinds(&events), ["relay"]);
}

#[test]
fn where_a_direct_path_works_no_relay_is_used() {
    let (world, server) = (World::new(), relay_server());
    let film = world.file("film.mp4", noise(1_000_000, 3));
    let sender = world.send(&server.url(), &[&film]);
    let receiver = world.run(&["recv", "--json", "--yes", "--server", &server.url(), &sender.code()]);
    let events = receiver.end().expect_exit(0).events();
    sender.end().expect_exit(0);
    assert_eq!(kinds(&events), ["lan"]);
}

#[test]
fn where_only_tcp_gets_through_the_servers_websocket_carries_the_same_bytes() {
    let config = Config { relay: Some(RelayConfig::embedded()), udp_listen: Some(Vec::new()), ..Config::default() };
    let (world, server) = (World::new(), TestServer::with(config));
    let film = world.file("film.mp4", noise(4_000_000, 6));
    let sender = world.run(&["send", "--relay", "--server", &server.url(), film.to_str().unwrap()]);
    let receiver = world.run(&["recv", "--relay", "--json", "--yes", "--server", &server.url(), &sender.code()]);
    let events = receiver.end().expect_exit(0).events();
    let said = sender.end().expect_exit(0).expect_says("trying the way through the server");
    said.expect_says("relay (websocket)");
    assert_eq!(world.arrived(), Tree::of(&world.from()));
    let planes: Vec<_> = events.iter().filter(|e| e["event"] == "path").map(|e| &e["plane"]).collect();
    assert!(!planes.is_empty() && planes.iter().all(|plane| *plane == "websocket"), "{planes:?}");
}

#[test]
fn a_relay_that_has_carried_what_it_may_is_replaced_before_the_connection_counts_as_lost() {
    let mut config = Config { relay: Some(RelayConfig::embedded()), ..Config::default() };
    config.limits.relay.bytes_per_credential_max = 3 << 20;
    let (world, server) = (World::new(), TestServer::with(config));
    let film = world.file("film.mp4", noise(4 << 20, 7));
    let ask_for = ["--relay", "--retry", "60s", "--server", &server.url()];
    let sender = world.run(&[&["send", film.to_str().unwrap()], &ask_for[..]].concat());
    let receiver = world.run(&[&["recv", "--json", "--yes", &sender.code()], &ask_for[..]].concat());
    let events = receiver.end().expect_exit(0).events();
    sender.end().expect_exit(0);
    assert_eq!(world.arrived(), Tree::of(&world.from()));
    let told = |name: &str| events.iter().any(|event| event["event"] == name);
    assert!(told("stalled") && !told("reconnecting"), "{events:?}");
}

#[test]
fn a_server_without_a_relay_serves_no_relay_only_device() {
    let (world, server) = (World::new(), TestServer::start());
    let film = world.file("film.mp4", noise(1000, 4));
    let sender = world.send(&server.url(), &[&film]);
    let receiver = world.run(&["recv", "--relay", "--yes", "--server", &server.url(), &sender.code()]).end();
    receiver.expect_exit(10).expect_says("the server offers none").expect_says("runs with --relay");
    world.expect_no_trace();
}
