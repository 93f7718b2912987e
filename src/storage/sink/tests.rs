//! The sink against real directories.

mod harness;
mod hostile;
mod resume;
mod room;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use harness::{Fixture, dir, file};
use p2pshare_protocol::limits::CHUNK_BYTES;
use p2pshare_protocol::local_name::Naming;
use p2pshare_protocol::offer::EntryKind;

use super::*;

#[test]
fn files_and_folders_arrive_with_their_content_mode_and_time() {
    let big: Vec<u8> = (0..2_500_000_u32).map(|n| (n % 251) as u8).collect();
    let fixture = Fixture::new(vec![
        dir(&["d"]).mtime(1_000_000_000_123_456_789),
        dir(&["d", "empty"]).mtime(1_100_000_000_000_000_000),
        file(&["d", "big"], &big).mtime(1_200_000_000_000_000_001),
        file(&["d", "run"], b"#!/bin/sh").mode(0o755),
        file(&["zero"], b""),
    ]);
    let outcomes = fixture.receive(&SinkOptions::default());
    assert!(matches!(outcomes.last(), Some(SinkOutcome::Finished)), "{outcomes:?}");
    assert_eq!(fixture.read("d/big"), big);
    assert_eq!(fixture.read("zero"), b"");
    assert_eq!(fixture.tree(), ["d/", "d/big", "d/empty/", "d/run", "zero"]);
    assert_eq!(fixture.mtime("d/big"), 1_200_000_000_000_000_001);
    assert_eq!(fixture.mtime("d"), 1_000_000_000_123_456_789);
    assert_eq!(fixture.mtime("d/empty"), 1_100_000_000_000_000_000);
    assert_eq!(fixture.mode("d/run") & 0o700, 0o700);
    assert_eq!(fixture.mode("d/big") & 0o111, 0, "only what the sender may execute may be executed");
}

#[test]
fn chunks_arrive_in_any_order() {
    let content: Vec<u8> = (0..3_145_729_u32).map(|n| (n / 7) as u8).collect();
    let fixture = Fixture::new(vec![file(&["x"], &content)]);
    let mut sink = fixture.open(&SinkOptions::default()).unwrap().sink;
    for chunk in [3, 0, 2, 1] {
        sink.submit(fixture.write(0, chunk));
    }
    sink.submit(SinkJob::Commit { entry: EntryId(0) });
    let outcomes = harness::drain(&mut sink, 5);
    assert!(matches!(&outcomes[4], SinkOutcome::Committed { path, .. } if path == Path::new("x")), "{outcomes:?}");
    assert_eq!(fixture.read("x"), content);
}

#[test]
fn a_chunk_that_is_not_what_was_promised_never_reaches_the_disk() {
    let fixture = Fixture::new(vec![file(&["x"], &[7; 2_000_000])]);
    let mut sink = fixture.open(&SinkOptions::default()).unwrap().sink;
    let flipped = match fixture.write(0, 0) {
        SinkJob::Write { entry, offset, pieces, hash } => {
            let mut bytes = pieces.concat();
            bytes[500_000] ^= 1;
            SinkJob::Write { entry, offset, pieces: vec![bytes.into()], hash }
        }
        other @ (SinkJob::Commit { .. } | SinkJob::Discard { .. } | SinkJob::Finish) => other,
    };
    sink.submit(flipped);
    let short = Bytes::from_static(b"short");
    sink.submit(SinkJob::Write { entry: EntryId(0), offset: 0, hash: Hash::of_chunk(&short), pieces: vec![short] });
    let outcomes = harness::drain(&mut sink, 2);
    for outcome in outcomes {
        assert!(matches!(outcome, SinkOutcome::Corrupt { entry: EntryId(0), offset: 0 }), "{outcome:?}");
    }
    assert_eq!(fixture.tree(), Vec::<String>::new());
}

#[test]
fn a_file_that_lacks_a_chunk_gets_no_name() {
    let fixture = Fixture::new(vec![file(&["x"], &[7; 2_000_000])]);
    let mut sink = fixture.open(&SinkOptions::default()).unwrap().sink;
    sink.submit(fixture.write(0, 0));
    sink.submit(fixture.write(0, 0));
    sink.submit(SinkJob::Commit { entry: EntryId(0) });
    let outcomes = harness::drain(&mut sink, 3);
    assert!(
        matches!(&outcomes[2], SinkOutcome::Failed { error: SinkError::Incomplete { .. }, .. }),
        "the same chunk twice is not two chunks: {outcomes:?}"
    );
    let tree = fixture.tree();
    assert!(tree.len() == 2 && tree.iter().all(|name| name.starts_with(".p2pshare-")), "{tree:?}");
}

