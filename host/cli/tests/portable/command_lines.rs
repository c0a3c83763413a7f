//! Command lines, each run by both programs, and by each on what the other one left.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::normal;
use super::programs::{Program, Run, Runtime, files, runtime};

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

/// What stories read, by name: rows of all types, some of which have no label.
const INPUTS: [(&str, &str); 5] = [
    (
        "rows",
        r#"{"series":"UA","key":3,"tags":{"status":500,"codes":[1,2],"ok":true},"payload":"one"}
{"series":"UA","key":1,"tags":{"status":200,"ratio":0.5,"name":"a b"},"payload":"two"}
{"series":7,"key":-4,"tags":{"at":{"timestamp":"2013-01-01T10:00:00Z"},"raw":{"bytes":"AAEC"}}}
{"series":"DL","key":9223372036854775807,"tags":{"status":500,"names":["x","y"]},"payload":"one"}
"#,
    ),
    (
        "more",
        r#"{"series":"AA","key":5,"tags":{"status":404}}
{"series":"UA","key":2,"tags":{"status":500},"payload":"three"}
"#,
    ),
    ("bad", "{\"series\":\"a\",\"key\":1}\nnot json\n"),
    (
        "csv",
        "carrier,delay,origin,flight,left\nUA,7,EWR,12,2013-01-01T10:00:00Z\n\
         DL,,JFK,13,2013-01-01T11:00:00Z\nUA,-3,LGA,,2013-01-02T10:00:00Z\n",
    ),
    ("", ""),
];

/// A line is a command line, maybe with `<` and the name of what is at its stdin; `put` makes a file of that,
/// `folder` makes a folder, `spoil` changes a byte in the middle of the first file whose path ends so, `tear`
/// adds some at its end.
const LIFE: &str = "
    indexes s
    ingest s - --index i --format ndjson < rows
    query s --index i
    query s --index i --order desc --limit 2
    query s --index i --where 'status = 500' --count
    query s --index i --order any --format csv
    query s --index i --format table
    query s --index i --where 'status = $s' --param s=500 --series UA
    query s --index i --where 'status = $s' --param s=500 --count
    query s --index i --distinct-payload
    query s --index i --select status,ok --no-payload
    query s --index i --keys 1..=3 --series-id 7
    ingest s - --index i --format ndjson < more
    parts s --index i
    query s --index i
    merge s --index i
    merge s --index i --all
    flush s --index i
    verify s --index i
    dump s --index i
    indexes s
    retain s --index i --where 'status = 404' --dry-run
    retain s --index i --below 2
    retain s --index i --where 'status = 404'
    query s --index i
    gc s --index i
    gc s --index i --apply
    repair s --index i
    drop s --index i
    drop s --index i --yes
    drop s --index i --yes
    query s --index i
    indexes s
    ingest s - --index i --format ndjson < rows
    query s --index i
    verify s --index i
";

const LOADS: &str = "
    put rows.csv < csv
    ingest s rows.csv --index d --format csv --series carrier --key delay --skip-missing-key --tag origin \
        --tag flight:int --tag left:timestamp=left --payload row
    query s --index d
    query s --index d --format csv
    ingest s none.csv --index d --format csv --series a --key b
    ingest s - --index e --format ndjson --batch 1 --ack < rows
    ingest s - --index e --format ndjson --durability none --ack < more
    ingest s - --index e --format ndjson --durability os --skip-rows 1 < more
    ingest s - --index e --format ndjson --one-file-parts < more
    merge s --index e --all --one-file-parts
    query s --index e
    indexes s
";

const FAULTS: &str = "
    put file < csv
    folder s/folder/x
    query none --index i
    query s --index i
    query s --index folder
    query s --index a/b
    query file --index i
    indexes file
    drop s --index folder --yes
    repair s --index none
    gc s --index none
    flush s --index none
    query memory: --index i
    query '' --index i
    ingest s - --index folder --format ndjson < rows
    ingest file - --index i --format ndjson < rows
    ingest s - --index i --format ndjson < bad
    ingest s - --index i --format ndjson < rows
    query s/i --index i
    ingest s/i - --index x --format ndjson < rows
    query s --index i --where 'status ='
    query s --index i --where 'status = $s'
    query s --index i --where 'status = 1' --param s=1
    query s --index i --max-rows 2
    query s --index i --max-rows 2 --count
    query s --index i --timeout 0s
    query s --index i --memory 1
    query s --index i --distinct-payload --memory 1
    retain s --index i --where 'status ='
    retain s --index i
    query s
    querry s
    query s --index i --limit x
    help query
    --version
    ingest s - --index i --format ndjson --disk 1 < rows
    query s --index i
";

