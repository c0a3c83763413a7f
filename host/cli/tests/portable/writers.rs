//! Two programs at one index at the same time. There is no lock that the portable one could take or test: who
//! opens an index for writing takes it over, and the one before finds out before it acknowledges more.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Stdio};

use super::programs::{Program, Run, Runtime, runtime};

const LOAD: [&str; 9] = [
    "ingest", "s", "-", "--index", "i", "--format", "ndjson", "--batch", "1",
];

/// A load that waits for more rows.
fn begin(program: Program, runtime: &Runtime, directory: &std::path::Path) -> Child {
    let mut command = program.command(runtime, directory, &LOAD);
    command.arg("--ack");
    let child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    child.expect("it starts")
}

fn count(program: Program, runtime: &Runtime, directory: &std::path::Path) -> Run {
    program.run(
        runtime,
        directory,
        &["query", "s", "--index", "i", "--count"],
        "",
    )
}

#[test]
fn who_was_taken_over_acknowledges_nothing_more() {
    let Some(runtime) = runtime() else {
        return;
    };
    for (first, second) in [
        (Program::Native, Program::Portable),
        (Program::Portable, Program::Portable),
    ] {
        let directory = tempfile::tempdir().expect("a directory");
        let directory = directory.path();
        let mut child = begin(first, runtime, directory);
        let mut stdin = child.stdin.take().expect("its input");
        let mut stdout = BufReader::new(child.stdout.take().expect("its output"));
        writeln!(stdin, "{{\"series\":\"a\",\"key\":1}}").expect("it reads");
        // The reader of the portable program waits until it has a line behind the one it has read.
        stdin.flush().expect("it reads");
        let mut line = String::new();
        stdout.read_line(&mut line).expect("a line");
        assert_eq!(line, "{\"acknowledged\": 1}\n");
        let seen = count(second, runtime, directory);
        assert_eq!((seen.code, seen.out.trim()), (0, "1"), "{seen:?}");
        let row = "{\"series\":\"b\",\"key\":2}\n";
        let taken = second.run(runtime, directory, &LOAD, row);
        assert_eq!(taken.code, 0, "{taken:?}");
        writeln!(stdin, "{{\"series\":\"a\",\"key\":3}}").expect("it reads");
        drop(stdin);
        let mut rest = String::new();
        stdout.read_to_string(&mut rest).expect("the rest");
        let mut told = String::new();
        let stderr = child.stderr.as_mut().expect("its errors");
        stderr.read_to_string(&mut told).expect("what it tells");
        let status = child.wait().expect("it ends");
        assert!(
            !status.success() && !rest.contains("acknowledged"),
            "{rest} {told}"
        );
        let is_told = told.contains("exit code 4") || status.code() == Some(4);
        assert!(is_told, "{status} {told}");
        for program in [Program::Native, Program::Portable] {
            let counted = count(program, runtime, directory);
            assert_eq!((counted.code, counted.out.trim()), (0, "2"), "{counted:?}");
        }
    }
}
