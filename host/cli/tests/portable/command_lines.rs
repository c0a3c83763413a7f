//! Command lines, each run by both programs, and by each on what the other one left.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::normal;
use super::programs::{Program, Run, Runtime, runtime};

/// A step of a story.
enum Step {
    /// A command line, with what is at its stdin.
    Command(&'static [&'static str], &'static str),
    /// Something that neither program does.
    Change(fn(&Path)),
}
use Step::{Change, Command};

/// Who runs the command lines of a story, in turn.
const CASTS: [(&str, &[Program]); 4] = [
    ("the native program", &[Program::Native]),
    ("the portable program", &[Program::Portable]),
    (
        "both, the native one first",
        &[Program::Native, Program::Portable],
    ),
    (
        "both, the portable one first",
        &[Program::Portable, Program::Native],
    ),
];

/// Rows of all types, some of which have no label.
const ROWS: &str = r#"{"series":"UA","key":3,"tags":{"status":500,"codes":[1,2],"ok":true},"payload":"one"}
{"series":"UA","key":1,"tags":{"status":200,"ratio":0.5,"name":"a b"},"payload":"two"}
{"series":7,"key":-4,"tags":{"at":{"timestamp":"2013-01-01T10:00:00Z"},"raw":{"bytes":"AAEC"}}}
{"series":"DL","key":9223372036854775807,"tags":{"status":500,"names":["x","y"]},"payload":"one"}
"#;
const MORE: &str = r#"{"series":"AA","key":5,"tags":{"status":404}}
{"series":"UA","key":2,"tags":{"status":500},"payload":"three"}
"#;
const CSV: &str = "carrier,delay,origin,flight,left\nUA,7,EWR,12,2013-01-01T10:00:00Z\n\
    DL,,JFK,13,2013-01-01T11:00:00Z\nUA,-3,LGA,,2013-01-02T10:00:00Z\n";

const INGEST: &[&str] = &["ingest", "s", "-", "--index", "i", "--format", "ndjson"];

/// Runs a story with each cast, and compares what every command line came to, and what lies there in the end.
#[track_caller]
fn tell(story: &[Step]) {
    let Some(runtime) = runtime() else {
        return;
    };
    let mut expected = None;
    for (name, cast) in CASTS {
        let (directory, runs) = perform(runtime, story, cast);
        // The last opening for writing leaves what a reader beside it could still need.
        for index in ["d", "e", "i"] {
            let collect = ["gc", "s", "--index", index, "--apply"];
            cast[0].run(runtime, directory.path(), &collect, "");
        }
        let left = normal::store(directory.path());
        match &expected {
            None => expected = Some((runs, left)),
            Some((first, left_first)) => {
                for (at, (run, expected)) in runs.iter().zip(first).enumerate() {
                    assert_eq!(run, expected, "{name}, command {at}");
                }
                assert_eq!(&left, left_first, "{name}: what is left");
            }
        }
    }
}

fn perform(runtime: &Runtime, story: &[Step], cast: &[Program]) -> (TempDir, Vec<(String, Run)>) {
    let directory = tempfile::tempdir().expect("a directory");
    let mut runs = Vec::new();
    for step in story {
        match step {
            Change(change) => change(directory.path()),
            Command(words, input) => {
                let program = cast[runs.len() % cast.len()];
                let run = program.run(runtime, directory.path(), words, input);
                runs.push((words.join(" "), normal::run(program, &run)));
            }
        }
    }
    (directory, runs)
}

