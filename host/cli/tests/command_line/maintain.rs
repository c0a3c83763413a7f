//! Several processes, crashes, upkeep and damage.

use super::*;

/// Starts a load that has written a row and waits for more.
pub(super) fn open_writer(place: &Place) -> Child {
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

#[test]
fn a_branch_goes_on_by_itself_and_holds_its_index() {
    let place = Place::new();
    place.load(row(0).as_bytes(), &[]).expect(0);
    let made = place.run("branch", &["--to", "trial"]).expect(0).last();
    assert_eq!(
        (&made["command"], &made["index"], &made["shared_files"]),
        (&"branch".into(), &"trial".into(), &1.into())
    );
    place.load(row(1).as_bytes(), &[]).expect(0);
    let rows = |name: &str| {
        let indexes = sidx(&["indexes", &place.store]).expect(0).out;
        let lines = indexes
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON"));
        let line = lines.into_iter().find(|line: &Value| line["index"] == name);
        line.expect("it is there")["rows"].clone()
    };
    assert_eq!((rows("trial"), rows("i")), (1.into(), 2.into()));
    place.run("branch", &["--to", "trial"]).expect(4);
    place.run("branch", &["--to", "a/b"]).expect(2);
    let refused = place.run("drop", &["--yes"]).expect(4);
    assert!(refused.err.contains("drop trial first"), "{}", refused.err);
    sidx(&["drop", &place.store, "--index", "trial", "--yes"]).expect(0);
    place.run("drop", &["--yes"]).expect(0);
    place.run("branch", &["--to", "trial"]).expect(3);
}

#[test]
fn retention_tells_first_what_it_drops_and_then_drops_it() {
    let place = Place::new();
    // Three parts of ten rows: a load ends with a flush.
    for first in [0, 10, 20] {
        let rows: String = (first..first + 10).map(row).collect();
        place.load(rows.as_bytes(), &[]).expect(0);
    }
    let told = place.run("retain", &["--below", "15", "--dry-run"]);
    let told = told.expect(0).last();
    let named = |report: &Value, names: [&str; 3]| names.map(|name| report[name].as_u64());
    let parts = ["parts_dropped", "parts_rewritten", "parts_untouched"];
    assert_eq!(named(&told, parts), [Some(1); 3], "{told}");
    assert_eq!(
        (&told["rows"], &told["dropped_rows"]),
        (&30.into(), &15.into())
    );
    assert_eq!(place.keys(&[]).len(), 30, "a dry run dropped rows");
    let done = place.run("retain", &["--below", "15"]).expect(0).last();
    let names = ["dropped_rows", "parts_dropped", "parts_written"];
    assert_eq!(named(&done, names), [Some(15), Some(1), Some(1)], "{done}");
    assert_eq!(
        (&done["before"]["rows"], &done["after"]["rows"]),
        (&30.into(), &15.into())
    );
    assert_eq!(place.keys(&[]), (15..30).collect::<Vec<_>>());
    // Both together drop what either names; a tag that no row has names none, or with `not` all.
    let both = ["--below", "16", "--where", "nobody = 1 or exists(nobody)"];
    assert_eq!(
        place.run("retain", &both).expect(0).last()["dropped_rows"],
        1
    );
    let all = ["--where", "not nobody = 1"];
    assert_eq!(
        place.run("retain", &all).expect(0).last()["dropped_rows"],
        14
    );
    assert!(place.keys(&[]).is_empty());
    let table = place.run(
        "retain",
        &["--below", "-9", "--dry-run", "--format", "table"],
    );
    let table = table.expect(0).out;
    assert!(table.contains("parts_untouched"), "{table}");
}

#[test]
fn a_retention_that_cannot_be_meant_does_nothing() {
    let place = Place::new();
    place.load(row(1).as_bytes(), &[]).expect(0);
    for flags in [
        &[][..],
        &["--dry-run"],
        &["--below", "soon"],
        &["--below", "9223372036854775808"],
        &["--where", "tag ="],
        &["--where", "tag =", "--dry-run"],
    ] {
        place.run("retain", flags).expect(2);
    }
    assert_eq!(place.keys(&[]), [1]);
    let store = place.store.as_str();
    sidx(&["retain", store, "--index", "other", "--below", "1"]).expect(3);
    sidx(&[
        "retain",
        store,
        "--index",
        "other",
        "--below",
        "1",
        "--dry-run",
    ])
    .expect(3);
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
fn a_damaged_part_is_named_and_the_others_are_merged() {
    let place = Place::new();
    for key in 0..4 {
        place.load(row(key).as_bytes(), &[]).expect(0);
        place.run("flush", &[]).expect(0);
    }
    let before = place.run("parts", &[]).expect(0).out;
    assert!(before.lines().count() <= 4);
    // The last part, so that the others are neighbours.
    place.load(row(9).as_bytes(), &[]).expect(0);
    let mut data: Vec<PathBuf> = part_files(&place)
        .into_iter()
        .filter(|path| path.ends_with("data.bin"))
        .collect();
    data.sort();
    let data = data.pop().expect("a payload file");
    let part = data.parent().and_then(Path::file_name).expect("a part");
    let part = part.to_string_lossy().into_owned();
    let mut bytes = fs::read(&data).expect("readable");
    let last = bytes.len() - 1;
    bytes[last] ^= 0x40;
    fs::write(&data, bytes).expect("writable");
    let run = place.run("merge", &["--all"]).expect(5);
    assert_eq!(run.last()["left_out"], 1);
    assert_eq!(run.last()["after"]["parts"], 2, "{}", run.out);
    assert_eq!(run.err.lines().count(), 1, "{}", run.err);
    for word in [&part, "data.bin", "sidx repair"] {
        assert!(run.err.contains(word), "{}", run.err);
    }
    assert_eq!(place.keys(&["--keys", "0..4"]), [0, 1, 2, 3]);
    // The advice is good.
    place.run("repair", &[]).expect(5);
    place.run("repair", &["--accept-loss"]).expect(0);
    place.run("merge", &["--all"]).expect(0);
    assert_eq!(place.keys(&[]), [0, 1, 2, 3]);
}

#[test]
fn a_backup_that_lacks_a_damaged_part_says_so() {
    let place = Place::new();
    place.load(row(1).as_bytes(), &[]).expect(0);
    for (file, missing, told) in [
        ("labels.bin", 1, "1 "),
        ("manifest.json", 0, "1 damaged parts"),
    ] {
        let mut files = part_files(&place).into_iter();
        let path = files.find(|path| path.ends_with(file)).expect("a file");
        fs::remove_file(path).expect("removable");
        let copy = Path::new(&place.store).with_extension(file);
        let run = place.run("backup", &[&copy.to_string_lossy()]).expect(5);
        assert_eq!(run.last()["missing_files"], missing);
        assert!(run.err.contains(told), "{}", run.err);
    }
}

/// A sealed document as a newer version would write it.
fn newer(text: &str) -> String {
    let (_, body) = text.split_once("\"body\":").expect("a body");
    let body = body.trim_end().strip_suffix('}').expect("an object");
    let checksum = xxhash_rust::xxh3::xxh3_64_with_seed(body.as_bytes(), 1);
    format!("{{\"format_version\":2,\"xxh3\":\"{checksum:016x}\",\"body\":{body}}}\n")
}

#[test]
fn a_newer_format_is_refused() {
    let place = Place::new();
    place.load(row(1).as_bytes(), &[]).expect(0);
    let path = Path::new(&place.store).join("i/index.json");
    let text = fs::read_to_string(&path).expect("readable");
    let newer = newer(&text);
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

/// Damages the newest part of a closed index: its file with this name loses its last byte's value.
fn spoil_part(place: &Place, file: &str) {
    let parts = std::path::Path::new(&place.store).join("i/parts");
    let parts = std::fs::read_dir(parts).expect("parts");
    let part = parts.map(|part| part.expect("a part").path()).max();
    let path = part.expect("a part").join(file);
    let mut bytes = std::fs::read(&path).expect("readable");
    *bytes.last_mut().expect("not empty") ^= 0xff;
    std::fs::write(&path, bytes).expect("written");
}

#[test]
fn a_damaged_index_is_told_repaired_and_goes_on() {
    let place = Place::new();
    place.load(row(1).as_bytes(), &[]).expect(0);
    place.run("flush", &[]).expect(0);
    place.load(row(2).as_bytes(), &[]).expect(0);
    place.run("flush", &[]).expect(0);
    place.run("repair", &[]).expect(0);
    spoil_part(&place, "data.bin");
    let run = place.run("verify", &[]).expect(5);
    assert!(run.out.contains("data.bin"), "{}", run.out);
    let run = place.run("query", &[]).expect(5);
    assert!(run.err.contains("repair"), "{}", run.err);
    let run = place.run("query", &["--allow-partial"]).expect(5);
    assert!(
        run.out.contains("\"key\":1") && !run.out.contains("\"key\":2"),
        "{}",
        run.out
    );
    assert!(
        run.err.contains("missing") && run.err.contains("partial"),
        "{}",
        run.err
    );
    let run = place
        .run("query", &["--allow-partial", "--count"])
        .expect(5);
    assert_eq!(run.out, "1\n");
    assert!(run.err.contains("the count is partial"), "{}", run.err);
    let run = place.run("repair", &[]).expect(5);
    assert!(run.out.contains("min_key"), "{}", run.out);
    let run = place.run("query", &[]).expect(5);
    assert!(run.err.contains("accept"), "{}", run.err);
    place.run("query", &["--keys", "..=1"]).expect(0);
    place.run("repair", &["--accept-loss"]).expect(0);
    assert_eq!(place.keys(&[]), [1]);
    place.run("verify", &[]).expect(0);
    place.load(row(3).as_bytes(), &[]).expect(0);
    assert_eq!(place.keys(&[]), [1, 3]);
}

#[test]
fn a_backup_is_a_store_of_its_own() {
    let place = Place::new();
    let mut writer = open_writer(&place);
    let copy = place
        .directory
        .path()
        .join("copy")
        .to_string_lossy()
        .into_owned();
    // The writer's row is in its log only.
    let run = place.run("backup", &[&copy]).expect(0);
    assert_eq!(
        (&run.last()["command"], &run.last()["log_entries"]),
        (&"backup".into(), &1.into())
    );
    let run = place.run("backup", &[&copy]).expect(4);
    assert!(
        run.err.contains("already") && run.err.contains("copy"),
        "{}",
        run.err
    );
    drop(writer.stdin.take());
    assert!(writer.wait().expect("ends").success());
    place.load(row(2).as_bytes(), &[]).expect(0);
    place.run("merge", &["--all"]).expect(0);
    let copied = Place {
        directory: tempfile::tempdir().expect("a directory"),
        store: copy,
    };
    assert_eq!(copied.keys(&[]), [1]);
    copied.load(row(3).as_bytes(), &[]).expect(0);
    copied.run("verify", &[]).expect(0);
    assert_eq!(copied.keys(&[]), [1, 3]);
    assert_eq!(place.keys(&[]), [1, 2]);
    // Within one file system files are links, and the original may go.
    let linked = place
        .directory
        .path()
        .join("linked")
        .to_string_lossy()
        .into_owned();
    let run = place.run("backup", &[&linked]).expect(0);
    assert_eq!(run.last()["files"], run.last()["linked_files"]);
    fs::remove_dir_all(&place.store).expect("removed");
    let linked = Place {
        directory: tempfile::tempdir().expect("a directory"),
        store: linked,
    };
    assert_eq!(linked.keys(&[]), [1, 2]);
    sidx(&["backup", "ftp://x/y", "--index", "i", "z"]).expect(2);
    place.run("backup", &["ftp://bucket/x"]).expect(3);
    linked.run("backup", &["ftp://bucket/x"]).expect(2);
}

#[test]
fn stats_tell_of_the_health_of_an_index() {
    let place = Place::new();
    place.load(row(1).as_bytes(), &[]).expect(0);
    let run = place.run("stats", &[]).expect(0);
    let stats: Value = serde_json::from_str(&run.out).expect("JSON");
    assert_eq!(stats["health"]["pressure"], "none");
    assert_eq!(stats["health"]["read_only"], true);
    let table = place.run("stats", &["--format", "table"]).expect(0);
    for name in [
        "Index i: 1 row in 1 part",
        "used_bytes",
        "log_backlog_bytes",
        "\nlevels\n",
    ] {
        assert!(table.out.contains(name), "{}", table.out);
    }
}
