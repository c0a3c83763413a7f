//! What single calls of WASI promise, one by one, as far as it shows from outside.

use super::probe::{INSIDE, Probe, said};

#[test]
fn a_name_that_is_taken_is_refused_and_named() {
    let Some(probe) = Probe::new("a link over a name") else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let said = probe.calls(
        directory.path(),
        &["make a", "put a/x one", "put a/x two", "get a/x"],
    );
    assert!(
        said.lines[3].starts_with("conflict: /data/a/x exists"),
        "{said:?}"
    );
    assert_eq!(said.lines[4], "one");
}

#[test]
fn a_move_onto_a_name_is_refused_and_a_swap_replaces() {
    let Some(probe) = Probe::new("a rename over a name") else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let steps = [
        "make a",
        "begin a/d/x moved",
        "finish",
        "begin a/e/x kept",
        "finish",
        "move a/d/x a/e/x",
        "put a/o old",
        "get a/o",
        "swap a/o new",
        "swap a/o newer",
        "get a/o",
    ];
    let said = probe.calls(directory.path(), &steps);
    let lines: Vec<&str> = said.lines[6..].iter().map(String::as_str).collect();
    assert!(lines[0].starts_with("conflict: "), "{lines:?}");
    assert_eq!(lines[1..4], ["ok", "old", "ok"]);
    assert!(
        lines[4].starts_with("conflict: "),
        "of a version before: {lines:?}"
    );
    assert_eq!(lines[5], "new");
    let kept = std::fs::read_to_string(directory.path().join("a/e/x")).unwrap();
    assert_eq!(kept, "kept");
}

#[test]
fn directories_and_files_are_brought_to_the_medium() {
    let Some(probe) = Probe::new("syncs") else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let steps = [
        "make a",
        "begin a/d/e/x bytes",
        "finish",
        "sync a/d/e",
        "grow a/log/1 bytes",
    ];
    probe.succeeds(directory.path(), &steps);
    // As the operating system was asked, where that can be watched.
    let mut watched = std::process::Command::new("strace");
    watched.args(["-f", "-e", "trace=fsync,fdatasync,syncfs", "--"]);
    let plain = probe.command(directory.path(), &[INSIDE, "do", "open", "sync a/d/e"]);
    watched.arg(plain.get_program()).args(plain.get_args());
    let Ok(output) = watched.output() else {
        return;
    };
    let calls = String::from_utf8_lossy(&output.stderr);
    let syncs = calls.lines().filter(|line| line.contains("fsync(")).count();
    // The directory, the one above it, and the place.
    assert!(syncs >= 3, "{calls}");
}

#[test]
fn an_open_file_stays_readable_when_its_name_goes() {
    let Some(probe) = Probe::new("an open file that is removed") else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let steps = [
        "make a",
        "begin a/d/x bytes",
        "finish",
        "look a/d/x",
        "remove a/d",
        "read",
    ];
    let said = probe.succeeds(directory.path(), &steps);
    assert_eq!(said[5], "bytes");
    assert!(!directory.path().join("a/d").exists());
}

#[test]
fn more_files_are_in_use_than_may_be_open() {
    let Some(probe) = Probe::new("many files") else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let plain = probe.command(
        directory.path(),
        &[INSIDE, "do", "create", "make a", "many a/d 400"],
    );
    let mut limited = std::process::Command::new("sh");
    limited
        .args(["-c", "ulimit -n 64; exec \"$0\" \"$@\""])
        .arg(plain.get_program())
        .args(plain.get_args());
    let said = said(&mut limited);
    assert_eq!(said.lines.last().unwrap(), "400 files", "{said:?}");
}

#[test]
fn there_is_no_lock_and_none_is_minded() {
    let Some(probe) = Probe::new("locks") else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let steps = ["make a", "lock a", "lock a", "wait", "put a/x one"];
    let waiting = probe.waiting(directory.path(), &steps);
    let others = probe.succeeds(directory.path(), &["lock a"]);
    assert_eq!(others, ["None"]);
    assert_eq!(waiting.goes_on(), ["ok"]);
}