#[test]
fn an_index_lives_the_same_life_with_both() {
    tell(&[
        Command(&["indexes", "s"], ""),
        Command(INGEST, ROWS),
        Command(&["query", "s", "--index", "i"], ""),
        Command(
            &[
                "query", "s", "--index", "i", "--order", "desc", "--limit", "2",
            ],
            "",
        ),
        Command(
            &[
                "query",
                "s",
                "--index",
                "i",
                "--where",
                "status = 500",
                "--count",
            ],
            "",
        ),
        Command(
            &[
                "query", "s", "--index", "i", "--order", "any", "--format", "csv",
            ],
            "",
        ),
        Command(&["query", "s", "--index", "i", "--format", "table"], ""),
        Command(
            &[
                "query",
                "s",
                "--index",
                "i",
                "--where",
                "status = $s",
                "--param",
                "s=500",
                "--series",
                "UA",
            ],
            "",
        ),
        Command(
            &[
                "query",
                "s",
                "--index",
                "i",
                "--where",
                "status = $s",
                "--param",
                "s=500",
                "--count",
            ],
            "",
        ),
        Command(&["query", "s", "--index", "i", "--distinct-payload"], ""),
        Command(
            &[
                "query",
                "s",
                "--index",
                "i",
                "--select",
                "status,ok",
                "--no-payload",
            ],
            "",
        ),
        Command(
            &[
                "query",
                "s",
                "--index",
                "i",
                "--keys",
                "1..=3",
                "--series-id",
                "7",
            ],
            "",
        ),
        Command(INGEST, MORE),
        Command(&["parts", "s", "--index", "i"], ""),
        Command(&["query", "s", "--index", "i"], ""),
        Command(&["merge", "s", "--index", "i"], ""),
        Command(&["merge", "s", "--index", "i", "--all"], ""),
        Command(&["flush", "s", "--index", "i"], ""),
        Command(&["verify", "s", "--index", "i"], ""),
        Command(&["dump", "s", "--index", "i"], ""),
        Command(&["indexes", "s"], ""),
        Command(
            &[
                "retain",
                "s",
                "--index",
                "i",
                "--where",
                "status = 404",
                "--dry-run",
            ],
            "",
        ),
        Command(&["retain", "s", "--index", "i", "--below", "2"], ""),
        Command(
            &["retain", "s", "--index", "i", "--where", "status = 404"],
            "",
        ),
        Command(&["query", "s", "--index", "i"], ""),
        Command(&["gc", "s", "--index", "i"], ""),
        Command(&["gc", "s", "--index", "i", "--apply"], ""),
        Command(&["repair", "s", "--index", "i"], ""),
        Command(&["drop", "s", "--index", "i"], ""),
        Command(&["drop", "s", "--index", "i", "--yes"], ""),
        Command(&["drop", "s", "--index", "i", "--yes"], ""),
        Command(&["query", "s", "--index", "i"], ""),
        Command(&["indexes", "s"], ""),
        Command(INGEST, ROWS),
        Command(&["query", "s", "--index", "i"], ""),
        Command(&["verify", "s", "--index", "i"], ""),
    ]);
}

#[test]
fn rows_come_in_as_csv_and_from_files() {
    tell(&[
        Change(|directory| fs::write(directory.join("rows.csv"), CSV).expect("written")),
        Command(
            &[
                "ingest",
                "s",
                "rows.csv",
                "--index",
                "d",
                "--format",
                "csv",
                "--series",
                "carrier",
                "--key",
                "delay",
                "--skip-missing-key",
                "--tag",
                "origin",
                "--tag",
                "flight:int",
                "--tag",
                "left:timestamp=left",
                "--payload",
                "row",
            ],
            "",
        ),
        Command(&["query", "s", "--index", "d"], ""),
        Command(&["query", "s", "--index", "d", "--format", "csv"], ""),
        Command(
            &[
                "ingest", "s", "none.csv", "--index", "d", "--format", "csv", "--series", "a",
                "--key", "b",
            ],
            "",
        ),
        Command(
            &[
                "ingest", "s", "-", "--index", "e", "--format", "ndjson", "--batch", "1", "--ack",
            ],
            ROWS,
        ),
        Command(
            &[
                "ingest",
                "s",
                "-",
                "--index",
                "e",
                "--format",
                "ndjson",
                "--durability",
                "none",
                "--ack",
            ],
            MORE,
        ),
        Command(
            &[
                "ingest",
                "s",
                "-",
                "--index",
                "e",
                "--format",
                "ndjson",
                "--one-file-parts",
            ],
            MORE,
        ),
        Command(
            &["merge", "s", "--index", "e", "--all", "--one-file-parts"],
            "",
        ),
        Command(&["query", "s", "--index", "e", "--explain", "--count"], ""),
        Command(&["indexes", "s"], ""),
    ]);
}

