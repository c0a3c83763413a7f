//! Measuring: every figure is there, for both engines, and nothing else stays.

use std::collections::BTreeSet;

use super::*;

/// A small run in a directory of its own.
fn bench(directory: &Path, flags: &[&str]) -> Run {
    let directory = directory.to_string_lossy();
    let fixed = [
        "bench", "--rows", "5000", "--rounds", "1", "--repeat", "2", "--dir", &directory,
    ];
    sidx(&[&fixed[..], flags].concat())
}

/// The lines of a run.
fn lines(text: &str) -> Vec<Value> {
    let parse = |line| serde_json::from_str(line).expect("a JSON line");
    text.lines().map(parse).collect()
}

/// What names a line: figure, series, engine, durability and writers.
fn name(line: &Value) -> String {
    let of = |field: &str| line.get(field).map(Value::to_string).unwrap_or_default();
    ["figure", "series", "engine", "durability", "writers"]
        .map(of)
        .join(" ")
        .replace('"', "")
}

fn expected_names(series: &[u64]) -> BTreeSet<String> {
    let queries = [
        "q1-asc", "q1-desc", "q2-asc", "q2-desc", "q3", "q4", "q5", "q6", "q7", "q8",
    ];
    let mut names = BTreeSet::new();
    for series in series {
        for engine in ["component", "native"] {
            for durability in ["os", "sync"] {
                for (batch, writers) in [(100, 1), (1_000, 1), (10_000, 1), (1_000, 16)] {
                    names.insert(format!(
                        "ingest-{batch} {series} {engine} {durability} {writers}"
                    ));
                }
            }
            for batch in [1_000, 10_000] {
                names.insert(format!("columns-{batch} {series} {engine} os 1"));
            }
            for figure in ["flush", "merge", "size", "open"] {
                names.insert(format!("{figure} {series} {engine}  "));
            }
            for query in queries {
                names.insert(format!("{query} {series} {engine}  "));
                names.insert(format!("{query}-prepared {series} {engine}  "));
                names.insert(format!("{query}-cold {series} {engine}  "));
            }
        }
    }
    names
}

#[test]
fn every_figure_is_measured_with_both_engines() {
    let directory = tempfile::tempdir().expect("a directory");
    let run = bench(directory.path(), &["--json", "--series", "100,10000"]).expect(0);
    assert_eq!(run.err, "");
    let lines = lines(&run.out);
    let names: BTreeSet<String> = lines.iter().map(name).collect();
    assert_eq!(names, expected_names(&[100, 10_000]));
    assert_eq!(lines.len(), names.len(), "a figure came twice");
    for line in &lines {
        let number = |field: &str| line[field].as_f64().expect("a number");
        assert!(number("min") > 0.0, "{line}");
        assert!(number("min") <= number("median"), "{line}");
        assert!(number("median") <= number("max"), "{line}");
        assert!(number("samples") >= 1.0, "{line}");
        assert_eq!(line["rows"], 5_000);
        let figure = line["figure"].as_str().expect("a name");
        let is_query = figure.starts_with('q');
        assert_eq!(line.get("result_rows").is_some(), is_query, "{line}");
        let is_ingest = figure.starts_with("ingest") || figure.starts_with("columns");
        let has_cpu = is_ingest || figure == "merge";
        let has_cpu = has_cpu && cfg!(target_os = "linux");
        assert_eq!(line.get("cpu_s").is_some(), has_cpu, "{line}");
    }
    let left = fs::read_dir(directory.path()).expect("readable").count();
    assert_eq!(left, 0, "stores stayed");
}

#[test]
fn a_table_is_printed_and_lines_are_written() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("figures.ndjson");
    let stores = directory.path().join("stores");
    let flags = [
        "--series",
        "7",
        "--engine",
        "native",
        "--figures",
        "q3,size,open",
        "--keep",
    ];
    let out = file.to_string_lossy();
    let run = bench(&stores, &[&flags[..], &["--json-out", &out]].concat()).expect(0);
    for word in ["5000 rows, 7 series", "bytes/row", "open", "q3"] {
        assert!(run.out.contains(word), "{}", run.out);
    }
    assert!(!run.out.contains("q3-cold"), "{}", run.out);
    let written = lines(&fs::read_to_string(&file).expect("a file"));
    let names: Vec<String> = written.iter().map(name).collect();
    assert_eq!(
        names,
        ["size 7 native  ", "open 7 native  ", "q3 7 native  "]
    );

    let kept = run
        .err
        .trim()
        .rsplit(' ')
        .next()
        .expect("a path")
        .to_owned();
    assert!(Path::new(&kept).starts_with(&stores), "{kept}");
    let store = Path::new(&kept).join("7-series-native");
    let count = ["query", &store.to_string_lossy(), "--index", "w1"];
    assert_eq!(sidx(&count).expect(0).out.lines().count(), 5_000);
}

#[test]
fn wrong_words_are_refused_before_anything_is_made() {
    let directory = tempfile::tempdir().expect("a directory");
    let stores = directory.path().join("stores");
    for (flags, code, part) in [
        (&["--figures", "q9"][..], 2, "\"q9\""),
        (&["--series", "0"][..], 2, "--series"),
        (&["--rounds", "0"][..], 2, "--rounds"),
        (&["--engine", "other"][..], 2, "other"),
        (&["--json", "--json-out", "x"][..], 2, "--json-out"),
        (&["--json-out", "no folder/x"][..], 3, "no folder"),
    ] {
        let run = bench(&stores, flags).expect(code);
        assert!(run.err.contains(part), "{}", run.err);
    }
    assert!(!stores.exists());
}
