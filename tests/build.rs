//! Builds the component that misbehaves on demand, for `tests/isolation.rs`.

#[path = "../host/build/component.rs"]
mod component;

use std::env;
use std::fs;
use std::io::{self, Write};
use std::process::ExitCode;

use component::{Build, PREBUILT};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            // Nothing is left to try when even stderr is closed.
            let _ = writeln!(io::stderr(), "\n{message}\n");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    // Where the shipped component cannot be built, this one cannot be either; its tests will say so.
    let wasm = match env::var_os(PREBUILT).filter(|path| !path.is_empty()) {
        Some(_) => Vec::new(),
        None => component::component(Build::Misbehaving)?,
    };
    let path = component::variable("OUT_DIR")?.join("misbehaving.wasm");
    fs::write(&path, wasm).map_err(|error| format!("cannot write {}: {error}", path.display()))
}