const DAMAGE: &str = "
    ingest s - --index i --format ndjson < rows
    ingest s - --index i --format ndjson < more
    spoil data.bin
    query s --index i
    query s --index i --allow-partial
    query s --index i --no-payload --select ''
    verify s --index i
    merge s --index i --all
    retain s --index i --where 'status = 404'
    repair s --index i
    query s --index i
    query s --index i --allow-partial
    repair s --index i --accept-loss
    query s --index i
    verify s --index i
    spoil manifest.json
    query s --index i
    indexes s
    ingest s - --index i --format ndjson < more
    repair s --index i --accept-loss
    query s --index i
    spoil .incarnation
    query s --index i
    repair s --index i
    query s --index i
    drop s --index i --yes
";

/// `d` and `e` are branches: of the index, and of a branch.
const BRANCHES: &str = "
    branch s --index i --to d
    ingest s - --index i --format ndjson < rows
    branch s --index i --to d
    branch s --index i --to d
    branch s --index d --to e
    branch s --index none --to x
    query s --index e
    ingest s - --index d --format ndjson < more
    query s --index d
    query s --index i
    indexes s
    drop s --index i --yes
    gc s --index i
    merge s --index d --all
    query s --index e
    verify s --index e
    drop s --index e --yes
    drop s --index d --yes
    drop s --index i --yes
    branch s --index i --to d
    ingest s - --index d --format ndjson < more
    branch s --index d --to i
    query s --index i
    indexes s
";

/// The log ends in the middle of a write.
const TORN: &str = "
    ingest s - --index i --format ndjson < rows
    tear .log
    verify s --index i
    query s --index i
    ingest s - --index i --format ndjson < more
    verify s --index i
    query s --index i
";

#[test]
fn branches_are_made_and_dropped_alike() {
    tell(BRANCHES);
}

#[test]
fn a_torn_write_is_left_out_and_told_alike() {
    tell(TORN);
}

#[test]
fn an_index_lives_the_same_life_with_both() {
    tell(LIFE);
}

#[test]
fn rows_come_in_as_csv_and_from_files() {
    tell(LOADS);
}

#[test]
fn what_is_wrong_is_told_alike() {
    tell(FAULTS);
}

#[test]
fn damage_is_found_and_repaired_alike() {
    tell(DAMAGE);
}

/// Runs a story with each cast, and compares what every command line came to, and what lies there in the end.
#[track_caller]
fn tell(story: &str) {
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
            Some((first, first_left)) => {
                for (run, expected) in runs.iter().zip(first) {
                    assert_eq!(run, expected, "{name}");
                }
                assert_eq!(&left, first_left, "{name}: what is left");
            }
        }
    }
}

fn perform(runtime: &Runtime, story: &str, cast: &[Program]) -> (TempDir, Vec<(String, Run)>) {
    let directory = tempfile::tempdir().expect("a directory");
    let mut runs = Vec::new();
    for line in story.lines().map(str::trim).filter(|it| !it.is_empty()) {
        let (command, input) = line.split_once(" < ").unwrap_or((line, ""));
        let input = INPUTS.iter().find(|(name, _)| *name == input);
        let (_, input) = input.expect("an input of that name");
        let words = words(command);
        match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["put", name] => fs::write(directory.path().join(name), input).expect("written"),
            ["folder", name] => fs::create_dir_all(directory.path().join(name)).expect("made"),
            ["spoil", end] => spoil(directory.path(), end),
            ["tear", end] => tear(directory.path(), end),
            ref words => {
                let program = cast[runs.len() % cast.len()];
                let run = program.run(runtime, directory.path(), words, input);
                runs.push((line.to_owned(), normal::run(program, &run)));
            }
        }
    }
    (directory, runs)
}

/// The words of a command line, of which some stand in single quotes.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (at, piece) in line.split('\'').enumerate() {
        match at % 2 {
            0 => words.extend(piece.split_whitespace().map(str::to_owned)),
            _ => words.push(piece.to_owned()),
        }
    }
    words
}

/// Changes a byte in the middle of the first file whose path ends so.
fn spoil(directory: &Path, end: &str) {
    let path = first_file(directory, end);
    let mut bytes = fs::read(&path).expect("read");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x55;
    fs::write(&path, bytes).expect("written");
}

/// Adds bytes that are no whole entry to the first file whose path ends so.
fn tear(directory: &Path, end: &str) {
    let path = first_file(directory, end);
    let mut bytes = fs::read(&path).expect("read");
    bytes.extend([7; 11]);
    fs::write(&path, bytes).expect("written");
}

fn first_file(directory: &Path, end: &str) -> PathBuf {
    let all = files(directory);
    let found = all.iter().find(|(name, _)| name.ends_with(end));
    directory.join(&found.expect("a file").0)
}
