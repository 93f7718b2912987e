//! The events of `--json` are those of the README, with the fields that it names.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use crate::harness::process::OnTerminal;
use crate::harness::tree::noise;
use crate::harness::{Running, TestServer, World};

#[test]
fn every_event_and_field_is_in_the_readme() {
    let documented = documented();
    let mut seen = BTreeSet::new();
    for line in all_sorts_of_shares().lines() {
        let event: serde_json::Map<String, serde_json::Value> = serde_json::from_str(line).unwrap();
        let name = event["event"].as_str().unwrap().to_owned();
        let expected = documented.get(&name).unwrap_or_else(|| panic!("the README does not know {line}"));
        let fields: BTreeSet<_> = event.keys().filter(|key| !["v", "event"].contains(&key.as_str())).cloned().collect();
        assert_eq!(fields, *expected, "{line}");
        seen.insert(name);
    }
    // Those that need an accident or a person have tests of their own.
    let rare = ["crowded", "stalled", "reconnecting", "verify", "peer_failed", "visible", "recognised", "remembered"]
        .map(str::to_owned);
    let missing: Vec<_> = documented.into_keys().filter(|name| !seen.contains(name) && !rare.contains(name)).collect();
    assert!(missing.is_empty(), "nothing showed {missing:?}");
}

/// What both sides say in transfers of all sorts.
fn all_sorts_of_shares() -> String {
    let (world, server) = (World::new(), TestServer::start());
    let (film, url) = (world.file("film", noise(3_000_000, 1)), server.url());
    let mut said = String::new();
    let with_password = |arguments: &[&str], password: &str| {
        let mut command = world.command(arguments);
        command.env("P2PSHARE_PASSWORD", password).env("P2PSHARE_JSON", "1").env("P2PSHARE_SERVER", &url);
        Running::start(command, OnTerminal::Nothing)
    };
    // A wrong code.
    let sender = with_password(&["send", "--max", "3", film.to_str().unwrap()], "correct horse");
    let code = code_of(&sender);
    let last = code.as_bytes()[code.len() - 1] - b'0';
    let wrong = format!("{}{}", &code[..code.len() - 1], (last + 1) % 10);
    said += &with_password(&["recv", "-y", &wrong], "").end().expect_exit(3).stdout;
    // Whoever comes next would have to compare a number, so the share is opened anew.
    said += &sender.terminate().stdout;
    // A wrong password, a good end, and one of which everything is here already.
    let sender = with_password(&["send", "--max", "2", film.to_str().unwrap()], "correct horse");
    let code = code_of(&sender);
    said += &with_password(&["recv", "-y", &code], "wrong horse").end().expect_exit(6).stdout;
    said += &with_password(&["recv", "-y", &code], "correct horse").end().expect_exit(0).stdout;
    said += &with_password(&["recv", "-y", "--on-exists", "overwrite", &code], "correct horse").end().stdout;
    let sender = sender.end().expect_exit(0);
    let moved: Vec<_> = sender.events().iter().filter_map(|event| event["moved"].as_u64()).collect();
    assert_eq!(moved, [3_000_000, 0], "{}", sender.stdout);
    said += &sender.stdout;
    // A text.
    let sender = with_password(&["send", "--text", "see you at eight"], "");
    said += &with_password(&["recv", "-y", &code_of(&sender)], "").end().expect_exit(0).stdout;
    said += &sender.end().expect_exit(0).stdout;
    // A file that changes once it is offered.
    let changing = world.file("changing", noise(1000, 2));
    let sender = with_password(&["send", changing.to_str().unwrap()], "");
    let code = code_of(&sender);
    fs::write(&changing, noise(2000, 3)).unwrap();
    said += &with_password(&["recv", "-y", &code], "").end().expect_exit(9).stdout;
    said + &sender.end().expect_exit(9).stdout
}

/// The code in the events of a sender.
fn code_of(sender: &Running) -> String {
    sender.until_out(|text| {
        let line = text[..=text.rfind('\n')?].lines().find(|line| line.contains("\"event\":\"code\""))?;
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        Some(event["code"].as_str().unwrap().to_owned())
    })
}

/// The table of the README: events, and the fields of each.
fn documented() -> BTreeMap<String, BTreeSet<String>> {
    let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let (_, table) = readme.split_once("| event | fields | event | fields |\n").unwrap();
    let rows = table.lines().skip(1).take_while(|line| line.starts_with('|'));
    let mut documented = BTreeMap::new();
    for row in rows {
        let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
        for pair in cells.chunks(2) {
            let (fields, also) = pair[1].split_once(';').unwrap_or((pair[1], ""));
            for name in in_backticks(pair[0]) {
                documented.insert(name, in_backticks(fields));
            }
            documented.extend(in_backticks(also).into_iter().map(|name| (name, BTreeSet::new())));
        }
    }
    documented.remove("password_locked");
    documented
}

fn in_backticks(text: &str) -> BTreeSet<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}
