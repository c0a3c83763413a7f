//! Files that grow, the writer's lock, and the size of it all.

use std::sync::Arc;

use super::{Storage, Verdict, ensure, fails, read_file, same, works, write_file};
use crate::LogForm;
use crate::error::ErrorKind::{Conflict, Corrupt, InvalidArgument};

/// A growing file takes bytes at its end, can be cut, and goes on where it was when opened again.
///
/// Where files do not grow there is nothing to check.
pub fn check_append_files(storage: &Arc<dyn Storage>) -> Verdict {
    if storage.log_form() == LogForm::Whole {
        return Ok(());
    }
    let mut file = works(
        storage.append_file("log/1.log"),
        "opening a new file for appending",
    )?;
    same(&file.size(), &0, "the size of a new file")?;
    works(file.append(b"one"), "appending")?;
    works(file.append(b"two"), "appending")?;
    works(file.sync(), "syncing")?;
    same(&file.size(), &6, "the size after two appends")?;
    same(
        &read_file(storage, "log/1.log")?,
        &b"onetwo".to_vec(),
        "what was appended",
    )?;
    let listed = works(storage.list("log"), "list")?;
    same(
        &listed,
        &vec!["1.log".to_owned()],
        "the directory of a growing file",
    )?;

    let early = works(storage.open("log/1.log"), "opening a growing file")?;
    works(file.truncate(4), "truncating")?;
    same(&file.size(), &4, "the size after a truncation")?;
    fails(
        early.read_at(0, &mut [0; 6]),
        Corrupt,
        "reading what was cut off",
    )?;
    fails(
        file.truncate(5),
        InvalidArgument,
        "truncating to more than there is",
    )?;
    works(file.append(b"hree"), "appending after a truncation")?;
    works(file.truncate(8), "truncating to the present size")?;
    drop(file);

    let mut file = works(storage.append_file("log/1.log"), "opening a file again")?;
    same(&file.size(), &8, "the size of a file opened again")?;
    works(file.append(b"!"), "appending to a file opened again")?;
    works(file.resync(3), "writing a beginning again")?;
    same(
        &read_file(storage, "log/1.log")?,
        &b"onethree!".to_vec(),
        "the bytes after all that",
    )?;
    works(file.truncate(0), "truncating to nothing")?;
    same(
        &read_file(storage, "log/1.log")?,
        &vec![],
        "a file cut to nothing",
    )?;
    fails(
        storage.append_file("log"),
        Conflict,
        "appending to a directory",
    )?;
    works(storage.remove("log/1.log"), "removing a growing file")?;
    same(
        &works(storage.list("log"), "list")?,
        &vec![],
        "the directory of a removed file",
    )
}

/// One writer at a time; readers and objects need no lock; the lock goes with its holder.
pub fn check_lock(storage: &Arc<dyn Storage>) -> Verdict {
    let held = works(storage.lock(), "taking the lock")?;
    fails(storage.lock(), Conflict, "taking the lock a second time")?;
    let message = storage
        .lock()
        .err()
        .map(|error| error.message().to_owned())
        .unwrap_or_default();
    let location = storage.location();
    let names = message.contains(&location);
    ensure(
        names,
        format!("the message must name {location}, but is: {message}"),
    )?;
    let elsewhere = std::thread::scope(|scope| {
        scope
            .spawn(|| storage.lock().map(drop))
            .join()
            .unwrap_or(Ok(()))
    });
    fails(elsewhere, Conflict, "taking the lock in another thread")?;
    works(
        storage.put_if_absent("x", b"1"),
        "putting an object while locked",
    )?;
    write_file(storage, "d/x", &[b"1"])?;
    drop(held);
    let again = works(storage.lock(), "taking the lock after it was dropped")?;
    same(
        &read_file(storage, "d/x")?,
        &b"1".to_vec(),
        "a file after the lock was taken again",
    )?;
    drop(again);
    works(storage.lock(), "taking the lock once more").map(drop)
}

/// The size grows and shrinks by what is written and removed.
pub fn check_size(storage: &Arc<dyn Storage>) -> Verdict {
    let start = works(storage.size_bytes(), "size_bytes")?;
    write_file(storage, "d/e/x", &[&[1; 5000]])?;
    works(storage.put_if_absent("y", &[2; 300]), "put")?;
    if storage.log_form() == LogForm::Growing {
        let mut log = works(storage.append_file("log/z"), "append_file")?;
        works(log.append(&[3; 70]), "append")?;
        same(
            &works(storage.size_bytes(), "size_bytes")?,
            &(start + 5370),
            "the size of three things",
        )?;
        works(log.truncate(50), "truncate")?;
    } else {
        write_file(storage, "log/z", &[&[3; 50]])?;
    }
    works(storage.remove("d"), "remove")?;
    same(
        &works(storage.size_bytes(), "size_bytes")?,
        &(start + 350),
        "the size after a removal",
    )?;
    works(storage.remove_object("y"), "remove_object")?;
    let end = works(storage.size_bytes(), "size_bytes")?;
    // The backend's own locks may remain.
    ensure(
        end >= start + 50 && end < start + 300,
        format!("{end} bytes remain of {start} + 50"),
    )
}
