//! The `sidx` command as a process: exit codes, what it says, and what it leaves behind.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, also in the functions that its tests share"
)]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

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
            assert_eq!(self.err.lines().count(), 1, "not one line: {}", self.err);
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
        "ingest", "query", "flush", "merge", "verify", "parts", "stats", "dump",
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
            &["query", "s3://bucket/x", "--index", "i"][..],
            "not supported by this version",
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

#[test]
fn every_type_survives_a_round_trip() {
    let rows = concat!(
        r#"{"series":"a \"label\"","key":-9223372036854775808,"#,
        r#""tags":{"b":true,"f":1.0,"i":-9223372036854775808,"s":"\u0000é"},"payload":"text"}"#,
        "\n",
        r#"{"series":"","key":0,"#,
        r#""tags":{"f":{"float":"NaN"},"i":9223372036854775807,"s":""},"payload":""}"#,
        "\n",
        r#"{"series":18446744073709551615,"key":1,"tags":{"f":-0.0,"#,
        r#""t":{"timestamp":"1677-09-21T00:12:43.145224192Z"},"x":{"base64":"AP8="}},"#,
        r#""payload":{"base64":"/w=="}}"#,
        "\n",
        r#"{"series":7,"key":2,"tags":{"f":{"float":"-inf"},"s":1},"payload":"s is an int"}"#,
        "\n",
        r#"{"series":7,"key":3,"tags":{"bs":[true,false],"fs":{"float":[1.0,"NaN"]},"#,
        r#""is":[1,2],"ss":["a",""],"ts":{"timestamp":["1970-01-01T00:00:00Z"]},"#,
        r#""xs":{"base64":["","AA=="]}},"payload":"arrays"}"#,
        "\n",
        r#"{"series":7,"key":4,"tags":{"bs":{"bool":[]},"fs":{"float":[]},"is":{"int":[]},"#,
        r#""ss":{"string":[]},"ts":{"timestamp":[]},"xs":{"base64":[]}},"payload":"empty"}"#,
        "\n",
        r#"{"series":7,"key":9223372036854775807,"#,
        r#""tags":{"f":1e+300,"fs":[0.1,2.5]},"payload":"end"}"#,
        "\n",
    );
    let first = Place::new();
    first.load(rows.as_bytes(), &[]).expect(0);
    let out = first.run("query", &[]).expect(0).out;
    assert_eq!(out, rows);

    let second = Place::new();
    second.load(out.as_bytes(), &["--batch", "2"]).expect(0);
    assert_eq!(second.run("query", &[]).expect(0).out, rows);

    let third = Place::new();
    let dump = second.run("dump", &[]).expect(0).out;
    assert!(dump.starts_with("{\"part\":\""), "{dump}");
    third.load(dump.as_bytes(), &[]).expect(0);
    assert_eq!(third.run("query", &[]).expect(0).out, rows);
}

