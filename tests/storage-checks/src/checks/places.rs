//! Places: made, found again, locked, measured and removed.

use crate::bindings::sidx::storage::{files, objects, places};
use crate::outcome::Case::{Conflict, InvalidArgument, NotFound};
use crate::outcome::{Verdict, ensure, fails, may_fail, same, same_names, works};
use crate::place::Place;

/// Places are made as often as one likes, listed in order, kept apart, and removed whole.
pub(super) fn check_places(place: &Place) -> Verdict {
    let location = places::describe().location;
    ensure(!location.is_empty(), "describe: the location says nothing")?;
    let names = ["B", "a", "a-b", "a.b"].map(|end| format!("{}-{end}", place.name));
    for name in &names {
        works(
            places::remove(name),
            "removing a place that an earlier run left",
        )?;
        works(places::make(name), "making a place")?;
        works(places::make(name), "making a place that exists")?;
        let each = Place { name: name.clone() };
        each.put("index.json", name.as_bytes())?;
        each.write("d/x", &[name.as_bytes()])?;
        let pinned = works(
            places::pinned_epochs(name),
            "asking for the epochs of readers",
        )?;
        same(
            pinned.as_slice(),
            &[],
            "epochs of readers in a place that nobody reads",
        )?;
    }
    let listed = works(places::list(None), "listing places")?;
    let ours: Vec<String> = listed
        .into_iter()
        .filter(|name| names.contains(name))
        .collect();
    let wanted: Vec<&str> = names.iter().map(String::as_str).collect();
    same_names(&ours, &wanted, "places with an index.json, in order")?;
    let [first, others @ ..] = &names;
    check_removed(&Place {
        name: first.clone(),
    })?;
    for name in others {
        let each = Place { name: name.clone() };
        each.holds(
            "d/x",
            name.as_bytes(),
            "a file of another place after a removal",
        )?;
        let object = each.get("index.json")?.map(|(bytes, _)| bytes);
        same(
            object.as_deref(),
            Some(name.as_bytes()),
            "an object of another place after a removal",
        )?;
    }
    names
        .iter()
        .try_for_each(|name| works(places::remove(name), "removing a place"))
}

const FIRST: &str = "00000001-00000000000000000000000000000001";
const SECOND: &str = "00000002-00000000000000000000000000000002";

/// A place below another is one of its own, and goes with that.
pub(super) fn check_places_below(place: &Place) -> Verdict {
    let below = [FIRST, SECOND].map(|last| Place {
        name: format!("{}/{last}", place.name),
    });
    for each in &below {
        works(places::make(&each.name), "making a place below another")?;
        each.put("x", each.name.as_bytes())?;
        each.write("d/x", &[each.name.as_bytes()])?;
    }
    place.put("x", b"above")?;
    let listed = works(places::list(Some(&place.name)), "listing places below")?;
    same_names(&listed, &[FIRST, SECOND], "places below another, in order")?;
    let [first, second] = &below;
    works(
        places::remove(&first.name),
        "removing a place below another",
    )?;
    same(
        first.get("x")?,
        None,
        "an object of a removed place below another",
    )?;
    let above = place.get("x")?.map(|(bytes, _)| bytes);
    same(
        above.as_deref(),
        Some(b"above".as_slice()),
        "an object of the place above",
    )?;
    second.holds(
        "d/x",
        second.name.as_bytes(),
        "a file of the other place below",
    )?;
    let nothing = works(places::list(Some("nowhere")), "listing places below none")?;
    same_names(&nothing, &[], "places below none")?;
    for wrong in [
        format!("{}/r", place.name),
        format!("{}/{FIRST}", second.name),
    ] {
        fails(
            places::make(&wrong),
            InvalidArgument,
            "making what is no place",
        )?;
    }
    Ok(())
}

/// Nothing is left of a place that was removed, but for what is open, and nothing comes back with it.
fn check_removed(place: &Place) -> Verdict {
    let path = place.path("d/x");
    let file = works(files::open(&path), "opening")?.handle;
    works(places::remove(&place.name), "removing a place")?;
    works(places::remove(&place.name), "removing a place twice")?;
    fails(
        files::open(&path),
        NotFound,
        "opening a file of a removed place",
    )?;
    same(
        place.get("index.json")?,
        None,
        "an object of a removed place",
    )?;
    let kept = files::read_ranges(&[file], &[0], &[5]);
    let kept = works(kept, "reading an open file of a removed place")?;
    same(
        kept.as_slice(),
        b"check",
        "the bytes of an open file of a removed place",
    )?;
    files::close(file);
    works(places::make(&place.name), "making a place again")?;
    same(
        place.get("index.json")?,
        None,
        "an object of a place that was made again",
    )?;
    fails(
        files::open(&path),
        NotFound,
        "opening a file of a place that was made again",
    )?;
    Ok(())
}

