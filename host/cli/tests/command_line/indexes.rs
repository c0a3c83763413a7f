//! Which indexes there are, and the end of one.

use super::*;

fn run(place: &Place, arguments: &[&str]) -> Run {
    sidx(&[&[arguments[0], place.store.as_str()][..], &arguments[1..]].concat())
}

/// A row for an index of any name.
fn load(place: &Place, index: &str, keys: std::ops::Range<i64>) {
    let input: String = keys.map(row).collect();
    let arguments = ["ingest", &place.store, "-", "--index", index];
    let arguments = [&arguments[..], &["--format", "ndjson"]].concat();
    sidx_with(&arguments, input.as_bytes()).expect(0);
}

/// Runs a command on a terminal that somebody types into; none where there is no `script` to make one.
fn on_a_terminal(arguments: &[&str], typed: &str) -> Option<Run> {
    let quoted = |word: &&str| format!("'{}'", word.replace('\'', r"'\''"));
    let sidx = env!("CARGO_BIN_EXE_sidx");
    let words: Vec<String> = [sidx].iter().chain(arguments).map(quoted).collect();
    let spawned = Command::new("script")
        .args(["-qec", &words.join(" "), "/dev/null"])
        .env("SIDX_CACHE_DIR", cache())
        .env("COLUMNS", "100")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut child) = spawned else {
        println!("skipped: there is no `script` here, which makes a terminal");
        return None;
    };
    let mut stdin = child.stdin.take().expect("a pipe");
    // It may end before it reads.
    let _ = stdin.write_all(typed.as_bytes());
    let output = child.wait_with_output().expect("it ends");
    drop(stdin);
    Some(Run {
        code: output.status.code().expect("an exit code"),
        out: String::from_utf8(output.stdout).expect("UTF-8"),
        err: String::from_utf8(output.stderr).expect("UTF-8"),
    })
}

#[test]
fn indexes_are_listed_with_what_is_in_them() {
    let place = Place::new();
    let missing = run(&place, &["indexes"]).expect(3);
    assert!(missing.err.contains("no store"), "{}", missing.err);
    load(&place, "b", 0..3);
    load(&place, "a", 0..1);
    // What is beside them is no index.
    fs::create_dir(Path::new(&place.store).join("photos")).expect("made");
    let listed = run(&place, &["indexes"]).expect(0);
    let lines: Vec<Value> = listed
        .out
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(lines.len(), 2, "{}", listed.out);
    for (line, name, rows) in [(&lines[0], "a", 1), (&lines[1], "b", 3)] {
        assert_eq!(
            (&line["index"], &line["rows"]),
            (&name.into(), &rows.into())
        );
        assert_eq!(line["kind"], "ordered");
        assert_eq!(
            (&line["parts"], &line["quarantined"]),
            (&1.into(), &0.into())
        );
        assert!(line["bytes"].as_u64() > Some(100), "{line}");
        assert!(line["epoch"].as_u64() > Some(0), "{line}");
    }
    let table = run(&place, &["indexes", "--format", "table"]).expect(0).out;
    assert!(
        table.contains("ordered") && table.contains("rows"),
        "{table}"
    );
    fs::remove_dir_all(&place.store).expect("removed");
    fs::create_dir(&place.store).expect("made");
    assert_eq!(run(&place, &["indexes"]).expect(0).out, "");
    let table = run(&place, &["indexes", "--format", "table"]).expect(0).out;
    assert!(table.contains("holds no index"), "{table}");
}

#[test]
fn indexes_are_listed_beside_a_writer_and_beside_a_damaged_one() {
    let place = Place::new();
    load(&place, "damaged", 0..1);
    load(&place, "z", 0..2);
    let mut writer = maintain::open_writer(&place);
    let listed = run(&place, &["indexes"]).expect(0);
    assert!(listed.out.contains("\"index\":\"i\""), "{}", listed.out);
    drop(writer.stdin.take());
    assert!(writer.wait().expect("ends").success());

    fs::write(Path::new(&place.store).join("damaged/index.json"), "{").expect("written");
    let listed = run(&place, &["indexes"]).expect(5);
    let lines: Vec<&str> = listed.out.lines().collect();
    assert_eq!(lines.len(), 3, "{}", listed.out);
    let first: Value = serde_json::from_str(lines[0]).expect("JSON");
    assert_eq!(first["index"], "damaged");
    assert_eq!(first["error_kind"], "corrupt");
    assert!(
        first["error"]
            .as_str()
            .is_some_and(|text| text.contains("index.json"))
    );
    assert!(lines[2].contains("\"rows\":2"), "{}", lines[2]);
}