#[test]
fn jobs_for_entries_that_were_not_selected_fail() {
    let fixture = Fixture::new(vec![file(&["x"], b"x"), file(&["y"], b"y")]);
    let opened = Sink::open(fixture.destination(), &fixture.offer(), &[EntryId(1)], &SinkOptions::default()).unwrap();
    let mut sink = opened.sink;
    sink.submit(fixture.write(0, 0));
    sink.submit(SinkJob::Commit { entry: EntryId(7) });
    for outcome in harness::drain(&mut sink, 2) {
        assert!(matches!(outcome, SinkOutcome::Failed { error: SinkError::NotSelected, .. }), "{outcome:?}");
    }
    assert_eq!(fixture.tree(), Vec::<String>::new());
}

#[test]
fn opening_leaves_no_trace() {
    let fixture = Fixture::new(vec![dir(&["d"]), file(&["d", "x"], b"x")]);
    fixture.open(&SinkOptions::default()).unwrap().sink.close();
    assert_eq!(fixture.tree(), Vec::<String>::new());
}

#[test]
fn a_second_receiver_of_the_same_entry_is_told_so() {
    let fixture = Fixture::new(vec![file(&["x"], &[7; 2_000_000])]);
    let mut first = fixture.open(&SinkOptions::default()).unwrap().sink;
    let mut second = fixture.open(&SinkOptions::default()).unwrap().sink;
    first.submit(fixture.write(0, 0));
    assert!(matches!(harness::drain(&mut first, 1)[0], SinkOutcome::Written { .. }));
    second.submit(fixture.write(0, 0));
    let outcome = harness::drain(&mut second, 1).remove(0);
    assert!(matches!(outcome, SinkOutcome::Failed { error: SinkError::Busy { .. }, .. }), "{outcome:?}");
}

#[test]
fn more_files_than_may_be_open_are_written_in_turns() {
    const COUNT: u32 = 300;
    let entries = (0..COUNT).map(|n| file(&[&format!("f{n}")], &vec![n as u8; 1_048_577])).collect();
    let fixture = Fixture::new(entries);
    let mut sink = fixture.open(&SinkOptions::default()).unwrap().sink;
    for chunk in [0, 1] {
        for entry in 0..COUNT {
            sink.submit(fixture.write(entry, chunk));
        }
    }
    for entry in 0..COUNT {
        sink.submit(SinkJob::Commit { entry: EntryId(entry) });
    }
    let outcomes = harness::drain(&mut sink, 3 * COUNT as usize);
    let committed = outcomes.iter().filter(|outcome| matches!(outcome, SinkOutcome::Committed { .. })).count();
    assert_eq!(committed, COUNT as usize);
    assert!(fixture.read("f99") == vec![99; 1_048_577]);
}

#[test]
fn a_stream_arrives_in_any_order_and_ends_with_its_short_chunk() {
    const SIZE: u64 = 4 * CHUNK_BYTES + 7;
    let mut fixture = Fixture::new(vec![file(&["s"], &[5; 10])]);
    fixture.set_kind(0, EntryKind::Stream);
    let mut sink = fixture.open(&SinkOptions::default()).unwrap().sink;
    let commit = || SinkJob::Commit { entry: EntryId(0) };
    for chunk in [1, 0, 1, 4, 2] {
        sink.submit(fixture.write_as_of_size(0, chunk, SIZE));
    }
    // A hole, and what is beyond the end.
    sink.submit(commit());
    sink.submit(fixture.write_as_of_size(0, 5, 6 * CHUNK_BYTES));
    sink.submit(fixture.write_as_of_size(0, 4, 5 * CHUNK_BYTES));
    sink.submit(fixture.write_as_of_size(0, 3, SIZE));
    sink.submit(commit());
    let outcomes = harness::drain(&mut sink, 10);
    let is_written = |outcome: &SinkOutcome| matches!(outcome, SinkOutcome::Written { .. });
    assert!(outcomes[..5].iter().all(is_written), "{outcomes:?}");
    assert!(matches!(outcomes[5], SinkOutcome::Failed { error: SinkError::Incomplete { .. }, .. }), "{outcomes:?}");
    assert!(outcomes[6..8].iter().all(|o| matches!(o, SinkOutcome::Corrupt { .. })), "{outcomes:?}");
    assert!(is_written(&outcomes[8]) && matches!(outcomes[9], SinkOutcome::Committed { .. }), "{outcomes:?}");
    assert_eq!(fixture.read("s").len() as u64, SIZE);
}

