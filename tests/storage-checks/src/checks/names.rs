//! Names and paths that must be taken, and those that must be refused.

use crate::bindings::sidx::storage::{files, objects, places};
use crate::outcome::Case::InvalidArgument;
use crate::outcome::{Verdict, ensure, fails, same, same_names, works};
use crate::place::Place;

/// What can stand behind no place: neither as a path nor as the name of an object.
fn bad_names() -> Vec<String> {
    let mut names: Vec<String> = [
        "", ".", "..", "a b", "a\0b", "a\\b", "\u{e4}", "a\nb", "~1-1.tmp", "a:b", "*", "lock",
        "readers",
    ]
    .map(str::to_owned)
    .to_vec();
    names.push("x".repeat(256));
    names
}

/// Paths that reach outside, are not in the one form that a path has, or are too long.
fn bad_paths(place: &Place) -> Vec<String> {
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
    let mut below = bad_names();
    below.extend(more.map(str::to_owned));
    below.push(vec!["x".repeat(63); 17].join("/"));
    let mut paths: Vec<String> = below.iter().map(|path| place.path(path)).collect();
    // `a/b` is no place, but the beginning of a good path.
    let nowhere = bad_places().into_iter().filter(|name| name != "a/b");
    paths.extend(nowhere.map(|name| format!("{name}/d/x")));
    // A place by itself is no path.
    paths.extend([
        String::new(),
        "/".to_owned(),
        place.name.clone(),
        format!("/{}/x", place.name),
    ]);
    paths
}

/// What no place can be called.
fn bad_places() -> Vec<String> {
    let mut names: Vec<String> = [
        "", ".", "..", ".a", "a/b", "a b", "\u{e4}", "a%", "a\\b", "~a",
    ]
    .map(str::to_owned)
    .to_vec();
    names.push("x".repeat(129));
    names
}

/// Every call that takes a path or a name refuses bad ones.
pub(super) fn check_refused(place: &Place) -> Verdict {
    let refused = |result: Result<(), _>, call: &str, path: &str| {
        let what = format!("{call} with {:.60}", format!("{path:?}"));
        fails(result, InvalidArgument, what).map(|_| ())
    };
    let fine = place.path("a");
    for path in bad_paths(place) {
        let path = path.as_str();
        refused(files::begin(path).map(|_| ()), "files.begin", path)?;
        refused(files::grow(path).map(|_| ()), "files.grow", path)?;
        refused(files::open(path).map(|_| ()), "files.open", path)?;
        refused(files::list(path).map(|_| ()), "files.list", path)?;
        refused(files::remove(path), "files.remove", path)?;
        refused(files::sync(path), "files.sync", path)?;
        refused(files::move_(path, &fine), "files.move from", path)?;
        refused(files::move_(&fine, path), "files.move to", path)?;
    }
    let names = bad_names().into_iter().chain(["a/b".to_owned()]);
    let nowhere = bad_places().into_iter().map(|name| format!("{name}/x"));
    let alone = [place.name.clone(), String::new()];
    for path in names
        .map(|name| place.path(&name))
        .chain(nowhere)
        .chain(alone)
    {
        let path = path.as_str();
        refused(objects::get(path).map(|_| ()), "objects.get", path)?;
        refused(
            objects::put_if_absent(path, b"x").map(|_| ()),
            "objects.put-if-absent",
            path,
        )?;
        let swapped = objects::compare_and_swap(path, "1", b"x");
        refused(swapped.map(|_| ()), "objects.compare-and-swap", path)?;
        refused(objects::remove(path), "objects.remove", path)?;
    }
    for name in bad_places() {
        let name = name.as_str();
        refused(places::make(name), "places.make", name)?;
        refused(places::remove(name), "places.remove", name)?;
        refused(places::lock(name).map(|_| ()), "places.lock", name)?;
        refused(places::space(name).map(|_| ()), "places.space", name)?;
        refused(
            places::size_bytes(name).map(|_| ()),
            "places.size-bytes",
            name,
        )?;
        refused(objects::list(name, "").map(|_| ()), "objects.list", name)?;
    }
    let listed = works(objects::list(&place.name, ""), "listing objects")?;
    same_names(&listed, &[], "objects after all that was refused")
}

/// All characters and lengths that are allowed work.
pub(super) fn check_taken(place: &Place) -> Verdict {
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
        longest_path.as_str(),
    ];
    for path in good {
        place.write(path, &[path.as_bytes()])?;
        place.holds(path, path.as_bytes(), "what a file holds")?;
        works(
            files::remove(&place.path(path)),
            "removing a file with a good name",
        )?;
    }
    for name in [
        "index.json",
        "0000000000000007.snapshot",
        "...",
        longest_name.as_str(),
    ] {
        place.put(name, name.as_bytes())?;
        let found = place.get(name)?.map(|(bytes, _)| bytes);
        same(
            found.as_deref(),
            Some(name.as_bytes()),
            "what an object holds",
        )?;
    }
    let longest_place = Place {
        name: format!("{}{}", place.name, "-A.b_9".repeat(30))
            .chars()
            .take(128)
            .collect(),
    };
    works(
        places::make(&longest_place.name),
        "making a place with the longest name",
    )?;
    longest_place.put("index.json", b"x")?;
    let listed = works(places::list(None), "listing places")?;
    ensure(
        listed.contains(&longest_place.name),
        "a place with the longest name must be listed",
    )?;
    longest_place.remove()
}
