//! What scripts build on: exit codes, what goes to which output, and the events of `--json`.

use std::fs;
use std::net::TcpListener;

use serde_json::{Value, json};

use crate::harness::process::OnTerminal;
use crate::harness::tree::noise;
use crate::harness::{Running, TestServer, Tree, World};

#[test]
fn a_code_that_nobody_shares_exits_with_3() {
    let (world, server) = (World::new(), TestServer::start());
    let ended = world.recv(&server.url(), "417723").end().expect_exit(3);
    let words =
        format!("no share answers to 417 723: it may have ended or be on another server (asked {})", server.url());
    ended.expect_says(&words).expect_says("Ask for a new code");
    world.expect_no_trace();
}

#[test]
fn a_server_that_is_not_there_exits_with_10() {
    let world = World::new();
    // A port that was free a moment ago.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("http://127.0.0.1:{port}");
    let film = world.file("film", "content");
    for ended in [world.recv(&url, "123456").end(), world.send(&url, &[&film]).end()] {
        ended.expect_exit(10).expect_says(&format!("the server {url} cannot be reached"));
    }
    world.expect_no_trace();
}

#[test]
fn what_cannot_be_read_exits_with_8() {
    let (world, server) = (World::new(), TestServer::start());
    let ended = world.send(&server.url(), &[&world.from().join("missing")]).end().expect_exit(8);
    ended.expect_says("missing does not exist");
}

#[test]
fn a_command_line_that_is_wrong_exits_with_2() {
    let world = World::new();
    for arguments in [
        &["send"][..],
        &["recv", "12345x"],
        &["recv", "--yes", "123"],
        &["recv", "--yes", "http://127.0.0.1:1/#v1.short"],
        &["send", "--max", "0", "x"],
        &["send", "--secret-digits", "3", "x"],
        &["send", "--server", "ftp://x", "x"],
        &["no-such-command"],
        &["recv", "--no-such-flag", "123456"],
    ] {
        let ended = world.run(arguments).end().expect_exit(2);
        assert!(ended.stdout.is_empty() && !ended.stderr.is_empty(), "{ended:?}");
    }
}

#[test]
fn nobody_is_asked_where_nobody_is() {
    let (world, server) = (World::new(), TestServer::start());
    for more in [&[][..], &["--non-interactive"], &["--json"]] {
        let url = server.url();
        let arguments = [&["recv", "--server", &url, "123456"], more].concat();
        world.run(&arguments).end().expect_exit(2);
    }
}

#[test]
fn what_was_typed_wrong_is_told_before_anybody_is_asked_or_missed() {
    let world = World::new();
    for (arguments, exit, says) in [
        (&["recv", "12a456"][..], 2, "'a' is not a digit"),
        (&["recv", "123456", "-o", "/nowhere/film"], 8, "there is no folder /nowhere"),
        (&["send", "not-there", "--password"], 8, "not-there does not exist"),
        (&["send", "not-there", "--to", "bob"], 8, "not-there does not exist"),
        (&["send", "not-there", "--to", "123-"], 2, "Type the code or the link"),
    ] {
        world.run(arguments).end().expect_exit(exit).expect_says(says);
    }
}

#[test]
fn version_and_help_go_to_standard_output() {
    let world = World::new();
    let ended = world.run(&["--version"]).end().expect_exit(0);
    assert_eq!(ended.stdout, format!("p2pshare {}\n", env!("CARGO_PKG_VERSION")));
    for arguments in [&["--help"][..], &["send", "--help"], &["recv", "--help"], &["serve", "--help"]] {
        let ended = world.run(arguments).end().expect_exit(0);
        assert!(ended.stdout.contains("Usage: p2pshare") && ended.stderr.is_empty(), "{ended:?}");
    }
}