#[test]
fn what_is_wrong_is_told_alike() {
    tell(&[
        Change(|directory| {
            fs::write(directory.join("file"), "x").expect("written");
            fs::create_dir_all(directory.join("s/folder/x")).expect("made");
        }),
        Command(&["query", "none", "--index", "i"], ""),
        Command(&["query", "s", "--index", "i"], ""),
        Command(&["query", "s", "--index", "folder"], ""),
        Command(&["query", "s", "--index", "a/b"], ""),
        Command(&["query", "file", "--index", "i"], ""),
        Command(&["indexes", "file"], ""),
        Command(&["drop", "s", "--index", "folder", "--yes"], ""),
        Command(&["repair", "s", "--index", "none"], ""),
        Command(&["gc", "s", "--index", "none"], ""),
        Command(&["flush", "s", "--index", "none"], ""),
        Command(&["query", "memory:", "--index", "i"], ""),
        Command(&["query", "", "--index", "i"], ""),
        Command(
            &[
                "ingest", "s", "-", "--index", "folder", "--format", "ndjson",
            ],
            ROWS,
        ),
        Command(
            &["ingest", "file", "-", "--index", "i", "--format", "ndjson"],
            ROWS,
        ),
        Command(INGEST, "{\"series\":\"a\",\"key\":1}\nnot json\n"),
        Command(INGEST, ROWS),
        Command(&["query", "s/i", "--index", "i"], ""),
        Command(
            &["ingest", "s/i", "-", "--index", "x", "--format", "ndjson"],
            ROWS,
        ),
        Command(&["query", "s", "--index", "i", "--where", "status ="], ""),
        Command(
            &["query", "s", "--index", "i", "--where", "status = $s"],
            "",
        ),
        Command(
            &[
                "query",
                "s",
                "--index",
                "i",
                "--where",
                "status = 1",
                "--param",
                "s=1",
            ],
            "",
        ),
        Command(&["query", "s", "--index", "i", "--max-rows", "2"], ""),
        Command(&["query", "s", "--index", "i", "--memory", "1"], ""),
        Command(
            &[
                "query",
                "s",
                "--index",
                "i",
                "--distinct-payload",
                "--memory",
                "1",
            ],
            "",
        ),
        Command(&["retain", "s", "--index", "i", "--where", "status ="], ""),
        Command(&["retain", "s", "--index", "i"], ""),
        Command(&["query", "s"], ""),
        Command(&["querry", "s"], ""),
        Command(&["query", "s", "--index", "i", "--limit", "x"], ""),
        Command(&["help", "query"], ""),
        Command(&["--version"], ""),
        Command(
            &[
                "ingest", "s", "-", "--index", "i", "--format", "ndjson", "--disk", "1",
            ],
            ROWS,
        ),
        Command(&["query", "s", "--index", "i"], ""),
    ]);
}

#[test]
fn damage_is_found_and_repaired_alike() {
    tell(&[
        Command(INGEST, ROWS),
        Command(INGEST, MORE),
        Change(|directory| spoil(directory, "data.bin")),
        Command(&["query", "s", "--index", "i"], ""),
        Command(&["query", "s", "--index", "i", "--allow-partial"], ""),
        Command(
            &["query", "s", "--index", "i", "--no-payload", "--select", ""],
            "",
        ),
        Command(&["verify", "s", "--index", "i"], ""),
        Command(&["merge", "s", "--index", "i", "--all"], ""),
        Command(
            &["retain", "s", "--index", "i", "--where", "status = 404"],
            "",
        ),
        Command(&["repair", "s", "--index", "i"], ""),
        Command(&["query", "s", "--index", "i"], ""),
        Command(&["query", "s", "--index", "i", "--allow-partial"], ""),
        Command(&["repair", "s", "--index", "i", "--accept-loss"], ""),
        Command(&["query", "s", "--index", "i"], ""),
        Command(&["verify", "s", "--index", "i"], ""),
        Change(|directory| spoil(directory, "manifest.json")),
        Command(&["query", "s", "--index", "i"], ""),
        Command(&["indexes", "s"], ""),
        Command(INGEST, MORE),
        Command(&["repair", "s", "--index", "i", "--accept-loss"], ""),
        Command(&["query", "s", "--index", "i"], ""),
        Change(|directory| spoil(directory, ".incarnation")),
        Command(&["query", "s", "--index", "i"], ""),
        Command(&["repair", "s", "--index", "i"], ""),
        Command(&["query", "s", "--index", "i"], ""),
        Command(&["drop", "s", "--index", "i", "--yes"], ""),
    ]);
}

/// Changes a byte in the middle of the first file whose path ends so.
fn spoil(directory: &Path, end: &str) {
    let path = first_file(directory, end);
    let mut bytes = fs::read(&path).expect("read");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x55;
    fs::write(&path, bytes).expect("written");
}

fn first_file(directory: &Path, end: &str) -> PathBuf {
    let all = super::programs::files(directory);
    let found = all.iter().find(|(name, _)| name.ends_with(end));
    directory.join(&found.expect("a file").0)
}
