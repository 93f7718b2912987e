//! Files and folders go from one honest program to another.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant, UNIX_EPOCH};

use crate::harness::tree::{hash, noise};
use crate::harness::{TestServer, Tree, World};

#[test]
fn a_file_arrives_by_its_code() {
    let (world, server) = (World::new(), TestServer::start());
    let film = world.file("film.mp4", noise(5_000_000, 1));
    let sender = world.send(&server.url(), &[&film]);
    let receiver = world.recv(&server.url(), &sender.code()).end().expect_exit(0);
    sender.end().expect_exit(0).expect_says("the receiver verified it");
    assert_eq!(receiver.stdout, "film.mp4\n");
    assert_eq!(world.arrived(), Tree::of(&world.from()));
}

#[test]
fn a_file_arrives_by_its_link() {
    let (world, server) = (World::new(), TestServer::start());
    let film = world.file("film.mp4", noise(300_000, 2));
    let sender = world.send(&server.url(), &[&film]);
    world.run(&["recv", "--yes", &sender.link()]).end().expect_exit(0);
    sender.end().expect_exit(0);
    assert_eq!(world.arrived(), Tree::of(&world.from()));
}

#[test]
fn a_folder_arrives_with_everything_that_is_odd_in_it() {
    let (world, server) = (World::new(), TestServer::start());
    let folder = world.from().join("holiday");
    for name in ODD_NAMES {
        world.file(&format!("holiday/{name}"), name.as_bytes());
    }
    world.file("holiday/empty", "");
    world.file("holiday/deep/er/still/file", noise(3 << 20, 3));
    world.file("holiday/one chunk exactly", noise(1 << 20, 4));
    let script = world.file("holiday/run.sh", "#!/bin/sh\n");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    fs::create_dir_all(folder.join("empty folder/and another")).unwrap();
    age(&folder, 1_000_000_007);
    let sender = world.send(&server.url(), &[&folder]);
    let receiver = world.recv(&server.url(), &sender.code()).end().expect_exit(0);
    sender.end().expect_exit(0);
    assert_eq!(receiver.stdout, "holiday\n");
    assert_eq!(world.arrived(), Tree::of(&world.from()));
    assert_modes_follow_the_umask(&world.to());
}

#[test]
fn a_name_with_a_newline_arrives_with_an_underscore_and_both_sides_are_told() {
    let (world, server) = (World::new(), TestServer::start());
    world.file("folder/two\nlines", "content");
    let sender = world.send(&server.url(), &[&world.from().join("folder")]);
    world.recv(&server.url(), &sender.code()).end().expect_exit(0);
    sender.end().expect_exit(0).expect_says("two\\u{a}lines is offered as two_lines");
    assert_eq!(world.arrived().names().collect::<Vec<_>>(), ["folder", "folder/two_lines"]);
}

#[test]
fn several_arguments_arrive_side_by_side() {
    let (world, server) = (World::new(), TestServer::start());
    let one = world.file("one", "1");
    let two = world.file("two", noise(2_000_000, 5));
    world.file("three/four", "4");
    let sender = world.send(&server.url(), &[&one, &two, &world.from().join("three")]);
    let receiver = world.recv(&server.url(), &sender.code()).end().expect_exit(0);
    sender.end().expect_exit(0);
    let mut told: Vec<_> = receiver.stdout.lines().collect();
    told.sort_unstable();
    assert_eq!(told, ["one", "three", "two"]);
    assert_eq!(world.arrived(), Tree::of(&world.from()));
}

#[test]
fn two_arguments_of_one_name_both_arrive() {
    let (world, server) = (World::new(), TestServer::start());
    let (one, two) = (world.file("a/same", "one"), world.file("b/same", "two"));
    let sender = world.send(&server.url(), &[&one, &two]);
    world.recv(&server.url(), &sender.code()).end().expect_exit(0);
    sender.end().expect_exit(0);
    assert_eq!(world.arrived().names().collect::<Vec<_>>(), ["same", "same (1)"]);
    let contents = ["same", "same (1)"].map(|name| fs::read_to_string(world.to().join(name)).unwrap());
    assert_eq!(contents, ["one", "two"]);
}

#[test]
fn thousands_of_small_files_arrive() {
    let (world, server) = (World::new(), TestServer::start());
    for number in 0..2500 {
        world.file(&format!("many/{}/{number}", number % 25), noise(number % 5000, (number % 251) as u8));
    }
    let sender = world.send(&server.url(), &[&world.from().join("many")]);
    world.recv(&server.url(), &sender.code()).end().expect_exit(0);
    sender.end().expect_exit(0);
    assert_eq!(world.arrived(), Tree::of(&world.from()));
}