#[test]
fn the_manual_tells_of_every_command_and_option() {
    let world = World::new();
    let manual = world.run(&["man"]).end().expect_exit(0).stdout.replace('\\', "");
    for command in ["send", "recv", "serve", "completions"] {
        assert!(manual.contains(&format!(".SH \"P2PSHARE {}\"", command.to_uppercase())), "{command}");
        let help = world.run(&[command, "--help"]).end().expect_exit(0).stdout;
        let options = help.split_whitespace().filter(|word| word.starts_with("--"));
        for option in options.map(|option| option.split(|c: char| c != '-' && !c.is_alphanumeric()).next().unwrap()) {
            assert!(manual.contains(option), "{option} of {command}");
        }
    }
    for shell in ["bash", "zsh", "fish"] {
        let script = world.run(&["completions", shell]).end().expect_exit(0).stdout;
        assert!(script.contains("on-exists") && script.contains("overwrite"), "{shell}");
    }
}

#[test]
fn quiet_prints_the_code_and_the_paths_and_nothing_else() {
    let (world, server) = (World::new(), TestServer::start());
    let film = world.file("film", "content");
    let sender = world.run(&["send", "-q", "--server", &server.url(), film.to_str().unwrap()]);
    let code = sender.code();
    let received = world.run(&["recv", "-q", "-y", "--server", &server.url(), &code]).end().expect_exit(0);
    let sent = sender.end().expect_exit(0);
    assert_eq!((sent.stdout.as_str(), sent.stderr.as_str()), (format!("{code}\n").as_str(), ""));
    assert_eq!((received.stdout.as_str(), received.stderr.as_str()), ("film\n", ""));
}

#[test]
fn a_terminal_shows_the_spaced_code_the_link_and_a_qr_code() {
    let (world, server) = (World::new(), TestServer::start());
    let film = world.file("film", "content");
    let command = world.command(&["send", "--server", &server.url(), film.to_str().unwrap()]);
    let sender = Running::start(command, OnTerminal::Everything);
    let shown = sender.until_err(|screen| screen.contains("p2pshare recv").then(|| screen.to_owned()));
    let code = shown.split_once("code ").unwrap().1.lines().next().unwrap().trim().to_owned();
    assert_eq!((code.len(), code.as_bytes()[3]), (7, b' '), "{code:?}");
    assert!(shown.contains("/#v1.") && shown.contains('▄'), "no link or no QR code");
    world.recv(&server.url(), &code).end().expect_exit(0);
    let ended = sender.end().expect_exit(0);
    assert!(ended.stderr.contains("the receiver verified it"), "{}", ended.stderr);
}

#[test]
fn json_says_everything_on_standard_output() {
    let (world, server) = (World::new(), TestServer::start());
    let film = world.file("film", noise(3_000_000, 1));
    let sender = world.run(&["send", "--json", "--server", &server.url(), film.to_str().unwrap()]);
    let code = sender.until_out(|text| {
        let events = text[..text.rfind('\n')? + 1].lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let code = events.into_iter().find(|event| event["event"] == "code")?;
        assert!(code["link"].as_str()?.contains("/#v1."), "{code}");
        Some(code["code"].as_str()?.to_owned())
    });
    let received = world.run(&["recv", "--json", "--yes", "--server", &server.url(), &code]).end().expect_exit(0);
    let sent = sender.end().expect_exit(0);
    for (ended, expected) in [
        (&sent, &["code", "peer", "path", "accepted", "progress", "done"][..]),
        (&received, &["waiting", "peer", "path", "offer", "accepted", "progress", "entry_done", "done"]),
    ] {
        let events = ended.events();
        assert!(events.iter().all(|event| event["v"] == 1), "{events:?}");
        for name in expected {
            assert!(events.iter().any(|event| event["event"] == *name), "no {name} in {events:?}");
        }
        let last = events.last().unwrap();
        let moved = (&last["event"], &last["bytes"], &last["entries"], &last["skipped"]);
        assert_eq!(moved, (&json!("done"), &json!(3_000_000), &json!(1), &json!(0)));
        assert_eq!(ended.stderr, "");
    }
    let done = received.events().into_iter().find(|event| event["event"] == "entry_done").unwrap();
    assert_eq!((&done["path"], &done["bytes"]), (&json!("film"), &json!(3_000_000)));
    assert_eq!(done["blake3"].as_str().unwrap().len(), 64);
}

