//! The component on V8: transpiled by jco, run by Node, beside the native program.

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

use super::programs::{Program, Run, runtime};

/// Of `examples/node`: what maps a directory and passes words on.
const SCRIPT: &str = include_str!("../../../../examples/node/sidx.mjs");

/// Transpiles the component into a folder from which Node finds what jco needs.
fn transpile(jco: &Path, into: &Path) {
    let component = env::var_os("SIDX_WASM").expect("a component");
    let mut command = Command::new(jco.join("node_modules/.bin/jco"));
    command.arg("transpile").arg(component);
    command.args(["--name", "sidx", "--quiet", "-o"]).arg(into);
    let output = command.output().expect("jco starts");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    fs::write(into.join("sidx.mjs"), SCRIPT).expect("written");
}

#[test]
fn queries_and_checks_run_on_v8() {
    let (Some(runtime), Some(jco)) = (runtime(), jco()) else {
        return;
    };
    let transpiled = tempfile::tempdir_in(&jco).expect("a directory");
    transpile(&jco, transpiled.path());
    let directory = tempfile::tempdir().expect("a directory");
    let rows: String = (0..5_000)
        .map(|key| {
            let status = if key % 10 == 0 { 500 } else { 200 };
            format!("{{\"series\":\"a{}\",\"key\":{key},\"tags\":{{\"status\":{status}}},\"payload\":\"row {key}\"}}\n", key % 7)
        })
        .collect();
    let native =
        |words: &[&str], input: &str| Program::Native.run(runtime, directory.path(), words, input);
    let ingest = ["ingest", "data", "-", "--index", "i", "--format", "ndjson"];
    assert_eq!(native(&ingest, &rows).code, 0);
    assert_eq!(native(&["flush", "data", "--index", "i"], "").code, 0);
    let on_node = |words: &[&str]| {
        let mut command = Command::new("node");
        command.arg(transpiled.path().join("sidx.mjs"));
        command.arg(transpiled.path().join("sidx.js"));
        command.arg(directory.path().join("data")).args(words);
        let output = command.output().expect("node starts");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        Run {
            code: output.status.code().unwrap_or(-1),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    };
    for words in [
        ["query", "--where", "status = 500", "--format", "ndjson"].as_slice(),
        &[
            "query", "--limit", "20", "--order", "desc", "--format", "csv",
        ],
        &["query", "--order", "any", "--format", "ndjson"],
        &["query", "--count", "--where", "status = 500"],
        &["verify", "--format", "json"],
    ] {
        let line = |store: &str| {
            let mut line: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            line.splice(1..1, [store, "--index", "i"].map(str::to_owned));
            line
        };
        let (there, here) = (line("data"), line("/data"));
        let there: Vec<&str> = there.iter().map(String::as_str).collect();
        let here: Vec<&str> = here.iter().map(String::as_str).collect();
        let (told, expected) = (on_node(&here), native(&there, ""));
        assert_eq!(expected.code, 0, "{expected:?}");
        assert_eq!(told, expected, "{words:?}");
    }
    let missing = on_node(&["query", "/data", "--index", "none"]);
    assert_eq!((missing.code, missing.out.as_str()), (1, ""));
    assert!(missing.err.ends_with("sidx: exit code 3\n"), "{missing:?}");
}

/// Where jco is installed; none where it is not, which is told.
fn jco() -> Option<std::path::PathBuf> {
    let found = env::var_os("SIDX_JCO").filter(|value| !value.is_empty());
    if found.is_none() {
        let line = "SIDX_JCO does not name a folder with jco, as `.ci/jco` installs it";
        let is_required = env::var_os("SIDX_TEST_REQUIRED").is_some();
        assert!(!is_required, "SIDX_TEST_REQUIRED is set, and {line}");
        eprintln!("skipped: {line}");
    }
    found.map(Into::into)
}
