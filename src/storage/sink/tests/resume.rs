//! Second runs: what the first one left, and what became of it in the meantime.

use std::os::unix::fs::FileExt;

use super::harness::drain;
use super::*;

#[test]
fn a_second_run_goes_on_with_the_chunks_that_are_there() {
    let fixture = interrupted();
    let Opened { mut sink, plan, notices } = fixture.open(&SinkOptions::default()).unwrap();
    assert_eq!(notices, []);
    assert_eq!(plan.resumed, [(EntryId(0), vec![(0, fixture.hash(0, 0)), (2, fixture.hash(0, 2))])]);
    assert_eq!(plan.missing_bytes, fixture.offer().bytes() - (2 << 20));
    sink.submit(fixture.write(0, 1));
    sink.submit(fixture.write(0, 3));
    sink.submit(SinkJob::Commit { entry: EntryId(0) });
    assert!(matches!(drain(&mut sink, 3)[2], SinkOutcome::Committed { .. }));
    assert_eq!(fixture.tree(), ["x"], "neither part nor journal is left");
    assert!(fixture.read("x") == content());
}

#[test]
fn a_run_may_end_after_any_chunk_and_no_chunk_is_asked_for_twice() {
    let fixture = Fixture::new(vec![file(&["x"], &content())]);
    for done in 0..4 {
        let Opened { mut sink, plan, .. } = fixture.open(&SinkOptions::default()).unwrap();
        let expected: Vec<_> = (0..done).map(|chunk| (chunk, fixture.hash(0, chunk))).collect();
        assert_eq!(plan.resumed.into_iter().next().map_or(vec![], |(_, chunks)| chunks), expected);
        sink.submit(fixture.write(0, done));
        drain(&mut sink, 1);
        sink.close();
    }
    let mut sink = fixture.open(&SinkOptions::default()).unwrap().sink;
    sink.submit(SinkJob::Commit { entry: EntryId(0) });
    drain(&mut sink, 1);
    assert!(fixture.read("x") == content());
}

#[test]
fn a_chunk_that_does_not_hash_to_what_the_journal_says_does_not_count() {
    let fixture = interrupted();
    let part = fs::OpenOptions::new().write(true).open(own_file(&fixture, ".part")).unwrap();
    part.write_all_at(b"!", (2 << 20) + 77).unwrap();
    let opened = fixture.open(&SinkOptions::default()).unwrap();
    assert_eq!(opened.notices, [Notice::Restarted { entry: EntryId(0), reason: RestartReason::Damaged }]);
    assert_eq!(opened.plan.resumed, [(EntryId(0), vec![(0, fixture.hash(0, 0))])]);
    opened.sink.close();
    finish(&fixture);
    assert!(fixture.read("x") == content());
}

#[test]
fn b_040_a_journal_that_makes_no_sense_costs_the_chunks_and_nothing_else() {
    type Damage = fn(&Path);
    let damages: [(Damage, Option<RestartReason>); 5] = [
        (|state| fs::remove_file(state).unwrap(), Some(RestartReason::JournalUnusable)),
        (|state| fs::write(state, "").unwrap(), Some(RestartReason::JournalUnusable)),
        (|state| fs::write(state, "p2pshare\0\0\0\u{2}from the future").unwrap(), Some(RestartReason::JournalUnusable)),
        (|state| fs::write(state, vec![0xff; 10_000]).unwrap(), Some(RestartReason::JournalUnusable)),
        (
            |state| {
                let journal = fs::OpenOptions::new().write(true).open(state).unwrap();
                journal.set_len(journal.metadata().unwrap().len() - 5).unwrap();
            },
            Some(RestartReason::Damaged),
        ),
    ];
    for (damage, expected) in damages {
        let fixture = interrupted();
        damage(&own_file(&fixture, ".state"));
        let opened = fixture.open(&SinkOptions::default()).unwrap();
        let reason = opened.notices.iter().find_map(|notice| match notice {
            Notice::Restarted { reason, .. } => Some(*reason),
            Notice::Renamed { .. } | Notice::Kept { .. } => None,
        });
        assert_eq!(reason, expected);
        opened.sink.close();
        finish(&fixture);
        assert!(fixture.read("x") == content());
        assert_eq!(fixture.tree(), ["x"]);
    }
}

