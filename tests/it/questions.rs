//! What people are asked on a terminal, and what their answers do.

use std::fs;

use rustix::process::Signal;
use serde_json::json;

use crate::harness::process::OnTerminal;
use crate::harness::{HostileHost, Running, TestServer, World};

#[test]
fn a_password_is_not_shown_and_is_asked_for_again_after_a_wrong_one() {
    let (world, server) = (World::new(), TestServer::start());
    let sender = share_with_password(&world, &server);
    let receiver = world.run_on_terminal(&["recv", "--yes", "--server", &server.url(), &sender.code()]);
    receiver.until_says("Password of the share: ");
    assert!(!receiver.keyboard().is_usual());
    receiver.type_line("wrong horse");
    receiver.until_says("wrong password; 2 tries are left");
    receiver.until_err(|screen| (screen.matches("Password of the share: ").count() == 2).then_some(()));
    receiver.type_line("correct horse");
    let ended = receiver.end().expect_exit(0);
    assert!(!ended.stderr.contains("horse"), "{}", ended.stderr);
}

#[test]
fn ctrl_c_at_a_password_leaves_the_terminal_as_it_was() {
    let (world, server) = (World::new(), TestServer::start());
    let sender = share_with_password(&world, &server);
    for (arguments, asked) in [
        (&["recv", "--yes", "--server", &server.url(), &sender.code()][..], "Password of the share: "),
        (&["send", "--password", "--server", &server.url(), "."], "Password for this share: "),
    ] {
        let running = world.run_on_terminal(arguments);
        let keyboard = running.keyboard();
        running.until_says(asked);
        assert!(!keyboard.is_usual());
        running.signal(Signal::INT);
        running.end().expect_exit(130);
        assert!(keyboard.is_usual());
    }
}

#[test]
fn a_new_password_is_typed_twice() {
    let (world, server) = (World::new(), TestServer::start());
    let film = world.file("film", "content");
    let send = ["send", "--password", "--server", &server.url(), film.to_str().unwrap()];
    let sender = world.run_on_terminal(&send);
    sender.until_says("Password for this share: ");
    sender.type_line("correct horse");
    sender.until_says("The same again: ");
    sender.type_line("another horse");
    sender.end().expect_exit(2).expect_says("the two passwords differ");
}

#[test]
fn files_without_a_folder_are_counted_once_and_who_declines_is_named() {
    let (world, server) = (World::new(), TestServer::start());
    let (film, notes) = (world.file("film", "content"), world.file("notes", "more"));
    let sender = world.run(&["send", "--keep", "-s", &server.url(), film.to_str().unwrap(), notes.to_str().unwrap()]);
    let mut command = world.command(&["recv", "--server", &server.url(), &sender.code()]);
    command.env("P2PSHARE_NAME", "ann");
    let receiver = Running::start(command, OnTerminal::Person);
    receiver.until_says("Receive 2 files (11 B)? [Y/n, s to select] ");
    receiver.type_line("n");
    receiver.end().expect_exit(11);
    sender.until_says("\nann was not served: the receiver declined\n");
    sender.terminate().expect_exit(143);
}

#[test]
fn a_receiver_chooses_by_numbers_and_patterns() {
    let (world, server) = (World::new(), TestServer::start());
    for name in ["album/1.jpg", "album/2.jpg", "album/sub/3.png", "album/sub/4.txt", "album/5.txt"] {
        world.file(name, name);
    }
    let sender = world.send(&server.url(), &[&world.from().join("album")]);
    let receiver = world.run_on_terminal(&["recv", "--server", &server.url(), &sender.code()]);
    receiver.until_says("Receive album (5 files, 63 B)? [Y/n, s to select] ");
    receiver.type_line("s");
    receiver.until_says("sub/  (2 files)");
    receiver.until_says("Which?");
    receiver.type_line("7");
    receiver.until_says("7 is not in the list: it goes from 1 to 4");
    // What is typed before it is asked again is no answer.
    receiver.until_err(|screen| (screen.matches("Which?").count() == 2).then_some(()));
    receiver.type_line("1, *.png");
    receiver.end().expect_exit(0);
    sender.end().expect_exit(0);
    assert_eq!(world.arrived().names().collect::<Vec<_>>(), ["album", "album/1.jpg", "album/sub", "album/sub/3.png"]);
}

#[test]
fn names_that_are_taken_are_asked_about_before_a_byte_flows() {
    let (world, server) = (World::new(), TestServer::start());
    for name in ["a", "b", "c", "d", "e"] {
        world.file(name, format!("new {name}"));
    }
    let is_taken = ["b", "c", "d", "e"];
    for name in is_taken {
        fs::write(world.to().join(name), "the old one").unwrap();
    }
    let paths = ["a", "b", "c", "d", "e"].map(|name| world.from().join(name));
    let sender = world.send(&server.url(), &paths.each_ref().map(std::path::PathBuf::as_path));
    let receiver = world.run_on_terminal(&["recv", "--server", &server.url(), &sender.code()]);
    receiver.until_says("[Y/n");
    receiver.type_line("");
    receiver.until_says("b is there already");
    receiver.until_says("for all 4 that are left");
    assert!(!world.to().join("a").exists(), "bytes flow before everything is decided");
    receiver.type_line("o");
    receiver.until_says("c is there already");
    receiver.type_line("r");
    receiver.until_says("d is there already");
    receiver.type_line("S");
    receiver.end().expect_exit(0);
    sender.end().expect_exit(0);
    let read = |name: &str| fs::read_to_string(world.to().join(name)).unwrap();
    assert_eq!(["a", "b", "c (1)"].map(read), ["new a", "new b", "new c"]);
    assert_eq!(["c", "d", "e"].map(read), ["the old one"; 3]);
}

