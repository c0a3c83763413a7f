//! Ranges of bytes, many in one call.

use crate::bindings::sidx::storage::files;
use crate::outcome::Case::{Corrupt, InvalidArgument, NotFound};
use crate::outcome::{Verdict, ensure, fails, same, works};
use crate::place::Place;

/// Bytes that differ from place to place in a file, and from file to file.
fn pattern(length: u32, seed: u32) -> Vec<u8> {
    (0..length).map(|i| ((i + seed) % 251) as u8).collect()
}

/// Any ranges of a file, in any order, each as it is asked for.
pub(super) fn check_ranges(place: &Place) -> Verdict {
    let bytes = pattern(100_000, 0);
    let (front, back) = bytes.split_at(33_333);
    place.write("d/x", &[front, back])?;
    let file = works(files::open(&place.path("d/x")), "opening")?;
    same(file.size_bytes, 100_000, "the size of a file")?;
    let none = works(files::read_ranges(&[], &[], &[]), "reading no ranges")?;
    same(none.as_slice(), b"", "no ranges")?;
    let asked: [(u64, u32); 8] = [
        (99_999, 1),
        (0, 1),
        (33_000, 1000),
        (100_000, 0),
        (33_500, 700),
        (5, 0),
        (33_000, 1000),
        (0, 100_000),
    ];
    let mut wanted = Vec::new();
    for (offset, length) in asked {
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let range = start..start.saturating_add(length as usize);
        let inside = bytes.get(range).unwrap_or_default();
        let one = works(
            files::read_ranges(&[file.handle], &[offset], &[length]),
            "reading inside a file",
        )?;
        ensure(
            one == inside,
            format!("wrong bytes in the range of {length} bytes at offset {offset}"),
        )?;
        wanted.extend_from_slice(inside);
    }
    let handles = [file.handle; 8];
    let offsets = asked.map(|(offset, _)| offset);
    let lengths = asked.map(|(_, length)| length);
    let all = works(
        files::read_ranges(&handles, &offsets, &lengths),
        "reading many ranges",
    )?;
    same(all.len(), wanted.len(), "the bytes of many ranges, counted")?;
    ensure(
        all == wanted,
        "many ranges must come one after the other, in the order of the lists",
    )?;
    files::close(file.handle);
    Ok(())
}

/// Ranges of several files in one call, by turns.
pub(super) fn check_many_files(place: &Place) -> Verdict {
    let mut contents = Vec::new();
    let mut handles = Vec::new();
    for number in 0..40u32 {
        let bytes = pattern(1000 + number, number * 7);
        let name = format!("d/{number}");
        place.write(&name, &[&bytes])?;
        handles.push(works(files::open(&place.path(&name)), "opening one of many files")?.handle);
        contents.push(bytes);
    }
    let (mut asked, mut offsets, mut lengths, mut wanted) = (vec![], vec![], vec![], vec![]);
    for turn in 0..3usize {
        for (handle, bytes) in handles.iter().zip(&contents) {
            let range = turn * 300..turn * 300 + 100 + turn;
            asked.push(*handle);
            offsets.push(range.start as u64);
            lengths.push(range.len() as u32);
            wanted.extend_from_slice(bytes.get(range).unwrap_or_default());
        }
    }
    let found = works(
        files::read_ranges(&asked, &offsets, &lengths),
        "reading ranges of many files",
    )?;
    ensure(
        found == wanted,
        "ranges of many files must come one after the other, in the order of the lists",
    )?;
    handles.into_iter().for_each(files::close);
    Ok(())
}

/// What is not there cannot be read, and takes with it what is asked for beside it.
pub(super) fn check_outside(place: &Place) -> Verdict {
    place.write("d/x", &[&pattern(1000, 0)])?;
    fails(
        files::open(&place.path("d/y")),
        NotFound,
        "opening a file that does not exist",
    )?;
    fails(
        files::open(&place.path("d")),
        NotFound,
        "opening a directory",
    )?;
    fails(
        files::open(&place.path("d/x/y")),
        NotFound,
        "opening a file below a file",
    )?;
    let file = works(files::open(&place.path("d/x")), "opening")?.handle;
    for (offset, length) in [
        (999, 2),
        (1000, 1),
        (1001, 0),
        (u64::MAX, 1),
        (u64::MAX, 0),
        (0, 1001),
    ] {
        let what = format!("reading {length} bytes at offset {offset} of 1,000 bytes");
        fails(
            files::read_ranges(&[file], &[offset], &[length]),
            Corrupt,
            &what,
        )?;
        let beside = files::read_ranges(&[file, file, file], &[0, offset, 5], &[10, length, 10]);
        fails(beside, Corrupt, format!("{what}, beside what can be read"))?;
    }
    let uneven: [(&[u32], &[u64], &[u32]); 4] = [
        (&[file, file], &[0], &[1]),
        (&[file], &[0, 1], &[1]),
        (&[file], &[0], &[1, 1]),
        (&[file], &[], &[]),
    ];
    for (handles, offsets, lengths) in uneven {
        fails(
            files::read_ranges(handles, offsets, lengths),
            InvalidArgument,
            "reading with lists of different lengths",
        )?;
    }
    let half = 32 << 20;
    fails(
        files::read_ranges(&[file; 3], &[0; 3], &[half, half, 1]),
        InvalidArgument,
        "reading more than 64 MiB in one call",
    )?;
    files::close(file);
    Ok(())
}