#[test]
fn b_040_the_journal_of_another_entry_is_not_believed() {
    let fixture = interrupted();
    let other = Fixture::new(vec![file(&["other"], &content())]);
    let mut sink = other.open(&SinkOptions::default()).unwrap().sink;
    sink.submit(other.write(0, 0));
    drain(&mut sink, 1);
    fs::copy(own_file(&other, ".state"), own_file(&fixture, ".state")).unwrap();
    let opened = fixture.open(&SinkOptions::default()).unwrap();
    assert_eq!(opened.notices, [Notice::Restarted { entry: EntryId(0), reason: RestartReason::JournalUnusable }]);
    assert_eq!(opened.plan.resumed, []);
}

#[test]
fn b_039_a_source_that_changed_starts_again_and_its_old_part_goes_when_the_new_file_is_there() {
    let mut changed = content();
    changed[0] ^= 1;
    let fixture = interrupted();
    let old = own_file(&fixture, ".part");
    let fixture = fixture.offering(vec![file(&["x"], &changed).mtime(2)]);
    let mut opened = fixture.open(&SinkOptions::default()).unwrap();
    assert_eq!(opened.notices, [Notice::Restarted { entry: EntryId(0), reason: RestartReason::SourceChanged }]);
    assert_eq!(opened.plan.resumed, []);
    opened.sink.submit(fixture.write(0, 0));
    drain(&mut opened.sink, 1);
    assert!(old.exists(), "until then the old part may still be wanted");
    opened.sink.close();
    finish(&fixture);
    assert!(fixture.read("x") == changed);
    assert_eq!(fixture.tree(), ["x"]);
}

#[test]
fn unfinished_work_on_other_entries_is_left_alone() {
    let fixture = interrupted();
    let before = fixture.tree();
    assert_eq!(before.len(), 2);
    let fixture = fixture.offering(vec![file(&["y"], &content())]);
    finish(&fixture);
    assert_eq!(fixture.tree(), [before, vec!["y".to_owned()]].concat());
}

#[test]
fn files_that_arrived_are_verified_and_not_received_again() {
    for on_exists in [OnExists::Rename, OnExists::Overwrite, OnExists::Fail] {
        let fixture = Fixture::new(vec![file(&["d", "x"], &content()), file(&["zero"], b""), file(&["y"], b"y")]);
        finish(&fixture);
        fs::remove_file(fixture.destination().join("y")).unwrap();
        let inode = fs::metadata(fixture.destination().join("d/x")).unwrap().ino();
        let options = SinkOptions { on_exists, ..SinkOptions::default() };
        let Opened { mut sink, plan, notices } = fixture.open(&options).unwrap();
        assert_eq!((plan.existing, notices), (vec![], vec![]));
        assert_eq!(plan.resumed.len(), 1);
        assert_eq!(plan.resumed[0].1.len(), 4);
        assert_eq!(plan.missing_bytes, 1);
        sink.submit(SinkJob::Commit { entry: EntryId(0) });
        sink.submit(SinkJob::Commit { entry: EntryId(1) });
        sink.submit(fixture.write(2, 0));
        sink.submit(SinkJob::Commit { entry: EntryId(2) });
        let outcomes = drain(&mut sink, 4);
        assert_eq!(outcomes.iter().filter(|outcome| matches!(outcome, SinkOutcome::Committed { .. })).count(), 3);
        assert_eq!(fixture.tree(), ["d/", "d/x", "y", "zero"]);
        assert_eq!(fs::metadata(fixture.destination().join("d/x")).unwrap().ino(), inode);
    }
}

