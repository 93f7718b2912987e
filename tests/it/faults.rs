//! Disks that fill up or fail, sources that change, journals that lie: never a wrong byte under a final name.

use std::collections::HashMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use p2pshare_protocol::ctl::{AbortCode, Ctl};
use p2pshare_protocol::offer::EntryId;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::process::Signal;
use serde_json::json;

use crate::harness::process::OnTerminal;
use crate::harness::tree::noise;
use crate::harness::{HostileGuest, Running, TestServer, Tree, World, shim};
use crate::hostile_names::meet;

#[test]
fn b_015_a_folder_that_turns_into_a_link_and_back_lets_nothing_out() {
    let (world, server, outside) = (World::new(), TestServer::start(), World::new());
    let (inside, link) = (world.to().join("d"), world.path().join("link"));
    fs::create_dir(&inside).unwrap();
    std::os::unix::fs::symlink(outside.to(), &link).unwrap();
    let (receiver, mut sender) = meet(&world, &server, &["--on-exists", "overwrite"]);
    let files: Vec<_> = (0..400).map(|n| json!({"path": ["d", n.to_string()], "kind": "file", "size": 1})).collect();
    for (page, entries) in files.chunks(100).enumerate() {
        sender.say_json(&json!({"t": "offer", "page": page, "entries": entries, "last": page == 3}).to_string());
    }
    let is_over = AtomicBool::new(false);
    let swaps = std::thread::scope(|scope| {
        let swapping = scope.spawn(|| {
            let mut swaps = 0;
            // An even number, so that the folder is back at the end.
            while !is_over.load(Ordering::Relaxed) || swaps % 2 == 1 || swaps < 10_000 {
                renameat_with(CWD, &inside, CWD, &link, RenameFlags::EXCHANGE).unwrap();
                swaps += 1;
            }
            swaps
        });
        sender.serve(&(0..400).map(|n| (n, b"x".to_vec())).collect());
        let ended = receiver.end();
        is_over.store(true, Ordering::Relaxed);
        ended.expect_one_of(&[0, 8, 9]);
        swapping.join().unwrap()
    });
    println!("{swaps} swaps, {} files arrived inside", fs::read_dir(&inside).unwrap().count());
    assert_eq!(outside.arrived(), Tree::default(), "something came out");
}

#[test]
fn b_016_a_taken_name_loses_nothing_that_was_not_given_up() {
    let took = |how: &[&str], exit: i32| {
        let (world, server) = (World::new(), TestServer::start());
        // Of another length: two files of one length that are written at once may have the same time, too.
        fs::write(world.to().join("film"), "the old one").unwrap();
        let sender = world.send(&server.url(), &[&world.file("film", "new")]);
        let (url, code) = (server.url(), sender.code());
        world.run(&[&["recv", "--yes", "--server", &url, &code], how].concat()).end().expect_exit(exit);
        let mut files: Vec<_> = fs::read_dir(world.to()).unwrap().map(|file| file.unwrap().path()).collect();
        files.sort();
        let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
        files.iter().map(|path| (name(path), fs::read_to_string(path).unwrap())).collect::<Vec<_>>()
    };
    let had =
        |files: &[(&str, &str)]| files.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect::<Vec<_>>();
    assert_eq!(took(&[], 0), had(&[("film", "the old one"), ("film (1)", "new")]));
    assert_eq!(took(&["--on-exists", "rename"], 0), had(&[("film", "the old one"), ("film (1)", "new")]));
    assert_eq!(took(&["--on-exists", "overwrite"], 0), had(&[("film", "new")]));
    assert_eq!(took(&["--on-exists", "skip"], 0), had(&[("film", "the old one")]));
    assert_eq!(took(&["--on-exists", "fail"], 8), had(&[("film", "the old one")]));
}

