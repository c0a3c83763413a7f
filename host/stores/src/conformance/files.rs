//! Immutable files: born whole, read at any place, listed, moved and removed.

use std::sync::Arc;

use super::{Storage, Verdict, ensure, fails, read_file, same, works, write_file};
use crate::error::ErrorKind::{Conflict, Corrupt, InvalidArgument, NotFound};

/// A file has no name before it is finished, then all of its bytes; a name is given once.
pub fn check_new_files(storage: &Arc<dyn Storage>) -> Verdict {
    let mut file = works(
        storage.create("parts/1/keys.bin"),
        "creating a file in new directories",
    )?;
    works(file.append(b"one"), "appending")?;
    fails(
        storage.open("parts/1/keys.bin"),
        NotFound,
        "opening an unfinished file",
    )?;
    same(
        &works(storage.list("parts/1"), "list")?,
        &vec![],
        "an unfinished file in its directory",
    )?;
    works(file.append(b""), "appending nothing")?;
    works(file.append(b"two"), "appending more")?;
    works(file.finish(), "finishing")?;
    same(
        &read_file(storage, "parts/1/keys.bin")?,
        &b"onetwo".to_vec(),
        "a finished file",
    )?;
    let listed = works(storage.list("parts/1"), "list")?;
    same(
        &listed,
        &vec!["keys.bin".to_owned()],
        "a finished file in its directory",
    )?;
    works(storage.sync("parts/1"), "syncing the directory")?;

    check_taken(storage, "parts/1/keys.bin")?;
    write_file(storage, "parts/1/empty", &[])?;
    same(
        &read_file(storage, "parts/1/empty")?,
        &vec![],
        "an empty file",
    )?;
    check_rivals(storage)
}

/// A name that is taken is refused at the beginning or at the end, and nothing has changed.
fn check_taken(storage: &Arc<dyn Storage>, path: &str) -> Verdict {
    let again = storage.create(path).and_then(|mut file| {
        file.append(b"again")?;
        file.finish()
    });
    fails(again, Conflict, "making a file that exists")?;
    fails(
        storage.put_file(path, b"again"),
        Conflict,
        "putting a file that exists",
    )?;
    same(
        &read_file(storage, path)?,
        &b"onetwo".to_vec(),
        "a file that was there",
    )?;
    works(storage.put_file("parts/1/put", b"put"), "putting a file")?;
    same(
        &read_file(storage, "parts/1/put")?,
        &b"put".to_vec(),
        "a file that was put",
    )
}

/// Of two files under construction at one path one is finished, and the other changes nothing.
fn check_rivals(storage: &Arc<dyn Storage>) -> Verdict {
    let mut first = works(storage.create("rivals/x"), "creating")?;
    works(first.append(b"first"), "appending")?;
    // A backend may refuse the second one at once.
    let second = storage.create("rivals/x").ok();
    works(first.finish(), "finishing the first of two")?;
    if let Some(mut second) = second {
        let appended = second.append(b"second");
        ensure(appended.is_ok(), "appending to a rival must succeed")?;
        fails(
            second.finish(),
            Conflict,
            "finishing a file whose path was taken meanwhile",
        )?;
    }
    same(
        &read_file(storage, "rivals/x")?,
        &b"first".to_vec(),
        "the file that was finished first",
    )
}

/// A file that is dropped unfinished leaves neither a name nor bytes.
pub fn check_abandoned_files(storage: &Arc<dyn Storage>) -> Verdict {
    let before = works(storage.size_bytes(), "size_bytes")?;
    let mut file = works(storage.create("parts/1/keys.bin"), "creating")?;
    works(file.append(&[7; 10_000]), "appending")?;
    drop(file);
    fails(
        storage.open("parts/1/keys.bin"),
        NotFound,
        "opening an abandoned file",
    )?;
    same(
        &works(storage.list("parts/1"), "list")?,
        &vec![],
        "what an abandoned file leaves",
    )?;
    same(
        &works(storage.size_bytes(), "size_bytes")?,
        &before,
        "bytes an abandoned file leaves",
    )?;
    write_file(storage, "parts/1/keys.bin", &[b"again"])?;
    same(
        &read_file(storage, "parts/1/keys.bin")?,
        &b"again".to_vec(),
        "the file made after it",
    )
}

/// Any range inside a file can be read, from several threads; none outside.
pub fn check_reads(storage: &Arc<dyn Storage>) -> Verdict {
    let bytes: Vec<u8> = (0..100_000u32).map(|i| (i % 251) as u8).collect();
    let (front, back) = bytes.split_at(33_333);
    write_file(storage, "d/x", &[front, back])?;
    fails(
        storage.open("d/y"),
        NotFound,
        "opening a file that does not exist",
    )?;
    fails(storage.open("d"), NotFound, "opening a directory")?;
    fails(
        storage.open("d/x/y"),
        NotFound,
        "opening a file below a file",
    )?;
    let file = works(storage.open("d/x"), "opening")?;
    same(&file.size(), &100_000, "the size of a file")?;
    let read_parts = || -> Verdict {
        for (offset, length) in [
            (0usize, 1usize),
            (33_000, 1000),
            (99_999, 1),
            (100_000, 0),
            (5, 0),
        ] {
            let mut buffer = vec![0; length];
            works(
                file.read_at(offset as u64, &mut buffer),
                "reading inside a file",
            )?;
            let wanted = bytes.get(offset..offset + length).unwrap_or_default();
            ensure(buffer == wanted, format!("wrong bytes at offset {offset}"))?;
        }
        Ok(())
    };
    let verdicts: Vec<Verdict> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(read_parts)).collect();
        threads
            .into_iter()
            .map(|t| t.join().unwrap_or(Err("a reader panicked".into())))
            .collect()
    });
    verdicts.into_iter().collect::<Verdict>()?;
    for (offset, length) in [(99_999, 2), (100_000, 1), (100_001, 0), (u64::MAX, 1)] {
        let mut buffer = vec![0; length];
        fails(
            file.read_at(offset, &mut buffer),
            Corrupt,
            "reading behind the end",
        )?;
    }
    Ok(())
}

