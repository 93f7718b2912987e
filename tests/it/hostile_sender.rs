//! A sender that was paired with properly and then breaks the protocol of the transfer.

mod too_much;

use std::collections::HashMap;
use std::fs;
use std::time::{Duration, Instant};

use bytes::Bytes;
use p2pshare_protocol::ctl::{AbortCode, Ctl, Role};
use p2pshare_protocol::hash::Hash;
use p2pshare_protocol::offer::EntryId;
use serde_json::json;

use crate::harness::peer::send_data;
use crate::harness::tree::noise;
use crate::harness::{Peer, Running, TestServer, World};
use crate::hostile_names::meet;

#[test]
fn b_023_an_offer_of_nothing_is_received_at_once() {
    let (world, server) = (World::new(), TestServer::start());
    let (receiver, mut sender) = meet(&world, &server, &[]);
    sender.offer("");
    sender.serve(&HashMap::new());
    receiver.end().expect_exit(0);
    world.expect_no_trace();
}

#[test]
fn b_023_empty_files_and_folders_arrive() {
    let (world, server) = (World::new(), TestServer::start());
    let (receiver, mut sender) = meet(&world, &server, &[]);
    sender
        .offer(r#"{"path":["d"],"kind":"dir"},{"path":["d","e"],"kind":"dir"},{"path":["f"],"kind":"file","size":0}"#);
    sender.serve(&HashMap::new());
    receiver.end().expect_exit(0);
    assert_eq!(world.arrived().names().collect::<Vec<_>>(), ["d", "d/e", "f"]);
}

#[test]
fn b_030_more_bytes_than_declared() {
    let scene = Scene::accepted(r#"{"path":["film"],"kind":"file","size":10}"#);
    scene.sender.data(0, 0, &[7; 11]);
    scene.violated();
}

#[test]
fn b_030_fewer_bytes_than_declared() {
    let scene = Scene::accepted(r#"{"path":["film"],"kind":"file","size":10}"#);
    scene.sender.data(0, 0, &[7; 9]);
    scene.sender.hash(0, 0, Hash::of_chunk(&[7; 9]));
    scene.sender.close();
    scene.receiver.end().expect_exit(10).expect_says("the other side closed the connection");
    scene.world.expect_no_final_name();
}

#[test]
fn b_042_a_flipped_bit_is_asked_for_again() {
    let content = noise(3000, 1);
    let mut scene = Scene::accepted(r#"{"path":["film"],"kind":"file","size":3000}"#);
    scene.corrupt(&content);
    scene.sender.serve(&HashMap::from([(0, content.clone())]));
    scene.receiver.end().expect_exit(0);
    assert_eq!(fs::read(scene.world.to().join("film")).unwrap(), content);
}

#[test]
fn b_042_a_bit_that_flips_again_ends_it() {
    let content = noise(3000, 1);
    let mut scene = Scene::accepted(r#"{"path":["film"],"kind":"file","size":3000}"#);
    scene.corrupt(&content);
    scene.sender.hear_until("want");
    scene.corrupt(&content);
    let said = scene.sender.hear_out();
    assert_eq!(said.last(), Some(&Ctl::Abort { code: AbortCode::Corrupt }), "{said:?}");
    scene.receiver.end().expect_exit(5).expect_says("does not match its hash");
    scene.world.expect_no_final_name();
}

#[test]
fn b_043_data_before_the_offer_is_taken() {
    let scene = Scene::greeted();
    scene.sender.data(0, 0, b"early");
    scene.violated_without_trace();
}

#[test]
fn b_043_data_that_was_not_asked_for() {
    for (entry, offset) in [(1, 0), (u32::MAX, 0), (0, 7), (0, 1 << 40), (0, u64::MAX - 4)] {
        let scene = Scene::accepted(r#"{"path":["film"],"kind":"file","size":10}"#);
        scene.sender.data(entry, offset, b"junk");
        scene.violated();
    }
}

#[test]
fn b_043_data_of_an_entry_that_is_a_folder() {
    let scene = Scene::accepted(r#"{"path":["film"],"kind":"file","size":10},{"path":["d"],"kind":"dir"}"#);
    scene.sender.data(1, 0, b"junk");
    scene.violated();
}

#[test]
fn b_043_data_that_came_already() {
    let scene = Scene::accepted(r#"{"path":["film"],"kind":"file","size":10}"#);
    scene.sender.data(0, 0, b"12345");
    scene.sender.data(0, 0, b"12345");
    scene.violated();
}

#[test]
fn b_043_data_after_everything_is_done() {
    let mut scene = Scene::accepted(r#"{"path":["film"],"kind":"file","size":2}"#);
    scene.sender.hash(0, 0, Hash::of_chunk(b"ok"));
    scene.sender.data(0, 0, b"ok");
    scene.sender.hear_until("done");
    scene.sender.data(0, 0, b"no");
    scene.sender.hear_out();
    scene.receiver.end().expect_exit(5);
    assert_eq!(fs::read(scene.world.to().join("film")).unwrap(), b"ok");
}

#[test]
fn b_043_hashes_that_nobody_asked_for() {
    for (entry, chunk) in [(1, 0), (0, 1), (u32::MAX, 0), (0, u64::MAX)] {
        let scene = Scene::accepted(r#"{"path":["film"],"kind":"file","size":10}"#);
        scene.sender.hash(entry, chunk, Hash([1; 32]));
        scene.violated();
    }
}

#[test]
fn b_043_a_flood_of_data_does_not_fill_the_memory() {
    let scene = Scene::accepted(r#"{"path":["film"],"kind":"file","size":1000000000}"#);
    let before = scene.receiver.peak_memory().unwrap();
    scene.sender.with_sender(async |sender| {
        let flood = async {
            for offset in 0..2000 {
                send_data(&sender, 0, offset << 16, Bytes::from(vec![7; 32 << 10])).await;
            }
        };
        tokio::select! { () = flood => {}, _ = sender.lost() => {} }
    });
    let after = scene.receiver.peak_memory().unwrap_or(before);
    scene.receiver.end().expect_exit(5);
    assert!(after < before + (64 << 20), "{before} grew to {after}");
    scene.world.expect_no_final_name();
}

#[test]
fn b_044_control_frames_that_are_none() {
    let deep = format!(r#"{{"t":"ping","x":{}1{}}}"#, "[".repeat(3500), "]".repeat(3500));
    let long = format!(r#"{{"t":"ping","x":"{}"}}"#, "a".repeat(8192));
    let frames: Vec<&[u8]> = vec![
        b"",
        b"{",
        b"x",
        b"null",
        b"[]",
        b"{\"t\":\"ping\",\"x\":\"\xff\"}",
        br#"{"t":"unheard_of"}"#,
        br#"{"t":"hashes","chunks":[[0,NaN,"00"]]}"#,
        br#"{"t":"hashes","chunks":[[0,-1,"00"]]}"#,
        br#"{"t":"hashes","chunks":[[0,1e400,"00"]]}"#,
        br#"{"t":"eof","entry":1,"entry":2,"size":3}"#,
        br#"{"t":"eof","entry":4294967296,"size":3}"#,
        br#"{"t":"done","root":"00"}"#,
        deep.as_bytes(),
        long.as_bytes(),
    ];
    for frame in frames {
        let scene = Scene::accepted(r#"{"path":["film"],"kind":"file","size":10}"#);
        scene.sender.say_bytes(frame);
        scene.violated();
    }
}

#[test]
fn b_044_control_frames_at_the_wrong_time() {
    for frame in [
        r#"{"t":"hello","v":1,"role":"sends"}"#,
        r#"{"t":"offer","page":0,"entries":[],"last":true}"#,
        r#"{"t":"offer","page":1,"entries":[],"last":true}"#,
        r#"{"t":"accept","last":true}"#,
        r#"{"t":"want","ranges":[[0,0,1]]}"#,
        r#"{"t":"done","root":"0000000000000000000000000000000000000000000000000000000000000000"}"#,
        r#"{"t":"progress","bytes":1,"entries":1}"#,
        r#"{"t":"pc_answer","n":1,"sdp":""}"#,
        r#"{"t":"pc_open","n":1}"#,
        r#"{"t":"pc_candidate","n":1,"candidate":""}"#,
        r#"{"t":"pc_offer","n":1,"sdp":"v=0"}"#,
    ] {
        let scene = Scene::accepted(r#"{"path":["film"],"kind":"file","size":10}"#);
        scene.sender.say_json(frame);
        scene.violated();
    }
}

#[test]
fn b_044_a_wrong_frame_is_refused_within_a_second() {
    let mut scene = Scene::greeted();
    let deep = format!(r#"{{"t":"ping","x":{}}}"#, "[".repeat(8000));
    let said = Instant::now();
    scene.sender.say_json(&deep);
    assert_eq!(scene.sender.hear_until("abort"), Ctl::Abort { code: AbortCode::Violation });
    assert!(said.elapsed() < Duration::from_secs(1), "{:?}", said.elapsed());
    scene.receiver.end().expect_exit(5);
}

#[test]
fn b_046_a_flood_of_empty_messages() {
    let scene = Scene::greeted();
    let before = scene.receiver.peak_memory().unwrap();
    scene.sender.with_sender(async |sender| {
        for _ in 0..100_000 {
            if sender.send_ctl(Bytes::new()).await.is_err() {
                return;
            }
        }
    });
    let after = scene.receiver.peak_memory().unwrap_or(before);
    scene.receiver.end().expect_exit(5);
    assert!(after < before + (64 << 20), "{before} grew to {after}");
    scene.world.expect_no_trace();
}

#[test]
fn b_048_two_receivers() {
    let (world, server) = (World::new(), TestServer::start());
    let host = crate::harness::HostileHost::open(&server.url());
    let receiver = world.recv(&server.url(), &host.code());
    let other = host.pair().bind();
    other.greet("receives");
    receiver.end().expect_exit(2).expect_says("both sides want to receive");
    world.expect_no_trace();
}

#[test]
fn another_version_of_the_protocol() {
    let (world, server) = (World::new(), TestServer::start());
    let host = crate::harness::HostileHost::open(&server.url());
    let receiver = world.recv(&server.url(), &host.code());
    let other = host.pair().bind();
    other.say_json(r#"{"t":"hello","v":2,"role":"sends"}"#);
    receiver.end().expect_exit(7).expect_says("version 2");
}

#[test]
fn a_sender_that_is_done_before_the_receiver() {
    let mut scene = Scene::accepted(r#"{"path":["film"],"kind":"file","size":2}"#);
    scene.sender.hash(0, 0, Hash::of_chunk(b"ok"));
    scene.sender.data(0, 0, b"ok");
    scene.sender.hear_until("done");
    scene.sender.say(&Ctl::Done { root: Hash([0; 32]) });
    scene.receiver.end().expect_exit(5).expect_says("disagree");
}

#[test]
fn a_text_is_shown_and_not_stored() {
    let (world, server) = (World::new(), TestServer::start());
    let (receiver, mut sender) = meet(&world, &server, &[]);
    sender.offer(&json!({"path": ["text"], "kind": "text", "size": 11}).to_string());
    sender.serve(&HashMap::from([(0, b"one\ntwo\x07\x1b[m".to_vec())]));
    let received = receiver.end().expect_exit(0);
    assert_eq!(received.stdout, "one\ntwo\\u{7}\\u{1b}[m\n");
    world.expect_no_trace();
}

/// A receiver of the real program and a hostile sender.
struct Scene {
    world: World,
    /// Ends after the two.
    _server: TestServer,
    receiver: Running,
    sender: Peer,
}

impl Scene {
    /// Both have greeted each other.
    fn greeted() -> Self {
        Self::greeted_with(&[])
    }

    /// The same with more arguments.
    fn greeted_with(more: &[&str]) -> Self {
        let (world, server) = (World::new(), TestServer::start());
        let (receiver, mut sender) = meet(&world, &server, more);
        let Ctl::Hello(hello) = sender.hear_until("hello") else { panic!("no hello") };
        assert_eq!(hello.role, Role::Receives);
        Self { world, _server: server, receiver, sender }
    }

    /// The receiver has accepted these entries and asked for the first bytes.
    fn accepted(entries: &str) -> Self {
        let mut scene = Self::greeted();
        scene.sender.offer(entries);
        scene.sender.hear_until("accept");
        let Ctl::Want { ranges } = scene.sender.hear_until("want") else { panic!("nothing is wanted") };
        assert_eq!((ranges[0].0, ranges[0].1), (EntryId(0), 0));
        scene
    }

    /// Sends the only chunk with one bit flipped, under its right hash.
    fn corrupt(&self, content: &[u8]) {
        let mut flipped = content.to_vec();
        flipped[1234] ^= 0x10;
        self.sender.hash(0, 0, Hash::of_chunk(content));
        self.sender.data(0, 0, &flipped);
    }

    /// The receiver ends because the protocol was broken, and publishes nothing.
    #[track_caller]
    fn violated(mut self) -> World {
        let said = self.sender.hear_out();
        assert_eq!(said.last(), Some(&Ctl::Abort { code: AbortCode::Violation }), "{said:?}");
        self.receiver.end().expect_exit(5).expect_says("the other side broke the protocol");
        assert!(!self.world.to().join("film").exists(), "the file has its name");
        self.world
    }

    #[track_caller]
    fn violated_without_trace(self) {
        self.violated().expect_no_trace();
    }
}
