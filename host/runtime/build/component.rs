//! Building the component, for the build scripts of the crates that carry one.
//!
//! A nested cargo compiles `guest/component` for `wasm32-unknown-unknown` with settings of its own, so
//! that the component is the same whatever profile the host is built with, and `wit-component` wraps the
//! module.

use std::env;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the guest is compiled for.
pub(crate) const TARGET: &str = "wasm32-unknown-unknown";

/// Names a finished component to be taken, for hosts without the target.
pub(crate) const PREBUILT: &str = "SIDX_COMPONENT_WASM";

/// Which component is built.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Build {
    /// The one that is shipped.
    Shipped,
    /// The one that misbehaves on demand, for tests. Its speed is of no interest.
    Hostile,
}

impl Build {
    /// The package, and the name of its module.
    fn package(self) -> (&'static str, &'static str) {
        match self {
            Self::Shipped => ("sidx-component", "sidx_component.wasm"),
            Self::Hostile => ("sidx-hostile", "sidx_hostile.wasm"),
        }
    }
}

/// Builds the component in cargo's output folder and returns its bytes.
pub(crate) fn component(build: Build) -> Result<Vec<u8>, String> {
    let workspace = workspace()?;
    let out = variable("OUT_DIR")?;
    announce_inputs(&workspace, build)
        .map_err(|error| format!("cannot write to stdout: {error}"))?;
    wrap(&read(&build_module(&workspace, &out, build)?)?)
}

/// The folder of the workspace: the one above the crate that has the boundary.
pub(crate) fn workspace() -> Result<PathBuf, String> {
    let package = variable("CARGO_MANIFEST_DIR")?;
    let mut above = package.ancestors();
    above
        .find(|folder| folder.join("wit").is_dir())
        .map(Path::to_path_buf)
        .ok_or_else(|| format!("no folder above {} has wit/", package.display()))
}

/// A variable that cargo sets for build scripts.
pub(crate) fn variable(name: &str) -> Result<PathBuf, String> {
    env::var_os(name)
        .map(PathBuf::from)
        .ok_or_else(|| format!("cargo did not set {name}"))
}

/// The bytes of a file.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()))
}

/// Tells cargo what the component depends on.
fn announce_inputs(workspace: &Path, build: Build) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    let inputs = [
        "guest/columns/src",
        "guest/columns/Cargo.toml",
        "guest/kernels/src",
        "guest/kernels/Cargo.toml",
        "guest/executor/src",
        "guest/executor/Cargo.toml",
        "guest/engine/src",
        "guest/engine/Cargo.toml",
        "guest/component/src",
        "guest/component/Cargo.toml",
        "wit/engine",
        "Cargo.toml",
        "Cargo.lock",
    ];
    let hostile = (build == Build::Hostile).then_some("tests/hostile");
    for input in inputs.into_iter().chain(hostile) {
        writeln!(
            stdout,
            "cargo::rerun-if-changed={}",
            workspace.join(input).display()
        )?;
    }
    Ok(())
}

/// Compiles the guest and returns the path of its core module.
fn build_module(workspace: &Path, out: &Path, build: Build) -> Result<PathBuf, String> {
    let target_dir = out.join("guest");
    let first = compile(workspace, &target_dir, build)?;
    if !first.success {
        if !first.target_is_missing {
            return Err(format!("building the component failed:\n{}", first.stderr));
        }
        install_target()?;
        let second = compile(workspace, &target_dir, build)?;
        if !second.success {
            return Err(format!("building the component failed:\n{}", second.stderr));
        }
    }
    Ok(target_dir
        .join(TARGET)
        .join("release")
        .join(build.package().1))
}

struct Compilation {
    success: bool,
    target_is_missing: bool,
    stderr: String,
}

fn compile(workspace: &Path, target_dir: &Path, build: Build) -> Result<Compilation, String> {
    let mut command = guest_cargo(workspace, target_dir, build.package().0);
    for (name, value) in settings(build) {
        command.env(name, value);
    }
    let output = command
        .output()
        .map_err(|error| format!("cannot start cargo: {error}"))?;
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    Ok(Compilation {
        success: output.status.success(),
        target_is_missing: stderr.contains("can't find crate for `core`")
            || stderr.contains("can't find crate for `std`"),
        stderr,
    })
}

/// A nested cargo that builds a package for the guest's target, in a clean environment.
pub(crate) fn guest_cargo(workspace: &Path, target_dir: &Path, package: &str) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        .current_dir(workspace)
        .args(["build", "--release", "--locked", "--package", package])
        .args(["--target", TARGET, "--target-dir"])
        .arg(target_dir);
    // What the outer cargo or the user set for the host must not reach the guest: flags for another
    // machine, clippy in place of the compiler, another output folder.
    for name in [
        "CARGO_ENCODED_RUSTFLAGS",
        "CARGO_BUILD_TARGET",
        "CARGO_BUILD_RUSTFLAGS",
        "CARGO_TARGET_DIR",
        "CARGO_BUILD_TARGET_DIR",
        "RUSTC_WORKSPACE_WRAPPER",
        "CLIPPY_ARGS",
        "RUSTDOCFLAGS",
    ] {
        command.env_remove(name);
    }
    command
}

/// How the compiler is set, the profile included.
fn settings(build: Build) -> Vec<(&'static str, &'static str)> {
    let mut settings = vec![
        ("RUSTFLAGS", "-C target-feature=+simd128"),
        ("CARGO_PROFILE_RELEASE_PANIC", "abort"),
        ("CARGO_PROFILE_RELEASE_STRIP", "debuginfo"),
        ("CARGO_PROFILE_RELEASE_DEBUG", "false"),
    ];
    let level = if build == Build::Shipped { "3" } else { "1" };
    settings.push(("CARGO_PROFILE_RELEASE_OPT_LEVEL", level));
    let is_release = env::var("PROFILE").as_deref() == Ok("release");
    // Released components are as fast as can be; in development a change must not cost half a minute.
    settings.extend(if is_release && build == Build::Shipped {
        [
            ("CARGO_PROFILE_RELEASE_LTO", "fat"),
            ("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "1"),
            ("CARGO_PROFILE_RELEASE_INCREMENTAL", "false"),
        ]
    } else {
        [
            ("CARGO_PROFILE_RELEASE_LTO", "off"),
            ("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16"),
            ("CARGO_PROFILE_RELEASE_INCREMENTAL", "true"),
        ]
    });
    settings
}

/// Asks rustup for the target. Without rustup, or without a network, says what to do.
fn install_target() -> Result<(), String> {
    let added = Command::new("rustup")
        .args(["target", "add", TARGET])
        .output();
    if added.is_ok_and(|output| output.status.success()) {
        return Ok(());
    }
    Err(format!(
        "sidx-host embeds a WebAssembly component, and the Rust target {TARGET} is not installed.\n\
         Run `rustup target add {TARGET}` (or install your distribution's rust-std for {TARGET}) and \
         build again,\nor set {PREBUILT} to a component that was built elsewhere."
    ))
}

/// Makes a component of the core module.
pub(crate) fn wrap(module: &[u8]) -> Result<Vec<u8>, String> {
    let mut encoder = wit_component::ComponentEncoder::default();
    let encoder = encoder
        .module(module)
        .map_err(|error| format!("the guest's module carries no usable interface: {error:#}"))?;
    encoder
        .validate(true)
        .encode()
        .map_err(|error| format!("the guest's module does not make a component: {error:#}"))
}
