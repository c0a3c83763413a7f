//! Ends in the midst of a load: nothing that was acknowledged is lost, whoever opens the index next.

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

use super::programs::{Program, runtime};

/// Rows sent, of which some are acknowledged.
const ROWS: u64 = 400;

#[test]
fn what_a_killed_load_acknowledged_is_there_for_both() {
    let Some(runtime) = runtime() else {
        return;
    };
    for (killed, next) in [
        (Program::Portable, Program::Native),
        (Program::Native, Program::Portable),
        (Program::Portable, Program::Portable),
    ] {
        let directory = tempfile::tempdir().expect("a directory");
        let words = [
            "ingest", "s", "-", "--index", "i", "--format", "ndjson", "--batch", "10", "--ack",
        ];
        let mut child = killed
            .command(runtime, directory.path(), &words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut stdin = child.stdin.take().expect("its input");
        let stdout = child.stdout.take().expect("its output");
        let mut acknowledged = 0;
        for key in 0..ROWS {
            writeln!(stdin, "{{\"series\":\"a\",\"key\":{key}}}").expect("it reads");
        }
        stdin.flush().expect("it reads");
        for line in BufReader::new(stdout).lines() {
            let line = line.expect("a line");
            let rows = line.strip_prefix("{\"acknowledged\": ");
            let rows = rows.and_then(|rest| rest.strip_suffix('}'));
            acknowledged = rows.expect("rows").parse().expect("a number");
            if acknowledged >= ROWS / 2 {
                break;
            }
        }
        child.kill().expect("killed");
        child.wait().expect("it ends");
        drop(stdin);
        let count = ["query", "s", "--index", "i", "--count"];
        let counted = next.run(runtime, directory.path(), &count, "");
        let rows: u64 = counted.out.trim().parse().expect("a number");
        assert!(
            rows >= acknowledged,
            "{killed:?}: {rows} of {acknowledged}, {counted:?}"
        );
        let more = next.run(
            runtime,
            directory.path(),
            &words,
            "{\"series\":\"a\",\"key\":-1}\n",
        );
        assert_eq!(more.code, 0, "{more:?}");
        let again = killed.run(runtime, directory.path(), &count, "");
        assert_eq!(again.out.trim(), (rows + 1).to_string(), "{again:?}");
        let sound = next.run(
            runtime,
            directory.path(),
            &["verify", "s", "--index", "i"],
            "",
        );
        assert_eq!(sound.code, 0, "{sound:?}");
    }
}
