//! ARCHITECTURE.md's code map and the sources name each other.

use std::fs;
use std::path::{Path, PathBuf};

/// Most lines of ARCHITECTURE.md.
const LINES_MAX: usize = 300;
/// Folders whose files documents name by paths from the root.
const ROOTED: [&str; 9] = [
    "guest/",
    "host/",
    "tests/",
    "examples/",
    "benches/",
    "fuzz/",
    "wit/",
    "docs/",
    "xtask/",
];

/// One row of the map.
struct Row<'a> {
    /// The files and folders of its first cell.
    paths: Vec<&'a str>,
    /// The other words in backticks: modules of those files.
    names: Vec<&'a str>,
}

/// What documents name must exist.
pub(super) fn check_names(root: &Path, documents: &[PathBuf], faults: &mut Vec<String>) {
    for document in documents {
        let name = super::relative(root, document);
        let text = fs::read_to_string(document).unwrap_or_default();
        for word in text.split(['`', ' ', '\n', '(', ')', '|', ',']) {
            let path = word.trim_end_matches(['.', ':', ';']);
            if ROOTED.iter().any(|folder| path.starts_with(folder))
                && !path.contains(['*', '{', '<', '#'])
                && !root.join(path).exists()
            {
                faults.push(format!("{name} names {path}, which does not exist"));
            }
        }
    }
}

/// The documents in the root and in `docs`.
pub(super) fn documents(root: &Path) -> Vec<PathBuf> {
    let folders = [root.to_owned(), root.join("docs")];
    let entries = folders.iter().flat_map(fs::read_dir).flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    let mut found: Vec<PathBuf> = paths
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect();
    found.sort();
    found
}

/// The map is short enough to be read.
pub(super) fn check_length(text: &str, faults: &mut Vec<String>) {
    if text.lines().count() > LINES_MAX {
        faults.push(format!("ARCHITECTURE.md has more than {LINES_MAX} lines"));
    }
}

/// Every source must be in a row of the map. A row that names a folder has all that is in it. One that names
/// `x.rs` has that file, its tests, and those modules below `x` that the row names too.
///
/// Where a package has rows for what is in it, the row of the package as a whole has only its first file,
/// which is the crate itself.
pub(super) fn check_sources(
    text: &str,
    packages: &[String],
    files: &[String],
    faults: &mut Vec<String>,
) {
    let rows = rows(text);
    for file in files {
        let owner = packages.iter().filter(|package| is_in(file, package));
        let Some(package) = owner.max_by_key(|package| package.len()) else {
            continue;
        };
        let nested = |path: &str| {
            let inner = |other: &&String| other.len() > package.len() && is_in(path, other);
            packages.iter().any(|other| inner(&other))
        };
        let within = |path: &str| path != package && is_in(path, package) && !nested(path);
        let detailed = rows
            .iter()
            .any(|row| row.paths.iter().any(|path| within(path)));
        let first = ["lib.rs", "main.rs"].map(|name| format!("{package}/src/{name}"));
        let first = first.contains(file);
        let has = |row: &Row<'_>| {
            let paths = row.paths.iter();
            let mut paths = paths.filter(|path| !detailed || first || within(path));
            paths.any(|path| covers(path, &row.names, file))
        };
        if !rows.iter().any(has) {
            faults.push(format!(
                "{file}: no row of the code map of ARCHITECTURE.md names it"
            ));
        }
    }
}

fn rows(text: &str) -> Vec<Row<'_>> {
    let map = text.split("\n## Code map\n").nth(1).unwrap_or_default();
    let map = map.split("\n## ").next().unwrap_or_default();
    let rows = map.lines().filter_map(|line| {
        let (first, rest) = line.strip_prefix('|')?.split_once('|')?;
        Some(Row {
            paths: quoted(first).collect(),
            names: quoted(rest).collect(),
        })
    });
    rows.filter(|row| !row.paths.is_empty()).collect()
}

/// Words in backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split('`').skip(1).step_by(2);
    words.map(|word| word.trim_end_matches('/'))
}

/// Whether a path is a folder or a file in it.
fn is_in(path: &str, folder: &str) -> bool {
    path == folder
        || path
            .strip_prefix(folder)
            .is_some_and(|rest| rest.starts_with('/'))
}

fn covers(path: &str, names: &[&str], file: &str) -> bool {
    if is_in(file, path) || file == format!("{path}.rs") {
        return true;
    }
    let Some(folder) = path.strip_suffix(".rs") else {
        return false;
    };
    let Some(below) = file
        .strip_prefix(folder)
        .and_then(|rest| rest.strip_prefix('/'))
    else {
        return false;
    };
    let first = below.split('/').next().unwrap_or_default();
    let module = first.strip_suffix(".rs").unwrap_or(first);
    module == "tests" || module.ends_with("_tests") || names.contains(&module)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAP: &str = "\n## Code map\n\n\
        | where | what |\n|---|---|\n\
        | `whole` | all of it |\n\
        | `parts` | not all of it |\n\
        | `parts/src/one.rs` | `first`, `second` |\n\
        | `parts/src/two` | all of it |\n\
        | `parts/inner` | a package in another |\n\
        \n## Else\n\n| `parts/src/three.rs` | no row of the map |\n";

    fn uncovered(files: &[&str]) -> Vec<String> {
        let packages = ["whole", "parts", "parts/inner"].map(str::to_owned);
        let files: Vec<String> = files.iter().map(|file| (*file).to_owned()).collect();
        let mut faults = Vec::new();
        check_sources(MAP, &packages, &files, &mut faults);
        let names = faults.iter().filter_map(|fault| fault.split(':').next());
        names.map(str::to_owned).collect()
    }

    #[test]
    fn a_folder_has_all_that_is_in_it() {
        let none: [&str; 0] = [];
        assert_eq!(uncovered(&["whole/src/lib.rs", "whole/src/a/b.rs"]), none);
        assert_eq!(
            uncovered(&["parts/src/two.rs", "parts/src/two/x/y.rs"]),
            none
        );
        assert_eq!(
            uncovered(&["parts/src/twofold.rs"]),
            ["parts/src/twofold.rs"]
        );
    }

    #[test]
    fn a_file_has_the_modules_that_its_row_names() {
        let named = [
            "parts/src/one.rs",
            "parts/src/one/first.rs",
            "parts/src/one/second/x.rs",
        ];
        let none: [&str; 0] = [];
        assert_eq!(uncovered(&named), none);
        assert_eq!(uncovered(&["parts/src/one/tests.rs"]), none);
        assert_eq!(
            uncovered(&["parts/src/one/third.rs"]),
            ["parts/src/one/third.rs"]
        );
    }

    #[test]
    fn a_package_with_rows_of_its_own_needs_one_for_each_file() {
        assert_eq!(uncovered(&["parts/src/three.rs"]), ["parts/src/three.rs"]);
        assert_eq!(uncovered(&["parts/build.rs"]), ["parts/build.rs"]);
        let none: [&str; 0] = [];
        assert_eq!(uncovered(&["parts/src/lib.rs"]), none);
        assert_eq!(uncovered(&["parts/inner/src/lib.rs"]), none);
    }
}
