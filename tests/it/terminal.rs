//! What a peer says never reaches the terminal as it is.

use std::collections::HashMap;

use serde_json::json;

use crate::harness::process::OnTerminal;
use crate::harness::{HostileGuest, HostileHost, Running, TestServer, World};

/// Text that moves cursors, rings bells, sets titles and clipboards, turns text around and hides.
const NASTY: &str = "\u{1b}[2J\u{1b}]0;owned\u{7}\r\n\u{9b}31m\u{7f}\u{8}\u{202e}fdp.exe\u{200b}\u{85}";

#[test]
fn b_100_names_of_a_hostile_sender_reach_no_pipe() {
    let ended = receive_nasty(&["--yes"], OnTerminal::Nothing);
    assert_no_control_bytes(&ended.0);
    assert_no_control_bytes(&ended.1);
}

#[test]
fn b_100_names_of_a_hostile_sender_reach_no_json() {
    let (stdout, stderr) = receive_nasty(&["--yes", "--json"], OnTerminal::Nothing);
    assert_no_control_bytes(&stdout);
    assert_no_control_bytes(&stderr);
    for line in stdout.lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap();
        assert!(!line.contains("\\u001b") && !line.contains('\u{202e}'), "{line}");
    }
}

#[test]
fn b_100_a_text_of_a_hostile_sender_is_exact_in_json_and_acts_on_nothing() {
    let (world, server) = (World::new(), TestServer::start());
    let host = HostileHost::open(&server.url());
    let receiver = world.run(&["recv", "--yes", "--json", "--server", &server.url(), &host.code()]);
    let mut sender = host.pair().bind();
    sender.greet("sends");
    sender.offer(&json!({"path": ["text"], "kind": "text", "size": NASTY.len()}).to_string());
    sender.serve(&HashMap::from([(0, NASTY.as_bytes().to_vec())]));
    let received = receiver.end().expect_exit(0);
    assert_no_control_bytes(&received.stdout);
    let text = received.events().into_iter().find(|event| event["event"] == "text").unwrap();
    assert_eq!(text["text"], NASTY);
}

#[test]
fn b_100_names_of_a_hostile_sender_reach_no_log() {
    let (stdout, stderr) = receive_nasty(&["--yes", "-vvv"], OnTerminal::Nothing);
    assert_no_control_bytes(&stdout);
    assert_no_control_bytes(&stderr);
}

#[test]
fn b_100_names_of_a_hostile_sender_reach_no_terminal() {
    let (_, screen) = receive_nasty(&[], OnTerminal::Everything);
    assert!(screen.contains("\\u{1b}[2J") && screen.contains("\\u{202e}"), "{screen:?}");
    assert_nothing_of_the_peer_acts(&screen);
}

#[test]
fn b_100_the_name_of_a_hostile_receiver_reaches_no_terminal() {
    let (world, server) = (World::new(), TestServer::start());
    let film = world.file("film", "content");
    let command = world.command(&["send", "--no-qr", "--server", &server.url(), film.to_str().unwrap()]);
    let sender = Running::start(command, OnTerminal::Everything);
    let code = sender.until_err(|screen| Some(screen.split_once("p2pshare recv ")?.1.split_once(' ')?.0.to_owned()));
    let mut receiver = HostileGuest::pair(&server.url(), &code).bind();
    receiver.say_json(&json!({"t": "hello", "v": 1, "role": "receives", "name": NASTY, "agent": NASTY}).to_string());
    receiver.hear_until("offer");
    receiver.say_json(r#"{"t":"accept","last":true}"#);
    receiver.fetch(&[(0, 0, 7)]);
    receiver.say_json(r#"{"t":"progress","bytes":7,"entries":1}"#);
    let chunk = p2pshare_protocol::hash::Hash::of_chunk(b"content");
    let entry = p2pshare_protocol::hash::entry_root(&[chunk], 7);
    let root = p2pshare_protocol::hash::share_root([(0, &entry)]);
    receiver.say(&p2pshare_protocol::ctl::Ctl::Done { root });
    receiver.hear_out();
    let ended = sender.end().expect_exit(0);
    assert!(ended.stderr.contains("\\u{1b}[2J"), "{:?}", ended.stderr);
    assert_nothing_of_the_peer_acts(&ended.stderr);
}

/// Has files and a peer of nasty names received; what went to standard output and standard error.
fn receive_nasty(more: &[&str], on_terminal: OnTerminal) -> (String, String) {
    let (world, server) = (World::new(), TestServer::start());
    let host = HostileHost::open(&server.url());
    let (url, code) = (server.url(), host.code());
    let mut arguments = vec!["recv", "--server", &url, &code];
    arguments.extend(more);
    let receiver = Running::start(world.command(&arguments), on_terminal);
    let mut sender = host.pair().bind();
    sender.say_json(&json!({"t": "hello", "v": 1, "role": "sends", "name": NASTY, "agent": NASTY}).to_string());
    let entry = |name: &str| json!({"path": [name, NASTY], "kind": "file", "size": 1}).to_string();
    sender.offer(&[entry(NASTY), entry("b")].join(","));
    if on_terminal != OnTerminal::Nothing {
        receiver.until_says("[Y/n");
        receiver.type_line("y");
    }
    // One entry is given up, so that its name is told as well.
    sender.hear_until("accept");
    sender.say_json(r#"{"t":"skip","entry":1,"reason":"unreadable"}"#);
    sender.serve(&HashMap::from([(0, b"x".to_vec()), (1, b"y".to_vec())]));
    let ended = receiver.end().expect_exit(9);
    (ended.stdout, ended.stderr)
}

/// Everything but line ends is printable.
#[track_caller]
pub(crate) fn assert_no_control_bytes(text: &str) {
    let acting = text.chars().find(|&c| c != '\n' && c.is_control() || is_turning(c));
    assert_eq!(acting, None, "in {text:?}");
}

/// A terminal gets escapes of our own (colours, cursor movements of the progress bar); none of the peer's.
#[track_caller]
fn assert_nothing_of_the_peer_acts(screen: &str) {
    for sequence in ["\u{1b}[2J", "\u{1b}]", "\u{7}", "\u{9b}", "\u{7f}", "\u{8}", "\u{85}"] {
        assert!(!screen.contains(sequence), "{sequence:?} is in {screen:?}");
    }
    assert_eq!(screen.chars().find(|&c| is_turning(c)), None, "in {screen:?}");
}

fn is_turning(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200b}' | '\u{2028}'..='\u{202e}' | '\u{2060}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}
