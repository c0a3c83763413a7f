//! The reports of `stats` and `--explain`: what both programs can tell is told alike.

use serde_json::Value;

use super::programs::{Program, runtime};

/// What the two cannot have alike: the medium, which WASI does not tell of, instances, of which the portable
/// program has one, and what pins of readers take. Times and what caches did differ from run to run.
const DIFFERENT: [&str; 9] = [
    "/health/medium/free_bytes",
    "/health/medium/free_files",
    "/health/medium/minimum_bytes",
    "/health/instances/free",
    "/health/instances/idle",
    "/health/instances/idle_memory_bytes",
    "/health/disk/used_bytes",
    "/health/counters/bytes_written",
    "/host",
];

#[test]
fn reports_have_the_same_members_in_the_same_order() {
    let Some(runtime) = runtime() else {
        return;
    };
    let directory = tempfile::tempdir().expect("a directory");
    let rows: String = (0..1000)
        .map(|key| format!("{{\"series\":\"a\",\"key\":{key},\"tags\":{{\"n\":{key}}}}}\n"))
        .collect();
    let ingest = ["ingest", "s", "-", "--index", "i", "--format", "ndjson"];
    let loaded = Program::Portable.run(runtime, directory.path(), &ingest, &rows);
    assert_eq!(loaded.code, 0, "{loaded:?}");
    let stats = ["stats", "s", "--index", "i", "--format", "json"];
    let explain = [
        "query",
        "s",
        "--index",
        "i",
        "--where",
        "n = 7",
        "--explain",
        "--limit",
        "1",
    ];
    for (words, of) in [(&stats[..], 0), (&explain[..], 1)] {
        let [native, portable] = [Program::Native, Program::Portable].map(|program| {
            let run = program.run(runtime, directory.path(), words, "");
            assert_eq!(run.code, 0, "{run:?}");
            let text = if of == 0 { run.out } else { run.err };
            members(&serde_json::from_str(&text).expect("JSON"), "")
        });
        let names = |members: &[(String, Value)]| -> Vec<String> {
            members.iter().map(|(name, _)| name.clone()).collect()
        };
        assert_eq!(names(&native), names(&portable));
        for ((name, native), (_, portable)) in native.iter().zip(&portable) {
            if !DIFFERENT.iter().any(|known| name.starts_with(known)) {
                assert_eq!(native, portable, "{name}");
            }
        }
    }
}

/// What is in a report by where it is, in order.
fn members(report: &Value, at: &str) -> Vec<(String, Value)> {
    match report {
        Value::Object(object) if !object.is_empty() => {
            let each = object.iter();
            let each = each.flat_map(|(name, value)| members(value, &format!("{at}/{name}")));
            each.collect()
        }
        value => vec![(at.to_owned(), value.clone())],
    }
}
