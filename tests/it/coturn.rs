//! An operator's own relay: Debian's coturn, with the options that the README names.

use std::fs;
use std::net::UdpSocket;
use std::path::Path;

use crate::harness::process::OnTerminal;
use crate::harness::tree::noise;
use crate::harness::{Running, Tree, World};

#[test]
fn a_coturn_carries_what_only_a_relay_can() {
    if !Path::new(COTURN).exists() {
        eprintln!("not run: coturn is not installed");
        return;
    }
    let world = World::new();
    let secret = world.home().join("turn-secret");
    fs::write(&secret, "a secret of the operator\n").unwrap();
    let (coturn, port) = start_coturn(&world, "a secret of the operator");
    let turn = format!("turn:127.0.0.1:{port}");
    let secret = secret.to_str().unwrap();
    let serve = ["serve", "--listen", "127.0.0.1:0", "--turn-url", &turn, "--turn-secret-file", secret];
    let server = world.run(&serve);
    let url = server.until_err(|text| Some(format!("http://{}", text.split_once("http://")?.1.split_once('\n')?.0)));
    let film = world.file("film.mp4", noise(3_000_000, 1));
    for relayed in ["send", "recv"] {
        let only = |side: &str| if side == relayed { "--relay" } else { "--no-qr" };
        let sender = world.run(&["send", only("send"), "--server", &url, film.to_str().unwrap()]);
        let recv =
            ["recv", only("recv"), "--json", "--yes", "--on-exists", "overwrite", "--server", &url, &sender.code()];
        let events = world.run(&recv).end().expect_exit(0).events();
        sender.end().expect_exit(0);
        assert_eq!(world.arrived(), Tree::of(&world.from()));
        assert!(events.iter().any(|event| event["event"] == "path" && event["kind"] == "relay"), "{events:?}");
    }
    drop(coturn);
}

/// Starts coturn at a free port of this machine, which it is allowed to relay to: the two sides are on it.
fn start_coturn(world: &World, secret: &str) -> (Running, u16) {
    let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (listening, secret) = (port.to_string(), format!("--static-auth-secret={secret}"));
    let pid_file = format!("--pidfile={}", world.home().join("coturn.pid").display());
    let database = format!("--userdb={}", world.home().join("coturn.db").display());
    let arguments = [
        &["-n", "-L", "127.0.0.1", "-E", "127.0.0.1", "-p", &listening, "--use-auth-secret", &secret][..],
        &["--realm=test", "--allow-loopback-peers", "--no-multicast-peers", "--no-cli", "--no-tcp-relay"],
        &["--no-tls", "--no-dtls", "--no-tcp", "--log-file=stdout", "--simple-log", &pid_file, &database],
    ];
    let coturn = Running::start(world.command_of(COTURN, &arguments.concat()), OnTerminal::Nothing);
    coturn.until_out(|text| text.contains("auth thread").then_some(()));
    (coturn, port)
}

const COTURN: &str = "/usr/bin/turnserver";
