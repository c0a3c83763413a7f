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

use anyhow::{Context, Result, bail};

/// What the guest is compiled for.
pub(crate) const TARGET: &str = "wasm32-unknown-unknown";

/// With the vector instructions that the component may use.
const VECTORS: &str = "-C target-feature=+simd128";

/// Names a finished component to be taken, for hosts without the target.
pub(crate) const PREBUILT: &str = "SIDX_COMPONENT_WASM";

/// Builds the component of a package, made of the engine and of other folders, and returns its bytes.
pub(crate) fn component(package: &str, folders: &[&str]) -> Result<Vec<u8>> {
    let workspace = workspace()?;
    announce_inputs(&workspace, folders).context("cannot write to stdout")?;
    wrap(&read(&build_module(&workspace, package)?)?)
}

/// The target folder of nested cargos, beside cargo's own `build`: whatever build script runs, and however
/// often cargo finds that it has another one, the guest's dependencies are compiled once.
fn guest_folder() -> Result<PathBuf> {
    let out = variable("OUT_DIR")?;
    let build = out.ancestors().find(|above| above.ends_with("build"));
    let beside = build.and_then(Path::parent).unwrap_or(&out);
    Ok(beside.join("guest"))
}

/// The folder of the workspace: the one above the crate that has the boundary.
pub(crate) fn workspace() -> Result<PathBuf> {
    let package = variable("CARGO_MANIFEST_DIR")?;
    let mut above = package.ancestors();
    above
        .find(|folder| folder.join("wit").is_dir())
        .map(Path::to_path_buf)
        .with_context(|| format!("no folder above {} has wit/", package.display()))
}

/// A variable that cargo sets for build scripts.
pub(crate) fn variable(name: &str) -> Result<PathBuf> {
    env::var_os(name)
        .map(PathBuf::from)
        .with_context(|| format!("cargo did not set {name}"))
}

/// The bytes of a file.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Tells cargo what the component depends on.
fn announce_inputs(workspace: &Path, folders: &[&str]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    let inputs = [
        "guest/columns/src",
        "guest/columns/Cargo.toml",
        "guest/kernels/src",
        "guest/kernels/Cargo.toml",
        "guest/executor/src",
        "guest/executor/Cargo.toml",
        "guest/log/src",
        "guest/log/Cargo.toml",
        "guest/engine/src",
        "guest/engine/Cargo.toml",
        "wit/engine",
        "Cargo.toml",
        "Cargo.lock",
    ];
    for input in inputs.iter().chain(folders) {
        writeln!(
            stdout,
            "cargo::rerun-if-changed={}",
            workspace.join(input).display()
        )?;
    }
    Ok(())
}

/// Compiles the guest and returns the path of its core module.
fn build_module(workspace: &Path, package: &str) -> Result<PathBuf> {
    let first = compile(workspace, package)?;
    if !first.success {
        if !first.target_is_missing {
            bail!("building the component failed:\n{}", first.stderr);
        }
        install_target()?;
        let second = compile(workspace, package)?;
        if !second.success {
            bail!("building the component failed:\n{}", second.stderr);
        }
    }
    module_path(package)
}

/// Where a nested cargo leaves the module of a package.
pub(crate) fn module_path(package: &str) -> Result<PathBuf> {
    let name = format!("{}.wasm", package.replace('-', "_"));
    Ok(guest_folder()?.join(TARGET).join("release").join(name))
}

struct Compilation {
    success: bool,
    target_is_missing: bool,
    stderr: String,
}

fn compile(workspace: &Path, package: &str) -> Result<Compilation> {
    let output = guest_cargo(workspace, package)?
        .output()
        .context("cannot start cargo")?;
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    Ok(Compilation {
        success: output.status.success(),
        target_is_missing: stderr.contains("can't find crate for `core`")
            || stderr.contains("can't find crate for `std`"),
        stderr,
    })
}

/// A nested cargo that builds a package for the guest's target, in a clean environment.
pub(crate) fn guest_cargo(workspace: &Path, package: &str) -> Result<Command> {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        .current_dir(workspace)
        .args(["build", "--release", "--locked", "--package", package])
        .args(["--target", TARGET, "--target-dir"])
        .arg(guest_folder()?);
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
    command.envs(settings());
    Ok(command)
}

/// How the compiler is set, the profile included: alike for all that is built, which then shares what it
/// needs.
fn settings() -> Vec<(&'static str, &'static str)> {
    let mut settings = vec![
        ("RUSTFLAGS", VECTORS),
        ("CARGO_PROFILE_RELEASE_OPT_LEVEL", "3"),
        ("CARGO_PROFILE_RELEASE_PANIC", "abort"),
        ("CARGO_PROFILE_RELEASE_STRIP", "debuginfo"),
        ("CARGO_PROFILE_RELEASE_DEBUG", "false"),
    ];
    let is_release = env::var("PROFILE").as_deref() == Ok("release");
    // Released components are as fast as can be; in development a change must not cost half a minute.
    settings.extend(if is_release {
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
fn install_target() -> Result<()> {
    let added = Command::new("rustup")
        .args(["target", "add", TARGET])
        .output();
    if added.is_ok_and(|output| output.status.success()) {
        return Ok(());
    }
    bail!(
        "sidx-host embeds a WebAssembly component, and the Rust target {TARGET} is not installed.\n\
         Run `rustup target add {TARGET}` (or install your distribution's rust-std for {TARGET}) and \
         build again,\nor set {PREBUILT} to a component that was built elsewhere."
    )
}

/// Makes a component of the core module.
pub(crate) fn wrap(module: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = wit_component::ComponentEncoder::default();
    let encoder = encoder
        .module(module)
        .context("the guest's module carries no usable interface")?;
    encoder
        .validate(true)
        .encode()
        .context("the guest's module does not make a component")
}
