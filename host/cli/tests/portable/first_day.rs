//! The walk-through of docs/operations.md with the portable program, where a script gives back the exit codes
//! that it tells. What it does not do, the native one does.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::day;
use super::programs::runtime;

#[test]
fn the_first_day_goes_as_written_with_the_portable_program() {
    let Some(runtime) = runtime() else {
        return;
    };
    let directory = tempfile::tempdir().expect("a directory");
    let script = format!(
        "#!/bin/sh\n\
         case $1 in backup) exec '{native}' \"$@\" ;; esac\n\
         told=$(mktemp -p '{folder}')\n\
         '{wasmtime}' run --allow-precompiled --dir . --argv0 sidx '{component}' \"$@\" 2>\"$told\"\n\
         code=$?\n\
         grep -v '^sidx: exit code ' \"$told\" >&2\n\
         last=$(sed -n 's/^sidx: exit code //p' \"$told\")\n\
         exit ${{last:-$code}}\n",
        native = env!("CARGO_BIN_EXE_sidx"),
        folder = directory.path().display(),
        wasmtime = runtime.wasmtime.to_string_lossy(),
        component = runtime.component.display(),
    );
    let program = directory.path().join("sidx");
    fs::write(&program, script).expect("written");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("allowed");
    day::goes_as_written(directory.path(), &directory.path().join("cache"));
}
