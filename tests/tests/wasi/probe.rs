//! The command of `tests/storage-probe` over a directory, as a process of its own.

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::OnceLock;

/// The component: the command, the checks, and the store over WASI.
pub(super) const PROBE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/storage-probe.wasm"));

/// The name that the directory of a test has inside.
pub(super) const INSIDE: &str = "/data";

/// A way to run the probe over directories.
pub(super) struct Probe {
    wasmtime: PathBuf,
    /// Compiled once for all tests of this process.
    machine_code: PathBuf,
}

/// What a run printed, and whether it succeeded.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) is_good: bool,
    pub(super) lines: Vec<String>,
}

impl Probe {
    /// None, with a word about it, where there is no command and none is required.
    pub(super) fn new(what: &str) -> Option<Self> {
        let Some(wasmtime) = env::var_os("SIDX_WASMTIME").map(PathBuf::from) else {
            let line = format!(
                "skipped: {what}: no wasmtime command; set SIDX_WASMTIME=path, or run \
                 `eval \"$(.ci/wasmtime)\"` before\n"
            );
            let _ = std::io::stderr().write_all(line.as_bytes());
            let is_required = env::var_os("SIDX_TEST_REQUIRED").is_some();
            assert!(!is_required, "SIDX_TEST_REQUIRED is set, and {line}");
            return None;
        };
        static MACHINE_CODE: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
        let (_, machine_code) = MACHINE_CODE.get_or_init(|| {
            let folder = tempfile::tempdir().unwrap();
            let (component, compiled) = (
                folder.path().join("probe.wasm"),
                folder.path().join("probe.cwasm"),
            );
            std::fs::write(&component, PROBE).unwrap();
            let mut compile = Command::new(&wasmtime);
            compile
                .arg("compile")
                .arg("-o")
                .arg(&compiled)
                .arg(&component);
            assert!(compile.status().unwrap().success());
            allow_all(folder.path());
            (folder, compiled)
        });
        Some(Self {
            wasmtime,
            machine_code: machine_code.clone(),
        })
    }

    /// The command with a directory mapped as [`INSIDE`].
    pub(super) fn command(&self, directory: &Path, words: &[&str]) -> Command {
        let mapping = format!("{}::{INSIDE}", directory.display());
        self.command_with(&["--dir", &mapping], words)
    }

    /// The command with any options of `wasmtime run`.
    pub(super) fn command_with(&self, options: &[&str], words: &[&str]) -> Command {
        let mut command = Command::new(&self.wasmtime);
        command
            .args(["run", "-C", "cache=n", "--allow-precompiled"])
            .args(options)
            .arg(&self.machine_code)
            .args(words);
        command
    }

    /// Makes single calls in a directory.
    pub(super) fn calls(&self, directory: &Path, steps: &[&str]) -> Said {
        said(&mut self.command(directory, &words(steps)))
    }

    /// Makes single calls that must all succeed; returns what each of them said.
    pub(super) fn succeeds(&self, directory: &Path, steps: &[&str]) -> Vec<String> {
        let said = self.calls(directory, steps);
        assert!(said.is_good, "{steps:?}: {said:?}");
        // That of opening the store.
        said.lines[1..].to_vec()
    }

    /// Makes single calls, up to one that is `wait`.
    pub(super) fn waiting(&self, directory: &Path, steps: &[&str]) -> Waiting {
        let mut child = self
            .command(directory, &words(steps))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let mut waiting = Waiting {
            child,
            stdout,
            lines: Vec::new(),
        };
        while waiting.lines.last().is_none_or(|line| line != "waiting") {
            let line = waiting.next_line();
            waiting.lines.push(line.expect("it waits at some time"));
        }
        waiting
    }
}

fn words<'a>(steps: &[&'a str]) -> Vec<&'a str> {
    [&[INSIDE, "do", "create"], steps].concat()
}

/// Runs a command to its end.
pub(super) fn said(command: &mut Command) -> Said {
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(!errors.contains("wasm trap"), "{errors}");
    Said {
        is_good: output.status.success(),
        lines: text.lines().map(str::to_owned).collect(),
    }
}

/// A process in the middle of its calls.
pub(super) struct Waiting {
    child: Child,
    stdout: BufReader<ChildStdout>,
    lines: Vec<String>,
}

impl Waiting {
    fn next_line(&mut self) -> Option<String> {
        let mut line = String::new();
        let count = self.stdout.read_line(&mut line).unwrap();
        (count > 0).then(|| line.trim_end().to_owned())
    }

    /// Lets it go on, and returns what it said from then on.
    pub(super) fn goes_on(mut self) -> Vec<String> {
        self.child.stdin.take().unwrap().write_all(b"\n").unwrap();
        let mut lines = Vec::new();
        while let Some(line) = self.next_line() {
            lines.push(line);
        }
        self.child.wait().unwrap();
        assert_eq!(lines[0], "goes on");
        lines[1..].to_vec()
    }

    /// Kills it, as an operating system does that needs memory.
    pub(super) fn dies(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// Lets every user read a directory, and nobody but its owner write there.
pub(super) fn allow_all(directory: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(directory, mode).unwrap();
}
