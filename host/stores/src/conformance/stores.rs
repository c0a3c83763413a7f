//! Stores: indexes by name.

use std::sync::Arc;

use super::{Store, Verdict, ensure, fails, read_file, same, works, write_file};
use crate::error::ErrorKind::{Conflict, InvalidArgument, NotFound};

/// Checks a store that is empty: indexes are made on demand, found again, listed in order, kept
/// apart, and removed when nobody writes them.
pub fn check_store(make: impl Fn() -> Arc<dyn Store>) -> Verdict {
    let store = make();
    same(
        &works(store.index_names(), "index_names")?,
        &vec![],
        "indexes of an empty store",
    )?;
    fails(
        store.open_index("a", false),
        NotFound,
        "opening an index that does not exist",
    )?;
    same(
        &works(store.index_names(), "index_names")?,
        &vec![],
        "indexes after a failed open",
    )?;
    for name in [
        "",
        ".",
        "..",
        ".a",
        "a/b",
        "a b",
        "ä",
        "a%",
        &"x".repeat(129),
    ] {
        let what = format!("an index called {name:?}");
        fails(store.open_index(name, true), InvalidArgument, &what)?;
        fails(store.open_index(name, false), InvalidArgument, &what)?;
        fails(store.remove_index(name), InvalidArgument, &what)?;
    }
    let longest = "x".repeat(128);
    for name in ["b", "a", "A-1.x_y", longest.as_str()] {
        let storage = works(store.open_index(name, true), "creating an index")?;
        let names = works(store.index_names(), "index_names")?;
        ensure(
            !names.iter().any(|listed| listed == name),
            "a place without index.json is no index yet",
        )?;
        works(storage.put_if_absent("index.json", b"{}"), "making it")?;
        works(
            storage.put_if_absent("name", name.as_bytes()),
            "putting into an index",
        )?;
        write_file(&storage, "d/x", &[name.as_bytes()])?;
        ensure(
            storage.location().contains(name),
            "the location of an index must name it",
        )?;
    }
    let names = works(store.index_names(), "index_names")?;
    let wanted = ["A-1.x_y", "a", "b", longest.as_str()]
        .map(str::to_owned)
        .to_vec();
    same(&names, &wanted, "the names of all indexes")?;
    for create in [false, true] {
        let storage = works(
            store.open_index("a", create),
            "opening an index that exists",
        )?;
        let found = works(storage.get("name"), "get")?.map(|(bytes, _)| bytes);
        same(&found, &Some(b"a".to_vec()), "the object of an index")?;
    }
    check_one_lock(&store)?;
    check_removed(&store)
}

/// The lock belongs to the index, not to the value it was opened as.
fn check_one_lock(store: &Arc<dyn Store>) -> Verdict {
    let first = works(store.open_index("a", false), "opening")?;
    let second = works(store.open_index("a", false), "opening again")?;
    let other = works(store.open_index("b", false), "opening another")?;
    let lock = works(first.lock(), "locking")?;
    fails(
        second.lock(),
        Conflict,
        "locking an index that is locked through another handle",
    )?;
    works(other.lock(), "locking another index")?;
    fails(
        store.remove_index("a"),
        Conflict,
        "removing an index that is being written",
    )?;
    drop(first);
    fails(
        second.lock(),
        Conflict,
        "locking while the lock outlives its handle",
    )?;
    drop(lock);
    works(second.lock(), "locking after the lock was dropped").map(drop)
}

fn check_removed(store: &Arc<dyn Store>) -> Verdict {
    let storage = works(store.open_index("a", false), "opening")?;
    let file = works(storage.open("d/x"), "opening a file")?;
    works(store.remove_index("a"), "removing an index")?;
    fails(
        store.remove_index("a"),
        NotFound,
        "removing a removed index",
    )?;
    fails(
        store.open_index("a", false),
        NotFound,
        "opening a removed index",
    )?;
    let names = works(store.index_names(), "index_names")?;
    same(&names.len(), &3, "the number of indexes after a removal")?;
    let mut byte = [0];
    works(
        file.read_at(0, &mut byte),
        "reading an open file of a removed index",
    )?;
    same(&byte, b"a", "the bytes of an open file of a removed index")?;
    let storage = works(store.open_index("a", true), "creating an index again")?;
    same(
        &works(storage.get("name"), "get")?,
        &None,
        "the objects of an index created again",
    )?;
    let storage = works(store.open_index("b", false), "opening another index")?;
    same(
        &read_file(&storage, "d/x")?,
        &b"b".to_vec(),
        "another index after a removal",
    )
}
