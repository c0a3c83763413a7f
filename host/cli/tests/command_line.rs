//! The `sidx` command as a process: exit codes, what it says, and what it leaves behind.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, also in the functions that its tests share"
)]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

#[path = "command_line/bench.rs"]
mod bench;
#[path = "command_line/copies.rs"]
mod copies;
#[path = "operations/day.rs"]
mod day;
#[path = "command_line/first_day.rs"]
mod first_day;
#[path = "command_line/full_medium.rs"]
mod full_medium;
#[path = "command_line/indexes.rs"]
mod indexes;
#[path = "command_line/ingest.rs"]
mod ingest;
#[path = "command_line/inputs.rs"]
mod inputs;
#[path = "command_line/machine.rs"]
mod machine;
#[path = "command_line/maintain.rs"]
mod maintain;
#[path = "command_line/places.rs"]
mod places;
#[path = "command_line/query.rs"]
mod query;
#[path = "command_line/signals.rs"]
mod signals;
#[path = "command_line/stops.rs"]
mod stops;

/// What a run of the command came to.
struct Run {
    code: i32,
    out: String,
    err: String,
}

impl Run {
    #[track_caller]
    fn expect(self, code: i32) -> Run {
        assert_eq!(
            self.code, code,
            "stdout: {}\nstderr: {}",
            self.out, self.err
        );
        if code != 0 && code != 5 {
            let is_told = |line: &&str| !line.starts_with("sidx: warning: ");
            let told = self.err.lines().filter(is_told).count();
            assert_eq!(told, 1, "not one line: {}", self.err);
            assert!(
                !self.err.contains("Error {") && !self.err.contains("Told {"),
                "{}",
                self.err
            );
        }
        self
    }

    /// The last line on stdout as JSON.
    #[track_caller]
    fn last(&self) -> Value {
        serde_json::from_str(self.out.lines().last().unwrap_or_default()).expect("a JSON line")
    }
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sidx"));
    command.args(arguments).env("SIDX_CACHE_DIR", cache());
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// One folder of machine code for all tests.
fn cache() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("machine-code")
}

fn sidx_with(arguments: &[&str], input: &[u8]) -> Run {
    let mut child = command(arguments).spawn().expect("sidx starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    let input = input.to_vec();
    let feeding = std::thread::spawn(move || {
        // A command that stops early closes its end.
        let _ = stdin.write_all(&input);
    });
    let output = child.wait_with_output().expect("sidx ends");
    feeding.join().expect("the input is fed");
    Run {
        code: output.status.code().expect("an exit code"),
        out: String::from_utf8(output.stdout).expect("UTF-8"),
        err: String::from_utf8(output.stderr).expect("UTF-8"),
    }
}

fn sidx(arguments: &[&str]) -> Run {
    sidx_with(arguments, b"")
}

/// A store in a directory of its own.
struct Place {
    directory: TempDir,
    store: String,
}

impl Place {
    fn new() -> Place {
        let directory = tempfile::tempdir().expect("a directory");
        let store = directory
            .path()
            .join("store")
            .to_string_lossy()
            .into_owned();
        Place { directory, store }
    }

    fn load(&self, input: &[u8], flags: &[&str]) -> Run {
        let fixed = [
            "ingest",
            &self.store,
            "-",
            "--index",
            "i",
            "--format",
            "ndjson",
        ];
        sidx_with(&[&fixed[..], flags].concat(), input)
    }

    fn load_csv(&self, input: &[u8], flags: &[&str]) -> Run {
        let fixed = [
            "ingest",
            &self.store,
            "-",
            "--index",
            "i",
            "--format",
            "csv",
        ];
        sidx_with(&[&fixed[..], flags].concat(), input)
    }

    fn run(&self, name: &str, flags: &[&str]) -> Run {
        sidx(&[&[name, self.store.as_str(), "--index", "i"][..], flags].concat())
    }

    /// The keys a query returns.
    #[track_caller]
    fn keys(&self, flags: &[&str]) -> Vec<i64> {
        let run = self.run("query", flags).expect(0);
        let key = |line: &str| {
            serde_json::from_str::<Value>(line).expect("JSON")["key"]
                .as_i64()
                .expect("a key")
        };
        run.out.lines().map(key).collect()
    }
}

fn row(key: i64) -> String {
    format!("{{\"series\": \"s\", \"key\": {key}, \"payload\": \"p{key}\"}}\n")
}

#[test]
fn usage() {
    let run = sidx(&[]);
    assert_eq!((run.code, run.out.as_str()), (2, ""));
    assert!(
        run.err.contains("Usage: sidx") && run.err.contains("ingest"),
        "{}",
        run.err
    );
    for command in [
        "ingest", "query", "flush", "merge", "verify", "indexes", "drop", "parts", "stats",
        "backup", "copy", "dump", "bench",
    ] {
        let run = sidx(&["help", command]).expect(0);
        assert!(run.out.contains("Example"), "{}", run.out);
        assert_eq!(sidx(&[command, "--help"]).expect(0).out, run.out);
    }
    for (arguments, part) in [
        (&["query", "x", "--index", "i", "--wher", "a"][..], "--wher"),
        (&["query", "x"][..], "--index"),
        (
            &[
                "query",
                "x",
                "--index",
                "i",
                "--keys",
                "1..99999999999999999999",
            ][..],
            "integer from",
        ),
        (
            &["query", "x", "--index", "i", "--timeout", "5"][..],
            "unit",
        ),
        (
            &["query", "ftp://bucket/x", "--index", "i"][..],
            "`ftp://` stores are not supported",
        ),
        (
            &[
                "ingest", "x", "--index", "i", "--format", "csv", "--key", "k",
            ][..],
            "--series",
        ),
        (
            &[
                "ingest", "x", "--index", "i", "--format", "csv", "--series", "s",
            ][..],
            "--key",
        ),
        (
            &[
                "ingest", "x", "--index", "i", "--format", "csv", "--tag", "a:whole",
            ][..],
            "whole",
        ),
        (
            &["ingest", "x", "--index", "i", "--format", "parquet"][..],
            "parquet",
        ),
    ] {
        let run = sidx(arguments).expect(2);
        assert!(
            run.err.starts_with("sidx: ") && run.err.contains(part),
            "{}",
            run.err
        );
    }
    assert!(!Path::new("x").exists());
}
