//! `sidx compile`: the machine code of the component, made ahead of time.

use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use serde_json::json;
use sidx_command::{Code, Console, Failure};

/// What needs explaining.
pub(crate) const HELP: &str = r#"Examples:
  sidx compile
  SIDX_CACHE_DIR=/var/cache/sidx sidx compile
  sidx compile --out sidx.cwasm

The first command on a machine compiles the engine's WebAssembly for its processor, which takes a second or
two, and keeps the machine code in the user's cache folder, or the one that SIDX_CACHE_DIR names. This does
it ahead of time, as when an image is made. --out writes it to a file too, for a program that has its own
Wasmtime of the same version and settings. Machine code is trusted like a program: let nobody change it."#;

/// `sidx compile`
#[derive(Args, Debug)]
pub(crate) struct CompileArguments {
    /// Write the machine code to a file
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

/// Compiles, and says where the code is in a JSON line.
pub(crate) fn run(arguments: &CompileArguments, console: &mut Console<'_>) -> Result<(), Failure> {
    let started = Instant::now();
    let code = sidx_host::compile()
        .map_err(|error| Failure::new(Code::of(error.kind()), error.message().to_owned(), ""))?;
    if let Some(out) = &arguments.out {
        fs::write(out, &code.bytes).map_err(|cause| {
            let text = format!("{} cannot be written: {cause}", out.display());
            Failure::new(Code::Other, text, "name another file with --out")
        })?;
    }
    let line = json!({
        "command": "compile",
        "bytes": code.bytes.len(),
        "kept": code.kept.as_ref().map(|path| path.display().to_string()),
        "out": arguments.out.as_ref().map(|path| path.display().to_string()),
        "elapsed_ms": u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
    });
    writeln!(console.out, "{line}").map_err(Failure::output)?;
    match (&code.kept, &arguments.out) {
        (None, None) => Err(Failure::new(
            Code::Other,
            "the machine code could not be kept",
            "name a folder of your own with SIDX_CACHE_DIR, or a file with --out",
        )),
        _ => Ok(()),
    }
}
