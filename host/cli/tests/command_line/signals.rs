//! Inputs that pause, and signals that end them.

use std::os::unix::process::ExitStatusExt;
use std::process::ChildStdin;

use super::stops::rows_to_skip;
use super::*;

const SIGINT: i32 = 2;
const SIGTERM: i32 = 15;

/// What a pipe holds.
const PIPE_BYTES: usize = 64 << 10;

/// A load that reads what it is given.
struct Loading {
    child: Child,
    stdin: ChildStdin,
    out: BufReader<std::process::ChildStdout>,
}

impl Loading {
    fn start(place: &Place, flags: &[&str]) -> Loading {
        let fixed = ["ingest", &place.store, "-", "--index", "i", "--format"];
        Loading::of(command(&[&fixed[..], flags].concat()))
    }

    fn of(mut command: Command) -> Loading {
        let mut child = command.spawn().expect("sidx starts");
        let stdin = child.stdin.take().expect("a pipe");
        let out = BufReader::new(child.stdout.take().expect("a pipe"));
        Loading { child, stdin, out }
    }

    fn feed(&mut self, input: &str) {
        self.stdin.write_all(input.as_bytes()).expect("written");
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.out.read_line(&mut line).expect("readable");
        line
    }

    fn signal(&self, name: &str) {
        kill(&self.child, name);
    }

    /// Its end, with the input still open.
    fn end(mut self) -> Run {
        let mut out = String::new();
        self.out.read_to_string(&mut out).expect("UTF-8");
        let output = self.child.wait_with_output().expect("sidx ends");
        Run {
            code: output.status.code().expect("an exit code"),
            out,
            err: String::from_utf8(output.stderr).expect("UTF-8"),
        }
    }
}

fn kill(child: &Child, name: &str) {
    let killed = Command::new("kill")
        .args(["-s", name, &child.id().to_string()])
        .status();
    assert!(killed.expect("kill runs").success());
}

#[test]
fn rows_become_visible_while_the_input_pauses() {
    for (format, flags, header, line) in [
        ("ndjson", &[][..], "", row(1)),
        (
            "csv",
            &["--series", "s", "--key", "k"][..],
            "s,k\n",
            "A,1\n".to_owned(),
        ),
    ] {
        let place = Place::new();
        let flags = [&[format, "--ack"][..], flags].concat();
        let mut loading = Loading::start(&place, &flags);
        loading.feed(header);
        // Half of the next row is there as well, and belongs to a later batch.
        let half = line.len() / 2;
        loading.feed(&format!("{line}{}", &line[..half]));
        assert_eq!(loading.line(), "{\"acknowledged\": 1}\n");
        assert_eq!(place.keys(&[]), [1]);
        loading.feed(&line[half..]);
        assert_eq!(loading.line(), "{\"acknowledged\": 2}\n");
        let Loading { child, stdin, .. } = loading;
        drop(stdin);
        assert!(
            child
                .wait_with_output()
                .expect("sidx ends")
                .status
                .success()
        );
        assert_eq!(place.keys(&[]), [1, 1]);
    }
}

#[test]
fn a_signal_ends_the_input_and_keeps_what_was_read() {
    for (name, number, code) in [("TERM", SIGTERM, 143), ("INT", SIGINT, 130)] {
        // What these tests were started to ignore, as in the background of a shell, a load ignores too.
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        if has_signal(&status, "SigIgn:", number) == Some(true) {
            println!("skipped: SIG{name} is ignored here");
            continue;
        }
        let place = Place::new();
        let mut loading = Loading::start(&place, &["ndjson", "--ack", "--batch", "1000000"]);
        loading.feed(&row(0));
        assert_eq!(loading.line(), "{\"acknowledged\": 1}\n");
        let rows: String = (1..20_000).map(row).collect();
        loading.feed(&rows);
        loading.signal(name);
        let run = loading.end().expect(code);
        assert!(
            run.err.contains(&format!("ended by SIG{name}; ")),
            "{}",
            run.err
        );
        let ingested = run.last()["ingested"].as_u64().expect("a number");
        assert_eq!(rows_to_skip(&run), ingested.to_string());
        // All but what the pipe still held, and the read that it was in.
        let row_bytes = row(10_000).len();
        let held = (2 * PIPE_BYTES / row_bytes) as u64;
        assert!(ingested + held >= 20_000, "{ingested} rows");
        let keys: Vec<i64> = (0..ingested as i64).collect();
        assert_eq!(place.keys(&[]), keys);
        let all = row(0) + &rows;
        let skip = ingested.to_string();
        place
            .load(all.as_bytes(), &["--skip-rows", &skip])
            .expect(0);
        assert_eq!(place.keys(&[]), (0..20_000).collect::<Vec<i64>>());
    }
}

