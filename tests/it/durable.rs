//! What survives a power cut: the order in which a receiver makes files and names durable, as the system sees it.

use std::fs;
use std::process::Command;

use crate::harness::process::OnTerminal;
use crate::harness::tree::noise;
use crate::harness::{Running, TestServer, Tree, World};

#[test]
fn a_name_is_given_after_the_content_is_durable_and_is_made_durable_itself() {
    if !can_trace() {
        eprintln!("not run: strace is missing, or may not trace");
        return;
    }
    let (world, server) = (World::new(), TestServer::start());
    for number in 0..20 {
        world.file(&format!("tree/{}/{number}", number % 3), noise(number * 150_000, number as u8));
    }
    let sender = world.send(&server.url(), &[&world.from().join("tree")]);
    let traces = world.path().join("traces");
    fs::create_dir(&traces).unwrap();
    let prefix = traces.join("thread");
    let (url, code) = (server.url(), sender.code());
    let arguments = ["-ff", "-y", "-ttt", "-T", "-e", "trace=fsync,fdatasync,rename,renameat,renameat2", "-o"];
    let program = [prefix.to_str().unwrap(), env!("CARGO_BIN_EXE_p2pshare"), "recv", "--yes", "--server", &url, &code];
    let command = world.command_of("/usr/bin/strace", &[&arguments[..], &program].concat());
    Running::start(command, OnTerminal::Nothing).end().expect_exit(0);
    sender.end().expect_exit(0);
    assert_eq!(world.arrived(), Tree::of(&world.from()));
    let calls: Vec<_> = fs::read_dir(traces).unwrap().flat_map(|file| calls(&file.unwrap().path())).collect();
    let is_synced = |path: &str, when: &dyn Fn(&Call) -> bool| {
        calls.iter().any(|call| call.name.ends_with("sync") && call.paths == [path] && when(call))
    };
    let named: Vec<_> = calls.iter().filter(|call| call.name.starts_with("rename")).collect();
    assert_eq!(named.len(), 20, "each file gets its name once");
    for rename in named {
        let [from, part, folder, name] = &rename.paths[..] else { panic!("{rename:?}") };
        let part = format!("{from}/{part}");
        assert!(is_synced(&part, &|sync| sync.end <= rename.start), "{name} was named before it was durable");
        assert!(is_synced(folder, &|sync| sync.start >= rename.end), "the name of {name} was never made durable");
    }
}

/// A system call: when it began and ended, in microseconds, and the paths that it names.
#[derive(Debug)]
struct Call {
    name: String,
    start: u64,
    end: u64,
    paths: Vec<String>,
}

/// Reads what strace wrote of one thread: `1700000000.123456 fsync(12</path>) = 0 <0.000123>`.
fn calls(trace: &std::path::Path) -> Vec<Call> {
    let text = fs::read_to_string(trace).unwrap();
    text.lines().filter(|line| line.contains(") = 0 <")).map(|line| parse(line).expect(line)).collect()
}

fn parse(line: &str) -> Option<Call> {
    let (start, rest) = line.split_once(' ')?;
    let (name, rest) = rest.split_once('(')?;
    let (arguments, rest) = rest.rsplit_once(") = 0 <")?;
    let micros = |text: &str| text.replacen('.', "", 1).parse::<u64>().ok();
    let start = micros(start)?;
    let path = |argument: &str| {
        let in_brackets = argument.split_once('<').and_then(|(_, path)| path.strip_suffix('>'));
        in_brackets.or_else(|| argument.strip_prefix('"')?.strip_suffix('"')).map(str::to_owned)
    };
    let paths = arguments.split(", ").filter_map(path).collect();
    Some(Call { name: name.to_owned(), start, end: start + micros(rest.strip_suffix('>')?)?, paths })
}

fn can_trace() -> bool {
    let tried = Command::new("/usr/bin/strace").args(["-o", "/dev/null", "/bin/true"]).output();
    tried.is_ok_and(|output| output.status.success())
}
