//! A receiver that was paired with properly and then asks for what is not its business.

use std::fs;
use std::time::Duration;

use p2pshare_protocol::ctl::{AbortCode, Ctl, SkipReason};
use p2pshare_protocol::offer::EntryId;
use rustix::process::Signal;

use crate::harness::tree::noise;
use crate::harness::{HostileGuest, Peer, Running, TestServer, World};

#[test]
fn b_045_ranges_that_are_not_on_offer() {
    for ranges in [
        "[4294967295,0,1]",
        "[3,0,1]",
        "[0,0,18446744073709551615]",
        "[0,18446744073709551614,18446744073709551615]",
        "[0,0,8]",
        "[0,5,5]",
        "[0,6,5]",
        "[0,-1,5]",
        "[0,0.5,5]",
        "[\"../../etc/passwd\",0,5]",
        "[2,0,1]",
    ] {
        violated(&format!(r#"{{"t":"want","ranges":[{ranges}]}}"#));
    }
}

#[test]
fn b_045_hashes_of_what_is_not_on_offer() {
    for chunks in ["[4294967295,0,1]", "[0,0,2]", "[0,18446744073709551615,1]", "[0,1,18446744073709551615]"] {
        violated(&format!(r#"{{"t":"verify","chunks":[{chunks}]}}"#));
    }
}

#[test]
fn b_045_entries_that_are_not_on_offer() {
    for select in ["[3,3]", "[0,4294967295]", "[1,0]", "[-1,0]"] {
        let scene = Scene::offered();
        scene.receiver.say_json(&format!(r#"{{"t":"accept","select":[{select}],"last":true}}"#));
        scene.violated();
    }
}

#[test]
fn b_045_an_entry_that_was_not_accepted() {
    let scene = Scene::offered();
    scene.receiver.say_json(r#"{"t":"accept","select":[[1,1]],"last":true}"#);
    scene.receiver.say_json(r#"{"t":"want","ranges":[[0,0,7]]}"#);
    scene.violated();
}

#[test]
fn b_045_more_requests_than_anybody_needs() {
    let scene = Scene::accepted();
    let ranges = vec!["[0,0,7]"; 128].join(",");
    for _ in 0..600 {
        scene.receiver.say_json(&format!(r#"{{"t":"want","ranges":[{ranges}]}}"#));
    }
    scene.receiver.say_json(r#"{"t":"want","ranges":[[9,0,7]]}"#);
    scene.violated();
}

#[test]
fn b_044_frames_that_only_a_sender_says() {
    for frame in [
        r#"{"t":"hashes","chunks":[]}"#,
        r#"{"t":"offer","page":0,"entries":[],"last":true}"#,
        r#"{"t":"done","root":"0000000000000000000000000000000000000000000000000000000000000000"}"#,
        r#"{"t":"hello","v":1,"role":"receives"}"#,
        r#"{"t":"accept","last":true}"#,
        r#"{"t":"pc_offer","n":1,"sdp":""}"#,
        r#"{"t":"pc_answer","n":1,"sdp":""}"#,
        r#"{"t":"pc_open","n":1}"#,
        "[]",
        "",
    ] {
        violated(frame);
    }
}

#[test]
fn b_043_data_from_the_receiver() {
    let scene = Scene::accepted();
    scene.receiver.data(0, 0, b"content");
    scene.violated();
}

#[test]
fn b_048_two_senders() {
    let (world, server) = (World::new(), TestServer::start());
    let sender = world.send(&server.url(), &[&world.file("film", "content")]);
    let other = HostileGuest::pair(&server.url(), &sender.code()).bind();
    other.greet("sends");
    sender.end().expect_exit(2).expect_says("both sides want to send");
}

#[test]
fn b_038_a_file_that_changes_while_it_is_sent_is_skipped_and_the_others_are_not() {
    let mut scene = Scene::offered();
    fs::write(scene.world.from().join("a"), "CHANGED").unwrap();
    scene.receiver.say_json(r#"{"t":"accept","last":true}"#);
    scene.receiver.say_json(r#"{"t":"want","ranges":[[0,0,7]]}"#);
    let skip = scene.receiver.hear_until("skip");
    assert_eq!(skip, Ctl::Skip { entry: EntryId(0), reason: SkipReason::Changed });
    assert_eq!(scene.receiver.fetch(&[(1, 0, 7)]), 7);
    scene.receiver.close();
    scene.sender.end().expect_exit(10).expect_says("skipped a: it changed while it was sent");
}

#[test]
fn b_038_a_file_that_is_replaced_by_a_link_is_not_followed() {
    let mut scene = Scene::offered();
    let secret = scene.world.home().join("secret");
    fs::write(&secret, "content").unwrap();
    let shared = scene.world.from().join("a");
    fs::remove_file(&shared).unwrap();
    std::os::unix::fs::symlink(&secret, &shared).unwrap();
    scene.receiver.say_json(r#"{"t":"accept","last":true}"#);
    scene.receiver.say_json(r#"{"t":"want","ranges":[[0,0,7]]}"#);
    assert!(matches!(scene.receiver.hear_until("skip"), Ctl::Skip { entry: EntryId(0), .. }));
    scene.receiver.close();
    scene.sender.end().expect_exit(10);
}

#[test]
fn b_047_a_receiver_that_is_suspended_does_not_fill_the_senders_memory() {
    let (world, server) = (World::new(), TestServer::start());
    let film = world.file("film", "");
    fs::File::options().write(true).open(&film).unwrap().set_len(600 << 20).unwrap();
    let sender = world.run(&["send", "--json", "--server", &server.url(), film.to_str().unwrap()]);
    let code = sender.until_out(|text| {
        let line = text.lines().find(|line| line.contains("\"code\":"))?;
        serde_json::from_str::<serde_json::Value>(line).ok()?["code"].as_str().map(str::to_owned)
    });
    let receiver = world.recv(&server.url(), &code);
    sender.until_out(|text| text.contains("\"progress\"").then_some(()));
    let before = sender.peak_memory().unwrap();
    receiver.signal(Signal::STOP);
    // Longer than every buffer between the two takes to fill, and less than the patience of either side.
    std::thread::sleep(Duration::from_secs(3));
    let after = sender.peak_memory().unwrap();
    receiver.signal(Signal::CONT);
    assert!(after < before + (32 << 20), "{before} grew to {after}");
    receiver.end().expect_exit(0);
    sender.end().expect_exit(0);
}

#[test]
fn b_047_a_receiver_that_asks_for_nothing_is_given_up_after_a_minute() {
    let mut scene = Scene::accepted();
    while scene.receiver.hear_ping() {
        scene.receiver.say(&Ctl::Ping);
    }
    assert_eq!(scene.receiver.hear_until("abort"), Ctl::Abort { code: AbortCode::Stalled });
    scene.sender.end().expect_exit(10);
}

#[test]
fn b_053_guests_that_vanish_before_their_proof_cost_nothing() {
    let (world, server) = (World::new(), TestServer::start());
    let film = world.file("film", noise(1000, 3));
    let sender = world.send(&server.url(), &[&film]);
    let code = sender.code();
    for _ in 0..40 {
        HostileGuest::vanish(&server.url(), &code);
    }
    world.recv(&server.url(), &code).end().expect_exit(0);
    let sender = sender.end().expect_exit(0);
    assert!(!sender.stderr.contains("wrong code"), "{}", sender.stderr);
}

/// A sender of the real program and a hostile receiver. The offer: two files of seven bytes and a folder.
struct Scene {
    world: World,
    /// Ends after the two.
    _server: TestServer,
    sender: Running,
    receiver: Peer,
}

impl Scene {
    /// The receiver has the offer.
    fn offered() -> Self {
        let (world, server) = (World::new(), TestServer::start());
        let (a, b, folder) = (world.file("a", "content"), world.file("b", "content"), world.from().join("folder"));
        fs::create_dir(&folder).unwrap();
        let sender = world.send(&server.url(), &[&a, &b, &folder]);
        let mut receiver = HostileGuest::pair(&server.url(), &sender.code()).bind();
        receiver.greet("receives");
        let Ctl::Offer { entries, .. } = receiver.hear_until("offer") else { panic!("no offer") };
        assert_eq!(entries.iter().map(|entry| entry.path.to_string()).collect::<Vec<_>>(), ["a", "b", "folder"]);
        Self { world, _server: server, sender, receiver }
    }

    /// The receiver has accepted all of it.
    fn accepted() -> Self {
        let scene = Self::offered();
        scene.receiver.say_json(r#"{"t":"accept","last":true}"#);
        scene
    }

    /// The sender ends because the protocol was broken, without a byte of data.
    #[track_caller]
    fn violated(mut self) {
        let said = self.receiver.hear_out();
        assert_eq!(said.last(), Some(&Ctl::Abort { code: AbortCode::Violation }), "{said:?}");
        self.sender.end().expect_exit(5).expect_says("the other side broke the protocol");
    }
}

/// The frame, said after the offer was accepted, breaks the protocol.
#[track_caller]
fn violated(frame: &str) {
    let scene = Scene::accepted();
    scene.receiver.say_json(frame);
    scene.violated();
}
