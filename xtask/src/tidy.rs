//! Rules of the code that no compiler checks.

mod code;
mod code_map;
mod crates;
mod cycles;
mod modules;
mod paths;

use std::fs;
use std::path::{Path, PathBuf};

use crate::coverage;

/// Most production lines of a file.
const FILE_LINES_MAX: usize = 600;
/// Most lines of a function.
const FUNCTION_LINES_MAX: usize = 70;
/// Most characters of a line.
const LINE_CHARS_MAX: usize = 110;
/// File names that say nothing.
const EMPTY_NAMES: [&str; 4] = ["utils", "manager", "helper", "common"];

/// Folders with sources.
const FOLDERS: [&str; 7] = [
    "guest", "host", "tests", "examples", "benches", "fuzz", "xtask",
];

/// All faults.
pub fn check(root: &Path) -> Vec<String> {
    let mut faults = Vec::new();
    let mut files = Vec::new();
    let mut packages = Vec::new();
    for folder in FOLDERS {
        rust_files(&root.join(folder), &mut files);
        crates::packages(&root.join(folder), &mut packages);
    }
    files.sort();
    for path in &files {
        let name = relative(root, path);
        match fs::read_to_string(path) {
            Ok(text) => check_file(&name, &text, &mut faults),
            Err(error) => faults.push(format!("{name}: {error}")),
        }
    }
    let read = |file: &Path| fs::read_to_string(root.join(file)).ok();
    let crates = crates::find(root, &packages);
    cycles::check(&crates, &read, &mut faults);
    match fs::read_to_string(root.join("Cargo.toml")) {
        Ok(text) => check_dependencies(&text, &mut faults),
        Err(error) => faults.push(format!("Cargo.toml: {error}")),
    }
    let names = |paths: &[PathBuf]| -> Vec<String> {
        paths.iter().map(|path| relative(root, path)).collect()
    };
    let (packages, files) = (names(&packages), names(&files));
    coverage::check_floors(&packages, &mut faults);
    match fs::read_to_string(root.join("ARCHITECTURE.md")) {
        Ok(text) => {
            code_map::check_length(&text, &mut faults);
            code_map::check_sources(&text, &packages, &files, &mut faults);
        }
        Err(error) => faults.push(format!("ARCHITECTURE.md: {error}")),
    }
    code_map::check_names(root, &code_map::documents(root), &mut faults);
    faults
}

/// A path as documents write it.
fn relative(root: &Path, path: &Path) -> String {
    path.strip_prefix(root)
        .unwrap_or(path)
        .display()
        .to_string()
}

fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() && !path.ends_with("target") {
            rust_files(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

fn check_file(name: &str, text: &str, faults: &mut Vec<String>) {
    let stem = Path::new(name)
        .file_stem()
        .and_then(|stem| stem.to_str())
        .unwrap_or_default();
    if EMPTY_NAMES.contains(&stem) || stem.ends_with("_v2") {
        faults.push(format!("{name}: the name says nothing; name the subject"));
    }
    let lines: Vec<&str> = text.lines().collect();
    let production = lines
        .iter()
        .position(|line| line.trim() == "#[cfg(test)]")
        .unwrap_or(lines.len());
    if production > FILE_LINES_MAX {
        faults.push(format!(
            "{name}: {production} lines; look for the second subject"
        ));
    }
    for (number, line) in (1..).zip(&lines) {
        let is_text = line.contains('"') || line.ends_with('\\') || line.contains("http");
        if line.chars().count() > LINE_CHARS_MAX && !is_text {
            faults.push(format!(
                "{name}:{number}: more than {LINE_CHARS_MAX} characters"
            ));
        }
    }
    check_functions(name, &lines, faults);
}

/// Finds functions by their indentation, which cargo fmt guarantees.
fn check_functions(name: &str, lines: &[&str], faults: &mut Vec<String>) {
    let mut start: Option<(usize, usize)> = None;
    for (number, line) in lines.iter().enumerate() {
        let indent = line.len() - line.trim_start().len();
        if is_function(line.trim_start()) {
            start = Some((number, indent));
        } else if let Some((from, depth)) = start
            && indent == depth
            && line.trim() == "}"
        {
            let length = number - from + 1;
            if length > FUNCTION_LINES_MAX {
                faults.push(format!("{name}:{}: a function of {length} lines", from + 1));
            }
            start = None;
        }
    }
}

fn is_function(line: &str) -> bool {
    let mut words = line.split_whitespace();
    let prefix = |word: &str| {
        ["pub", "const", "async", "unsafe", "extern"].contains(&word) || word.starts_with("pub(")
    };
    words.find(|word| !prefix(word)) == Some("fn")
}

/// Every shared dependency has its reason on its line, or on the last of its lines.
fn check_dependencies(manifest: &str, faults: &mut Vec<String>) {
    let section = manifest
        .split("[workspace.dependencies]")
        .nth(1)
        .unwrap_or_default();
    let section = section.split("\n[").next().unwrap_or_default();
    let mut open = None;
    for line in section.lines() {
        let name = line.split(" =").next().unwrap_or_default().to_owned();
        let own = name.starts_with("sidx-");
        if line.ends_with("= [") || line.trim_end().ends_with("features = [") {
            open = Some(name);
        } else if let Some(dependency) = &open {
            if line.starts_with(']') {
                if !line.contains('#') {
                    faults.push(format!("Cargo.toml: dependency {dependency} has no reason"));
                }
                open = None;
            }
        } else if line.contains(" = ") && !line.starts_with('#') && !own && !line.contains(" # ") {
            faults.push(format!("Cargo.toml: dependency {name} has no reason"));
        }
    }
}
