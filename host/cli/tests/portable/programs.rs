//! The two programs, and what a run of either comes to.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use tempfile::TempDir;

/// Which program runs a command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Program {
    Native,
    Portable,
}

/// What a run came to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// The command `wasmtime`, and the component as machine code for it.
pub(crate) struct Runtime {
    pub(crate) wasmtime: OsString,
    pub(crate) component: PathBuf,
    _directory: TempDir,
}

/// The runtime; none where there is none, which is told.
pub(crate) fn runtime() -> Option<&'static Runtime> {
    static RUNTIME: OnceLock<Option<Runtime>> = OnceLock::new();
    RUNTIME.get_or_init(find).as_ref()
}

fn find() -> Option<Runtime> {
    let of = |name: &str| env::var_os(name).filter(|value| !value.is_empty());
    let (Some(wasmtime), Some(component)) = (of("SIDX_WASMTIME"), of("SIDX_WASM")) else {
        let line = "SIDX_WASMTIME and SIDX_WASM do not name the command and the component";
        let is_required = env::var_os("SIDX_TEST_REQUIRED").is_some();
        assert!(!is_required, "SIDX_TEST_REQUIRED is set, and {line}");
        eprintln!("skipped: {line}");
        return None;
    };
    let directory = tempfile::tempdir().expect("a directory");
    let compiled = directory.path().join("sidx.cwasm");
    let status = Command::new(&wasmtime)
        .arg("compile")
        .arg("-o")
        .args([compiled.as_os_str(), component.as_os_str()])
        .status();
    assert!(status.expect("wasmtime starts").success());
    Some(Runtime {
        wasmtime,
        component: compiled,
        _directory: directory,
    })
}

impl Program {
    /// A command that runs a command line in a directory.
    pub(crate) fn command(self, runtime: &Runtime, directory: &Path, words: &[&str]) -> Command {
        let mut command = match self {
            Program::Native => Command::new(env!("CARGO_BIN_EXE_sidx")),
            Program::Portable => {
                let mut command = Command::new(&runtime.wasmtime);
                command.args([
                    "run",
                    "--allow-precompiled",
                    "--dir",
                    ".",
                    "--argv0",
                    "sidx",
                ]);
                command.arg(&runtime.component);
                command
            }
        };
        command.current_dir(directory).args(words);
        command
    }

    /// Runs a command line in a directory, with some input.
    pub(crate) fn run(
        self,
        runtime: &Runtime,
        directory: &Path,
        words: &[&str],
        input: &str,
    ) -> Run {
        let mut child = self
            .command(runtime, directory, words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut stdin = child.stdin.take().expect("its input");
        // A command that reads nothing may have ended.
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        let output = child.wait_with_output().expect("it ends");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        Run {
            code: output.status.code().unwrap_or(-1),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }
}

/// All files below a directory with their sizes, in order.
pub(crate) fn files(directory: &Path) -> Vec<(String, u64)> {
    let mut found = Vec::new();
    let mut folders = vec![directory.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let metadata = fs::symlink_metadata(&path).expect("metadata");
            if metadata.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(directory).expect("below");
                found.push((name.display().to_string(), metadata.len()));
            }
        }
    }
    found.sort();
    found
}