#[test]
fn b_034_a_disk_that_fills_up_keeps_what_it_took_and_takes_the_rest_once_there_is_room() {
    let (world, server) = (World::new(), TestServer::start());
    let Some(small) = SmallDisk::mount(&world) else { return };
    let content = noise(6 << 20, 4);
    let receive = |has_room: bool| {
        let host = crate::harness::HostileHost::open(&server.url());
        let receiver = small.recv(&world, &server.url(), &host.code());
        let mut sender = host.pair().bind();
        sender.greet("sends");
        sender.offer(r#"{"path":["film"],"kind":"file","size":6291456,"mtime":7}"#);
        if has_room {
            return (sender.serve_again(&HashMap::from([(0, content.clone())])), receiver.end());
        }
        sender.hear_until("accept");
        let left = sender.serve_part(&[(0, &content, 2 << 20)]);
        small.fill();
        for (entry, from, to) in left {
            sender.serve_range(entry, &content, from, to);
        }
        sender.serve_until_abort(&[(0, &content)], AbortCode::Disk);
        (HashMap::new(), receiver.end())
    };
    let (_, full) = receive(false);
    full.expect_exit(8).expect_says("is full").expect_says("what arrived is kept");
    assert!(!small.seen.join("film").exists(), "the file has its name");
    fs::remove_file(small.seen.join("ballast")).unwrap();
    let (asked, ended) = receive(true);
    ended.expect_exit(0);
    assert_eq!(fs::read(small.seen.join("film")).unwrap(), content);
    assert!(asked[&0] <= 4 << 20, "what was kept is not asked for again: {asked:?}");
}

/// A small file system where files arrive, in a mount namespace of its own.
struct SmallDisk {
    holder: Running,
    /// Its root, as seen from outside.
    seen: PathBuf,
}

impl SmallDisk {
    /// Only root may mount; for anybody else there is none, which is told.
    #[expect(clippy::print_stderr, reason = "whoever reads the tests' output has to learn what did not run")]
    fn mount(world: &World) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            eprintln!("SKIPPED: only root can mount a disk that is small");
            return None;
        }
        let script =
            format!("mount -t tmpfs -o size=80m none '{}' && echo ready && exec sleep 600", world.to().display());
        let holder =
            Running::start(world.command_of("/usr/bin/unshare", &["-m", "sh", "-c", &script]), OnTerminal::Nothing);
        holder.until_out(|text| text.contains("ready").then_some(()));
        let root = PathBuf::from(format!("/proc/{}/root", holder.pid().as_raw_nonzero()));
        Some(Self { seen: root.join(world.to().strip_prefix("/").unwrap()), holder })
    }

    fn recv(&self, world: &World, server: &str, code: &str) -> Running {
        let (to, pid) = (world.to(), self.holder.pid().as_raw_nonzero().to_string());
        let program = env!("CARGO_BIN_EXE_p2pshare");
        let recv = ["recv", "--yes", "--server", server, "-o", to.to_str().unwrap(), code];
        let arguments = [&["-m", "-t", &pid, program][..], &recv].concat();
        Running::start(world.command_of("/usr/bin/nsenter", &arguments), OnTerminal::Nothing)
    }

    /// Leaves no room.
    fn fill(&self) {
        let mut ballast = fs::File::create(self.seen.join("ballast")).unwrap();
        while ballast.write_all(&[7; 4096]).is_ok() {}
    }
}

#[test]
fn b_035_writes_that_are_interrupted_or_short_are_finished() {
    for fault in ["EINTR", "SHORT"] {
        let Some(faulty) = Faulty::new(fault, 0) else { return };
        let received = faulty.receive(true).expect_exit(0);
        assert!(received.stderr.contains("verified"), "{}", received.stderr);
        assert_eq!(faulty.world.arrived(), Tree::of(&faulty.world.from()), "{fault}");
    }
}

#[test]
fn b_035_a_disk_that_fails_publishes_nothing_and_the_rest_comes_later() {
    for (fault, from) in [("EIO", 0), ("EIO", 5), ("EDQUOT", 3), ("ENOSPC", 4), ("FSYNC", 0)] {
        let Some(faulty) = Faulty::new(fault, from) else { return };
        let failed = faulty.receive(true).expect_exit(8);
        assert!(!failed.stderr.contains("panicked"), "{}", failed.stderr);
        faulty.world.expect_no_final_name();
        faulty.receive(false).expect_exit(0);
        assert_eq!(faulty.world.arrived(), Tree::of(&faulty.world.from()), "{fault} from {from}");
    }
}

/// A transfer to a disk that fails.
struct Faulty {
    world: World,
    server: TestServer,
    fault: Vec<(&'static str, String)>,
}

impl Faulty {
    fn new(fault: &str, from: u32) -> Option<Self> {
        let (world, server) = (World::new(), TestServer::start());
        world.file("film", noise(5 << 20, 5));
        let shim = shim::compile(world.path())?.to_str().unwrap().to_owned();
        let fault = vec![("LD_PRELOAD", shim), ("FAULT", fault.to_owned()), ("FAULT_FROM", from.to_string())];
        Some(Self { world, server, fault })
    }