#[test]
fn a_bad_line_stops_the_load_and_what_came_before_it_stays() {
    let long_name = format!(
        "{{\"series\":1,\"key\":1,\"tags\":{{\"{}\":1}}}}",
        "n".repeat(256)
    );
    let large = format!(
        "{{\"series\":1,\"key\":1,\"payload\":\"{}\"}}",
        "x".repeat((16 << 20) + 1)
    );
    let tags: Vec<String> = (0..1_025).map(|n| format!("\"t{n}\":1")).collect();
    let many = format!("{{\"series\":1,\"key\":1,\"tags\":{{{}}}}}", tags.join(","));
    let cases: [(&str, &str); 16] = [
        (
            r#"{"series":1,"key":1,"colour":1}"#,
            "field \"colour\": unknown field",
        ),
        (r#"{"series":1,"key":"one"}"#, "field \"key\""),
        (r#"{"series":1,"key":1.5}"#, "field \"key\""),
        (r#"{"series":1,"key":9223372036854775808}"#, "field \"key\""),
        (r#"{"series":1}"#, "field \"key\": missing"),
        (r#"{"key":1}"#, "field \"series\": missing"),
        (r#"{"series":-1,"key":1}"#, "field \"series\""),
        (
            r#"{"series":1,"key":1,"tags":{"a":1,"a":2}}"#,
            "field \"a\": given twice",
        ),
        (
            r#"{"series":1,"key":1,"tags":{"a":["x",1]}}"#,
            "field \"a\"",
        ),
        (r#"{"series":1,"key":1,"tags":{"a":1e999}}"#, "field \"a\""),
        (r#"{"series":1,"key":1,"payload":5}"#, "field \"payload\""),
        (r#"{"series":1,"key":1"#, "not valid JSON at column"),
        ("NaN", "not valid JSON at column"),
        (&long_name, "255"),
        (&large, "16 MiB"),
        (&many, "1024"),
    ];
    for (line, part) in cases {
        let place = Place::new();
        let input = format!("{}\n{}{line}\n{}", row(1), row(2), row(4));
        let run = place.load(input.as_bytes(), &[]).expect(2);
        assert!(
            run.err.contains("line 4: ") && run.err.contains(part),
            "{}",
            run.err
        );
        assert_eq!(run.last()["ingested"], 2, "{}", run.out);
        assert_eq!(place.keys(&[]), [1, 2]);
    }
    let place = Place::new();
    let run = place
        .load(b"{\"series\":1,\"key\":1,\"payload\":\"\xff\"}\n", &[])
        .expect(2);
    assert!(
        run.err.contains("line 1: ") && run.err.contains("UTF-8"),
        "{}",
        run.err
    );
    assert_eq!(run.last()["ingested"], 0);
}

#[test]
fn a_batch_that_the_index_refuses_names_its_lines() {
    let place = Place::new();
    let huge = "x".repeat(65 << 20);
    let input = format!(
        "{}{{\"series\":1,\"key\":2,\"tags\":{{\"a\":\"{huge}\"}}}}\n",
        row(1)
    );
    let run = place.load(input.as_bytes(), &[]).expect(2);
    assert!(
        run.err.contains("line 2: ") && run.err.contains("64 MiB"),
        "{}",
        run.err
    );
    assert_eq!(run.last()["ingested"], 1);
    assert_eq!(place.keys(&[]), [1]);
}

#[test]
fn csv_is_mapped_and_missing_keys_are_counted() {
    let place = Place::new();
    let csv = b"carrier,delay,origin,distance,time\r\n\
        UA,2.0,EWR,1400,2013-01-01T10:00:00Z\r\n\
        AA,,JFK,1089,2013-01-01T10:00:00Z\r\n\
        B6,-1.0,,1576.0,1357034400000000000\r\n";
    let flags = [
        "--series",
        "carrier",
        "--key",
        "delay",
        "--tag",
        "origin",
        "--tag",
        "far:int=distance",
        "--tag",
        "time:timestamp",
        "--payload",
        "row",
    ];
    let run = place.load_csv(csv, &flags).expect(2);
    assert!(
        run.err
            .contains("line 3: field \"delay\": the key is empty"),
        "{}",
        run.err
    );
    assert_eq!(run.last()["ingested"], 1);

    let place = Place::new();
    let run = place
        .load_csv(csv, &[&flags[..], &["--skip-missing-key"]].concat())
        .expect(0);
    assert_eq!(
        (&run.last()["ingested"], &run.last()["skipped"]),
        (&2.into(), &1.into())
    );
    let table = place
        .run("query", &["--format", "csv", "--no-payload"])
        .expect(0)
        .out;
    let expected = "series,key,far,origin,time\n\
                    B6,-1,1576,,2013-01-01T10:00:00Z\nUA,2,1400,EWR,2013-01-01T10:00:00Z\n";
    assert_eq!(table, expected);
    let payload = place
        .run("query", &["--select", "none", "--limit", "1"])
        .expect(0)
        .last();
    assert!(
        payload["payload"]
            .as_str()
            .is_some_and(|text| text.contains("\"distance\":\"1576.0\""))
    );

    for (csv, part) in [
        (
            &b"carrier,late\nUA,1\n"[..],
            "line 1: field \"origin\": unknown field; the header has",
        ),
        (
            &b"carrier,delay,origin,distance,time\nUA,x,EWR,1,\n"[..],
            "line 2: field \"delay\"",
        ),
        (
            &b"carrier,delay,origin,distance,time\nUA,1,EWR,far,\n"[..],
            "line 2: field \"distance\"",
        ),
        (
            &b"carrier,delay,origin,distance,time\nUA,1,EWR\n"[..],
            "line 2: 3 fields",
        ),
    ] {
        let place = Place::new();
        let run = place.load_csv(csv, &flags).expect(2);
        assert!(run.err.contains(part), "{}", run.err);
        assert_eq!(run.last()["ingested"], 0);
    }
}

#[test]
fn empty_input_makes_an_empty_index() {
    let place = Place::new();
    assert_eq!(place.load(b"", &[]).expect(0).last()["ingested"], 0);
    assert!(place.keys(&[]).is_empty());
    assert_eq!(
        place.run("query", &["--format", "csv"]).expect(0).out,
        "series,key,payload\n"
    );
    let table = place.run("query", &["--format", "table"]).expect(0).out;
    assert_eq!(table, "0 rows\n");
}

#[test]
fn acknowledgements_count_what_is_written() {
    let place = Place::new();
    let input: String = (0..5).map(row).collect();
    let run = place
        .load(input.as_bytes(), &["--ack", "--batch", "2"])
        .expect(0);
    let lines: Vec<&str> = run.out.lines().take(3).collect();
    let expected = [
        "{\"acknowledged\": 2}",
        "{\"acknowledged\": 4}",
        "{\"acknowledged\": 5}",
    ];
    assert_eq!(lines, expected);
    let run = place
        .load(row(9).as_bytes(), &["--ack", "--durability", "none"])
        .expect(0);
    assert!(
        run.out
            .starts_with("{\"acknowledged\": 1}\n{\"ingested\": 1,"),
        "{}",
        run.out
    );
    assert_eq!(place.keys(&[]), [0, 1, 2, 3, 4, 9]);
}

#[test]
fn queries_select_order_and_limit() {
    let place = Place::new();
    let rows: String = (-3i64..3)
        .map(|key| {
            let series = if key % 2 == 0 { "\"even\"" } else { "7" };
            let code = 500 + key;
            format!(
                "{{\"series\":{series},\"key\":{key},\"tags\":{{\"code\":{code},\"a b\":\"x\"}},\
                 \"payload\":\"{}\"}}\n",
                key.abs()
            )
        })
        .collect();
    place.load(rows.as_bytes(), &[]).expect(0);
    assert_eq!(place.keys(&["--keys", "-2..1"]), [-2, -1, 0]);
    assert_eq!(
        place.keys(&["--keys", "-2..=1", "--order", "desc"]),
        [1, 0, -1, -2]
    );
    assert_eq!(place.keys(&["--keys=..-1", "--limit", "1"]), [-3]);
    assert!(place.keys(&["--keys", "..", "--limit", "0"]).is_empty());
    assert_eq!(place.keys(&["--series", "even"]), [-2, 0, 2]);
    assert_eq!(
        place.keys(&["--series", "even", "--series-id", "7"]),
        [-3, -2, -1, 0, 1, 2]
    );
    assert!(place.keys(&["--series", "nobody"]).is_empty());
    assert_eq!(
        place.keys(&["--where", "code >= 500 and `a b` = \"x\""]),
        [0, 1, 2]
    );
    assert_eq!(place.keys(&["--distinct-payload"]), [-3, -2, -1, 0]);
    let csv = place.run(
        "query",
        &["--select", "code,gone", "--format", "csv", "--limit", "1"],
    );
    assert_eq!(
        csv.expect(0).out,
        "series,key,code,gone,payload\n7,-3,497,,3\n"
    );

    let run = place.run("query", &["--explain", "--limit", "1"]).expect(0);
    assert_eq!((run.out.lines().count(), run.err.lines().count()), (1, 1));
    assert!(
        serde_json::from_str::<Value>(&run.err)
            .expect("JSON")
            .is_object()
    );

    let run = place.run("query", &["--where", "code = and"]).expect(2);
    assert!(run.err.contains("column 8"), "{}", run.err);
    place.run("query", &["--timeout", "0s"]).expect(7);
}

#[test]
fn what_does_not_exist_is_told_and_not_made() {
    let place = Place::new();
    for name in [
        "query", "flush", "merge", "verify", "parts", "stats", "dump",
    ] {
        place.run(name, &[]).expect(3);
        assert!(!Path::new(&place.store).exists(), "{name} made a store");
    }
    let run = sidx(&[
        "ingest",
        &place.store,
        "no file",
        "--index",
        "i",
        "--format",
        "ndjson",
    ]);
    assert!(run.expect(3).err.contains("no file"));
    assert!(!Path::new(&place.store).exists());

    place.load(row(1).as_bytes(), &[]).expect(0);
    for name in [
        "query", "flush", "merge", "verify", "parts", "stats", "dump",
    ] {
        let run = sidx(&[name, &place.store, "--index", "other"]).expect(3);
        assert!(run.err.contains("indexes there: i\n"), "{}", run.err);
        assert!(
            !Path::new(&place.store).join("other").exists(),
            "{name} made an index"
        );
    }
    sidx(&["query", &place.store, "--index", "../i"]).expect(2);
    let url = format!("file://{}", place.store);
    sidx(&["query", &url, "--index", "i"]).expect(0);
}

#[test]
fn no_tag_name_leaves_the_store() {
    let place = Place::new();
    let input =
        "{\"series\":1,\"key\":1,\"tags\":{\"../x\":1,\"../../y\":\"a\",\"/z\":2.5,\"..\":true}}\n";
    place.load(input.as_bytes(), &[]).expect(0);
    assert_eq!(
        place.keys(&["--where", "`../x` = 1 and `..` = true and exists(`/z`)"]),
        [1]
    );
    let around: Vec<_> = fs::read_dir(place.directory.path())
        .expect("readable")
        .map(|entry| entry.expect("readable").file_name())
        .collect();
    assert_eq!(around, ["store"]);
    let indexes: Vec<_> = fs::read_dir(&place.store)
        .expect("readable")
        .map(|entry| entry.expect("readable").file_name())
        .collect();
    assert_eq!(indexes, ["i"]);
}

/// Starts a load that has written a row and waits for more.
fn open_writer(place: &Place) -> Child {
    let arguments = [
        "ingest",
        &place.store,
        "-",
        "--index",
        "i",
        "--format",
        "ndjson",
        "--batch",
        "1",
        "--ack",
    ];
    let mut child = command(&arguments).spawn().expect("sidx starts");
    let stdin = child.stdin.as_mut().expect("a pipe");
    stdin.write_all(row(1).as_bytes()).expect("written");
    stdin.flush().expect("written");
    let mut line = String::new();
    let out = child.stdout.as_mut().expect("a pipe");
    BufReader::with_capacity(1, out)
        .read_line(&mut line)
        .expect("readable");
    assert_eq!(line, "{\"acknowledged\": 1}\n");
    child
}

#[test]
fn one_writer_at_a_time_and_readers_beside_it() {
    let place = Place::new();
    let mut writer = open_writer(&place);
    let run = place.load(row(2).as_bytes(), &[]).expect(4);
    assert!(run.err.contains("lock"), "{}", run.err);
    assert_eq!(run.last()["ingested"], 0);
    place.run("merge", &[]).expect(4);
    assert_eq!(place.keys(&[]), [1]);
    drop(writer.stdin.take());
    assert!(writer.wait().expect("ends").success());
    place.load(row(2).as_bytes(), &[]).expect(0);
    assert_eq!(place.keys(&[]), [1, 2]);
}

#[test]
fn a_killed_load_keeps_what_it_acknowledged() {
    let place = Place::new();
    let mut writer = open_writer(&place);
    writer.kill().expect("killed");
    writer.wait().expect("ends");
    assert_eq!(place.keys(&[]), [1]);
    place.load(row(2).as_bytes(), &[]).expect(0);
    assert_eq!(place.keys(&[]), [1, 2]);
}

#[test]
fn a_reader_that_leaves_early_is_no_error() {
    let place = Place::new();
    let input: String = (0..50_000).map(row).collect();
    place.load(input.as_bytes(), &[]).expect(0);
    let arguments = ["query", &place.store, "--index", "i"];
    let mut child = command(&arguments).spawn().expect("sidx starts");
    let mut start = [0; 10];
    child
        .stdout
        .take()
        .expect("a pipe")
        .read_exact(&mut start)
        .expect("readable");
    let output = child.wait_with_output().expect("sidx ends");
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn maintenance_says_what_it_did() {
    let place = Place::new();
    for key in 0..3 {
        place.load(row(key).as_bytes(), &[]).expect(0);
    }
    let flushed = place.run("flush", &[]).expect(0).last();
    assert_eq!(flushed["after"]["rows"], 3);
    let merged = place.run("merge", &["--all"]).expect(0).last();
    assert_eq!(
        (&merged["before"]["parts"], &merged["after"]["parts"]),
        (&3.into(), &1.into())
    );
    assert_eq!(merged["after"]["rows"], 3);
    assert_eq!(place.keys(&[]), [0, 1, 2]);
    assert_eq!(place.run("parts", &[]).expect(0).out.lines().count(), 1);
    assert_eq!(place.run("parts", &[]).expect(0).last()["rows"], 3);
    let stats: Value = serde_json::from_str(&place.run("stats", &[]).expect(0).out).expect("JSON");
    assert_eq!(stats["rows"], 3);
    let table = place.run("parts", &["--format", "table"]).expect(0).out;
    assert!(table.contains("rows"), "{table}");
}

/// The files of the parts.
fn part_files(place: &Place) -> Vec<PathBuf> {
    let parts = Path::new(&place.store).join("i/parts");
    let mut files = Vec::new();
    for part in fs::read_dir(parts).expect("parts") {
        for file in fs::read_dir(part.expect("readable").path()).expect("files") {
            files.push(file.expect("readable").path());
        }
    }
    files
}

#[test]
fn damage_is_found() {
    let place = Place::new();
    let input: String = (0..100).map(row).collect();
    place.load(input.as_bytes(), &[]).expect(0);
    let report: Value =
        serde_json::from_str(&place.run("verify", &[]).expect(0).out).expect("JSON");
    assert_eq!(report["ok"], true);
    let data = part_files(&place)
        .into_iter()
        .find(|path| path.ends_with("data.bin"));
    let data = data.expect("a payload file");
    let mut bytes = fs::read(&data).expect("readable");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x40;
    fs::write(&data, bytes).expect("writable");
    let run = place.run("verify", &[]).expect(5);
    let report: Value = serde_json::from_str(&run.out).expect("JSON");
    assert_eq!(report["ok"], false);
    place.run("query", &[]).expect(5);
}

#[test]
fn a_newer_format_is_refused() {
    let place = Place::new();
    place.load(row(1).as_bytes(), &[]).expect(0);
    let path = Path::new(&place.store).join("i/index.json");
    let text = fs::read_to_string(&path).expect("readable");
    let newer = text.replacen("\"format_version\":1", "\"format_version\":2", 1);
    assert_ne!(text, newer, "index.json: {text}");
    fs::write(&path, &newer).expect("writable");
    for name in ["query", "verify", "merge"] {
        let run = place.run(name, &[]).expect(1);
        assert!(
            run.err.contains("version") && run.err.contains('2'),
            "{}",
            run.err
        );
    }
    place.load(row(2).as_bytes(), &[]).expect(1);
    assert_eq!(fs::read_to_string(&path).expect("readable"), newer);
}