#[test]
fn nothing_is_left_of_a_stream_that_did_not_end() {
    let mut fixture = Fixture::new(vec![file(&["s"], &[5; 10])]);
    fixture.set_kind(0, EntryKind::Stream);
    let mut sink = fixture.open(&SinkOptions::default()).unwrap().sink;
    sink.submit(fixture.write_as_of_size(0, 0, CHUNK_BYTES));
    harness::drain(&mut sink, 1);
    assert_eq!(fixture.tree().len(), 1);
    sink.close();
    assert!(fixture.tree().is_empty(), "{:?}", fixture.tree());
}

#[test]
fn a_stream_cannot_begin_far_from_its_start() {
    let mut fixture = Fixture::new(vec![file(&["s"], &[5; 10])]);
    fixture.set_kind(0, EntryKind::Stream);
    let mut sink = fixture.open(&SinkOptions::default()).unwrap().sink;
    sink.submit(fixture.write_as_of_size(0, 1000, 1001 * CHUNK_BYTES));
    let outcomes = harness::drain(&mut sink, 1);
    assert!(matches!(outcomes[0], SinkOutcome::Corrupt { .. }), "{outcomes:?}");
}

#[test]
fn b_006_a_name_of_255_bytes_is_stored_as_it_is() {
    let long = format!("{}.mk", "🎬".repeat(63));
    let fixture = Fixture::new(vec![file(&[&long], b"x")]);
    assert!(fixture.open(&SinkOptions::default()).unwrap().notices.is_empty());
    fixture.receive(&SinkOptions::default());
    assert_eq!(fixture.tree(), [long]);
}

#[test]
fn b_007_names_reserved_elsewhere_are_stored_as_they_are_unless_portable() {
    let offered = ["CON", "nul.txt", "x.", "a:b"];
    let entries = || offered.iter().map(|name| file(&[name], b"x")).collect();
    let fixture = Fixture::new(entries());
    fixture.receive(&SinkOptions::default());
    assert_eq!(fixture.tree(), ["CON", "a:b", "nul.txt", "x."]);
    let fixture = Fixture::new(entries());
    fixture.receive(&SinkOptions { naming: Naming::Portable, ..SinkOptions::default() });
    assert_eq!(fixture.tree(), ["_CON", "_nul.txt", "a_b", "x_"]);
}

#[test]
fn b_010_names_that_some_file_systems_confuse_all_arrive() {
    let entries =
        || vec![file(&["é"], b"1"), file(&["e\u{301}"], b"2"), file(&["README"], b"3"), file(&["readme"], b"4")];
    for naming in [Naming::Unix, Naming::Portable] {
        for on_exists in [OnExists::Rename, OnExists::Overwrite] {
            let fixture = Fixture::new(entries());
            fixture.receive(&SinkOptions { naming, on_exists, ..SinkOptions::default() });
            let mut contents: Vec<_> = fixture.tree().iter().map(|name| fixture.read(name)).collect();
            contents.sort();
            assert_eq!(contents, [b"1", b"2", b"3", b"4"]);
            let tree = fixture.tree();
            let is_numbered = tree.contains(&"readme (1)".to_owned()) && tree.contains(&"e\u{301} (1)".to_owned());
            assert_eq!(is_numbered, naming == Naming::Portable, "{tree:?}");
        }
    }
}

#[test]
fn b_016_an_existing_file_is_never_lost_silently() {
    let check = |on_exists, expected: &[(&str, &[u8])]| {
        let fixture = Fixture::new(vec![file(&["x.txt"], b"new"), file(&["y"], b"y")]);
        fs::write(fixture.destination().join("x.txt"), "old").unwrap();
        let options = SinkOptions { on_exists, ..SinkOptions::default() };
        let plan = fixture.open(&options).unwrap().plan;
        assert_eq!(plan.existing, [EntryId(0)]);
        assert_eq!(plan.skipped.len(), usize::from(on_exists == OnExists::Skip));
        fixture.receive(&options);
        let tree = fixture.tree();
        let found: Vec<_> = tree.iter().map(|name| (name.as_str(), fixture.read(name))).collect();
        let found: Vec<_> = found.iter().map(|(name, content)| (*name, content.as_slice())).collect();
        assert_eq!(found, expected, "{on_exists:?}");
    };
    check(OnExists::Rename, &[("x (1).txt", b"new"), ("x.txt", b"old"), ("y", b"y")]);
    check(OnExists::Skip, &[("x.txt", b"old"), ("y", b"y")]);
    check(OnExists::Overwrite, &[("x.txt", b"new"), ("y", b"y")]);
    let fixture = Fixture::new(vec![file(&["x.txt"], b"new")]);
    fs::write(fixture.destination().join("x.txt"), "old").unwrap();
    let fail = SinkOptions { on_exists: OnExists::Fail, ..SinkOptions::default() };
    assert!(matches!(fixture.open(&fail), Err(SinkError::Exists { path }) if path == Path::new("x.txt")));
}