#[test]
fn a_receiver_who_cancels_at_a_name_that_is_taken_receives_nothing() {
    let (world, server) = (World::new(), TestServer::start());
    let sender = world.send(&server.url(), &[&world.file("film", "new")]);
    fs::write(world.to().join("film"), "the old one").unwrap();
    let receiver =
        world.run_on_terminal(&["recv", "--yes", "--on-exists", "ask", "--server", &server.url(), &sender.code()]);
    receiver.until_says("film is there already");
    receiver.type_line("c");
    receiver.end().expect_exit(11);
    sender.end().expect_exit(11);
    assert_eq!(world.arrived().names().collect::<Vec<_>>(), ["film"]);
    assert_eq!(fs::read_to_string(world.to().join("film")).unwrap(), "the old one");
}

#[test]
fn what_was_typed_before_the_question_is_no_consent() {
    let (world, server) = (World::new(), TestServer::start());
    let host = HostileHost::open(&server.url());
    let command = world.command(&["recv", "--server", &server.url(), &host.code()]);
    let receiver = Running::start(command, OnTerminal::Everything);
    let mut sender = host.pair().bind();
    receiver.type_line("y");
    sender.greet("sends");
    sender.offer(&json!({"path": ["film"], "kind": "file", "size": 7}).to_string());
    receiver.until_says("[Y/n] ");
    receiver.type_line("n");
    sender.hear_until("decline");
    receiver.end().expect_exit(11);
}

#[test]
fn an_answer_is_never_taken_for_another_peers_question() {
    let (world, server) = (World::new(), TestServer::start());
    let inbox = world.run_on_terminal(&["recv", "--keep", "--server", &server.url()]);
    let code = inbox.code();
    let offer = |name: &str| {
        let path = world.file(name, name);
        world.run(&["send", "--server", &server.url(), "--to", &code, path.to_str().unwrap()])
    };
    let first = offer("first");
    inbox.until_says("Receive first (5 B)? [Y/n] ");
    let second = offer("second");
    first.terminate().expect_exit(143);
    inbox.until_says("Receive second (6 B)? [Y/n] ");
    inbox.type_line("y");
    second.end().expect_exit(0);
    inbox.signal(Signal::INT);
    inbox.end().expect_exit(0);
    assert_eq!(world.arrived().names().collect::<Vec<_>>(), ["second"]);
}

#[test]
fn without_arguments_a_person_is_asked_what_to_do() {
    let (world, server) = (World::new(), TestServer::start());
    let film = world.file("film", "content");
    let bare = || {
        let mut command = world.command(&[]);
        command.env("P2PSHARE_SERVER", server.url());
        Running::start(command, OnTerminal::Person)
    };
    let sender = bare();
    sender.until_says("Send or receive? ");
    sender.type_line("perhaps");
    sender.until_err(|screen| (screen.matches("Send or receive? ").count() == 2).then_some(()));
    sender.type_line("s");
    sender.until_says("Which file or folder? ");
    sender.type_line(film.to_str().unwrap());
    let code = sender.code();
    let receiver = bare();
    receiver.until_says("Send or receive? ");
    receiver.type_line("receive");
    receiver.until_says("The code or link");
    receiver.type_line(&code);
    receiver.until_says("[Y/n]");
    receiver.type_line("y");
    receiver.end().expect_exit(0);
    sender.end().expect_exit(0);
}

#[test]
fn both_sides_are_asked_whether_they_show_the_same_number() {
    for answers in [["y", "y"], ["y", "n"], ["n", "y"]] {
        let (world, server) = (World::new(), TestServer::start());
        let film = world.file("film", "content");
        let sender = world.run_on_terminal(&["send", "--server", &server.url(), film.to_str().unwrap()]);
        let recv = ["recv", "--yes", "--verify", "--server", &server.url(), &sender.code()];
        let receiver = world.run_on_terminal(&recv);
        let shown = [&sender, &receiver].map(|side| {
            side.until_err(|screen| {
                let number = screen.split("Does the other side show the number ").nth(1)?.split('?').next()?;
                Some(number.to_owned())
            })
        });
        assert_eq!(shown[0], shown[1]);
        assert!(world.arrived().names().next().is_none(), "bytes flow before the numbers are compared");
        sender.type_line(answers[0]);
        receiver.type_line(answers[1]);
        if answers == ["y", "y"] {
            receiver.end().expect_exit(0);
            sender.end().expect_exit(0);
        } else {
            receiver.end().expect_exit(4).expect_says("the two sides showed different numbers");
            sender.end().expect_exit(4).expect_says("the two sides showed different numbers");
            assert!(world.arrived().names().next().is_none());
        }
    }
}

#[test]
fn a_number_is_not_compared_where_nobody_can_be_asked() {
    let world = World::new();
    let film = world.file("film", "content");
    for arguments in [&["send", "--verify", film.to_str().unwrap()][..], &["recv", "--yes", "--verify", "123456"]] {
        world.run(arguments).end().expect_exit(2).expect_says("nobody can be asked here whether both sides show");
    }
}

fn share_with_password(world: &World, server: &TestServer) -> Running {
    let film = world.file("film", "content");
    let mut command = world.command(&["send", "--max", "2", "--server", &server.url(), film.to_str().unwrap()]);
    command.env("P2PSHARE_PASSWORD", "correct horse");
    Running::start(command, OnTerminal::Nothing)
}
