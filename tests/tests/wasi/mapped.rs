//! Which directory is the store, and what is said of one that cannot be.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::Path;

use super::probe::{INSIDE, Probe, allow_all, said};

/// A user who is nobody.
const NOBODY: u32 = 65_534;

#[test]
fn a_directory_that_is_not_mapped_is_named_with_those_that_are() {
    let Some(probe) = Probe::new("a directory that is not mapped") else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    for (path, wanted) in [
        ("/elsewhere/store", "mapped are /data"),
        ("/dat", "mapped are /data"),
        ("/data/../etc", "has `..` in it"),
        ("", "name the directory"),
    ] {
        let said = said(&mut probe.command(directory.path(), &[path, "do", "open", "places"]));
        assert!(!said.is_good, "{path}: {said:?}");
        let (first, second) = (&said.lines[0], &said.lines[1]);
        assert!(
            first.starts_with("invalid-argument: ") && first.contains(wanted),
            "{path}: {said:?}"
        );
        assert!(
            second.contains("no directory is named yet"),
            "{path}: {said:?}"
        );
    }
    let unmapped = said(&mut probe.command_with(&[], &["/data", "check"]));
    let text = &unmapped.lines[0];
    assert!(
        text.contains("none is mapped") && text.contains("--dir HOST_DIR::/data"),
        "{unmapped:?}"
    );
}

#[test]
fn the_nearest_mapped_directory_has_the_store() {
    let Some(probe) = Probe::new("directories that are mapped inside each other") else {
        return;
    };
    let (outer, inner) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let outside = format!("{}::/data", outer.path().display());
    let inside = format!("{}::/data/in", inner.path().display());
    let options = ["--dir", &outside, "--dir", &inside];
    for path in ["/data/in/s", "/data/./in//s", "data/in/s"] {
        let words = [
            path,
            "do",
            "create",
            "make a",
            "put a/index.json x",
            "places",
            "unmake a",
        ];
        let said = said(&mut probe.command_with(&options, &words));
        assert_eq!(said.lines[3], "a", "{path}: {said:?}");
    }
    assert!(inner.path().join("s").is_dir());
    assert!(!outer.path().join("in").exists());
}

#[test]
fn a_relative_path_lies_below_the_current_directory() {
    let Some(probe) = Probe::new("a relative path") else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    for (path, made) in [("store", "store/a"), ("./other/s", "other/s/a"), (".", "a")] {
        let words = [path, "do", "create", "make a"];
        let mut command = probe.command_with(&["--dir", "."], &words);
        let said = said(command.current_dir(directory.path()));
        assert!(said.is_good, "{path}: {said:?}");
        assert!(directory.path().join(made).is_dir(), "{path}");
    }
}

#[test]
fn a_store_that_does_not_exist_is_empty_and_is_not_made() {
    let Some(probe) = Probe::new("a store that does not exist") else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let path = format!("{INSIDE}/none");
    let words = [path.as_str(), "do", "open", "places", "get a/x", "list a/d"];
    let found = said(&mut probe.command(directory.path(), &words));
    assert_eq!(
        (found.is_good, &found.lines[..]),
        (true, &["ok", "", "none", ""].map(str::to_owned)[..])
    );
    assert!(!directory.path().join("none").exists());
    fs::write(directory.path().join("file"), "x").unwrap();
    let path = format!("{INSIDE}/file");
    let found = said(&mut probe.command(directory.path(), &[&path, "do", "open"]));
    assert!(
        found.lines[0].starts_with("conflict: /data/file is a file"),
        "{found:?}"
    );
}

/// Runs as somebody who may read a directory and not write there.
fn reads_only(probe: &Probe, directory: &Path, steps: &[&str]) -> Vec<String> {
    let words = [&[INSIDE, "do", "open"], steps].concat();
    let mut command = probe.command(directory, &words);
    let is_root = fs::metadata("/proc/self").map(|found| {
        use std::os::unix::fs::MetadataExt as _;
        found.uid() == 0
    });
    if is_root.unwrap_or(false) {
        command.uid(NOBODY).gid(NOBODY);
    }
    said(&mut command).lines
}

#[test]
fn a_directory_that_may_only_be_read_is_read_and_says_so_when_written() {
    use std::os::unix::fs::PermissionsExt as _;
    let Some(probe) = Probe::new("a read-only directory") else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    probe.succeeds(
        directory.path(),
        &["make a", "put a/x one", "begin a/d/y two", "finish"],
    );
    let place = directory.path().join("a");
    allow_all(directory.path());
    for folder in [place.join("d"), place.clone(), directory.path().to_owned()] {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o555)).unwrap();
    }
    let steps = [
        "get a/x",
        "list a/d",
        "look a/d/y",
        "read",
        "pins a",
        "put a/z no",
        "begin a/d/z no",
        "make b",
        "grow a/log/1 no",
        "drop a/x",
        "lock a",
    ];
    let lines = reads_only(&probe, directory.path(), &steps);
    for folder in [directory.path().to_owned(), place.clone(), place.join("d")] {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
    }
    assert_eq!(lines[..6], ["ok", "one", "y", "ok", "two", "[]"]);
    for line in &lines[6..11] {
        assert!(
            line.starts_with("io: ") && line.contains("permi") && line.contains("/data"),
            "{lines:?}"
        );
    }
    assert_eq!(lines[11], "None");
}
