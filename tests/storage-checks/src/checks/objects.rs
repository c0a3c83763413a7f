//! Objects: put whole, once, or in exchange for the version that was read.

use crate::bindings::sidx::storage::objects;
use crate::outcome::Case::{Conflict, InvalidArgument};
use crate::outcome::{Verdict, ensure, fails, same, same_names, works};
use crate::place::Place;

/// Most bytes of an object.
const OBJECT_BYTES_MAX: usize = 16 << 20;

/// An object is absent, then put once, then read with its version, then removed.
pub(super) fn check_objects(place: &Place) -> Verdict {
    let path = place.path("index.json");
    same(
        place.get("index.json")?,
        None,
        "an object that was never put",
    )?;
    works(
        objects::remove(&path),
        "removing an object that was never put",
    )?;
    let version = place.put("index.json", b"one")?;
    let found = place.get("index.json")?;
    same(
        &found,
        &Some((b"one".to_vec(), version.clone())),
        "an object and its version",
    )?;
    let put = |bytes: &[u8]| objects::put_if_absent(&path, bytes);
    fails(put(b"two"), Conflict, "a put of what exists")?;
    fails(put(b"one"), Conflict, "a put of the same bytes")?;
    same(
        &place.get("index.json")?,
        &found,
        "an object after a refused put",
    )?;
    for _ in 0..2 {
        works(objects::remove(&path), "removing an object, twice")?;
        same(place.get("index.json")?, None, "a removed object")?;
    }
    let empty = place.put("index.json", b"")?;
    ensure(
        empty != version,
        "an object that was removed and put anew has the version of before",
    )?;
    same(
        place.get("index.json")?,
        Some((Vec::new(), empty)),
        "an empty object",
    )?;
    works(objects::remove(&path), "removing an object")?;
    let again = place.put("index.json", b"one")?;
    ensure(
        again != version,
        "an object that was removed and put anew has the version of before",
    )
}

/// The largest object comes back as it was; a larger one is refused.
pub(super) fn check_sizes(place: &Place) -> Verdict {
    let mut bytes = vec![1; OBJECT_BYTES_MAX];
    // Zeros and high bytes, as text would lose them.
    bytes
        .iter_mut()
        .zip(0u8..=255)
        .for_each(|(byte, value)| *byte = value);
    let version = place.put("large", &bytes)?;
    let found = place.get("large")?.map(|(found, _)| found);
    ensure(
        found.as_ref() == Some(&bytes),
        "an object of 16 MiB must come back as it was",
    )?;
    bytes.push(1);
    fails(
        objects::put_if_absent(&place.path("larger"), &bytes),
        InvalidArgument,
        "putting more than 16 MiB",
    )?;
    fails(
        objects::compare_and_swap(&place.path("large"), &version, &bytes),
        InvalidArgument,
        "swapping in more than 16 MiB",
    )?;
    same(place.get("larger")?, None, "an object that was refused")
}

/// A swap needs the present version, and makes a new one, even of the same bytes.
pub(super) fn check_swaps(place: &Place) -> Verdict {
    let swap =
        |version: &str, bytes: &[u8]| objects::compare_and_swap(&place.path("x"), version, bytes);
    fails(swap("", b"1"), Conflict, "a swap of nothing")?;
    same(place.get("x")?, None, "an object after a refused swap")?;
    let first = place.put("x", b"1")?;
    ensure(
        (1..=255).contains(&first.len()),
        format!("a version has {} bytes", first.len()),
    )?;
    let second = works(swap(&first, b"2"), "a swap")?;
    let found = place.get("x")?;
    same(
        &found,
        &Some((b"2".to_vec(), second.clone())),
        "a swapped object",
    )?;
    fails(swap(&first, b"3"), Conflict, "a swap with an old version")?;
    fails(swap("", b"3"), Conflict, "a swap without a version")?;
    same(&place.get("x")?, &found, "an object after a refused swap")?;
    let third = works(swap(&second, b"2"), "a swap for the same bytes")?;
    ensure(
        third != second,
        "a swap for the same bytes must change the version",
    )?;
    fails(
        swap(&second, b"4"),
        Conflict,
        "a swap with the version before",
    )?;
    works(objects::remove(&place.path("x")), "removing an object")?;
    fails(swap(&third, b"5"), Conflict, "a swap of a removed object")?;
    same(place.get("x")?, None, "an object after a refused swap")
}

/// A list has the names from a start on, in order, and neither files nor what the host keeps.
pub(super) fn check_lists(place: &Place) -> Verdict {
    let list = |start: &str| {
        works(
            objects::list(&place.name, start),
            format!("listing objects from {start:?}"),
        )
    };
    same_names(&list("")?, &[], "the objects of an empty place")?;
    place.write("parts/1/a", &[b"x"])?;
    for name in ["a.2", "index.json", "a", "a.10", "C", "c", "a-1", "z%"] {
        place.put(name, b"x")?;
    }
    let version = place.put("swapped", b"x")?;
    works(
        objects::compare_and_swap(&place.path("swapped"), &version, b"y"),
        "a swap",
    )?;
    let all = [
        "C",
        "a",
        "a-1",
        "a.10",
        "a.2",
        "c",
        "index.json",
        "swapped",
        "z%",
    ];
    same_names(&list("")?, &all, "all objects")?;
    for start in ["a.10", "a.1", "b", "swapped", "z%.", "0"] {
        let wanted: Vec<&str> = all.into_iter().filter(|name| *name >= start).collect();
        same_names(
            &list(start)?,
            &wanted,
            &format!("objects from {start:?} on"),
        )?;
    }
    for start in ["a b", "../", "~", "\u{e4}"] {
        fails(
            objects::list(&place.name, start),
            InvalidArgument,
            format!("listing objects from {start:?}"),
        )?;
    }
    works(objects::remove(&place.path("a.10")), "removing an object")?;
    let left: Vec<&str> = all.into_iter().filter(|name| *name != "a.10").collect();
    same_names(&list("")?, &left, "all objects but one that was removed")
}