#[test]
fn json_tells_an_error_as_its_last_event() {
    let (world, server) = (World::new(), TestServer::start());
    let ended = world.run(&["recv", "--json", "--yes", "--server", &server.url(), "123456"]).end().expect_exit(3);
    let last = ended.events().pop().unwrap();
    assert_eq!((&last["event"], &last["exit"], &last["class"]), (&json!("error"), &json!(3), &json!("code")));
    assert_eq!(last["resumable"], json!(false));
    assert!(last["message"].as_str().unwrap().contains("no share answers"), "{last}");
    assert!(last["hint"].as_str().unwrap().contains("new code"), "{last}");
}

#[test]
fn b_101_the_code_can_stay_out_of_the_command_line() {
    let (world, server) = (World::new(), TestServer::start());
    let film = world.file("film", "content");
    let sender = world.run(&["send", "--max", "2", "--server", &server.url(), film.to_str().unwrap()]);
    let code = sender.code();
    let mut command = world.command(&["recv", "--yes"]);
    command.env("P2PSHARE_CODE", &code).env("P2PSHARE_SERVER", server.url());
    Running::start(command, OnTerminal::Nothing).end().expect_exit(0);
    let on_terminal = world.run_on_terminal(&["recv", "--yes", "--server", &server.url(), "-"]);
    on_terminal.type_line(&code);
    on_terminal.end().expect_exit(0);
    sender.end().expect_exit(0);
}

#[test]
fn a_flag_beats_the_environment_which_beats_the_file() {
    let (world, server) = (World::new(), TestServer::start());
    let config = world.home().join("config/p2pshare");
    fs::create_dir_all(&config).unwrap();
    let write = |url: &str| fs::write(config.join("config.toml"), format!("server = \"{url}\"\nyes = true\n")).unwrap();
    let (nobody, film) = ("http://127.0.0.1:1", world.file("film", "content"));
    let share = |world: &World| world.send(&server.url(), &[&film]);
    let recv = |arguments: &[&str], environment: Option<&str>| {
        let mut command = world.command(arguments);
        command.envs(environment.map(|url| ("P2PSHARE_SERVER", url.to_owned())));
        Running::start(command, OnTerminal::Nothing).end()
    };
    write(&server.url());
    let sender = share(&world);
    recv(&["recv", &sender.code()], None).expect_exit(0);
    sender.end().expect_exit(0);
    recv(&["recv", "123456"], Some(nobody)).expect_exit(10);
    recv(&["recv", "123456", "--server", &server.url()], Some(nobody)).expect_exit(3);
}

#[test]
fn every_key_has_a_variable_and_a_wrong_value_is_named() {
    let (world, server) = (World::new(), TestServer::start());
    let film = world.file("film", "content");
    let with = |arguments: &[&str], variables: &[(&str, &str)]| {
        let mut command = world.command(arguments);
        command.env("P2PSHARE_SERVER", server.url()).envs(variables.iter().copied());
        Running::start(command, OnTerminal::Nothing)
    };
    let sender = with(&["send", film.to_str().unwrap()], &[("P2PSHARE_QUIET", "1"), ("P2PSHARE_SECRET_DIGITS", "6")]);
    let code = sender.code();
    assert_eq!(code.split_once('-').unwrap().1.len(), 6);
    let received = with(&["recv", &code], &[("P2PSHARE_YES", "true"), ("P2PSHARE_JSON", "1")]).end().expect_exit(0);
    assert_eq!(received.events().last().unwrap()["event"], "done");
    assert_eq!(sender.end().expect_exit(0).stderr, "");
    for (variable, value) in [
        ("P2PSHARE_YES", "perhaps"),
        ("P2PSHARE_ON_EXISTS", "explode"),
        ("P2PSHARE_MAX_FILES", "-1"),
        ("P2PSHARE_LIMIT", "fast"),
        ("P2PSHARE_TIMEOUT", "soon"),
        ("P2PSHARE_SERVER", "ftp://share"),
        ("P2PSHARE_EXCLUDE", "["),
        ("P2PSHARE_LOG", "p2pshare=loud"),
    ] {
        let ended = with(&["recv", "-y", "123456"], &[(variable, value)]).end().expect_exit(2);
        ended.expect_says(&format!("the variable {variable}=")).expect_says(value).expect_says("unset it");
    }
    // What is empty is not set.
    with(&["recv", "-y", "123456", "--server", &server.url()], &[("P2PSHARE_SERVER", ""), ("P2PSHARE_LOG", "")])
        .end()
        .expect_exit(3);
}