#[test]
fn a_file_whose_name_is_taken_arrives_beside_the_other() {
    let (world, server) = (World::new(), TestServer::start());
    let file = world.file("notes.txt", "new");
    fs::write(world.to().join("notes.txt"), "the old one").unwrap();
    let sender = world.send(&server.url(), &[&file]);
    let receiver = world.recv(&server.url(), &sender.code()).end().expect_exit(0);
    sender.end().expect_exit(0);
    assert_eq!(receiver.stdout, "notes (1).txt\n");
    receiver.expect_says("notes.txt is stored as notes (1).txt: the name is taken");
    assert_eq!(fs::read_to_string(world.to().join("notes.txt")).unwrap(), "the old one");
    assert_eq!(fs::read_to_string(world.to().join("notes (1).txt")).unwrap(), "new");
}

#[test]
fn the_receiver_chooses_the_folder() {
    let (world, server) = (World::new(), TestServer::start());
    let file = world.file("notes.txt", "new");
    let sender = world.send(&server.url(), &[&file]);
    let elsewhere = world.path().join("else where");
    fs::create_dir(&elsewhere).unwrap();
    let to = elsewhere.to_str().unwrap();
    let receiver = world.run(&["recv", "--server", &server.url(), "-y", "-o", to, &sender.code()]);
    let receiver = receiver.end().expect_exit(0);
    sender.end().expect_exit(0);
    assert_eq!(receiver.stdout, format!("{to}/notes.txt\n"));
    assert_eq!(Tree::of(&elsewhere), Tree::of(&world.from()));
}

#[test]
fn what_is_left_out_may_be_named_with_the_folder_or_within_it() {
    for pattern in ["secret", "sub/secret", "photos/sub/secret", "photos/sub/*"] {
        let (world, server) = (World::new(), TestServer::start());
        for name in ["photos/lake", "photos/sub/secret"] {
            world.file(name, name);
        }
        let photos = world.from().join("photos");
        let photos = photos.to_str().unwrap();
        let sender = world.run(&["send", "--server", &server.url(), "--exclude", pattern, photos]);
        world.recv(&server.url(), &sender.code()).end().expect_exit(0);
        sender.end().expect_exit(0);
        assert_eq!(world.arrived().names().collect::<Vec<_>>(), ["photos", "photos/lake", "photos/sub"], "{pattern}");
    }
}

#[test]
fn who_leaves_out_all_that_there_is_hears_of_it() {
    let world = World::new();
    world.file("photos/.gitignore", "lake\nsub/\n.gitignore");
    world.file("photos/lake", "water");
    world.file("photos/sub/hill", "grass");
    let photos = world.from().join("photos");
    let photos = photos.to_str().unwrap();
    for (options, says) in [
        (&["--exclude", "*"][..], "nothing is left to send: '*' leaves out every file"),
        (
            &["--exclude", "h*", "--exclude", "*.raw", "--exclude", "lake", "--exclude", ".*"],
            "'h*', 'lake', '.*' leave",
        ),
        (&["--ignore-files"], ".gitignore or .ignore leaves out every file"),
    ] {
        world.run(&[&["send", photos][..], options].concat()).end().expect_exit(2).expect_says(says);
    }
}

#[test]
fn the_receiver_chooses_the_name() {
    let (world, server) = (World::new(), TestServer::start());
    let file = world.file("notes.txt", "new");
    fs::write(world.to().join("tonight.txt"), "old").unwrap();
    let recv = |sender: &crate::harness::Running, name: &str| {
        world.run(&["recv", "--server", &server.url(), "-y", "-o", name, &sender.code()]).end()
    };
    let sender = world.send(&server.url(), &[&file]);
    let received = recv(&sender, "tonight.txt").expect_exit(0);
    assert_eq!(received.stdout, "tonight (1).txt\n");
    assert_eq!(fs::read_to_string(world.to().join("tonight (1).txt")).unwrap(), "new");
    assert_eq!(world.arrived().names().count(), 2);
    let sender = world.send(&server.url(), &[&file]);
    recv(&sender, "missing/name").expect_exit(8).expect_says("there is no folder missing");
    assert_eq!(world.arrived().names().count(), 2);
}

#[test]
fn a_new_name_for_several_files_is_a_folder() {
    let (world, server) = (World::new(), TestServer::start());
    let files = [world.file("notes.txt", "some"), world.file("photos/lake.jpg", "blue")];
    let photos = world.from().join("photos");
    let both: [&Path; 2] = [&files[0], &photos];
    for (name, shared) in [("several", &both[..]), ("one folder", &both[1..])] {
        let sender = world.send(&server.url(), shared);
        let received = world.run(&["recv", "--server", &server.url(), "-y", "-o", name, &sender.code()]).end();
        assert_eq!(received.expect_exit(0).stdout, format!("{name}\n"));
        sender.end().expect_exit(0);
    }
    assert_eq!(Tree::of(&world.to().join("several")), Tree::of(&world.from()));
    assert_eq!(fs::read(world.to().join("one folder/photos/lake.jpg")).unwrap(), b"blue");
}

