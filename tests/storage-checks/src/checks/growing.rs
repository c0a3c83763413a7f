//! Files that grow, where there are any.

use crate::bindings::sidx::storage::{files, places};
use crate::outcome::Case::{Conflict, Corrupt, InvalidArgument, NotFound};
use crate::outcome::{Verdict, fails, may_fail, same, same_names, works};
use crate::place::Place;

/// Where files do not grow, none is made by the attempt.
pub(super) fn check_none(place: &Place) -> Verdict {
    let path = place.path("log/1.log");
    if places::describe().files_grow {
        return Ok(());
    }
    fails(
        files::grow(&path),
        InvalidArgument,
        "growing a file where none grows",
    )?;
    fails(
        files::open(&path),
        NotFound,
        "opening a file that could not grow",
    )?;
    Ok(())
}

/// A growing file takes bytes at its end, is found while it grows, and goes on where it was when opened
/// again.
pub(super) fn check_growth(place: &Place) -> Verdict {
    if !places::describe().files_grow {
        return Ok(());
    }
    let path = place.path("log/1.log");
    let file = works(
        files::grow(&path),
        "making a growing file in a new directory",
    )?;
    same(file.size_bytes, 0, "the size of a new file")?;
    place.holds("log/1.log", b"", "a new file")?;
    let write = |offset, bytes: &[u8], sync| files::write(file.handle, offset, bytes, sync);
    works(write(0, b"one", false), "writing at the end")?;
    works(write(3, b"two", true), "writing at the end, with a sync")?;
    place.holds("log/1.log", b"onetwo", "what was written")?;
    same_names(
        &place.list("log")?,
        &["1.log"],
        "the directory of a growing file",
    )?;
    let early = works(files::open(&path), "opening a growing file")?;
    same(
        early.size_bytes,
        6,
        "the size of a growing file when it is opened",
    )?;
    works(write(6, b"three", false), "writing beside a reader")?;
    let range = files::read_ranges(&[early.handle], &[0], &[6]);
    same(
        works(range, "reading")?.as_slice(),
        b"onetwo",
        "what was there when the file was opened",
    )?;
    files::close(early.handle);
    files::close(file.handle);
    fails(
        write(11, b"x", false),
        InvalidArgument,
        "writing through a handle that was closed",
    )?;

    let file = works(files::grow(&path), "opening a growing file again")?;
    same(file.size_bytes, 11, "the size of a file opened again")?;
    works(
        files::write(file.handle, 11, b"!", false),
        "writing to a file opened again",
    )?;
    place.holds("log/1.log", b"onetwothree!", "the bytes after all that")?;
    files::close(file.handle);
    let new = files::begin(&path);
    if let Some(new) = may_fail(new, Conflict, "beginning a file where one grows")? {
        fails(
            files::finish(new),
            Conflict,
            "finishing a file where one grows",
        )?;
    }
    works(files::remove(&path), "removing a growing file")?;
    same_names(&place.list("log")?, &[], "the directory of a removed file")
}

/// A write cuts off what lies behind its offset, and leaves no gap.
pub(super) fn check_cuts(place: &Place) -> Verdict {
    if !places::describe().files_grow {
        return Ok(());
    }
    let path = place.path("log/1.log");
    let file = works(files::grow(&path), "making a growing file")?;
    let write = |offset, bytes: &[u8], sync| files::write(file.handle, offset, bytes, sync);
    works(write(0, b"onetwo", false), "writing")?;
    fails(
        write(7, b"x", false),
        InvalidArgument,
        "writing behind the end",
    )?;
    fails(
        write(u64::MAX, b"x", false),
        InvalidArgument,
        "writing far behind the end",
    )?;
    place.holds("log/1.log", b"onetwo", "a file after a refused write")?;
    let early = works(files::open(&path), "opening a growing file")?;
    works(write(4, b"", false), "cutting")?;
    let cut = files::read_ranges(&[early.handle], &[0], &[6]);
    fails(cut, Corrupt, "reading what was cut off")?;
    files::close(early.handle);
    works(write(4, b"hree", false), "writing after a cut")?;
    place.holds("log/1.log", b"onethree", "a file that was cut and grew")?;
    for _ in 0..2 {
        works(
            write(3, b"3", true),
            "writing less than is cut off by it, twice",
        )?;
        place.holds(
            "log/1.log",
            b"one3",
            "a write cuts off what was behind its offset",
        )?;
    }
    works(write(4, b"", true), "writing nothing, with a sync")?;
    place.holds("log/1.log", b"one3", "a file after nothing was written")?;
    works(write(0, b"", true), "cutting to nothing")?;
    place.holds("log/1.log", b"", "a file cut to nothing")?;
    works(
        write(0, b"again", true),
        "writing to a file that was cut to nothing",
    )?;
    place.holds(
        "log/1.log",
        b"again",
        "a file that was cut to nothing and grew",
    )?;
    files::close(file.handle);
    Ok(())
}