/// A list has each name directly below once, in order, and nothing where nothing is.
pub fn check_lists(storage: &Arc<dyn Storage>) -> Verdict {
    same(
        &works(storage.list("d"), "list")?,
        &vec![],
        "a directory that does not exist",
    )?;
    for path in [
        "d/b/2", "d/b/1", "d/b-c", "d/a", "d/B", "d/b.x/1", "e/z", "dd/x", "d/a%",
    ] {
        write_file(storage, path, &[b"x"])?;
    }
    let listed = works(storage.list("d"), "list")?;
    same(
        &listed,
        &["B", "a", "a%", "b", "b-c", "b.x"]
            .map(str::to_owned)
            .to_vec(),
        "list of d",
    )?;
    let listed = works(storage.list("d/b"), "list")?;
    same(
        &listed,
        &["1", "2"].map(str::to_owned).to_vec(),
        "list of d/b",
    )?;
    match storage.list("d/a") {
        // A medium without directories sees nothing below it.
        Ok(names) => same(&names, &vec![], "a list of a file"),
        listed => fails(listed, Conflict, "listing a file"),
    }
}

/// Removal takes a file or a whole directory and nothing beside it, as often as it is called; open
/// files stay readable, or say that they are gone.
pub fn check_removal(storage: &Arc<dyn Storage>) -> Verdict {
    for path in ["d/a", "d/ab", "d/s/1", "d/s/t/2", "d/sx/3"] {
        write_file(storage, path, &[path.as_bytes()])?;
    }
    let file = works(storage.open("d/a"), "opening")?;
    let deep = works(storage.open("d/s/t/2"), "opening")?;
    for _ in 0..2 {
        works(storage.remove("d/a"), "removing a file, twice")?;
        works(storage.remove("d/s"), "removing a directory, twice")?;
        works(storage.remove("nothing/here"), "removing nothing")?;
        works(
            storage.remove("d/ab/below"),
            "removing nothing below a file",
        )?;
    }
    fails(storage.open("d/a"), NotFound, "opening a removed file")?;
    fails(
        storage.open("d/s/t/2"),
        NotFound,
        "opening a file of a removed directory",
    )?;
    let listed = works(storage.list("d"), "list")?;
    same(
        &listed,
        &["ab", "sx"].map(str::to_owned).to_vec(),
        "what a removal leaves",
    )?;
    for (file, wanted) in [(file, b"d/a".to_vec()), (deep, b"d/s/t/2".to_vec())] {
        let mut bytes = vec![0; wanted.len()];
        match file.read_at(0, &mut bytes) {
            Ok(()) => same(
                &bytes,
                &wanted,
                "the bytes of an open file that was removed",
            )?,
            read => fails(read, NotFound, "reading an open file that was removed")?,
        }
    }
    write_file(storage, "d/a", &[b"new"])?;
    same(
        &read_file(storage, "d/a")?,
        &b"new".to_vec(),
        "a file in the place of a removed one",
    )
}

/// A move takes everything below, makes directories on the way, and replaces nothing.
pub fn check_moves(storage: &Arc<dyn Storage>) -> Verdict {
    for path in ["parts/1/a", "parts/1/s/b", "parts/10/c", "parts/2/d"] {
        write_file(storage, path, &[path.as_bytes()])?;
    }
    works(
        storage.rename("parts/1", "quarantine/deep/1"),
        "moving a directory",
    )?;
    same(
        &read_file(storage, "quarantine/deep/1/a")?,
        &b"parts/1/a".to_vec(),
        "a moved file",
    )?;
    same(
        &read_file(storage, "quarantine/deep/1/s/b")?,
        &b"parts/1/s/b".to_vec(),
        "a moved file",
    )?;
    let listed = works(storage.list("parts"), "list")?;
    same(
        &listed,
        &["10", "2"].map(str::to_owned).to_vec(),
        "what a move leaves",
    )?;

    fails(
        storage.rename("parts/1", "x"),
        NotFound,
        "moving what was moved away",
    )?;
    fails(
        storage.rename("parts/2", "parts/10"),
        Conflict,
        "moving onto a directory",
    )?;
    fails(
        storage.rename("parts/2/d", "parts/10/c"),
        Conflict,
        "moving onto a file",
    )?;
    fails(
        storage.rename("parts/2", "parts/2/below"),
        InvalidArgument,
        "moving below itself",
    )?;
    same(
        &read_file(storage, "parts/10/c")?,
        &b"parts/10/c".to_vec(),
        "the target of a refused move",
    )?;
    same(
        &read_file(storage, "parts/2/d")?,
        &b"parts/2/d".to_vec(),
        "the source of a refused move",
    )
}
