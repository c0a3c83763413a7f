//! Names of files and directories: listed, removed, moved, made durable.

use crate::bindings::sidx::storage::files;
use crate::outcome::Case::{Conflict, InvalidArgument, NotFound};
use crate::outcome::{Verdict, fails, may_fail, same, same_names, works};
use crate::place::Place;

/// A list has each name directly below once, in order, and nothing where nothing is.
pub(super) fn check_lists(place: &Place) -> Verdict {
    same_names(&place.list("d")?, &[], "a directory that does not exist")?;
    for path in [
        "d/b/2", "d/b/1", "d/b-c", "d/a", "d/B", "d/b.x/1", "e/z", "dd/x", "d/a%",
    ] {
        place.write(path, &[b"x"])?;
    }
    let wanted = ["B", "a", "a%", "b", "b-c", "b.x"];
    same_names(&place.list("d")?, &wanted, "the list of d")?;
    same_names(&place.list("d/b")?, &["1", "2"], "the list of d/b")?;
    let listed = may_fail(files::list(&place.path("d/a")), Conflict, "listing a file")?;
    same_names(&listed.unwrap_or_default(), &[], "the list of a file")?;
    for number in (0..1200).rev() {
        place.write(&format!("many/{number:04}"), &[])?;
    }
    let wanted: Vec<String> = (0..1200).map(|number| format!("{number:04}")).collect();
    let wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
    same_names(&place.list("many")?, &wanted, "the list of 1,200 files")
}

/// Removal takes a file or a whole directory and nothing beside it, as often as it is called; open files stay
/// readable.
pub(super) fn check_removal(place: &Place) -> Verdict {
    for path in ["d/a", "d/ab", "d/s/1", "d/s/t/2", "d/sx/3"] {
        place.write(path, &[path.as_bytes()])?;
    }
    let opened = ["d/a", "d/s/t/2"].map(|path| (path, files::open(&place.path(path))));
    for _ in 0..2 {
        works(files::remove(&place.path("d/a")), "removing a file, twice")?;
        works(
            files::remove(&place.path("d/s")),
            "removing a directory, twice",
        )?;
        works(
            files::remove(&place.path("nothing/here")),
            "removing nothing",
        )?;
        works(
            files::remove(&place.path("d/ab/below")),
            "removing nothing below a file",
        )?;
    }
    same_names(&place.list("d")?, &["ab", "sx"], "what a removal leaves")?;
    place.holds("d/ab", b"d/ab", "a file beside one that was removed")?;
    place.holds(
        "d/sx/3",
        b"d/sx/3",
        "a file beside a directory that was removed",
    )?;
    for (path, opened) in opened {
        fails(
            files::open(&place.path(path)),
            NotFound,
            "opening what was removed",
        )?;
        let file = works(opened, "opening")?;
        let length = u32::try_from(file.size_bytes).unwrap_or(0);
        let bytes = works(
            files::read_ranges(&[file.handle], &[0], &[length]),
            "reading an open file that was removed",
        )?;
        same(
            bytes.as_slice(),
            path.as_bytes(),
            "an open file that was removed",
        )?;
        files::close(file.handle);
    }
    place.write("d/a", &[b"new"])?;
    place.holds("d/a", b"new", "a file in the place of a removed one")
}

/// A move takes everything below, makes directories on the way, and replaces nothing.
pub(super) fn check_moves(place: &Place) -> Verdict {
    for path in [
        "parts/1/a",
        "parts/1/s/b",
        "parts/10/c",
        "parts/2/d",
        "parts/2/e",
    ] {
        place.write(path, &[path.as_bytes()])?;
    }
    let go = |from: &str, to: &str| files::move_(&place.path(from), &place.path(to));
    works(go("parts/1", "quarantine/deep/1"), "moving a directory")?;
    for (path, wanted) in [("a", "parts/1/a"), ("s/b", "parts/1/s/b")] {
        let path = format!("quarantine/deep/1/{path}");
        place.holds(&path, wanted.as_bytes(), "a moved file")?;
    }
    same_names(&place.list("parts")?, &["10", "2"], "what a move leaves")?;
    works(go("parts/2/e", "quarantine/e"), "moving a file")?;
    place.holds("quarantine/e", b"parts/2/e", "a moved file")?;

    fails(go("parts/1", "x"), NotFound, "moving what was moved away")?;
    fails(
        go("parts/2", "parts/10"),
        Conflict,
        "moving onto a directory",
    )?;
    fails(
        go("parts/2/d", "parts/10/c"),
        Conflict,
        "moving onto a file",
    )?;
    fails(
        go("parts/2", "parts/2/below"),
        InvalidArgument,
        "moving below itself",
    )?;
    let elsewhere = format!("{}-elsewhere/parts", place.name);
    let gone = files::move_(&place.path("parts"), &elsewhere);
    fails(gone, InvalidArgument, "moving to another place")?;
    place.holds("parts/10/c", b"parts/10/c", "the target of a refused move")?;
    place.holds("parts/2/d", b"parts/2/d", "the source of a refused move")
}

/// A directory can be synced; where there is none that may be said.
pub(super) fn check_syncs(place: &Place) -> Verdict {
    place.write("d/e/x", &[b"x"])?;
    works(files::sync(&place.path("d/e")), "syncing a directory")?;
    works(
        files::sync(&place.path("d")),
        "syncing a directory above it",
    )?;
    let nothing = files::sync(&place.path("nothing"));
    may_fail(nothing, NotFound, "syncing what does not exist")?;
    same_names(
        &place.list("nothing")?,
        &[],
        "what was synced without being there",
    )
}