#[test]
fn half_a_row_is_none_when_a_signal_ends_the_input() {
    let place = Place::new();
    let flags = ["csv", "--series", "s", "--key", "k", "--ack"];
    let mut loading = Loading::start(&place, &flags);
    loading.feed("s,k\nA,1\nA,12");
    assert_eq!(loading.line(), "{\"acknowledged\": 1}\n");
    loading.signal("TERM");
    let run = loading.end().expect(143);
    assert!(run.err.contains("1 row is in, up to line 2"), "{}", run.err);
    assert_eq!(place.keys(&[]), [1]);
    // Before there is anything, nothing is in, and nothing is said of the input.
    let mut loading = Loading::start(&place, &flags);
    loading.feed("s,");
    while fs::read_to_string(format!("/proc/{}/status", loading.child.id()))
        .is_ok_and(|status| has_signal(&status, "SigCgt:", SIGTERM) == Some(false))
    {
        std::thread::yield_now();
    }
    loading.signal("TERM");
    let run = loading.end().expect(143);
    assert!(
        run.err.contains("ended by SIGTERM; no row is in"),
        "{}",
        run.err
    );
    assert_eq!(place.keys(&[]), [1]);
}

/// Whether a signal is in one of the sets of a process's status; none where the system does not tell.
fn has_signal(status: &str, set: &str, signal: i32) -> Option<bool> {
    let mask = status.lines().find_map(|line| line.strip_prefix(set))?;
    let mask = u64::from_str_radix(mask.trim(), 16).ok()?;
    Some(mask & (1 << (signal - 1)) != 0)
}

#[test]
fn a_signal_that_is_ignored_stays_ignored() {
    let place = Place::new();
    let mut shell = Command::new("sh");
    shell
        .args([
            "-c",
            "trap '' INT; exec \"$0\" ingest \"$1\" - --index i --format ndjson --ack",
        ])
        .args([env!("CARGO_BIN_EXE_sidx"), &place.store])
        .env("SIDX_CACHE_DIR", cache());
    shell
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut loading = Loading::of(shell);
    loading.feed(&row(0));
    assert_eq!(loading.line(), "{\"acknowledged\": 1}\n");
    if !Path::new("/proc/self/status").exists() {
        println!("skipped: the system does not tell what is ignored");
        let _ = loading.child.kill();
        return;
    }
    loading.signal("INT");
    loading.feed(&row(1));
    assert_eq!(loading.line(), "{\"acknowledged\": 2}\n");
    let Loading { child, stdin, .. } = loading;
    drop(stdin);
    assert!(
        child
            .wait_with_output()
            .expect("sidx ends")
            .status
            .success()
    );
}

#[test]
fn a_second_signal_ends_the_process() {
    let place = Place::new();
    let flags = ["ndjson", "--ack", "--batch", "1", "--durability", "os"];
    let Loading {
        mut child,
        mut stdin,
        mut out,
    } = Loading::start(&place, &flags);
    let feeding = std::thread::spawn(move || {
        // Nobody reads the acknowledgements, so the load comes to stand.
        for key in 0.. {
            if stdin.write_all(row(key).as_bytes()).is_err() {
                return;
            }
        }
    });
    let call = format!("/proc/{}/syscall", child.id());
    let stands = || fs::read_to_string(&call).map(|call| call.starts_with("1 0x1 "));
    while let Ok(false) = stands() {
        std::thread::yield_now();
    }
    if stands().is_err() || !cfg!(target_arch = "x86_64") {
        println!("skipped: the system does not tell when the load stands");
    } else {
        let ended = loop {
            if let Some(status) = child.try_wait().expect("its state") {
                break status;
            }
            kill(&child, "TERM");
        };
        assert_eq!(ended.signal(), Some(SIGTERM));
    }
    let _ = child.kill();
    let mut told = String::new();
    out.read_to_string(&mut told).expect("UTF-8");
    child.wait().expect("ended");
    feeding.join().expect("fed until the pipe broke");
    let acknowledged = told.lines().count();
    assert!(place.keys(&[]).len() >= acknowledged);
}
