//! The components as files: each by itself, and what they make together.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use crate::composition::{Piece, compose};

/// With the vector instructions that components may use, and no other feature.
const VECTORS: &str = "-C target-feature=+simd128";
/// The component that is all of sidx.
const WHOLE: &str = "sidx.wasm";
/// What says which bytes each file of a package has.
const CHECKSUMS: &str = "SHA256SUMS";

/// How thoroughly the compiler works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// As for a release.
    Release,
    /// As tests build their components, with which it shares what is compiled.
    Quick,
}

/// What a package of the workspace is compiled for.
#[derive(Clone, Copy)]
enum Target {
    /// Without a system: the compiler makes a module, of which a component is made here.
    Bare,
    /// With that of WASI 0.2: the compiler makes a component.
    Wasi,
}

impl Target {
    fn name(self) -> &'static str {
        match self {
            Self::Bare => "wasm32-unknown-unknown",
            Self::Wasi => "wasm32-wasip2",
        }
    }
}

/// A component of the workspace.
struct Source {
    /// Its folder.
    folder: &'static str,
    package: &'static str,
    target: Target,
    /// The name of its file.
    file: &'static str,
}

/// What all of sidx is made of, from the lowest to the uppermost.
const PIECES: [Source; 4] = [
    Source {
        folder: "guest/filesystem",
        package: "sidx-filesystem",
        target: Target::Bare,
        file: "filesystem.wasm",
    },
    Source {
        folder: "guest/adapter",
        package: "sidx-adapter",
        target: Target::Bare,
        file: "adapter.wasm",
    },
    Source {
        folder: "guest/component",
        package: "sidx-component",
        target: Target::Bare,
        file: "engine.wasm",
    },
    Source {
        folder: "guest/program",
        package: "sidx-program",
        target: Target::Wasi,
        file: "program.wasm",
    },
];

/// What checks an implementation of `wit/storage`.
const CHECKS: Source = Source {
    folder: "tests/storage-checks",
    package: "sidx-storage-checks",
    target: Target::Bare,
    file: "storage-checks.wasm",
};

/// Builds the pieces that there are, and makes one component of them; returns where that lies.
pub fn make_whole(root: &Path, effort: Effort) -> Result<PathBuf> {
    let folder = folder(root);
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let mut built = Vec::new();
    // Those that are not there are left out: what they would export remains an import.
    for source in PIECES {
        if root.join(source.folder).is_dir() {
            let bytes = build(root, &source, effort)?;
            write(&folder.join(source.file), &bytes)?;
            built.push((source, bytes));
        }
    }
    let pieces: Vec<Piece<'_>> = built
        .iter()
        .map(|(source, bytes)| Piece {
            name: source.package,
            bytes,
        })
        .collect();
    let path = folder.join(WHOLE);
    write(&path, &compose(&pieces)?)?;
    Ok(path)
}

/// Makes the folder that is handed on: components, the interfaces that they have, and checksums of all.
pub fn make(root: &Path, effort: Effort) -> Result<PathBuf> {
    let folder = folder(root);
    match fs::remove_dir_all(&folder) {
        Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => {
            let text = format!("cannot remove the package before, {}", folder.display());
            return Err(cause).context(text);
        }
        _ => {}
    }
    make_whole(root, effort)?;
    write(&folder.join(CHECKS.file), &build(root, &CHECKS, effort)?)?;
    copy_tree(&root.join("wit"), &folder.join("wit"))?;
    let mut names = Vec::new();
    list_files(&folder, "", &mut names)?;
    names.sort();
    let mut lines = String::new();
    for name in names {
        let bytes = read(&folder.join(&name))?;
        // As `sha256sum --check` reads it.
        lines.push_str(&format!("{:x}  {name}\n", Sha256::digest(bytes)));
    }
    write(&folder.join(CHECKSUMS), lines.as_bytes())?;
    Ok(folder)
}

fn target(root: &Path) -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from)
}

fn folder(root: &Path) -> PathBuf {
    target(root).join("package")
}

/// Compiles a component, apart from what is compiled for this machine.
fn build(root: &Path, source: &Source, effort: Effort) -> Result<Vec<u8>> {
    let folder = match effort {
        Effort::Release => target(root).join("guest"),
        Effort::Quick => target(root).join("debug/guest"),
    };
    let status = cargo(root, source, &folder, effort)
        .status()
        .context("cannot start cargo")?;
    if !status.success() {
        let (package, target) = (source.package, source.target.name());
        bail!("{package} was not built; if {target} is missing: rustup target add {target}");
    }
    let release = folder.join(source.target.name()).join("release");
    match source.target {
        Target::Wasi => read(&release.join(format!("{}.wasm", source.package))),
        Target::Bare => {
            let module = format!("{}.wasm", source.package.replace('-', "_"));
            wrap(&read(&release.join(module))?)
                .with_context(|| format!("{} does not make a component", source.package))
        }
    }
}

fn cargo(root: &Path, source: &Source, folder: &Path, effort: Effort) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        .current_dir(root)
        .args([
            "build",
            "--quiet",
            "--release",
            "--locked",
            "--package",
            source.package,
        ])
        .args(["--target", source.target.name(), "--target-dir"])
        .arg(folder);
    // What is set for this machine is for no other.
    for name in [
        "CARGO_ENCODED_RUSTFLAGS",
        "CARGO_BUILD_TARGET",
        "CARGO_BUILD_RUSTFLAGS",
    ] {
        command.env_remove(name);
    }
    let profile: [(&str, &str); 3] = match effort {
        Effort::Release => [
            ("LTO", "fat"),
            ("CODEGEN_UNITS", "1"),
            ("INCREMENTAL", "false"),
        ],
        Effort::Quick => [
            ("LTO", "off"),
            ("CODEGEN_UNITS", "16"),
            ("INCREMENTAL", "true"),
        ],
    };
    let always = [
        ("OPT_LEVEL", "3"),
        ("PANIC", "abort"),
        ("STRIP", "debuginfo"),
        ("DEBUG", "false"),
    ];
    let settings = profile.iter().chain(&always);
    command.envs(settings.map(|(name, value)| {
        (
            format!("CARGO_PROFILE_RELEASE_{name}"),
            OsString::from(value),
        )
    }));
    command.env("RUSTFLAGS", VECTORS);
    command
}

/// Makes a component of a module.
fn wrap(module: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = wit_component::ComponentEncoder::default();
    encoder.module(module)?.validate(true).encode()
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}

fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("cannot make {}", to.display()))?;
    let mut names = Vec::new();
    list_files(from, "", &mut names)?;
    for name in names {
        let target = to.join(&name);
        if let Some(folder) = target.parent() {
            fs::create_dir_all(folder)
                .with_context(|| format!("cannot make {}", folder.display()))?;
        }
        write(&target, &read(&from.join(&name))?)?;
    }
    Ok(())
}

/// The files below a folder, each with its way from there.
fn list_files(folder: &Path, below: &str, names: &mut Vec<String>) -> Result<()> {
    let here = folder.join(below);
    let entries = fs::read_dir(&here).with_context(|| format!("cannot list {}", here.display()))?;
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let name = match below {
            "" => name,
            below => format!("{below}/{name}"),
        };
        match entry.file_type()?.is_dir() {
            true => list_files(folder, &name, names)?,
            false => names.push(name),
        }
    }
    Ok(())
}
