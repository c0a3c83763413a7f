//! Names and paths that must be taken, and those that must be refused.

use std::sync::Arc;

use super::{Storage, Verdict, fails, read_file, works, write_file};
use crate::error::ErrorKind::InvalidArgument;

/// Names that are neither paths nor object names.
fn bad_names() -> Vec<String> {
    let mut names: Vec<String> = [
        "", ".", "..", "a b", "a\0b", "a\\b", "ä", "a\nb", "~1-1.tmp", "a:b", "*", "lock",
        "readers",
    ]
    .map(str::to_owned)
    .to_vec();
    names.push("x".repeat(256));
    names
}

/// Paths that reach outside, are not in the one form that a path has, or are too long.
fn bad_paths() -> Vec<String> {
    let mut paths = bad_names();
    let more = [
        "/",
        "/a",
        "a/",
        "a//b",
        "../x",
        "a/../b",
        "a/./b",
        "a/..",
        "./a",
        "lock/x",
        "a/b c",
        "readers/x",
    ];
    paths.extend(more.map(str::to_owned));
    paths.push(vec!["x".repeat(63); 17].join("/"));
    paths
}

/// Every call that takes a path or a name refuses bad ones with `invalid-argument`; all characters
/// and lengths that are allowed work.
pub fn check_names(storage: &Arc<dyn Storage>) -> Verdict {
    for path in bad_paths() {
        let what = |call: &str| format!("{call} with the path {:.40}", format!("{path:?}"));
        fails(storage.create(&path), InvalidArgument, &what("create"))?;
        fails(storage.open(&path), InvalidArgument, &what("open"))?;
        fails(storage.list(&path), InvalidArgument, &what("list"))?;
        fails(storage.remove(&path), InvalidArgument, &what("remove"))?;
        fails(
            storage.rename(&path, "a"),
            InvalidArgument,
            &what("rename from"),
        )?;
        fails(
            storage.rename("a", &path),
            InvalidArgument,
            &what("rename to"),
        )?;
        fails(storage.sync(&path), InvalidArgument, &what("sync"))?;
        fails(
            storage.append_file(&path),
            InvalidArgument,
            &what("append_file"),
        )?;
    }
    for name in bad_names().into_iter().chain(["a/b".to_owned()]) {
        let what = |call: &str| format!("{call} with the name {:.40}", format!("{name:?}"));
        fails(storage.get(&name), InvalidArgument, &what("get"))?;
        fails(
            storage.put_if_absent(&name, b"x"),
            InvalidArgument,
            &what("put_if_absent"),
        )?;
        fails(
            storage.compare_and_swap(&name, "", b""),
            InvalidArgument,
            &what("swap"),
        )?;
        fails(
            storage.remove_object(&name),
            InvalidArgument,
            &what("remove_object"),
        )?;
    }
    for prefix in ["a b", "../", "~", "ä"] {
        fails(
            storage.list_objects(prefix),
            InvalidArgument,
            "list_objects with an odd prefix",
        )?;
    }
    check_good_names(storage)
}

fn check_good_names(storage: &Arc<dyn Storage>) -> Verdict {
    let longest_name = "n".repeat(255);
    let longest_path = format!(
        "{}/{}",
        ["p"; 3].map(|p| p.repeat(255)).join("/"),
        "q".repeat(250)
    );
    let good = [
        "d/A-Z.a_z%20",
        "d/...",
        "d/.hidden",
        "d/%2E%2E",
        "d/-",
        "d/a.tmp",
        "d/lock",
        "d/readers",
        "readers2/x",
    ];
    for path in good.into_iter().chain([longest_path.as_str()]) {
        write_file(storage, path, &[path.as_bytes()])?;
        super::same(
            &read_file(storage, path)?,
            &path.as_bytes().to_vec(),
            "what a file holds",
        )?;
    }
    for name in [
        "index.json",
        "0000000000000007.snapshot",
        longest_name.as_str(),
    ] {
        works(
            storage.put_if_absent(name, b"x"),
            "putting an object with a good name",
        )?;
    }
    Ok(())
}