    /// Receives the film, once more.
    #[track_caller]
    fn receive(&self, fails: bool) -> crate::harness::Ended {
        let sender = self.world.send(&self.server.url(), &[&self.world.from().join("film")]);
        let mut command = self.world.command(&["recv", "--yes", "--server", &self.server.url(), &sender.code()]);
        if fails {
            command.envs(self.fault.iter().cloned());
        }
        Running::start(command, OnTerminal::Nothing).end()
    }
}

#[test]
fn b_038_files_that_changed_before_they_were_sent_are_left_out_and_the_others_arrive() {
    let (world, server) = (World::new(), TestServer::start());
    for name in ["truncated", "grown", "rewritten", "deleted", "replaced", "untouched"] {
        world.file(&format!("share/{name}"), noise(100_000, 6));
    }
    let share = world.from().join("share");
    let sender = world.send(&server.url(), &[&share]);
    let code = sender.code();
    fs::write(share.join("truncated"), noise(10, 6)).unwrap();
    fs::write(share.join("grown"), noise(200_000, 6)).unwrap();
    fs::write(share.join("rewritten"), noise(100_000, 7)).unwrap();
    fs::remove_file(share.join("deleted")).unwrap();
    fs::write(share.join("other"), noise(100_000, 8)).unwrap();
    fs::rename(share.join("other"), share.join("replaced")).unwrap();
    let received = world.recv(&server.url(), &code).end().expect_exit(9);
    for name in ["truncated", "grown", "rewritten", "deleted", "replaced"] {
        assert!(received.stderr.contains(&format!("skipped share/{name}")), "{name}: {}", received.stderr);
    }
    sender.end().expect_exit(9);
    assert_eq!(world.arrived().names().collect::<Vec<_>>(), ["share", "share/untouched"]);
    assert_eq!(fs::read(world.to().join("share/untouched")).unwrap(), noise(100_000, 6));
}

#[test]
fn b_038_a_file_that_changes_between_two_chunks_is_never_mixed() {
    for change in ["truncated", "rewritten", "deleted"] {
        let (world, server) = (World::new(), TestServer::start());
        // More than is read ahead, so that its end has not been looked at when it changes.
        let film = world.file("film", noise(40 << 20, 9));
        let sender = world.send(&server.url(), &[&film]);
        let mut receiver = HostileGuest::pair(&server.url(), &sender.code()).bind();
        receiver.greet("receives");
        receiver.hear_until("offer");
        receiver.say_json(r#"{"t":"accept","last":true}"#);
        assert_eq!(receiver.fetch(&[(0, 0, 1 << 20)]), 1 << 20);
        match change {
            "truncated" => fs::write(&film, noise(2 << 20, 9)).unwrap(),
            "rewritten" => fs::write(&film, noise(40 << 20, 10)).unwrap(),
            _ => fs::remove_file(&film).unwrap(),
        }
        receiver.say_json(r#"{"t":"want","ranges":[[0,36700160,41943040]]}"#);
        assert!(matches!(receiver.hear_until("skip"), Ctl::Skip { entry: EntryId(0), .. }), "{change}");
        receiver.close();
        sender.end().expect_exit(10);
    }
}

#[test]
fn b_039_after_a_source_changed_it_starts_again_and_nothing_else_is_sent_twice() {
    let (world, server) = (World::new(), TestServer::start());
    // What is not served is little: a receiver asks for no more while its window is full.
    let (many, few) = ((4 << 20) + 1000, (1 << 20) + 1000);
    let (same, old, new) = (noise(many, 11), noise(few, 12), noise(few, 13));
    let offer = |mtime: u64| {
        format!(
            r#"{{"path":["same"],"kind":"file","size":{many},"mtime":7}},{{"path":["other"],"kind":"file","size":{few},"mtime":{mtime}}}"#
        )
    };
    let (receiver, mut sender) = meet(&world, &server, &[]);
    sender.offer(&offer(8));
    sender.hear_until("accept");
    sender.serve_part(&[(0, &same, 4 << 20), (1, &old, 1 << 20)]);
    receiver.signal(Signal::KILL);
    receiver.end();
    let (receiver, mut sender) = meet(&world, &server, &[]);
    sender.offer(&offer(9));
    let asked = sender.serve_again(&HashMap::from([(0, same.clone()), (1, new.clone())]));
    receiver.end().expect_exit(0).expect_says("continuing");
    assert_eq!(fs::read(world.to().join("same")).unwrap(), same);
    assert_eq!(fs::read(world.to().join("other")).unwrap(), new, "nothing of the old one");
    assert_eq!(asked, HashMap::from([(0, 1000), (1, few as u64)]), "bytes that were asked for again");
    assert!(world.arrived().names().all(|name| !name.starts_with(".p2pshare-")), "{:?}", world.arrived());
}

#[test]
fn b_040_a_journal_or_part_that_lies_costs_time_and_nothing_else() {
    type Lie = fn(&Path, &Path);
    let lies: [(&str, Lie); 7] = [
        ("an empty journal", |journal, _| fs::write(journal, "").unwrap()),
        ("a torn journal", |journal, _| {
            let content = fs::read(journal).unwrap();
            fs::write(journal, &content[..content.len() - 7]).unwrap();
        }),
        ("a journal of noise", |journal, _| fs::write(journal, noise(500, 14)).unwrap()),
        ("a journal of a later version", |journal, _| {
            let mut content = fs::read(journal).unwrap();
            content[9] ^= 0x40;
            fs::write(journal, content).unwrap();
        }),
        ("a journal with a flipped bit", |journal, _| {
            let mut content = fs::read(journal).unwrap();
            let at = content.len() - 20;
            content[at] ^= 1;
            fs::write(journal, content).unwrap();
        }),
        ("a part with a flipped bit", |_, part| {
            let mut content = fs::read(part).unwrap();
            content[1234] ^= 1;
            fs::write(part, content).unwrap();
        }),
        ("a part that was cut", |_, part| fs::File::options().write(true).open(part).unwrap().set_len(10).unwrap()),
    ];
    for (what, lie) in lies {
        let (world, server) = (World::new(), TestServer::start());
        let content = noise(4 << 20, 15);
        let offer = r#"{"path":["film"],"kind":"file","size":4194304,"mtime":7}"#;
        let (receiver, mut sender) = meet(&world, &server, &[]);
        sender.offer(offer);
        sender.hear_until("accept");
        sender.serve_part(&[(0, &content, 3 << 20)]);
        receiver.signal(Signal::KILL);
        receiver.end();
        let find = |kind: &str| {
            let files = fs::read_dir(world.to()).unwrap().map(|file| file.unwrap().path());
            files.into_iter().find(|path| path.to_string_lossy().ends_with(kind)).unwrap()
        };
        lie(&find(".state"), &find(".part"));
        let (receiver, mut sender) = meet(&world, &server, &[]);
        sender.offer(offer);
        let asked = sender.serve_again(&HashMap::from([(0, content.clone())]));
        receiver.end().expect_exit(0);
        println!("{what}: {} bytes again", asked[&0]);
        assert!(fs::read(world.to().join("film")).unwrap() == content, "{what}");
        assert_eq!(world.arrived().names().collect::<Vec<_>>(), ["film"], "{what}");
    }
}

#[test]
fn b_102_what_lies_beside_the_files_is_readable_for_its_owner_only() {
    let (world, server) = (World::new(), TestServer::start());
    let host = crate::harness::HostileHost::open(&server.url());
    let program = env!("CARGO_BIN_EXE_p2pshare");
    let command = format!("umask 000; exec '{program}' recv -vvv --yes --server {} {}", server.url(), host.code());
    let receiver = Running::start(world.command_of("/bin/sh", &["-c", &command]), OnTerminal::Nothing);
    let mut sender = host.pair().bind();
    sender.greet("sends");
    let content = noise(2 << 20, 16);
    sender.offer(r#"{"path":["small"],"kind":"file","size":1},{"path":["film"],"kind":"file","size":2097152}"#);
    sender.hear_until("accept");
    sender.serve_part(&[(0, b"x", 1), (1, &content, 1 << 20)]);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    let mut beside = 0;
    for file in fs::read_dir(world.to()).unwrap() {
        let path = file.unwrap().path();
        if path.file_name().unwrap().to_string_lossy().starts_with(".p2pshare-") {
            assert_eq!(mode(&path), 0o600, "{}", path.display());
            beside += 1;
        }
    }
    assert_eq!(beside, 2, "a part and a journal");
    receiver.terminate().expect_exit(143);
    private(&world.home());
}

/// Everything the program keeps for itself is its owner's only.
fn private(folder: &Path) {
    for file in fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{}", path.display());
        if path.is_dir() {
            private(&path);
        }
    }
}
