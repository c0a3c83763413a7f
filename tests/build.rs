//! Builds what the tests run inside WebAssembly: the component that misbehaves on demand, for
//! `tests/isolation.rs`, the one with a further facet, for `tests/facets.rs`, the checks of the kernels and
//! the executors, for `tests/kernels.rs` and `tests/executor.rs`, the conformance component of
//! `wit/storage`, for `tests/storage.rs`, and that composed with a command and with `guest/filesystem`, for
//! `tests/wasi.rs`; adapter and engine, for `tests/adapter.rs`.

#[path = "../host/runtime/build/component.rs"]
mod component;
#[path = "../xtask/src/composition.rs"]
mod composition;

use std::env;
use std::fs;
use std::io::{self, Write};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};
use component::PREBUILT;
use composition::{Piece, compose};

/// Without the vector instructions that the component has: with what every host has.
const PLAIN: &str = "";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to try when even stderr is closed.
            let _ = writeln!(io::stderr(), "\n{error:#}\n");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    // Where the shipped component cannot be built, these cannot be either; their tests will say so.
    let is_prebuilt = env::var_os(PREBUILT).is_some_and(|path| !path.is_empty());
    let made = |make: &dyn Fn() -> Result<Vec<u8>>| match is_prebuilt {
        true => Ok(Vec::new()),
        false => make(),
    };
    // The component comes first: it installs the target where it is missing.
    write(
        "misbehaving.wasm",
        &made(&|| component::component("sidx-hostile", &["guest/component", "tests/hostile"]))?,
    )?;
    write(
        "latest.wasm",
        &made(&|| {
            let folders = ["guest/component", "tests/latest", "tests/latest-wasm"];
            component::component("sidx-latest-wasm", &folders)
        })?,
    )?;
    for name in ["kernels", "executor"] {
        let checks = made(&|| module(&format!("tests/{name}-wasm"), None))?;
        write(&format!("{name}.wasm"), &checks)?;
    }
    let checks = made(&|| component::wrap(&module("tests/storage-checks", Some(PLAIN))?))?;
    write("storage-checks.wasm", &checks)?;
    write(
        "engine.wasm",
        &made(&|| component::component("sidx-component", &["guest/component"]))?,
    )?;
    write(
        "adapter.wasm",
        &made(&|| {
            if !has_clang() {
                let text = "the adapter needs clang for WebAssembly, and is left out";
                writeln!(io::stdout(), "cargo::warning={text}")
                    .context("cannot write to stdout")?;
                return Ok(Vec::new());
            }
            let folders = [
                "guest/adapter",
                "guest/session",
                "wit/storage",
                "wit/adapter",
            ];
            component::component("sidx-adapter", &folders)
        })?,
    )?;
    write("storage-probe.wasm", &made(&|| probe(&checks))?)
}

/// A command that checks and calls a store in a directory that a runtime maps.
fn probe(checks: &[u8]) -> Result<Vec<u8>> {
    for folder in ["host/stores/src", "wit/filesystem", "wit/storage"] {
        announce(folder)?;
    }
    let filesystem = component::wrap(&module("guest/filesystem", None)?)?;
    let program = component::wrap(&module("tests/storage-probe", Some(PLAIN))?)?;
    let piece = |name, bytes| Piece { name, bytes };
    compose(&[
        piece("filesystem", &filesystem),
        piece("storage-checks", checks),
        piece("storage-probe", &program),
    ])
}

/// Has this script run again when something in a folder changes.
fn announce(folder: &str) -> Result<()> {
    let folder = component::workspace()?.join(folder);
    writeln!(io::stdout(), "cargo::rerun-if-changed={}", folder.display())
        .context("cannot write to stdout")
}

/// Whether there is a compiler that makes WebAssembly of C.
fn has_clang() -> bool {
    let targets = Command::new("clang").arg("--print-targets").output();
    targets.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains("wasm32"))
}

fn write(name: &str, bytes: &[u8]) -> Result<()> {
    let path = component::variable("OUT_DIR")?.join(name);
    fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))
}

/// The module of a folder, whose package is named after it; with other flags than the component's.
fn module(folder: &str, flags: Option<&str>) -> Result<Vec<u8>> {
    let workspace = component::workspace()?;
    announce(folder)?;
    let (_, name) = folder.rsplit_once('/').unwrap_or(("", folder));
    let package = format!("sidx-{name}");
    let mut cargo = component::guest_cargo(&workspace, &package)?;
    cargo.envs(flags.map(|flags| ("RUSTFLAGS", flags)));
    let output = cargo.output().context("cannot start cargo")?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        bail!("building {folder} failed:\n{stderr}");
    }
    component::read(&component::module_path(&package)?)
}
