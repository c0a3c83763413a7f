//! What readers and copies of an index need: pins, and second names of finished files.

use std::path::Path;
use std::sync::Arc;

use super::{Storage, Verdict, ensure, fails, read_file, same, works, write_file};
use crate::Lock;
use crate::error::ErrorKind::{Conflict, InvalidArgument, NotFound};
use crate::error::Result;

/// The pinned epochs are known at once to everybody, each until its last pin is dropped, whoever holds the
/// writer's lock. A place that takes no pins says so each time.
pub fn check_pins(storage: &Arc<dyn Storage>) -> Verdict {
    let pinned = |wanted: &[u64], when: &str| {
        let wanted = wanted.to_vec();
        same(
            &works(storage.pinned_epochs(), "pinned_epochs")?,
            &wanted,
            when,
        )
    };
    pinned(&[], "the pins before there is one")?;
    let Some(seven) = works(storage.pin(7), "pinning")? else {
        return pinned(&[], "the pins of a place that takes none");
    };
    pinned(&[7], "the pins with one reader")?;
    let taken = |pin: Result<Option<Lock>>| {
        works(pin, "pinning again")?.ok_or("a second pin must be taken as the first was".to_owned())
    };
    let writer = works(storage.lock(), "taking the lock while somebody reads")?;
    let greatest = taken(storage.pin(u64::MAX))?;
    let five = taken(storage.pin(5))?;
    let other_five = taken(storage.pin(5))?;
    pinned(&[5, 7, u64::MAX], "the pins of four")?;
    drop(writer);
    drop(five);
    pinned(
        &[5, 7, u64::MAX],
        "the pins while a second reader holds one",
    )?;
    drop(seven);
    pinned(
        &[5, u64::MAX],
        "the pins after one in the middle was dropped",
    )?;
    drop(other_five);
    pinned(&[u64::MAX], "the pins of the last reader")?;
    drop(greatest);
    pinned(&[], "the pins after all were dropped")?;
    let zero = taken(storage.pin(0))?;
    drop(works(
        storage.lock(),
        "taking the lock while somebody reads",
    )?);
    pinned(&[0], "a pin after a writer came and went")?;
    drop(zero);
    check_renewed_pins(storage)?;
    check_pins_of_many(storage)
}

/// An object that pins counts as long as it is there, or never does; it is an object like any other.
fn check_renewed_pins(storage: &Arc<dyn Storage>) -> Verdict {
    let name = format!("{:016x}-3600000-{:032x}.pin", 6, 1);
    let version = works(storage.put_if_absent(&name, b"0"), "putting a pin")?;
    let pinned = || works(storage.pinned_epochs(), "pinned_epochs");
    let found = pinned()?;
    ensure(
        found.is_empty() || found == [6],
        format!("epoch 6 is pinned by an object, and found is {found:?}"),
    )?;
    works(
        storage.compare_and_swap(&name, &version, b"1"),
        "renewing a pin",
    )?;
    same(&pinned()?, &found, "the pins after a renewal")?;
    same(
        &works(storage.list_objects(""), "list_objects")?.contains(&name),
        &true,
        "whether a pin is listed",
    )?;
    works(storage.remove_object(&name), "removing a pin")?;
    same(
        &pinned()?,
        &Vec::new(),
        "the pins after the object was removed",
    )
}

/// Readers that come and go while a writer looks all the time.
fn check_pins_of_many(storage: &Arc<dyn Storage>) -> Verdict {
    let floor = works(storage.pin(100), "pinning")?;
    let read = |reader: u64| -> Verdict {
        for round in 0..50 {
            let epoch = 100 - (round + reader) % 3;
            let pin = works(storage.pin(epoch), "pinning beside others")?;
            let pinned = works(storage.pinned_epochs(), "pinned_epochs beside others")?;
            ensure(
                pinned.contains(&epoch),
                format!("epoch {epoch} is pinned, but the pins are {pinned:?}"),
            )?;
            drop(pin);
        }
        Ok(())
    };
    let verdicts: Vec<Verdict> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|reader| scope.spawn(move || read(reader)))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or(Err("a reader panicked".into())))
            .collect()
    });
    verdicts.into_iter().collect::<Verdict>()?;
    same(
        &works(storage.pinned_epochs(), "pinned_epochs")?,
        &vec![100],
        "the pins after the other readers left",
    )?;
    drop(floor);
    same(
        &works(storage.pinned_epochs(), "pinned_epochs")?,
        &Vec::new(),
        "the pins after all readers left",
    )
}

/// A link is a whole file under a second name, or is refused and changes nothing.
pub fn check_links(storage: &Arc<dyn Storage>) -> Verdict {
    write_file(storage, "d/x", &[b"bytes"])?;
    let nowhere = Path::new("/nowhere/at/all");
    for path in ["", "..", "readers/x", "lock"] {
        ensure(
            storage.local_path(path).is_none(),
            format!("{path:?} must not be a local path"),
        )?;
    }
    let Some(from) = storage.local_path("d/x") else {
        let linked = works(storage.link("e/y", nowhere), "linking without local files")?;
        return ensure(!linked, "a place without local files links none");
    };
    fails(
        storage.link("../y", &from),
        InvalidArgument,
        "linking to the outside",
    )?;
    fails(
        storage.link("d/x", &from),
        Conflict,
        "linking to a name that is taken",
    )?;
    fails(
        storage.link("d", &from),
        Conflict,
        "linking to the name of a directory",
    )?;
    fails(
        storage.link("d/x/y", &from),
        Conflict,
        "linking below a file",
    )?;
    fails(
        storage.link("e/z", nowhere),
        NotFound,
        "linking what does not exist",
    )?;
    if works(storage.link("e/f/y", &from), "linking")? {
        works(storage.sync("e/f"), "syncing the directory of a link")?;
        works(storage.remove("d"), "removing the first name")?;
        same(
            &read_file(storage, "e/f/y")?,
            &b"bytes".to_vec(),
            "a linked file",
        )?;
    } else {
        fails(
            storage.open("e/f/y"),
            NotFound,
            "opening what could not be linked",
        )?;
    }
    Ok(())
}
