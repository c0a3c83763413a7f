//! Builds the component that the library embeds, or takes the finished one that `SIDX_COMPONENT_WASM`
//! names, for hosts without the target.

#[path = "build/component.rs"]
mod component;

use std::env;
use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use component::PREBUILT;

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
    let prebuilt = env::var_os(PREBUILT).filter(|path| !path.is_empty());
    let unwritable = |error: io::Error| format!("cannot write to stdout: {error}");
    let mut stdout = io::stdout();
    writeln!(stdout, "cargo::rerun-if-env-changed={PREBUILT}").map_err(unwritable)?;
    let wasm = match prebuilt {
        Some(path) => {
            let path = Path::new(&path);
            let shown = path.display();
            writeln!(stdout, "cargo::rerun-if-changed={shown}").map_err(unwritable)?;
            component::read(path)?
        }
        None => component::component("sidx-component", &["guest/component"])?,
    };
    let path = component::variable("OUT_DIR")?.join("sidx.wasm");
    fs::write(&path, wasm).map_err(|error| format!("cannot write {}: {error}", path.display()))
}