/// Where there is no place, reading finds nothing and removing succeeds.
pub(super) fn check_nothing_there(place: &Place) -> Verdict {
    let nowhere = Place {
        name: format!("{}-nowhere", place.name),
    };
    works(
        places::remove(&nowhere.name),
        "removing a place that does not exist",
    )?;
    let listed = works(places::list(None), "listing places")?;
    ensure(
        !listed.contains(&nowhere.name),
        "a place that does not exist is listed",
    )?;
    same(
        nowhere.get("index.json")?,
        None,
        "an object where there is no place",
    )?;
    let listed = works(
        objects::list(&nowhere.name, ""),
        "listing objects where there is no place",
    )?;
    same_names(&listed, &[], "objects where there is no place")?;
    let pinned = works(
        places::pinned_epochs(&nowhere.name),
        "asking for the epochs of readers where there is no place",
    )?;
    same(
        pinned.as_slice(),
        &[],
        "epochs of readers where there is no place",
    )?;
    same_names(
        &nowhere.list("d")?,
        &[],
        "a directory where there is no place",
    )?;
    fails(
        files::open(&nowhere.path("d/x")),
        NotFound,
        "opening a file where there is no place",
    )?;
    works(
        files::remove(&nowhere.path("d")),
        "removing files where there is no place",
    )?;
    works(
        objects::remove(&nowhere.path("x")),
        "removing an object where there is no place",
    )?;
    fails(
        files::move_(&nowhere.path("d"), &nowhere.path("e")),
        NotFound,
        "moving where there is no place",
    )?;
    // A medium without locks need not look.
    let locked = may_fail(
        places::lock(&nowhere.name),
        NotFound,
        "locking where there is no place",
    )?;
    ensure(
        locked.flatten().is_none(),
        "a place that does not exist can be locked",
    )
}

/// The size grows and shrinks by what is written and removed; what is free is no more than there is.
pub(super) fn check_sizes(place: &Place) -> Verdict {
    let size = || works(places::size_bytes(&place.name), "size-bytes");
    let start = size()?;
    place.write("d/e/x", &[&[1; 5000]])?;
    place.put("y", &[2; 300])?;
    place.write("log/z", &[&[3; 70]])?;
    same(size()?, start + 5370, "the size of three things")?;
    works(files::remove(&place.path("d")), "removing a directory")?;
    same(size()?, start + 370, "the size after a removal")?;
    works(objects::remove(&place.path("y")), "removing an object")?;
    let end = size()?;
    // What the host keeps for itself may remain.
    ensure(
        end >= start + 70 && end < start + 370,
        format!("{end} bytes remain of {start} + 70"),
    )?;
    if let Some(capacity) = works(places::space(&place.name), "space")? {
        ensure(
            capacity.free_bytes <= capacity.total_bytes,
            format!(
                "{} bytes of {} are free",
                capacity.free_bytes, capacity.total_bytes
            ),
        )?;
    }
    Ok(())
}

/// One holder at a time, whoever asks; other places, files and objects need no lock.
pub(super) fn check_locks(place: &Place) -> Verdict {
    let other = Place {
        name: format!("{}-other", place.name),
    };
    works(places::make(&other.name), "making a place")?;
    let held = works(places::lock(&place.name), "locking")?;
    let Some(held) = held else {
        let again = works(
            places::lock(&place.name),
            "asking again for a lock that there is not",
        )?;
        ensure(again.is_none(), "a medium without locks gave one")?;
        return works(places::remove(&other.name), "removing a place");
    };
    let text = fails(places::lock(&place.name), Conflict, "locking a second time")?;
    ensure(
        text.contains(&place.name),
        format!("the message must name {}, but is: {text}", place.name),
    )?;
    fails(
        places::remove(&place.name),
        Conflict,
        "removing a place that is locked",
    )?;
    let elsewhere = works(places::lock(&other.name), "locking another place")?
        .ok_or("a medium with locks must give one for each place")?;
    place.put("x", b"1")?;
    place.write("d/x", &[b"1"])?;
    places::unlock(held);
    places::unlock(held);
    let again = works(places::lock(&place.name), "locking after an unlock")?
        .ok_or("a medium with locks must give one each time")?;
    place.holds("d/x", b"1", "a file after the lock was taken again")?;
    fails(
        places::lock(&other.name),
        Conflict,
        "locking what another handle holds",
    )?;
    places::unlock(again);
    places::unlock(elsewhere);
    fails(places::lock("../x"), InvalidArgument, "locking outside")?;
    works(
        places::remove(&other.name),
        "removing a place after its lock was given back",
    )
}
