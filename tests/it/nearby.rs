//! Devices that see each other and need no code: two people, on one network, compare a number.

use std::time::{Duration, Instant};
use std::{fs, thread};

use rustix::process::Signal;

use crate::harness::process::OnTerminal;
use crate::harness::{PATIENCE, Passing, Proxy, Running, TestServer, World};

/// A person who waits for what others send, visible under a name.
fn visible(world: &World, server: &TestServer, name: &str, more: &[&str]) -> Running {
    let mut arguments = vec!["recv", "--nearby", name, "--server"];
    let url = server.url();
    arguments.push(&url);
    arguments.extend(more);
    let receiver = world.run_on_terminal(&arguments);
    receiver.until_says(&format!("Visible on this network as {name}"));
    receiver
}

/// A person called Ann who sends a file to a name.
fn send_to(world: &World, server: &TestServer, name: &str) -> Running {
    let film = world.file("secret plans", "content");
    let mut command = world.command(&["send", "--to", name, "--server", &server.url(), film.to_str().unwrap()]);
    command.env("P2PSHARE_NAME", "ann");
    Running::start(command, OnTerminal::Person)
}

/// The number that a person is asked about.
fn number(running: &Running, other: &str) -> String {
    let asked = format!("Does {other} show the number ");
    running.until_err(|screen| {
        let number = screen.split_once(&asked)?.1.get(..7)?;
        Some(number.to_owned())
    })
}

#[test]
fn two_people_compare_a_number_and_then_the_receiver_learns_what_is_sent() {
    let (world, server) = (World::new(), TestServer::start());
    let receiver = visible(&world, &server, "bob", &[]);
    let sender = send_to(&world, &server, "BOB");
    assert_eq!(number(&receiver, "ann"), number(&sender, "bob"));
    receiver.until_says("ann wants to send something");
    sender.type_line("y");
    receiver.until_err(|screen| {
        assert!(!screen.contains("secret plans"), "its name was told to somebody who has not let it in:\n{screen}");
        Some(())
    });
    receiver.type_line("y");
    receiver.until_says("Receive secret plans (7 B)?");
    receiver.type_line("y");
    receiver.end().expect_exit(0);
    sender.end().expect_exit(0);
    assert_eq!(fs::read_to_string(world.to().join("secret plans")).unwrap(), "content");
}

#[test]
fn whoever_is_not_let_in_is_told_so_and_the_next_one_can_come() {
    let (world, server) = (World::new(), TestServer::start());
    let receiver = visible(&world, &server, "bob", &[]);
    let sender = send_to(&world, &server, "bob");
    number(&sender, "bob");
    receiver.until_says("show the number ");
    receiver.type_line("n");
    sender.end().expect_exit(4);
    receiver.until_says("a sender was not received");
    world.expect_no_final_name();
    let sender = send_to(&world, &server, "bob");
    number(&sender, "bob");
    sender.type_line("y");
    receiver.until_err(|screen| (screen.matches("show the number ").count() == 2).then_some(()));
    receiver.type_line("y");
    receiver.until_says("Receive secret plans");
    receiver.type_line("y");
    receiver.end().expect_exit(0);
    sender.end().expect_exit(0);
}

