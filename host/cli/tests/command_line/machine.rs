//! What a machine may refuse: room, descriptors, permissions. What cannot be set up here is skipped, and
//! says so.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use super::{Place, Run, cache, sidx};

/// Runs the command through a shell, which sets limits first.
fn limited(limits: &str, arguments: &[&str], input: &str) -> Run {
    let quoted: Vec<String> = arguments.iter().map(|it| format!("'{it}'")).collect();
    let program = env!("CARGO_BIN_EXE_sidx");
    let script = format!("{limits} && exec '{program}' {}", quoted.join(" "));
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("input");
    fs::write(&file, input).expect("written");
    let output = Command::new("sh")
        .args(["-c", &script])
        .env("SIDX_CACHE_DIR", cache())
        .stdin(fs::File::open(&file).expect("there"))
        .output()
        .expect("a shell");
    run_of(&output)
}

fn run_of(output: &Output) -> Run {
    Run {
        code: output.status.code().expect("an exit code"),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

fn skip(why: &str) {
    println!("skipped: {why}");
}

/// Rows with so many tags each.
fn wide_rows(tags: usize, rows: std::ops::Range<usize>) -> String {
    let row = |at: usize| {
        let fields: Vec<String> = (0..tags)
            .map(|tag| format!("\"t{tag}\":{}", at * tag))
            .collect();
        format!(
            "{{\"series\":\"a\",\"key\":{at},\"tags\":{{{}}}}}\n",
            fields.join(",")
        )
    };
    rows.map(row).collect()
}

/// Three files per tag are far more than the process may have open, in all, and none of it can be raised.
#[test]
fn more_tags_than_descriptors() {
    let place = Place::new();
    let limits = "ulimit -n 100";
    let ingest = [
        "ingest",
        &place.store,
        "-",
        "--index",
        "i",
        "--format",
        "ndjson",
    ];
    for part in 0..4 {
        let input = wide_rows(150, part * 3..part * 3 + 3);
        limited(limits, &ingest, &input).expect(0);
        limited(limits, &["flush", &place.store, "--index", "i"], "").expect(0);
    }
    for arguments in [
        &["merge", &place.store, "--index", "i", "--all"][..],
        &["verify", &place.store, "--index", "i"],
    ] {
        limited(limits, arguments, "").expect(0);
    }
    let query = [
        "query",
        &place.store,
        "--index",
        "i",
        "--where",
        "t149 > 200",
    ];
    let run = limited(limits, &query, "").expect(0);
    assert_eq!(run.out.lines().count(), 10);
}

#[test]
fn too_few_descriptors_for_anything_are_told_by_their_name() {
    let place = Place::new();
    place.load(b"{\"series\":\"a\",\"key\":1}\n", &[]).expect(0);
    let run = limited("ulimit -n 5", &["query", &place.store, "--index", "i"], "");
    // With five there is next to nothing left beside those of the process itself.
    if run.code != 0 {
        assert_eq!(run.code, 6, "{}", run.err);
        assert!(run.err.contains("ulimit -n"), "{}", run.err);
    }
    assert!(!run.err.contains("check the disk"), "{}", run.err);
}

/// Runs the command as somebody who is nobody; none where that cannot be done.
fn as_nobody(arguments: &[&str]) -> Option<Run> {
    let program = env!("CARGO_BIN_EXE_sidx");
    let output = Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups", program])
        .args(arguments)
        .env("SIDX_CACHE_DIR", "/nonexistent")
        .env("HOME", "/nonexistent")
        .stdin(Stdio::null())
        .output()
        .ok()?;
    let run = run_of(&output);
    // It may not be allowed, and the program may lie where nobody else may go.
    let is_set = !run.err.starts_with("setpriv:");
    is_set.then_some(run)
}

#[test]
fn a_store_that_may_not_be_entered_is_not_taken_for_none() {
    let place = Place::new();
    place.load(b"{\"series\":\"a\",\"key\":1}\n", &[]).expect(0);
    let closed = place.directory.path();
    fs::set_permissions(closed, fs::Permissions::from_mode(0o700)).expect("closed");
    for command in ["query", "verify", "stats", "flush", "repair"] {
        let Some(run) = as_nobody(&[command, &place.store, "--index", "i"]) else {
            skip("the command cannot be run as another user here");
            return;
        };
        assert_eq!(run.code, 1, "{command}: {}", run.err);
        assert!(run.err.contains("ermission denied"), "{}", run.err);
        assert!(!run.err.contains("no store"), "{}", run.err);
    }
}

/// A file system that is gone when this is dropped.
struct Mounted<'a>(&'a Path);

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0).status();
    }
}

