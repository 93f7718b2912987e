//! File data goes over several connections, if a person says so or the path has room.

use crate::harness::tree::noise;
use crate::harness::{Running, TestServer, Tree, World};

#[test]
fn several_connections_carry_a_file_if_either_side_says_so() {
    for (sends, receives, expected) in [("3", "auto", 3), ("auto", "2", 2), ("1", "4", 1)] {
        let (world, server) = (World::new(), TestServer::start());
        let film = world.file("film", noise(4_000_000, 1));
        // Slow enough for another look at the path.
        let sender = start(&world, &server, &["send", "--limit", "3MB", "--streams", sends, film.to_str().unwrap()]);
        let code = sender.code();
        let receiver =
            start(&world, &server, &["recv", "--json", "--yes", "--streams", receives, &code]).end().expect_exit(0);
        let sender = sender.end().expect_exit(0);
        assert_eq!(world.arrived(), Tree::of(&world.from()));
        assert_eq!(connections(&receiver.stdout), expected, "{sends} and {receives}: {}", receiver.stdout);
        let said = format!("{expected} connections");
        assert_eq!(sender.stderr.contains(&said), expected > 1, "{sends} and {receives}: {}", sender.stderr);
    }
}

fn start(world: &World, server: &TestServer, arguments: &[&str]) -> Running {
    let url = server.url();
    let (command, rest) = arguments.split_first().unwrap();
    let mut all = vec![*command, "--no-quic", "--server", &url];
    all.extend(rest);
    world.run(&all)
}

/// How many there were in the end.
fn connections(said: &str) -> u64 {
    let events = said.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let mut paths = events.filter(|event| event["event"] == "path");
    paths.next_back().expect("a path")["connections"].as_u64().unwrap()
}