#[test]
fn b_016_a_file_that_appears_during_the_transfer_is_kept_too() {
    for (on_exists, ours) in [(OnExists::Rename, Some("x (1)")), (OnExists::Skip, None), (OnExists::Fail, None)] {
        let fixture = Fixture::new(vec![file(&["x"], b"new")]);
        let mut sink = fixture.open(&SinkOptions { on_exists, ..SinkOptions::default() }).unwrap().sink;
        sink.submit(fixture.write(0, 0));
        harness::drain(&mut sink, 1);
        fs::write(fixture.destination().join("x"), "theirs").unwrap();
        sink.submit(SinkJob::Commit { entry: EntryId(0) });
        let outcome = harness::drain(&mut sink, 1).remove(0);
        match ours {
            Some(ours) => assert_eq!(fixture.read(ours), b"new"),
            None => assert!(matches!(outcome, SinkOutcome::Failed { error: SinkError::Exists { .. }, .. })),
        }
        assert_eq!(fixture.read("x"), b"theirs");
    }
}

#[test]
fn a_file_where_a_folder_should_be_moves_the_folder_and_the_other_way_round() {
    let fixture = Fixture::new(vec![dir(&["a"]), file(&["a", "x"], b"x"), file(&["b"], b"b")]);
    fs::write(fixture.destination().join("a"), "old").unwrap();
    fs::create_dir(fixture.destination().join("b")).unwrap();
    fixture.receive(&SinkOptions { on_exists: OnExists::Overwrite, ..SinkOptions::default() });
    assert_eq!(fixture.tree(), ["a", "a (1)/", "a (1)/x", "b (1)", "b/"]);
    assert_eq!(fixture.read("a"), b"old");
}

#[test]
fn an_existing_folder_is_filled() {
    let fixture = Fixture::new(vec![dir(&["d"]), file(&["d", "x"], b"new")]);
    fs::create_dir(fixture.destination().join("d")).unwrap();
    fs::write(fixture.destination().join("d/x"), "old").unwrap();
    fixture.receive(&SinkOptions::default());
    assert_eq!(fixture.tree(), ["d/", "d/x", "d/x (1)"]);
}

#[test]
fn b_018_modes_are_masked_and_times_clamped() {
    let year_9999 = 253_370_764_800_000_000_000_u128;
    let far = i64::try_from(year_9999).unwrap_or(i64::MAX);
    let fixture =
        Fixture::new(vec![file(&["suid"], b"x").mode(0o6777).mtime(-1), file(&["far"], b"x").mode(0o1666).mtime(far)]);
    fixture.receive(&SinkOptions::default());
    let suid = fs::metadata(fixture.destination().join("suid")).unwrap();
    assert_eq!(suid.permissions().mode() & 0o7033, 0, "owner's execute bit and nothing more: {:o}", suid.mode());
    assert_eq!(suid.mtime(), 0);
    assert_eq!(fixture.mode("far") & 0o7111, 0);
    let day_after_tomorrow = plan::latest_mtime() + 86_400_000_000_000;
    assert!(fixture.mtime("far") < day_after_tomorrow);
    let plain = Fixture::new(vec![file(&["run"], b"x").mode(0o755)]);
    plain.receive(&SinkOptions { preserve_exec: false, ..SinkOptions::default() });
    assert_eq!(plain.mode("run") & 0o111, 0);
}

#[test]
fn b_023_empty_files_empty_folders_and_empty_offers_are_received() {
    let fixture = Fixture::new(vec![file(&["zero"], b""), dir(&["d"])]);
    fixture.receive(&SinkOptions::default());
    assert_eq!(fixture.tree(), ["d/", "zero"]);
    let nothing = Fixture::new(vec![]);
    assert!(matches!(nothing.receive(&SinkOptions::default())[..], [SinkOutcome::Finished]));
}

#[test]
fn b_024_names_that_mean_something_to_a_shell_are_stored() {
    let names = ["-rf", "--help", "~", "$(id)", ";reboot", "'\"", "🎬 film.mp4"];
    let fixture = Fixture::new(names.iter().map(|name| file(&[name], name.as_bytes())).collect());
    fixture.receive(&SinkOptions::default());
    for name in names {
        assert_eq!(fixture.read(name), name.as_bytes());
    }
}
