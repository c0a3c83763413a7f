//! Processes that are killed, and what they leave.

use std::fs;

use sidx_host::storage::{DirectoryStorage, Storage as _};

use super::probe::Probe;

#[test]
fn what_a_killed_process_was_making_has_no_name_and_is_cleared_by_the_native_store() {
    let Some(probe) = Probe::new("a process that is killed") else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let steps = ["make a", "put a/o kept", "begin a/log/1 half", "wait"];
    probe.waiting(directory.path(), &steps).dies();
    let said = probe.succeeds(directory.path(), &["list a/log", "objects a", "get a/o"]);
    assert_eq!(said, ["", "o", "kept"]);
    let place = DirectoryStorage::new(directory.path().join("a"));
    let unfinished = place.unfinished().unwrap();
    assert_eq!(unfinished.len(), 1, "{unfinished:?}");
    place.clear_unfinished(&unfinished).unwrap();
    assert_eq!(place.unfinished().unwrap(), [] as [&str; 0]);
    assert_eq!(
        directory.path().join("a/log").read_dir().unwrap().count(),
        0
    );
}

#[test]
fn a_file_that_was_cleared_away_is_not_finished() {
    let Some(probe) = Probe::new("a file that is cleared away") else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let steps = [
        "make a",
        "begin a/log/1 half",
        "wait",
        "finish",
        "list a/log",
    ];
    let sleeper = probe.waiting(directory.path(), &steps);
    let place = DirectoryStorage::new(directory.path().join("a"));
    let unfinished = place.unfinished().unwrap();
    place.clear_unfinished(&unfinished).unwrap();
    let said = sleeper.goes_on();
    assert!(said[0].contains("was cleared away"), "{said:?}");
    assert_eq!(said[1], "");
}

/// Nobody can tell whether who makes a file is alive, so it goes only after a day.
#[test]
fn an_opening_clears_what_nobody_touched_for_a_day() {
    let Some(probe) = Probe::new("abandoned files") else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    probe.succeeds(directory.path(), &["make a", "begin a/log/1 x", "finish"]);
    let log = directory.path().join("a/log");
    let names = ["~7-1.tmp", "~7-2.tmp", "~mine.tmp"];
    for name in names {
        fs::write(log.join(name), "x").unwrap();
    }
    let long_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(25 * 3600);
    for name in ["~7-1.tmp", "~mine.tmp", "1"] {
        let file = fs::File::options()
            .write(true)
            .open(log.join(name))
            .unwrap();
        file.set_modified(long_ago).unwrap();
    }
    probe.succeeds(directory.path(), &["lock a"]);
    let mut left: Vec<_> = { log.read_dir().unwrap() }
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort();
    assert_eq!(left, ["1", "~7-2.tmp", "~mine.tmp"]);
}
