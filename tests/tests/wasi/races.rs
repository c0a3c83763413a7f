//! Several processes at the same names, a native one among them.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;

use sidx_host::ErrorKind;
use sidx_host::storage::{DirectoryStorage, Storage as _};

use super::probe::{INSIDE, Probe};

/// So many names are wanted by everybody.
const NAMES: usize = 150;
const PROCESSES: usize = 3;
/// The one that is native.
const NATIVE: &str = "native";

/// Wants all names, in the same order as the others, and returns those that it got.
fn native(place: &Path) -> Vec<String> {
    let place = DirectoryStorage::new(place);
    let mut won = Vec::new();
    let mut tell = |what: &str, number: usize, result: sidx_host::Result<()>| match result {
        Ok(()) => won.push(format!("{what} {number}")),
        Err(error) => assert_eq!(error.kind(), ErrorKind::Conflict, "{error}"),
    };
    for number in 0..NAMES {
        let put = place.put_if_absent(&format!("{number:08}.snapshot"), NATIVE.as_bytes());
        tell("object", number, put.map(drop));
        let made = place.put_file(&format!("log/{number:08}"), NATIVE.as_bytes());
        tell("file", number, made);
        // The others need a while to begin.
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    won
}

#[test]
fn of_processes_that_want_one_name_one_gets_it() {
    let Some(probe) = Probe::new("a race for names") else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    probe.succeeds(directory.path(), &["make a"]);
    let names: Vec<String> = (0..PROCESSES).map(|number| format!("p{number}")).collect();
    let count = NAMES.to_string();
    let children: Vec<_> = names
        .iter()
        .map(|who| {
            let words = [INSIDE, "race", "a", who, &count];
            let mut command = probe.command(directory.path(), &words);
            command.stdout(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    let mut winners: BTreeMap<String, &str> = BTreeMap::new();
    for won in native(&directory.path().join("a")) {
        winners.insert(won, NATIVE);
    }
    for (who, child) in names.iter().zip(children) {
        let output = child.wait_with_output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{who}: {text}");
        for won in text.lines() {
            let other = winners.insert(won.to_owned(), who);
            assert_eq!(other, None, "{who} got {won} as well");
        }
    }
    assert_eq!(winners.len(), 2 * NAMES);
    // What is there is what the winner put.
    let place = directory.path().join("a");
    for (won, who) in winners {
        let (what, number) = won.split_once(' ').unwrap();
        let number: u32 = number.parse().unwrap();
        let path = match what {
            "object" => place.join(format!("{number:08}.snapshot")),
            _ => place.join(format!("log/{number:08}")),
        };
        assert_eq!(std::fs::read_to_string(path).unwrap(), who, "{won}");
    }
    let left = place.read_dir().unwrap().count();
    assert_eq!(left, NAMES + 1, "losers leave nothing");
}

#[test]
fn who_finishes_a_file_later_replaces_nothing() {
    let Some(probe) = Probe::new("two that make one file") else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let steps = ["make a", "begin a/log/1 early", "wait", "finish"];
    let sleeper = probe.waiting(directory.path(), &steps);
    let other = ["begin a/log/1 late", "finish", "list a/log"];
    let said = probe.succeeds(directory.path(), &other);
    assert_eq!(said[2], "1", "nothing under construction is listed");
    let late = sleeper.goes_on();
    assert!(late[0].starts_with("conflict: "), "{late:?}");
    let found = std::fs::read_to_string(directory.path().join("a/log/1")).unwrap();
    assert_eq!(found, "late");
}

#[test]
fn a_swapped_object_is_seen_whole_at_any_time() {
    let Some(probe) = Probe::new("swaps beside a reader") else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let contents = ["a", "b"].map(|letter| letter.repeat(30_000));
    probe.succeeds(
        directory.path(),
        &["make p", &format!("put p/x {}", contents[0])],
    );
    let mut steps = vec!["wait".to_owned()];
    for round in 0..60 {
        steps.push("get p/x".to_owned());
        steps.push(format!("swap p/x {}", contents[(round + 1) % 2]));
    }
    let steps: Vec<&str> = steps.iter().map(String::as_str).collect();
    let path = directory.path().join("p/x");
    let swapper = probe.waiting(directory.path(), &steps);
    let is_over = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut looks = 0;
            while !is_over.load(std::sync::atomic::Ordering::Relaxed) || looks == 0 {
                let found = std::fs::read_to_string(&path).unwrap();
                assert!(contents.contains(&found), "{} bytes, torn", found.len());
                looks += 1;
            }
        });
        let said = swapper.goes_on();
        is_over.store(true, std::sync::atomic::Ordering::Relaxed);
        assert_eq!(said.iter().filter(|line| *line == "ok").count(), 60);
        reader.join().unwrap();
    });
    assert_eq!(directory.path().join("p").read_dir().unwrap().count(), 1);
}
