//! Destinations that are set as traps, or change under the sink.

use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{CWD, RenameFlags};

use super::harness::{drain, tree};
use super::*;

#[test]
fn b_012_a_link_in_the_destination_is_not_followed_and_the_others_arrive() {
    let outside = tempfile::tempdir().unwrap();
    let fixture =
        Fixture::new(vec![dir(&["d"]), file(&["d", "x"], b"x"), file(&["d", "e", "y"], b"y"), file(&["z"], b"z")]);
    symlink(outside.path(), fixture.destination().join("d")).unwrap();
    let plan = fixture.open(&SinkOptions::default()).unwrap().plan;
    let refused: Vec<_> = plan.refused.iter().map(|(id, _)| id.0).collect();
    assert_eq!(refused, [0, 1, 2], "known before a byte flows");
    let outcomes = fixture.receive(&SinkOptions::default());
    let is_refusal =
        |outcome: &&SinkOutcome| matches!(outcome, SinkOutcome::Failed { error: SinkError::Symlink { .. }, .. });
    assert_eq!(outcomes.iter().filter(is_refusal).count(), 5, "{outcomes:?}");
    assert_eq!(fixture.read("z"), b"z");
    assert_eq!(tree(outside.path()), Vec::<String>::new());
}

#[test]
fn b_012_a_link_that_appears_after_the_plan_is_not_followed_either() {
    let outside = tempfile::tempdir().unwrap();
    let fixture = Fixture::new(vec![dir(&["d"]), file(&["d", "x"], b"x")]);
    let mut sink = fixture.open(&SinkOptions::default()).unwrap().sink;
    symlink(outside.path(), fixture.destination().join("d")).unwrap();
    sink.submit(SinkJob::Commit { entry: EntryId(0) });
    sink.submit(fixture.write(1, 0));
    sink.submit(SinkJob::Commit { entry: EntryId(1) });
    let outcomes = drain(&mut sink, 3);
    let refusals = outcomes
        .iter()
        .filter(|outcome| matches!(outcome, SinkOutcome::Failed { error: SinkError::Symlink { .. }, .. }));
    assert_eq!(refusals.count(), 2, "{outcomes:?}");
    assert_eq!(tree(outside.path()), Vec::<String>::new());
}

#[test]
fn b_013_a_link_of_the_final_name_is_replaced_or_avoided_but_not_written_through() {
    for (on_exists, name) in [(OnExists::Overwrite, "x"), (OnExists::Rename, "x (1)")] {
        let outside = tempfile::tempdir().unwrap();
        let victim = outside.path().join("victim");
        fs::write(&victim, "precious").unwrap();
        let fixture = Fixture::new(vec![file(&["x"], b"new")]);
        symlink(&victim, fixture.destination().join("x")).unwrap();
        fixture.receive(&SinkOptions { on_exists, ..SinkOptions::default() });
        assert_eq!(fixture.read(name), b"new");
        assert_eq!(fs::read(&victim).unwrap(), b"precious");
        assert!(!fs::symlink_metadata(fixture.destination().join(name)).unwrap().is_symlink());
    }
}

#[test]
fn b_015_a_folder_that_turns_into_a_link_and_back_lets_nothing_out() {
    const FILES: u32 = 1_000;
    let outside = tempfile::tempdir().unwrap();
    let names: Vec<_> = (0..FILES).map(|n| format!("f{n}")).collect();
    let fixture = Fixture::new(names.iter().map(|name| file(&["d", "e", name], name.as_bytes())).collect());
    let (at, trap) = (fixture.destination().join("d"), fixture.destination().join("trap"));
    fs::create_dir_all(at.join("e")).unwrap();
    fs::create_dir(outside.path().join("e")).unwrap();
    symlink(outside.path(), &trap).unwrap();
    let mut sink = fixture.open(&SinkOptions::default()).unwrap().sink;
    let stop = AtomicBool::new(false);
    let (mut swaps, mut committed) = (0, 0);
    thread::scope(|scope| {
        let swapper = scope.spawn(|| {
            let mut swaps = 0;
            while !stop.load(Ordering::Relaxed) || swaps < 10_000 {
                rustix::fs::renameat_with(CWD, &at, CWD, &trap, RenameFlags::EXCHANGE).unwrap();
                swaps += 1;
            }
            swaps
        });
        for entry in 0..FILES {
            sink.submit(fixture.write(entry, 0));
            sink.submit(SinkJob::Commit { entry: EntryId(entry) });
        }
        let outcomes = drain(&mut sink, 2 * FILES as usize);
        committed = outcomes.iter().filter(|outcome| matches!(outcome, SinkOutcome::Committed { .. })).count();
        stop.store(true, Ordering::Relaxed);
        swaps = swapper.join().unwrap();
    });
    assert_eq!(tree(outside.path()), ["e/"], "after {swaps} swaps");
    assert!(committed > 0 && committed < FILES as usize, "no race was run: {committed} committed in {swaps} swaps");
}

#[test]
fn b_022_a_destination_that_is_missing_or_no_folder_is_named_in_the_error() {
    let fixture = Fixture::new(vec![file(&["x"], b"x")]);
    let at = fixture.destination().join("file");
    fs::write(&at, "").unwrap();
    let open = |at: &Path| Sink::open(at, &fixture.offer(), &[EntryId(0)], &SinkOptions::default());
    assert!(matches!(open(&at), Err(SinkError::NotADirectory { path }) if path == at));
    let at = fixture.destination().join("nothing");
    assert!(matches!(open(&at), Err(SinkError::Missing { path }) if path == at));
}

#[test]
fn b_022_a_destination_that_is_removed_midway_fails_each_file() {
    let fixture = Fixture::new(vec![file(&["x"], b"x"), file(&["y"], b"y"), file(&["d", "z"], b"z")]);
    let mut sink = fixture.open(&SinkOptions::default()).unwrap().sink;
    sink.submit(fixture.write(0, 0));
    drain(&mut sink, 1);
    fs::remove_dir_all(fixture.destination()).unwrap();
    sink.submit(SinkJob::Commit { entry: EntryId(0) });
    sink.submit(fixture.write(1, 0));
    sink.submit(fixture.write(2, 0));
    for outcome in drain(&mut sink, 3) {
        assert!(matches!(outcome, SinkOutcome::Failed { error: SinkError::Missing { .. }, .. }), "{outcome:?}");
    }
    fs::create_dir(fixture.destination()).unwrap();
}

#[test]
fn b_022_a_folder_that_may_not_be_written_is_named_in_the_error() {
    let fixture = Fixture::new(vec![file(&["x"], b"x")]);
    let Some(_read_only) = room::ReadOnly::new(fixture.destination()) else { return };
    let mut sink = fixture.open(&SinkOptions::default()).unwrap().sink;
    sink.submit(fixture.write(0, 0));
    let outcome = drain(&mut sink, 1).remove(0);
    assert!(matches!(outcome, SinkOutcome::Failed { error: SinkError::Denied { .. }, .. }), "{outcome:?}");
}