#[test]
fn an_index_is_dropped_for_good() {
    let place = Place::new();
    load(&place, "i", 0..3);
    load(&place, "kept", 0..1);
    let refused = place.run("drop", &[]).expect(2);
    assert!(refused.err.contains("--yes"), "{}", refused.err);
    assert_eq!(place.keys(&[]), [0, 1, 2]);

    let mut writer = maintain::open_writer(&place);
    place.run("drop", &["--yes"]).expect(4);
    drop(writer.stdin.take());
    assert!(writer.wait().expect("ends").success());

    let dropped = place.run("drop", &["--yes"]).expect(0).last();
    assert_eq!(
        (&dropped["command"], &dropped["index"]),
        (&"drop".into(), &"i".into())
    );
    assert_eq!(dropped["rows"], 4);
    assert!(dropped["bytes"].as_u64() > Some(100), "{dropped}");
    let again = place.run("drop", &["--yes"]).expect(3);
    assert!(again.err.contains("indexes there: kept"), "{}", again.err);
    assert!(!again.err.contains("repair"), "{}", again.err);
    // A few names stay taken for ever.
    let left = fs::read_dir(Path::new(&place.store).join("i")).expect("readable");
    let left = left.map(|entry| entry.expect("readable").metadata().expect("there"));
    let files = left.filter(|it| it.is_file()).map(|it| it.len());
    assert!(files.sum::<u64>() < 1000);
    // The name is free.
    load(&place, "i", 7..8);
    assert_eq!(place.keys(&[]), [7]);
}

#[test]
fn a_damaged_index_may_be_dropped_and_what_is_none_may_not() {
    let place = Place::new();
    load(&place, "i", 0..3);
    let home = Path::new(&place.store).join("home");
    fs::create_dir(&home).expect("made");
    fs::write(home.join("letters"), "dear").expect("written");
    let arguments = ["drop", "--index", "home", "--yes"];
    let refused = run(&place, &arguments).expect(4);
    assert!(refused.err.contains("no index"), "{}", refused.err);
    let refused = run(&place, &["drop", "--index", "../store", "--yes"]);
    assert_eq!(refused.code, 2, "{}", refused.err);
    assert_eq!(fs::read(home.join("letters")).expect("there"), b"dear");

    fs::write(Path::new(&place.store).join("i/index.json"), "{").expect("written");
    let dropped = place.run("drop", &["--yes"]).expect(0).last();
    assert_eq!(dropped["rows"], Value::Null);
    place.run("drop", &["--yes"]).expect(3);
}

#[test]
fn a_removal_that_broke_off_is_no_index_and_ends_with_the_next_drop() {
    let place = Place::new();
    load(&place, "i", 0..3);
    let name = |name: &str| Path::new(&place.store).join(name);
    fs::rename(name("i"), name("~4711-0.tmp")).expect("moved");
    assert_eq!(run(&place, &["indexes"]).expect(0).out, "");
    load(&place, "i", 5..6);
    assert_eq!(place.keys(&[]), [5]);
    run(&place, &["drop", "--index", "other", "--yes"]).expect(3);
    assert!(!name("~4711-0.tmp").exists());
    assert_eq!(place.keys(&[]), [5]);
}

#[test]
fn on_a_terminal_a_drop_wants_the_name_typed() {
    let place = Place::new();
    load(&place, "i", 0..3);
    let arguments = ["drop", place.store.as_str(), "--index", "i"];
    let Some(run) = on_a_terminal(&arguments, "yes\n") else {
        return;
    };
    assert_eq!(run.code, 7, "{}", run.out);
    assert!(
        run.out.contains("3 rows") && run.out.contains("nothing was removed"),
        "{}",
        run.out
    );
    assert_eq!(place.keys(&[]), [0, 1, 2]);
    let run = on_a_terminal(&arguments, "i\n").expect("it was there");
    assert_eq!(run.code, 0, "{}", run.out);
    assert!(run.out.contains("\"rows\":3"), "{}", run.out);
    place.run("query", &[]).expect(3);
}

#[test]
fn on_a_terminal_reports_are_for_people() {
    let place = Place::new();
    load(&place, "i", 0..2_000);
    for (command, words) in [
        ("verify", &["Index i is sound: 2,000 rows in 1 part"][..]),
        (
            "stats",
            &[
                "Index i: 2,000 rows",
                "pressure: none",
                "memory",
                "used_bytes",
            ],
        ),
        ("parts", &["2,000", "min_key"]),
        ("query", &["2000 rows"]),
    ] {
        let arguments = [command, place.store.as_str(), "--index", "i"];
        let Some(run) = on_a_terminal(&arguments, "") else {
            return;
        };
        assert_eq!(run.code, 0, "{}", run.out);
        assert!(!run.out.contains('{'), "{}", run.out);
        for word in words {
            assert!(run.out.contains(word), "{word}: {}", run.out);
        }
    }
    let listed = on_a_terminal(&["indexes", &place.store], "").expect("it was there");
    assert!(
        listed.out.contains("ordered") && listed.out.contains("2,000"),
        "{}",
        listed.out
    );
}
