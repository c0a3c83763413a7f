//! Exit codes, of which the interfaces of WASI that every runtime has know success and failure.

use super::programs::{Program, runtime};

#[test]
fn a_code_that_cannot_be_passed_on_is_told_last() {
    let Some(runtime) = runtime() else {
        return;
    };
    let directory = tempfile::tempdir().expect("a directory");
    let run = |words: &[&str]| Program::Portable.run(runtime, directory.path(), words, "");
    let missing = run(&["query", "s", "--index", "i"]);
    let told =
        "sidx: there is no store at s; check STORE; `sidx ingest` makes one\nsidx: exit code 3\n";
    assert_eq!((missing.code, missing.err.as_str()), (1, told));
    let wrong = run(&["query"]);
    assert_eq!(
        (wrong.code, wrong.err.lines().last()),
        (1, Some("sidx: exit code 2"))
    );
    let right = run(&["--version"]);
    assert_eq!((right.code, right.err.as_str()), (0, ""));
}

#[test]
fn what_only_the_native_program_does_is_told() {
    let Some(runtime) = runtime() else {
        return;
    };
    let directory = tempfile::tempdir().expect("a directory");
    let run = |words: &[&str], input: &str| {
        Program::Portable.run(runtime, directory.path(), words, input)
    };
    let row = "{\"series\":\"a\",\"key\":1}\n";
    let ingest = ["ingest", "s", "-", "--index", "i", "--format", "ndjson"];
    assert_eq!(run(&ingest, row).code, 0);
    for words in [
        ["backup", "s", "--index", "i", "t"].as_slice(),
        &["copy", "s", "t", "--index", "i"],
        &["query", "s3://bucket/prefix", "--index", "i"],
    ] {
        let refused = run(words, "");
        assert_eq!(refused.code, 1, "{refused:?}");
        assert!(refused.err.contains("the native command"), "{refused:?}");
        assert!(refused.err.ends_with("sidx: exit code 2\n"), "{refused:?}");
    }
    assert!(!directory.path().join("t").exists());
}
