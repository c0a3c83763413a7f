//! Files while they are made: nameless, then whole, or given up.

use crate::bindings::sidx::storage::{files, places};
use crate::outcome::Case::{Conflict, InvalidArgument, NotFound};
use crate::outcome::{Verdict, ensure, fails, may_fail, same, same_names, works};
use crate::place::Place;

/// A file has no name before it is finished, then all of its bytes; a name is given once.
pub(super) fn check_new(place: &Place) -> Verdict {
    let path = place.path("parts/1/keys.bin");
    let file = works(files::begin(&path), "beginning a file in new directories")?;
    works(files::append(file, b"one"), "appending")?;
    fails(files::open(&path), NotFound, "opening an unfinished file")?;
    same_names(
        &place.list("parts/1")?,
        &[],
        "an unfinished file in its directory",
    )?;
    works(files::append(file, b""), "appending nothing")?;
    works(files::append(file, b"two"), "appending more")?;
    works(files::finish(file), "finishing")?;
    place.holds("parts/1/keys.bin", b"onetwo", "a finished file")?;
    same_names(
        &place.list("parts/1")?,
        &["keys.bin"],
        "a finished file in its directory",
    )?;
    fails(
        files::append(file, b"x"),
        InvalidArgument,
        "appending to a finished file",
    )?;
    fails(files::finish(file), InvalidArgument, "finishing twice")?;

    let again = files::begin(&path);
    if let Some(again) = may_fail(again, Conflict, "beginning a file that exists")? {
        works(files::append(again, b"again"), "appending")?;
        fails(
            files::finish(again),
            Conflict,
            "finishing a file that exists",
        )?;
    }
    place.holds(
        "parts/1/keys.bin",
        b"onetwo",
        "a file after all that was refused",
    )?;
    place.write("parts/1/empty", &[])?;
    place.holds("parts/1/empty", b"", "an empty file")?;
    // Every byte, as text would lose some.
    let bytes: Vec<u8> = (0..=255).collect();
    place.write("bytes", &[&bytes])?;
    same(place.read("bytes")?, bytes, "a file in no directory")
}

/// Of files under construction at one path one is finished, and the others change nothing.
pub(super) fn check_rivals(place: &Place) -> Verdict {
    let path = place.path("log/1");
    let begin = |bytes: &[u8]| -> Result<u32, String> {
        let file = works(
            files::begin(&path),
            "beginning one of several files of a path",
        )?;
        works(
            files::append(file, bytes),
            "appending to one of several files of a path",
        )?;
        Ok(file)
    };
    let (first, second, third) = (begin(b"first")?, begin(b"second")?, begin(b"third")?);
    works(files::finish(second), "finishing one of several")?;
    for rival in [first, third] {
        works(files::append(rival, b"!"), "appending to a rival")?;
        fails(
            files::finish(rival),
            Conflict,
            "finishing a file whose name is taken",
        )?;
        fails(
            files::finish(rival),
            InvalidArgument,
            "finishing what was refused",
        )?;
    }
    place.holds("log/1", b"second", "the file that was finished first")?;
    same_names(&place.list("log")?, &["1"], "what rivals leave")
}

/// A file that is given up leaves neither a name nor bytes.
pub(super) fn check_abandoned(place: &Place) -> Verdict {
    let size = || works(places::size_bytes(&place.name), "size-bytes");
    let path = place.path("parts/1/keys.bin");
    let before = size()?;
    let file = works(files::begin(&path), "beginning a file")?;
    works(files::append(file, &[7; 10_000]), "appending")?;
    files::close(file);
    fails(
        files::finish(file),
        InvalidArgument,
        "finishing what was given up",
    )?;
    fails(files::open(&path), NotFound, "opening what was given up")?;
    same_names(
        &place.list("parts/1")?,
        &[],
        "what a file that was given up leaves",
    )?;
    let after = size()?;
    ensure(
        after < before + 1000,
        format!("a file that was given up leaves {} bytes", after - before),
    )?;
    place.write("parts/1/keys.bin", &[b"again"])?;
    place.holds("parts/1/keys.bin", b"again", "the file made after it")
}

/// A handle is good for what it was given for, until it is closed.
pub(super) fn check_handles(place: &Place) -> Verdict {
    place.write("d/x", &[b"bytes"])?;
    let open = || works(files::open(&place.path("d/x")), "opening").map(|opened| opened.handle);
    let (reader, other) = (open()?, open()?);
    let new = works(files::begin(&place.path("d/y")), "beginning a file")?;
    ensure(
        reader != other && reader != new && other != new,
        "two handles that are in use are the same number",
    )?;
    let read = |handle: u32| files::read_ranges(&[handle], &[1], &[3]);
    fails(
        files::append(reader, b"x"),
        InvalidArgument,
        "appending to a file that is open for reading",
    )?;
    fails(
        files::finish(reader),
        InvalidArgument,
        "finishing a file that is open for reading",
    )?;
    fails(
        files::write(reader, 0, b"x", false),
        InvalidArgument,
        "writing to a file that is open for reading",
    )?;
    fails(
        files::write(new, 0, b"x", false),
        InvalidArgument,
        "writing to a file that is made whole",
    )?;
    fails(
        read(new),
        InvalidArgument,
        "reading a file under construction",
    )?;
    files::close(other);
    files::close(other);
    fails(
        read(other),
        InvalidArgument,
        "reading through a handle that was closed",
    )?;
    same(
        works(read(reader), "reading")?.as_slice(),
        b"yte",
        "bytes read through the other handle",
    )?;
    let unused = (0..u32::MAX).find(|handle| ![reader, other, new].contains(handle));
    fails(
        read(unused.unwrap_or(0)),
        InvalidArgument,
        "reading through a handle that nobody was given",
    )?;
    works(files::append(new, b"y"), "appending")?;
    works(files::finish(new), "finishing")?;
    files::close(reader);
    place.holds("d/y", b"y", "a file made beside readers")
}
