//! A sender that offers names which no honest sender has: nothing is taken of it, or only with harmless names.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use p2pshare_protocol::ctl::{AbortCode, Ctl};
use p2pshare_protocol::offer::EntryId;
use serde_json::{Value, json};

use crate::harness::{HostileHost, Peer, Running, TestServer, Tree, World};

#[test]
fn b_001_a_name_that_climbs_out() {
    refused(json!([".."]));
    refused(json!(["..", "x"]));
    refused(json!(["a", "..", "x"]));
    refused(json!(vec![".."; 64]));
}

#[test]
fn b_002_a_name_with_a_separator() {
    for name in ["/etc/passwd", "//h/s", "C:\\x", "\\\\?\\C:\\x", "a/b"] {
        refused(json!([name]));
    }
}

#[test]
fn b_002_a_drive_letter_is_a_name_like_any_other_here() {
    stored(&["C:x"], "C:x");
}

#[test]
fn b_003_a_name_that_climbs_out_with_backslashes() {
    refused(json!(["a\\..\\b"]));
}

#[test]
fn b_004_an_empty_name() {
    refused(json!([]));
    refused(json!([""]));
    refused(json!(["a", ""]));
    refused(json!(["."]));
}

#[test]
fn b_005_a_name_that_is_no_text() {
    refused(json!(["a\0b"]));
    refused_frame(br#"{"t":"offer","page":0,"entries":[{"path":["\ud800"],"kind":"file","size":1}],"last":true}"#);
    refused_frame(b"{\"t\":\"offer\",\"page\":0,\"entries\":[{\"path\":[\"\xff\"],\"kind\":\"file\"}],\"last\":true}");
}

#[test]
fn b_006_names_and_paths_that_are_too_long() {
    refused(json!(["x".repeat(256)]));
    refused(json!(vec!["x".repeat(64); 64]));
    refused(json!(vec!["d"; 65]));
}

#[test]
fn b_006_a_long_name_is_kept_and_makes_room_for_a_number() {
    let (longest, clip) = ("x".repeat(255), format!("{}.mp4", "ü".repeat(125)));
    stored(&[&longest], &longest);
    let names = store_files(&[&[&clip], &[&clip]]);
    assert_eq!(names, [format!("{} (1).mp4", "ü".repeat(123)), clip]);
}

#[test]
fn b_007_names_that_mean_devices_elsewhere_are_names_here() {
    for name in ["CON", "nul.txt", "COM1.tar.gz", "x.", "a:b", "COM¹"] {
        stored(&[name], name);
    }
    stored(&["aux "], "aux_");
}

#[test]
fn b_008_control_characters_become_underscores() {
    stored(&["\u{1b}[1A\rharmless"], "_[1A_harmless");
    stored(&["\u{9b}31m"], "_31m");
    stored(&["bell\u{7}"], "bell_");
    stored(&["two\nlines"], "two_lines");
    stored(&["\u{1b}]52;c;cm0gLXJmIH4=\u{7}"], "_]52;c;cm0gLXJmIH4=_");
}

#[test]
fn b_009_characters_that_turn_or_hide_text_become_underscores() {
    stored(&["invoice\u{202e}fdp.exe"], "invoice_fdp.exe");
    stored(&["a\u{200b}b\u{2060}c\u{feff}d"], "a_b_c_d");
    stored(&["a\u{61c}b\u{2066}c"], "a_b_c");
}

#[test]
fn b_010_names_that_look_alike_both_arrive() {
    // Two names, on a file system that tells them apart; on another one the second gets a number.
    for pair in [["\u{e9}", "e\u{301}"], ["README", "readme"]] {
        let names = store_files(&[&pair[..1], &pair[1..]]);
        assert_eq!(names.len(), 2, "{names:?}");
    }
}

#[test]
fn b_010_a_file_and_a_folder_of_one_name_both_arrive() {
    let names = store_files(&[&["a"], &["a", "b"]]);
    assert_eq!(names, ["a", "a (1)", "a (1)/b"]);
}

#[test]
fn b_012_a_link_in_the_destination_is_not_followed() {
    let (world, server, outside) = (World::new(), TestServer::start(), World::new());
    std::os::unix::fs::symlink(outside.to(), world.to().join("d")).unwrap();
    let (receiver, mut sender) = meet(&world, &server, &[]);
    sender.offer(r#"{"path":["d","x"],"kind":"file","size":1},{"path":["fine"],"kind":"file","size":1}"#);
    assert_eq!(sender.serve(&HashMap::from([(0, b"x".to_vec()), (1, b"y".to_vec())])), [EntryId(0)]);
    receiver.end().expect_exit(9);
    assert_eq!(outside.arrived(), Tree::default());
    assert_eq!(fs::read(world.to().join("fine")).unwrap(), b"y");
}

#[test]
fn b_013_a_link_that_has_the_name_is_replaced_and_what_it_points_to_is_not() {
    let (world, server) = (World::new(), TestServer::start());
    let victim = world.path().join("victim");
    fs::write(&victim, "precious").unwrap();
    std::os::unix::fs::symlink(&victim, world.to().join("film")).unwrap();
    let (receiver, mut sender) = meet(&world, &server, &["--on-exists", "overwrite"]);
    sender.offer(r#"{"path":["film"],"kind":"file","size":1}"#);
    sender.serve(&HashMap::from([(0, b"x".to_vec())]));
    receiver.end().expect_one_of(&[0, 8, 9]);
    assert_eq!(fs::read_to_string(victim).unwrap(), "precious");
}

#[test]
fn b_018_modes_and_times_that_no_file_should_have() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    let (world, server) = (World::new(), TestServer::start());
    let (receiver, mut sender) = meet(&world, &server, &[]);
    sender.offer(
        r#"{"path":["setuid"],"kind":"file","size":1,"mode":3583,"mtime":-1},
           {"path":["future"],"kind":"file","size":1,"mode":511,"mtime":9223372036854775807}"#,
    );
    sender.serve(&HashMap::from([(0, b"x".to_vec()), (1, b"y".to_vec())]));
    receiver.end().expect_exit(0);
    for name in ["setuid", "future"] {
        let metadata = fs::metadata(world.to().join(name)).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o7033, 0, "{name}: {:o}", metadata.permissions().mode());
        let latest = std::time::SystemTime::now() + std::time::Duration::from_secs(2 * 86_400);
        assert!(metadata.mtime() >= 0 && metadata.modified().unwrap() < latest, "{name}: {}", metadata.mtime());
    }
}

#[test]
fn b_019_hidden_names_are_not_taken_without_a_question() {
    for path in [json!([".bashrc"]), json!([".ssh", "authorized_keys"])] {
        let (world, server) = (World::new(), TestServer::start());
        let (receiver, mut sender) = meet(&world, &server, &[]);
        sender.offer(&json!({"path": path, "kind": "file", "size": 1}).to_string());
        assert_eq!(sender.hear_until("decline").name(), "decline");
        receiver.end().expect_exit(11);
        world.expect_no_trace();
    }
}

#[test]
fn b_019_the_home_folder_is_not_filled_unseen() {
    let world = World::new();
    let home = world.home().to_string_lossy().into_owned();
    world.run(&["recv", "123456", "--yes", "-o", &home]).end().expect_exit(11).expect_says("--allow-hidden");
}

#[test]
fn b_019_hidden_names_are_taken_where_that_is_allowed() {
    let (world, server) = (World::new(), TestServer::start());
    let (receiver, mut sender) = meet(&world, &server, &["--allow-hidden"]);
    sender.offer(r#"{"path":[".profile"],"kind":"file","size":1}"#);
    sender.serve(&HashMap::from([(0, b"x".to_vec())]));
    receiver.end().expect_exit(0);
    assert_eq!(world.arrived().names().collect::<Vec<_>>(), [".profile"]);
}

#[test]
fn b_020_things_that_are_neither_files_nor_folders() {
    for kind in ["symlink", "link", "device", "fifo", "hardlink", "socket", ""] {
        let entry = json!({"path": ["x"], "kind": kind, "size": 1, "target": "/etc/passwd"});
        refused_frame(json!({"t": "offer", "page": 0, "entries": [entry], "last": true}).to_string().as_bytes());
    }
}

#[test]
fn b_024_names_that_a_shell_would_act_on_are_only_names() {
    for name in ["-rf", "--help", "~", "$(id)", ";reboot", "`id`", "|cat", "*"] {
        stored(&[name], name);
    }
    stored(&[" "], "_");
}

/// A receiver of the real program and a sender that is bound to it and has said hello.
pub(crate) fn meet(world: &World, server: &TestServer, more: &[&str]) -> (Running, Peer) {
    meet_in(world, server, &world.to(), more)
}

/// The same with another destination.
fn meet_in(world: &World, server: &TestServer, to: &Path, more: &[&str]) -> (Running, Peer) {
    let (url, host) = (server.url(), HostileHost::open(&server.url()));
    let code = host.code();
    let mut arguments = vec!["recv", "--server", &url, "--yes", "-o", to.to_str().unwrap(), &code];
    arguments.extend(more);
    let receiver = world.run(&arguments);
    let sender = host.pair().bind();
    sender.greet("sends");
    (receiver, sender)
}

/// The path breaks the protocol: the whole offer is refused and nothing is touched.
#[track_caller]
fn refused(path: Value) {
    let good = json!({"path": ["good"], "kind": "file", "size": 1});
    let bad = json!({"path": path, "kind": "file", "size": 1});
    refused_frame(json!({"t": "offer", "page": 0, "entries": [good, bad], "last": true}).to_string().as_bytes());
}

/// The frame breaks the protocol.
#[track_caller]
fn refused_frame(frame: &[u8]) {
    let (world, server) = (World::new(), TestServer::start());
    let (receiver, mut sender) = meet(&world, &server, &[]);
    sender.say_bytes(frame);
    let said = sender.hear_out();
    assert_eq!(said.last(), Some(&Ctl::Abort { code: AbortCode::Violation }), "{said:?}");
    receiver.end().expect_exit(5).expect_says("the other side broke the protocol");
    world.expect_no_trace();
}

/// The path is taken, and this is what lies on the disk.
#[track_caller]
fn stored(path: &[&str], expected: &str) {
    assert_eq!(store(path), [expected]);
}

fn store(path: &[&str]) -> Vec<String> {
    store_files(&[path])
}

/// Has files of these paths taken, and says what lies on the disk.
#[track_caller]
fn store_files(paths: &[&[&str]]) -> Vec<String> {
    let (world, server) = (World::new(), TestServer::start());
    let (receiver, mut sender) = meet(&world, &server, &[]);
    let entries: Vec<_> =
        paths.iter().map(|path| json!({"path": path, "kind": "file", "size": 1}).to_string()).collect();
    sender.offer(&entries.join(","));
    sender.serve(&(0..).zip(paths.iter().map(|_| b"x".to_vec())).collect());
    let received = receiver.end().expect_exit(0);
    crate::terminal::assert_no_control_bytes(&received.stdout);
    crate::terminal::assert_no_control_bytes(&received.stderr);
    world.arrived().names().map(str::to_owned).collect()
}