#[test]
fn a_mistake_in_the_file_is_named_with_its_line_or_its_key() {
    let world = World::new();
    for (file, says) in [
        ("no-qr = true\nyes = \"maybe\"\n", "yes = \"maybe\" in"),
        ("no-qr = true\nlimit = fast\n", "line 2"),
        ("qr = false\n", "unknown key: qr"),
        ("direct = true\nrelay = true\n", "direct and relay are both true"),
    ] {
        let config = world.file("config.toml", file);
        let ended = world.run(&["recv", "-y", "123456", "--config", config.to_str().unwrap()]).end();
        ended.expect_exit(2).expect_says(says).expect_says("config.toml");
    }
}

#[test]
fn nobody_else_is_waited_for_longer_than_the_timeout() {
    let (world, server) = (World::new(), TestServer::start());
    let film = world.file("film", "content");
    let sender =
        world.run(&["send", "--max", "2", "--timeout", "3s", "--server", &server.url(), film.to_str().unwrap()]);
    world.recv(&server.url(), &sender.code()).end().expect_exit(0);
    // One was served, which is no failure.
    sender.end().expect_exit(0);
}

#[test]
fn nobody_is_waited_for_longer_than_the_timeout() {
    let (world, server) = (World::new(), TestServer::start());
    let film = world.file("film", "content");
    let ended = world.run(&["send", "--timeout", "1s", "--server", &server.url(), film.to_str().unwrap()]).end();
    ended.expect_exit(12).expect_says("nobody came within 1s (--timeout)");
    let inbox = world.run(&["recv", "--yes", "--json", "--timeout", "1s", "--server", &server.url()]).end();
    let last = inbox.expect_exit(12).events().pop().unwrap();
    assert_eq!((&last["event"], &last["class"]), (&json!("error"), &json!("timed_out")));
}

#[test]
fn b_055_wrong_codes_at_the_same_time_are_counted_exactly() {
    let (world, server) = (World::new(), TestServer::start());
    let sender = world.send(&server.url(), &[&world.file("film", "content")]);
    let code = sender.code();
    let last: u32 = code[code.len() - 1..].parse().unwrap();
    let wrong = |by: u32| format!("{}{}", &code[..code.len() - 1], (last + by) % 10);
    let guesses: Vec<_> = (1..=8).map(|by| world.recv(&server.url(), &wrong(by))).collect();
    for guess in guesses {
        // The server lets four in at a time and none once the code is retired.
        guess.end().expect_one_of(&[3, 10]);
    }
    let second = sender.nth_code(1);
    assert_ne!(code, second);
    let ended = sender.terminate();
    let tried = ended.stderr.matches("somebody tried a wrong code").count();
    assert_eq!(tried, 3, "{}", ended.stderr);
}

#[test]
fn b_072_a_wrong_password_exits_with_6_and_the_right_one_receives() {
    let (world, server) = (World::new(), TestServer::start());
    let film = world.file("film", "content");
    let with_password = |arguments: &[&str], password: &str| {
        let mut command = world.command(arguments);
        command.env("P2PSHARE_PASSWORD", password);
        Running::start(command, OnTerminal::Nothing)
    };
    let sender = with_password(&["send", "--server", &server.url(), film.to_str().unwrap()], "correct horse");
    let code = sender.code();
    let recv = ["recv", "--yes", "--server", &server.url(), &code];
    with_password(&recv, "wrong horse").end().expect_exit(6);
    world.run(&recv).end().expect_exit(6);
    world.expect_no_trace();
    with_password(&recv, "correct horse").end().expect_exit(0);
    sender.end().expect_exit(0);
    assert_eq!(world.arrived(), Tree::of(&world.from()));
}