/// Mounts a small file system in memory; none where that is not permitted.
fn mount<'a>(at: &'a Path, options: &str) -> Option<Mounted<'a>> {
    let output = Command::new("mount")
        .args(["-t", "tmpfs", "-o", options, "tmpfs"])
        .arg(at)
        .output()
        .ok()?;
    output.status.success().then_some(Mounted(at))
}

/// Takes all room, and all names, of a file system.
fn fill(at: &Path) {
    let zeroes = vec![0u8; 1 << 16];
    let mut file = fs::File::create(at.join("ballast")).expect("room for a file");
    while std::io::Write::write_all(&mut file, &zeroes).is_ok() {}
    while std::io::Write::write_all(&mut file, &[0]).is_ok() {}
    let mut number = 0;
    while fs::File::create(at.join(format!("name{number}"))).is_ok() {
        number += 1;
    }
}

#[test]
fn a_full_disk_is_read_checked_copied_and_repaired() {
    let directory = tempfile::tempdir().expect("a directory");
    let disk = directory.path().join("disk");
    fs::create_dir(&disk).expect("made");
    let Some(_mounted) = mount(&disk, "size=2m,nr_inodes=200") else {
        skip("no file system may be mounted here");
        return;
    };
    let place = Place {
        store: disk.join("store").to_string_lossy().into_owned(),
        directory: tempfile::tempdir().expect("a directory"),
    };
    place.load(b"{\"series\":\"a\",\"key\":1}\n", &[]).expect(0);
    let durable = ["--durability", "os", "--batch", "1"];
    place
        .load(b"{\"series\":\"a\",\"key\":2}\n", &durable)
        .expect(0);
    fill(&disk);
    let other = directory.path().join("other");
    let other = other.to_string_lossy();
    for arguments in [
        &["query", &place.store, "--index", "i"][..],
        &["verify", &place.store, "--index", "i"],
        &["stats", &place.store, "--index", "i"],
        &["repair", &place.store, "--index", "i"],
        &["backup", &place.store, "--index", "i", &other],
    ] {
        let run = sidx(arguments);
        assert_eq!(run.code, 0, "{arguments:?}: {}", run.err);
    }
    let run = sidx(&["query", &place.store, "--index", "i"]);
    assert_eq!(run.out.lines().count(), 2);
    assert_eq!(run.err.lines().count(), 1, "{}", run.err);
    assert!(run.err.starts_with("sidx: warning: "), "{}", run.err);
    let run = place.load(b"{\"series\":\"a\",\"key\":3}\n", &[]);
    assert_eq!(run.code, 6, "{}", run.err);
    assert!(
        run.err.contains("the disk is full: free space"),
        "{}",
        run.err
    );
    // Room again. The log may have had room for the last row where the flush behind it had none.
    fs::remove_file(disk.join("ballast")).expect("removed");
    fs::remove_file(disk.join("name0")).expect("removed");
    let run = sidx(&["query", &place.store, "--index", "i"]).expect(0);
    assert!((2..=3).contains(&run.out.lines().count()), "{}", run.out);
}

/// Into a folder that nothing was kept in, and where none may be.
#[test]
fn machine_code_is_made_ahead_of_time() {
    let directory = tempfile::tempdir().expect("a directory");
    let out = directory.path().join("sidx.cwasm");
    let compile = |cache: &Path, more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sidx"));
        command.arg("compile").args(more);
        run_of(&command.env("SIDX_CACHE_DIR", cache).output().expect("runs"))
    };
    let text = out.to_string_lossy();
    let cache = directory.path().join("cache");
    let made = compile(&cache, &["--out", &text]).expect(0);
    let line: serde_json::Value = serde_json::from_str(&made.out).expect("JSON");
    let kept = Path::new(line["kept"].as_str().expect("a path"));
    assert!(kept.starts_with(&cache) && kept.is_file(), "{line}");
    let bytes = fs::metadata(&out).expect("there").len();
    assert_eq!(line["bytes"], bytes);
    assert!(bytes > 1 << 20, "{bytes}");
    // With and without interruption.
    let files = || fs::read_dir(&cache).expect("there").count();
    assert_eq!(files(), 2);
    compile(&cache, &[]).expect(0);
    assert_eq!(files(), 2);
    let refused = compile(Path::new(""), &[]).expect(1);
    assert!(refused.err.contains("SIDX_CACHE_DIR"), "{}", refused.err);
}
