//! Stores: indexes by name.

use std::sync::Arc;

use super::{Store, Verdict, ensure, fails, read_file, same, works, write_file};
use crate::error::ErrorKind::{Conflict, InvalidArgument, NotFound};

/// Checks a store that is empty: indexes are made on demand, found again, listed in order, kept
/// apart, and removed when nobody writes them.
pub fn check_store(make: impl Fn() -> Arc<dyn Store>) -> Verdict {
    let store = make();
    check_empty(&store)?;
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
    check_below(&store)?;
    check_removed(&store)
}

/// Places below that of an index are places of their own, and go with it.
fn check_below(store: &Arc<dyn Store>) -> Verdict {
    let (p, q) = (incarnation(1), incarnation(2));
    let path = |above: &str, last: &str| format!("{above}/{last}");
    let below = |name| works(store.places_below(name), "places_below");
    same(&below("nothing")?, &vec![], "places below none")?;
    same(&below("a")?, &vec![], "places below a place with files")?;
    let first = path("a", &p);
    check_nothing_below(store, &first, "a place below that is not there")?;
    for name in [&path("a", &q), &first, &path("new", &p)] {
        let place = works(store.open_index(name, true), "making a place below")?;
        works(
            place.put_if_absent("name", name.as_bytes()),
            "putting there",
        )?;
        write_file(&place, "d/x", &[name.as_bytes()])?;
    }
    same(
        &below("a")?,
        &vec![p.clone(), q.clone()],
        "places below, in order",
    )?;
    let names = works(store.index_names(), "index_names")?;
    same(
        &names.len(),
        &4,
        "the number of indexes beside places below",
    )?;
    let above = works(store.open_index("a", false), "opening the place above")?;
    let object = works(above.get("name"), "get")?.map(|(bytes, _)| bytes);
    same(&object, &Some(b"a".to_vec()), "an object above a place")?;
    let new = works(
        store.open_index("new", false),
        "opening what was made on the way",
    )?;
    works(new.put_if_absent("1.incarnation", b"x"), "putting there")?;
    let names = works(store.index_names(), "index_names")?;
    ensure(
        names.iter().any(|name| name == "new"),
        "a place with an object that ends in .incarnation is listed",
    )?;
    check_below_removed(store, &first, &path("a", &q))?;
    works(
        store.remove_index("new"),
        "removing a place with one below it",
    )?;
    check_nothing_below(store, &path("new", &p), "a place below one that is gone")
}

/// A place below another that is not there is not found, or empty.
fn check_nothing_below(store: &Arc<dyn Store>, place: &str, what: &str) -> Verdict {
    match store.open_index(place, false) {
        Ok(opened) => {
            let objects = works(opened.list_objects(""), "list_objects")?;
            same(&objects, &vec![], what)?;
            same(&works(opened.list("d"), "list")?, &vec![], what)
        }
        opened => fails(opened, NotFound, what),
    }
}

/// The name of an incarnation.
fn incarnation(number: u32) -> String {
    format!("{number:08x}-{number:032x}")
}

fn check_below_removed(store: &Arc<dyn Store>, one: &str, other: &str) -> Verdict {
    let place = works(store.open_index(one, false), "opening a place below")?;
    let above = works(store.open_index("a", false), "opening the place above")?;
    let lock = works(place.lock(), "locking a place below")?;
    works(above.lock(), "locking the place above it").map(drop)?;
    fails(
        store.remove_index(one),
        Conflict,
        "removing a place that is locked",
    )?;
    drop(lock);
    works(store.remove_index(one), "removing a place below")?;
    fails(store.remove_index(one), NotFound, "removing it twice")?;
    check_nothing_below(store, one, "it after that")?;
    let kept = works(
        store.open_index(other, false),
        "opening another place below",
    )?;
    same(
        &read_file(&kept, "d/x")?,
        &other.as_bytes().to_vec(),
        "another place after a removal",
    )
}

/// Nothing is there, and nothing comes by asking.
fn check_empty(store: &Arc<dyn Store>) -> Verdict {
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
        "a/",
        "/a",
        "a/b",
        "a/lock",
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
    Ok(())
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
    match file.read_at(0, &mut byte) {
        Ok(()) => same(&byte, b"a", "the bytes of an open file of a removed index")?,
        read => fails(read, NotFound, "reading an open file of a removed index")?,
    }
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
