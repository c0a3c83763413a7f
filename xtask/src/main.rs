//! One command per development task: `cargo xtask TASK`.

mod composition;
mod coverage;
mod package;
mod tidy;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about = "Development tasks of sidx")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Check what the compiler does not: lengths of files and functions, names, reasons of dependencies,
    /// cycles between modules, the code map, floors of coverage
    Tidy,
    /// Build the component and print where it lies
    Component,
    /// Build the component that checks implementations of wit/storage, and print where it lies
    Conformance,
    /// Build the components, make one of them, and print where it lies
    Compose {
        /// Compile as for tests, in a fraction of the time
        #[arg(long)]
        quick: bool,
    },
    /// Put the components, their interfaces and checksums into one folder, and print where it lies
    Package {
        /// Compile as for tests, in a fraction of the time
        #[arg(long)]
        quick: bool,
    },
    /// Run all tests and print the line coverage of engine, kernels, host and command; fails below a floor
    Coverage,
}

fn main() -> ExitCode {
    if let Some(code) = coverage::stand_in() {
        return code;
    }
    let root = root();
    match Arguments::parse().task {
        Task::Tidy => {
            let faults = tidy::check(&root);
            for fault in &faults {
                println!("{fault}");
            }
            println!("tidy: {} fault(s)", faults.len());
            if faults.is_empty() {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Task::Component => component(&root, "sidx-host", "sidx.wasm"),
        Task::Conformance => component(&root, "sidx-tests", "storage-checks.wasm"),
        Task::Compose { quick } => print(package::make_whole(&root, effort(quick))),
        Task::Package { quick } => print(package::make(&root, effort(quick))),
        Task::Coverage => match coverage::run(&root) {
            Ok(coverage::Coverage { report, faults }) => {
                print!("{report}");
                for fault in &faults {
                    println!("{fault}");
                }
                if faults.is_empty() {
                    ExitCode::SUCCESS
                } else {
                    ExitCode::FAILURE
                }
            }
            Err(problem) => {
                println!("{problem:#}");
                ExitCode::FAILURE
            }
        },
    }
}

fn effort(quick: bool) -> package::Effort {
    match quick {
        true => package::Effort::Quick,
        false => package::Effort::Release,
    }
}

/// Prints where something lies that was made, or why it was not.
fn print(made: anyhow::Result<PathBuf>) -> ExitCode {
    match made {
        Ok(path) => {
            println!("{}", path.display());
            ExitCode::SUCCESS
        }
        Err(problem) => {
            println!("{problem:#}");
            ExitCode::FAILURE
        }
    }
}

/// The workspace that this task belongs to.
fn root() -> PathBuf {
    let mut path = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    path.pop();
    path
}

/// Builds a package whose build script makes a component, and finds the newest artefact.
fn component(root: &std::path::Path, package: &str, file: &str) -> ExitCode {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = std::process::Command::new(cargo)
        .current_dir(root)
        .args(["build", "--package", package, "--lib"])
        .status();
    if !status.is_ok_and(|status| status.success()) {
        return ExitCode::FAILURE;
    }
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let mut found: Vec<(std::time::SystemTime, PathBuf)> = Vec::new();
    for entry in std::fs::read_dir(target.join("debug/build"))
        .into_iter()
        .flatten()
        .flatten()
    {
        let path = entry.path().join("out").join(file);
        if let Ok(modified) = path.metadata().and_then(|metadata| metadata.modified()) {
            found.push((modified, path));
        }
    }
    found.sort();
    match found.pop() {
        Some((_, path)) => {
            println!("{}", path.display());
            ExitCode::SUCCESS
        }
        None => ExitCode::FAILURE,
    }
}
