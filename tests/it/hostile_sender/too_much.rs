//! Offers that are larger than anybody can take.

use std::collections::HashMap;

use p2pshare_protocol::ctl::{Ctl, DeclineReason};
use serde_json::json;

use super::Scene;
use crate::harness::{HostileGuest, TestServer, World};

#[test]
fn b_031_sizes_that_no_disk_has() {
    for size in [u64::MAX, (1 << 56) + 1] {
        let scene = Scene::greeted();
        scene.sender.offer(&format!(r#"{{"path":["film"],"kind":"file","size":{size}}}"#));
        scene.violated_without_trace();
    }
}

#[test]
fn b_031_sizes_whose_sum_is_beyond_64_bits() {
    let scene = Scene::greeted();
    for page in 0..8 {
        let entry = |n: u32| format!(r#"{{"path":["{page}-{n}"],"kind":"file","size":{}}}"#, 1_u64 << 56);
        let entries: Vec<_> = (0..64).map(entry).collect();
        let last = page == 7;
        scene
            .sender
            .say_json(&format!(r#"{{"t":"offer","page":{page},"entries":[{}],"last":{last}}}"#, entries.join(",")));
    }
    scene.violated_without_trace();
}

#[test]
fn b_031_more_entries_than_the_limit() {
    let scene = Scene::greeted();
    let entries = vec![r#"{"path":["f"],"kind":"file"}"#; 250].join(",");
    for page in 0..401 {
        scene
            .sender
            .say_json(&format!(r#"{{"t":"offer","page":{page},"entries":[{entries}],"last":{}}}"#, page == 400));
    }
    scene.violated_without_trace();
}

#[test]
fn b_031_a_list_of_more_than_64_mebibytes() {
    let scene = Scene::greeted();
    let before = scene.receiver.peak_memory().unwrap();
    let deep = vec![json!("d".repeat(250)); 14];
    for page in 0..9_500 {
        let path = |n: u32| [&deep[..], &[json!(format!("{page}-{n}"))]].concat();
        let entries = [0, 1].map(|n| json!({"path": path(n), "kind": "file", "size": 1}));
        scene.sender.say_json(&json!({"t": "offer", "page": page, "entries": entries, "last": false}).to_string());
    }
    let after = scene.receiver.peak_memory().unwrap_or(before);
    scene.violated_without_trace();
    // The list itself, once, and what its pieces cost beyond their bytes.
    assert!(after < before + (128 << 20), "{before} bytes of memory grew to {after}");
}

#[test]
fn b_031_a_size_that_is_refused_takes_no_memory() {
    let scene = Scene::greeted();
    let before = scene.receiver.peak_memory().unwrap();
    scene.sender.offer(&format!(r#"{{"path":["film"],"kind":"file","size":{}}}"#, u64::MAX));
    let after = scene.receiver.peak_memory().unwrap_or(before);
    scene.violated_without_trace();
    assert!(after < before + (16 << 20), "{before} bytes of memory grew to {after}");
}

#[test]
fn b_032_more_than_fits_is_refused_before_a_byte_flows_whatever_the_limits_say() {
    let mut scene = Scene::greeted();
    // A tebibyte by --yes, which takes 10 GiB unless told otherwise.
    scene.sender.offer(&format!(r#"{{"path":["film"],"kind":"file","size":{}}}"#, 1_u64 << 40));
    let said = scene.sender.hear_out();
    assert_eq!(said.last(), Some(&Ctl::Decline { reason: DeclineReason::Limit }), "{said:?}");
    scene.receiver.end().expect_exit(11).expect_says("--max-size");
    scene.world.expect_no_trace();
}

#[test]
fn b_037_offers_without_end_leave_nothing_behind_in_an_inbox() {
    let (world, server) = (World::new(), TestServer::start());
    let inbox = world.run(&["recv", "--keep", "--yes", "--server", &server.url()]);
    let code = inbox.code();
    let fill = |count: u32| {
        for _ in 0..count {
            let mut sender = HostileGuest::pair(&server.url(), &code).bind();
            sender.greet("sends");
            sender.offer(r#"{"path":["d"],"kind":"dir"}"#);
            sender.serve(&HashMap::new());
        }
    };
    // The allocator keeps what some connections that overlap have needed at once.
    fill(40);
    let (memory, handles) = (inbox.peak_memory().unwrap(), inbox.open_files());
    fill(60);
    let (then, now) = (inbox.peak_memory().unwrap(), inbox.open_files());
    assert!(then < memory + (10 << 20), "{memory} bytes of memory grew to {then}");
    assert!(now < handles + 20, "{handles} open files became {now}");
    inbox.terminate().expect_one_of(&[0, 143]);
}

#[test]
fn b_031_more_than_the_disk_holds_is_refused_before_a_byte_flows() {
    let mut scene = Scene::greeted_with(&["--max-size", "100000TB"]);
    scene.sender.offer(&format!(r#"{{"path":["film"],"kind":"file","size":{}}}"#, 1_u64 << 55));
    let said = scene.sender.hear_out();
    assert_eq!(said.last(), Some(&Ctl::Decline { reason: DeclineReason::Disk }), "{said:?}");
    scene.receiver.end().expect_exit(8).expect_says("is full");
    scene.world.expect_no_trace();
}
