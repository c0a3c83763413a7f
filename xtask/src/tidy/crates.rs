//! The first files of all crates, found as cargo finds them.

use std::fs;
use std::path::{Path, PathBuf};

/// Folders of targets that are made of each file in them, or of each `main.rs` one folder below.
const TARGETS: [&str; 4] = ["src/bin", "tests", "examples", "benches"];
/// Targets that are one file.
const FILES: [&str; 3] = ["src/lib.rs", "src/main.rs", "build.rs"];

/// A crate, by paths from the root of the workspace.
pub(super) struct Crate {
    /// Its first file.
    pub(super) root: String,
    /// The folder of its package.
    pub(super) package: String,
}

/// All crates of the packages in these folders.
pub(super) fn find(root: &Path, packages: &[PathBuf]) -> Vec<Crate> {
    let mut crates = Vec::new();
    for package in packages {
        let mut found: Vec<PathBuf> = FILES.map(|file| package.join(file)).into();
        for folder in TARGETS {
            found.extend(targets(&package.join(folder)));
        }
        let manifest = fs::read_to_string(package.join("Cargo.toml")).unwrap_or_default();
        found.extend(named(&manifest).map(|file| package.join(file)));
        found.retain(|file| file.is_file());
        found.sort();
        found.dedup();
        crates.extend(found.iter().map(|file| Crate {
            root: super::relative(root, file),
            package: super::relative(root, package),
        }));
    }
    crates
}

/// All folders with a manifest below `folder`.
pub(super) fn packages(folder: &Path, found: &mut Vec<PathBuf>) {
    if folder.join("Cargo.toml").is_file() {
        found.push(folder.to_owned());
    }
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() && !path.ends_with("target") {
            packages(&path, found);
        }
    }
}

fn targets(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    // Packages of their own may lie in a folder of this name.
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        } else if !path.join("Cargo.toml").exists() {
            found.push(path.join("main.rs"));
        }
    }
    found
}

/// Files that a manifest names.
fn named(manifest: &str) -> impl Iterator<Item = &str> {
    let paths = manifest
        .lines()
        .filter_map(|line| line.strip_prefix("path = \""));
    let files = paths.filter_map(|path| path.strip_suffix('"'));
    files.filter(|path| path.ends_with(".rs"))
}