#[test]
fn people_may_compare_for_longer_than_a_proof_may_take_and_who_is_not_let_in_is_sent_away() {
    let (world, server) = (World::new(), TestServer::start());
    let proxy = Proxy::start(server.address, Passing::untouched);
    let until_told = |words: &str| {
        let deadline = Instant::now() + PATIENCE;
        while !proxy.seen().iter().any(|text| text.contains(words)) {
            assert!(Instant::now() < deadline, "the server was not told {words}");
            thread::sleep(Duration::from_millis(5));
        }
    };
    let url = proxy.url();
    let receiver = world.run_on_terminal(&["recv", "--nearby", "bob", "--server", &url]);
    receiver.until_says("Visible on this network as bob");
    let film = world.file("film", "content");
    let sender = world.run_on_terminal(&["send", "--to", "bob", "--server", &url, film.to_str().unwrap()]);
    sender.until_says("show the number ");
    // Nobody has answered: the server ends a handshake of which it is told nothing.
    until_told(r#""type":"report""#);
    receiver.until_says("show the number ");
    receiver.type_line("n");
    sender.end().expect_exit(4);
    until_told(r#""type":"kick""#);
    receiver.signal(Signal::INT);
    receiver.end().expect_exit(130);
}

#[test]
fn who_sends_checks_as_well_that_it_is_the_right_device() {
    let (world, server) = (World::new(), TestServer::start());
    let receiver = visible(&world, &server, "bob", &[]);
    let sender = send_to(&world, &server, "bob");
    number(&receiver, "ann");
    receiver.type_line("y");
    number(&sender, "bob");
    sender.type_line("n");
    sender.end().expect_exit(4);
    receiver.until_says("a sender was not received");
    receiver.signal(Signal::INT);
    receiver.end().expect_exit(130);
    world.expect_no_final_name();
}

#[test]
fn a_name_that_nobody_has_or_two_have_is_answered_with_those_that_are_there() {
    let (world, server) = (World::new(), TestServer::start());
    let twins = [(); 2].map(|()| visible(&world, &server, "bob", &[]));
    send_to(&world, &server, "carl")
        .end()
        .expect_exit(3)
        .expect_says("nobody on this network is called carl; there are bob#");
    let ended = send_to(&world, &server, "bob").end().expect_exit(3).expect_says("2 devices are called bob: bob#");
    let tag = ended.stderr.rsplit_once("bob#").unwrap().1.get(..4).unwrap();
    let sender = send_to(&world, &server, &format!("bob#{tag}"));
    number(&sender, "bob");
    drop(twins);
}

#[test]
fn the_list_names_those_that_let_themselves_be_seen() {
    let (world, server) = (World::new(), TestServer::start());
    let url = server.url();
    let list = |more: &[&str]| {
        let ended = world.run(&[&["nearby", "--server", &url], more].concat()).end();
        ended.expect_exit(0)
    };
    let receiver = visible(&world, &server, "living room", &["--keep"]);
    let hidden = world.run_on_terminal(&["recv", "--server", &url]);
    hidden.until_says("The inbox is open");
    assert!(list(&[]).stdout.lines().any(|line| line.split_whitespace().eq(["living", "room", "terminal"])));
    let events = list(&["--json"]).events();
    let named: Vec<_> = events.iter().filter(|event| event["server"] == url).collect();
    assert_eq!(named.len(), 1, "{events:?}");
    assert_eq!((&named[0]["name"], &named[0]["kind"]), (&"living room".into(), &"terminal".into()));
    receiver.signal(Signal::INT);
    receiver.end().expect_exit(130);
    assert!(!list(&[]).stdout.contains("living room"));
}

#[test]
fn where_nobody_can_compare_a_number_nobody_is_let_in() {
    let (world, server) = (World::new(), TestServer::start());
    let film = world.file("film", "content");
    let url = server.url();
    for arguments in [&["recv", "--yes", "--nearby", "bob"][..], &["send", "--to", "bob", film.to_str().unwrap()]] {
        let ended = world.run(&[arguments, &["--server", &url]].concat()).end();
        ended.expect_exit(2).expect_says("nobody can be asked here whether both sides show the same number");
    }
    let ended = world.run(&["recv", "--nearby", "a\u{202e}b", "--server", &url]).end();
    ended.expect_exit(2).expect_says("a name has only characters that can be seen");
}

#[test]
fn devices_that_were_remembered_need_no_number_and_an_impostor_does() {
    let (at_ann, at_bob, at_mallory, server) = (World::new(), World::new(), World::new(), TestServer::start());
    let [film, sequel] = ["film", "sequel"].map(|name| at_ann.file(name, name).to_str().unwrap().to_owned());
    let url = server.url();
    let send = |more: &[&str], on: OnTerminal| {
        let arguments = [&["send", "--to", "bob", "--server", &url], more].concat();
        let mut command = at_ann.command(&arguments);
        command.env("P2PSHARE_NAME", "ann");
        Running::start(command, on)
    };
    let receiver = visible(&at_bob, &server, "bob", &["--yes", "--remember", "--on-exists", "rename"]);
    let sender = send(&["--remember", &film], OnTerminal::Person);
    assert_eq!(number(&receiver, "ann"), number(&sender, "bob"));
    sender.type_line("y");
    receiver.type_line("y");
    sender.end().expect_exit(0).expect_says("bob is remembered");
    receiver.end().expect_exit(0).expect_says("ann is remembered");

    // Nobody is asked anything, and nobody could be.
    let unattended = &["recv", "--nearby", "bob", "--yes", "--on-exists", "rename", "--server", &url];
    let receiver = at_bob.run(unattended);
    receiver.until_says("Visible on this network as bob");
    send(&[&sequel], OnTerminal::Nothing).end().expect_exit(0).expect_says("bob is known here by its key");
    receiver.end().expect_exit(0).expect_says("ann is known here by its key");
    assert_eq!(fs::read_to_string(at_bob.to().join("sequel")).unwrap(), "sequel");

    // The name alone is worth nothing, with a key of its own neither.
    let impostor = visible(&at_mallory, &server, "bob", &["--remember"]);
    let sender = send(&[&sequel], OnTerminal::Person);
    assert_eq!(number(&impostor, "ann"), number(&sender, "bob"));
    sender.type_line("n");
    sender.end().expect_exit(4);
    drop(impostor);

    let listed = at_bob.run(&["devices"]).end().expect_exit(0).stdout;
    assert!(listed.starts_with("ann  "), "{listed}");
    at_bob
        .run(&["devices", "--forget", "carl"])
        .end()
        .expect_exit(2)
        .expect_says("no device called carl is remembered");
    at_bob.run(&["devices", "--forget", "ann"]).end().expect_exit(0);
    at_bob.run(&["devices"]).end().expect_exit(0).expect_says("no device is remembered");
    at_bob.run(unattended).end().expect_exit(2).expect_says("nobody can be asked here");
}
