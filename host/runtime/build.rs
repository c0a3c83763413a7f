//! Builds the component that the library embeds, or takes the finished one that `SIDX_COMPONENT_WASM`
//! names, for hosts without the target.

#[path = "build/component.rs"]
mod component;

use std::env;
use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use component::PREBUILT;

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
    let prebuilt = env::var_os(PREBUILT).filter(|path| !path.is_empty());
    let unwritable = "cannot write to stdout";
    let mut stdout = io::stdout();
    writeln!(stdout, "cargo::rerun-if-env-changed={PREBUILT}").context(unwritable)?;
    let wasm = match prebuilt {
        Some(path) => {
            let path = Path::new(&path);
            let shown = path.display();
            writeln!(stdout, "cargo::rerun-if-changed={shown}").context(unwritable)?;
            component::read(path)?
        }
        None => component::component("sidx-component", &["guest/component"])?,
    };
    let path = component::variable("OUT_DIR")?.join("sidx.wasm");
    fs::write(&path, wasm).with_context(|| format!("cannot write {}", path.display()))
}