#[test]
fn a_file_that_only_looks_like_the_one_on_offer_is_kept_beside_it_or_replaced_whole() {
    for (on_exists, ours) in [(OnExists::Rename, "x (1)"), (OnExists::Overwrite, "x")] {
        let fixture = Fixture::new(vec![file(&["x"], &content())]);
        finish(&fixture);
        let mut changed = content();
        changed[3_000_000] ^= 1;
        let fixture = fixture.offering(vec![file(&["x"], &changed)]);
        let mut sink = fixture.open(&SinkOptions { on_exists, ..SinkOptions::default() }).unwrap().sink;
        sink.submit(fixture.write(0, 2));
        sink.submit(SinkJob::Commit { entry: EntryId(0) });
        assert!(matches!(drain(&mut sink, 2)[1], SinkOutcome::Committed { .. }));
        assert!(fixture.read(ours) == changed);
        assert!(on_exists == OnExists::Overwrite || fixture.read("x") == content());
    }
}

#[test]
fn a_file_where_a_folder_should_be_is_not_taken_for_what_is_in_the_folder() {
    let fixture = Fixture::new(vec![file(&["d"], b"x")]);
    finish(&fixture);
    let fixture = fixture.offering(vec![file(&["d", "x"], b"x")]);
    assert_eq!(fixture.open(&SinkOptions::default()).unwrap().plan.resumed, []);
    finish(&fixture);
    assert_eq!(fixture.tree(), ["d", "d (1)/", "d (1)/x"]);
}

#[test]
fn unfinished_work_that_somebody_is_at_is_busy() {
    let fixture = interrupted();
    let _first = fixture.open(&SinkOptions::default()).unwrap();
    let second = fixture.open(&SinkOptions::default());
    assert!(matches!(second, Err(SinkError::Busy { path }) if path == Path::new("x")));
}

#[test]
fn what_was_there_is_not_forgotten_when_going_on_fails_at_first() {
    let fixture = interrupted();
    let mut sink = fixture.open(&SinkOptions::default()).unwrap().sink;
    let state = own_file(&fixture, ".state");
    fs::remove_file(&state).unwrap();
    fs::create_dir(&state).unwrap();
    sink.submit(fixture.write(0, 1));
    assert!(matches!(drain(&mut sink, 1)[0], SinkOutcome::Failed { .. }));
    fs::remove_dir(&state).unwrap();
    sink.submit(fixture.write(0, 1));
    sink.submit(fixture.write(0, 3));
    sink.submit(SinkJob::Commit { entry: EntryId(0) });
    let outcomes = drain(&mut sink, 3);
    assert!(matches!(outcomes[2], SinkOutcome::Committed { .. }), "{outcomes:?}");
    assert!(fixture.read("x") == content(), "not a file with holes");
}

#[test]
fn without_resume_everything_is_received_anew() {
    let fixture = interrupted();
    let options = SinkOptions { resume: false, ..SinkOptions::default() };
    assert_eq!(fixture.open(&options).unwrap().plan.resumed, []);
    fixture.receive(&options);
    assert!(fixture.read("x") == content());
    fixture.receive(&options);
    assert_eq!(fixture.tree(), ["x", "x (1)"]);
}

fn content() -> Vec<u8> {
    (0..3_500_000_u32).map(|n| (n % 249) as u8).collect()
}

/// A destination in which chunks 0 and 2 of `x` have arrived.
fn interrupted() -> Fixture {
    let fixture = Fixture::new(vec![file(&["x"], &content())]);
    let mut sink = fixture.open(&SinkOptions::default()).unwrap().sink;
    sink.submit(fixture.write(0, 2));
    sink.submit(fixture.write(0, 0));
    drain(&mut sink, 2);
    sink.close();
    fixture
}

/// Receives everything to its end, whatever is there already.
fn finish(fixture: &Fixture) {
    let outcomes = fixture.receive(&SinkOptions::default());
    assert!(matches!(outcomes.last(), Some(SinkOutcome::Finished)), "{outcomes:?}");
}

fn own_file(fixture: &Fixture, ending: &str) -> PathBuf {
    let name = fixture.tree().into_iter().find(|name| name.ends_with(ending)).unwrap();
    fixture.destination().join(name)
}