#[test]
fn a_receiver_sets_its_own_limit() {
    let (world, server) = (World::new(), TestServer::start());
    let (files, streams) = (world.file("film", vec![7; 4 << 20]), world.file("song", vec![8; 4 << 20]));
    for (file, to) in [(&files, "."), (&streams, "-")] {
        let sender = world.send(&server.url(), &[file]);
        let limited = ["recv", "--server", &server.url(), "-y", "--limit", "4M", "-o", to, &sender.code()];
        let began = Instant::now();
        world.run(&limited).end().expect_exit(0);
        // Four chunks, and nobody waits for the last to have had its time.
        assert!(began.elapsed() > Duration::from_millis(700), "{:?}", began.elapsed());
        sender.end().expect_exit(0);
    }
}

#[test]
fn nothing_has_to_be_configured() {
    let world = World::new();
    let film = world.file("film.mp4", noise(2_000_000, 6));
    let sender = world.run(&["send", film.to_str().unwrap()]);
    let (code, link) = (sender.code(), sender.link());
    let port: u16 = link.rsplit_once("/#").unwrap().0.rsplit_once(':').unwrap().1.parse().unwrap();
    // Others on this machine may hold every port that a code leads to; the link leads to any.
    let invitation = if p2pshare::LOCAL_PORTS.contains(&port) { code } else { link };
    world.run(&["recv", "--yes", &invitation]).end().expect_exit(0);
    sender.end().expect_exit(0);
    assert_eq!(hash(&world.to().join("film.mp4")), hash(&film));
}

#[test]
fn a_link_to_an_embedded_server_works_by_itself() {
    let world = World::new();
    let film = world.file("film.mp4", noise(100_000, 7));
    let sender = world.run(&["send", film.to_str().unwrap()]);
    world.run(&["recv", "--yes", &sender.link()]).end().expect_exit(0);
    sender.end().expect_exit(0);
    assert_eq!(world.arrived(), Tree::of(&world.from()));
}

#[test]
fn the_server_of_the_program_serves() {
    let world = World::new();
    let server = world.run(&["serve", "--listen", "127.0.0.1:0"]);
    let url = server.until_err(|text| {
        let line = text[..text.rfind('\n')?].lines().find_map(|line| line.strip_prefix("listening on "))?;
        Some(line.to_owned())
    });
    let film = world.file("film.mp4", noise(100_000, 8));
    let sender = world.send(&url, &[&film]);
    world.recv(&url, &sender.code()).end().expect_exit(0);
    sender.end().expect_exit(0);
    assert_eq!(world.arrived(), Tree::of(&world.from()));
    server.terminate().expect_exit(0);
}

#[test]
fn several_receivers_are_served_when_the_sender_allows_it() {
    let (world, server) = (World::new(), TestServer::start());
    let film = world.file("film.mp4", noise(3_000_000, 9));
    let sender = world.run(&["send", "--max", "3", "--server", &server.url(), film.to_str().unwrap()]);
    let code = sender.code();
    let worlds = [World::new(), World::new(), World::new()];
    let receivers: Vec<_> = worlds.iter().map(|world| world.recv(&server.url(), &code)).collect();
    for receiver in receivers {
        receiver.end().expect_exit(0);
    }
    sender.end().expect_exit(0);
    for other in worlds {
        assert_eq!(other.arrived(), Tree::of(&world.from()));
    }
}

/// Names that trip programs over; all of them are kept as they are.
const ODD_NAMES: &[&str] = &[
    "with space",
    "-rf",
    "--help",
    "quote\"s and 'these' and `those`",
    "🎬 emoji.mp4",
    "umlaut ä und é",
    "$(id)",
    ";reboot",
    "~",
    "*",
    "a:b",
    "CON",
    "trailing.",
    ".hidden inside",
    "#hash",
    "percent%20",
];

/// Gives every file and folder a time of its own, so that a wrong one is seen.
fn age(path: &Path, seconds: u64) -> u64 {
    let mut next = seconds;
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            next = age(&entry.unwrap().path(), next + 1);
        }
    }
    let time = UNIX_EPOCH + Duration::new(next, 123_456_789);
    fs::File::open(path).unwrap().set_modified(time).unwrap();
    next
}

/// Files and folders have the permissions that a program of this user gives to new ones.
#[track_caller]
fn assert_modes_follow_the_umask(folder: &Path) {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let umask = status.lines().find_map(|line| line.strip_prefix("Umask:")).unwrap();
    let umask = u32::from_str_radix(umask.trim(), 8).unwrap();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let mode = path.metadata().unwrap().permissions().mode() & 0o7777;
        if path.is_dir() {
            assert_eq!(mode, 0o777 & !umask, "{}", path.display());
            assert_modes_follow_the_umask(&path);
        } else {
            assert_eq!(mode & !0o100, 0o666 & !umask, "{}", path.display());
        }
    }
}
