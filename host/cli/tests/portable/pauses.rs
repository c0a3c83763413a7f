//! An input that pauses: the rows that came are written, and acknowledged, though there may be more.

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

use super::programs::{Program, runtime};

#[test]
fn rows_do_not_wait_for_others_that_do_not_come() {
    let Some(runtime) = runtime() else {
        return;
    };
    for program in [Program::Native, Program::Portable] {
        let directory = tempfile::tempdir().expect("a directory");
        let words = [
            "ingest", "s", "-", "--index", "i", "--format", "ndjson", "--ack",
        ];
        let mut command = program.command(runtime, directory.path(), &words);
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = child.expect("it starts");
        let mut stdin = child.stdin.take().expect("its input");
        let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        for rows in 1..=2 {
            writeln!(stdin, "{{\"series\":\"a\",\"key\":{rows}}}").expect("it reads");
            stdin.flush().expect("it reads");
            let line = lines.next().expect("a line").expect("text");
            assert_eq!(line, format!("{{\"acknowledged\": {rows}}}"), "{program:?}");
        }
        drop(stdin);
        let last = lines.next().expect("a line").expect("text");
        assert!(
            last.starts_with("{\"ingested\": 2, "),
            "{program:?}: {last}"
        );
        assert!(child.wait().expect("it ends").success());
    }
}
