//! Growing files that are not as they were written: what is cut, and what is reported.

use super::{
    FIRST, Files, bytes_of, content, contents, fill, is_damaged, names, open, open_small, refused,
    replay,
};
use crate::segment::{GROWING_HEADER_BYTES, Segment};
use crate::{Access, Durability, Error, Form, Log, Name, Segments, checksum};

const HEADER: usize = GROWING_HEADER_BYTES;
const FIRST_PLACE: &str = "memory:x/log/0000000000000000.log";

/// Opens a log that ends torn: a reader stops before it and changes nothing, a writer cuts it and
/// goes on. `whole` entries must be there.
fn check_cut(files: &Files, name: Name, whole: u64, end: u64) {
    let before = bytes_of(files, name);
    let mut reader = Log::open(files.clone(), Access::Read).expect("torn, not corrupt");
    assert_eq!(reader.end(), end);
    assert_eq!(replay(&mut reader, 0), contents(0..whole));
    assert_eq!(bytes_of(files, name), before, "a reader changed the file");
    let mut writer = open(files);
    assert_eq!(writer.end(), end);
    assert_eq!(fill(&mut writer, whole..whole + 2, Durability::Os)[0], end);
    assert_eq!(replay(&mut writer, 0), contents(0..whole + 2));
    assert_eq!(replay(&mut open(files), 0), contents(0..whole + 2));
}

/// A log of five entries and where the last begins in its file.
fn five(durability: Durability) -> (Files, Vec<u8>, Vec<usize>) {
    let files = Files::new();
    let positions = fill(&mut open(&files), 0..5, durability);
    let bytes = bytes_of(&files, FIRST);
    let offsets = positions
        .iter()
        .map(|&position| position as usize + HEADER)
        .collect();
    (files, bytes, offsets)
}

#[test]
fn an_end_torn_at_any_byte_is_cut() {
    let (files, bytes, offsets) = five(Durability::Sync);
    let last = offsets[4];
    for size in last..bytes.len() {
        files.replace(FIRST, &bytes[..size]);
        check_cut(&files, FIRST, 4, (last - HEADER) as u64);
        // With zeroes where the rest should be, as a power loss may leave it.
        let mut zeroed = bytes[..size].to_vec();
        zeroed.resize(bytes.len() + 100, 0);
        if zeroed[..bytes.len()] != bytes {
            files.replace(FIRST, &zeroed);
            check_cut(&files, FIRST, 4, (last - HEADER) as u64);
        }
    }
}

#[test]
fn a_last_entry_with_any_wrong_byte_is_cut() {
    let (files, bytes, offsets) = five(Durability::Sync);
    let last = offsets[4];
    for at in last..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x10;
        files.replace(FIRST, &damaged);
        check_cut(&files, FIRST, 4, (last - HEADER) as u64);
    }
}

#[test]
fn garbage_after_the_end_is_cut() {
    let (files, bytes, offsets) = five(Durability::Sync);
    let end = (bytes.len() - HEADER) as u64;
    let noise = |n: usize| {
        (0..n).scan(1u32, |x, _| {
            *x = x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            Some((*x >> 24) as u8)
        })
    };
    let tails: [Vec<u8>; 7] = [
        vec![0],
        vec![0; 100_000],
        vec![0xff; 3000],
        noise(7).collect(),
        noise(1_500_000).collect(),
        // Good frames that lie where they were not written.
        bytes[offsets[3]..].to_vec(),
        bytes.clone(),
    ];
    for tail in tails {
        files.replace(FIRST, &[&bytes[..], &tail].concat());
        check_cut(&files, FIRST, 5, end);
    }
}

#[test]
fn a_damaged_entry_before_a_good_one_is_corrupt() {
    for durability in [Durability::Sync, Durability::Os] {
        let (files, bytes, offsets) = five(durability);
        for at in offsets[1]..offsets[4] {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x10;
            files.replace(FIRST, &damaged);
            let frame = offsets
                .iter()
                .rev()
                .find(|&&offset| offset <= at)
                .expect("a frame");
            for access in [Access::Read, Access::Write] {
                let error = refused(&files, access);
                assert!(is_damaged(&error), "{error}");
                let place = format!("{FIRST_PLACE}: offset {frame}: ");
                assert!(error.to_string().starts_with(&place), "byte {at}: {error}");
            }
            assert_eq!(
                bytes_of(&files, FIRST),
                damaged,
                "a refused log was changed"
            );
        }
    }
}

#[test]
fn a_damage_far_before_a_good_entry_is_found() {
    // The search reads in windows of 1 MiB; the good frame begins around the end of the first.
    for filler in ((1 << 20) - 26..(1 << 20) - 18).chain([1 << 20, 3 << 20]) {
        let files = Files::new();
        let mut log = open(&files);
        log.append(&[(b"", &vec![7; filler])], Durability::Sync)
            .expect("appended");
        let second = fill(&mut log, 0..1, Durability::Sync)[0];
        let mut damaged = bytes_of(&files, FIRST);
        damaged[HEADER + 2] ^= 1;
        files.replace(FIRST, &damaged);
        let error = refused(&files, Access::Write);
        let follows = format!("follows at offset {}", second + HEADER as u64);
        assert!(error.to_string().contains(&follows), "{error}");
    }
}

/// A log of three entries of 3,000 bytes with the sector that begins 512 bytes into the second
/// lost.
fn sector_lost(durability: Durability) -> (Files, u64) {
    let files = Files::new();
    let mut log = open(&files);
    let mut positions = Vec::new();
    for _ in 0..3 {
        positions.push(log.end());
        log.append(&[(b"", &[7; 3000])], durability)
            .expect("appended");
    }
    let mut bytes = bytes_of(&files, FIRST);
    let sector = (HEADER + positions[1] as usize + 512).next_multiple_of(512);
    bytes[sector..sector + 512].fill(0);
    files.replace(FIRST, &bytes);
    (files, positions[1])
}

#[test]
fn a_sector_that_was_never_written_is_torn_unless_it_had_been_synced() {
    let (files, second) = sector_lost(Durability::Os);
    let mut log = open(&files);
    assert_eq!(log.end(), second);
    assert_eq!(fill(&mut log, 0..1, Durability::Os), [second]);
    assert_eq!(replay(&mut open(&files), second), contents(0..1));

    let (files, second) = sector_lost(Durability::Sync);
    let error = refused(&files, Access::Write);
    assert!(is_damaged(&error), "{error}");
    assert!(
        error.to_string().contains(&format!("position {second} ")),
        "{error}"
    );
}

#[test]
fn what_a_writer_found_at_opening_counts_as_synced() {
    let files = Files::new();
    let large = [7; 3000];
    open(&files)
        .append(&[(b"", &large)], Durability::Os)
        .expect("appended");
    fill(&mut open(&files), 0..1, Durability::Os);
    let mut bytes = bytes_of(&files, FIRST);
    bytes[512..1024].fill(0);
    files.replace(FIRST, &bytes);
    let error = refused(&files, Access::Write);
    assert!(is_damaged(&error), "{error}");
}

#[test]
fn damage_in_an_older_segment_is_corrupt_when_it_is_read() {
    let files = Files::new();
    let positions = fill(&mut open_small(&files), 0..20, Durability::Os);
    let mut bytes = bytes_of(&files, FIRST);
    let at = HEADER + positions[1] as usize + 25;
    bytes[at] ^= 1;
    files.replace(FIRST, &bytes);
    let mut log = open(&files);
    assert!(log.read(positions[0]).is_ok());
    let error = log.read(positions[1]).expect_err("damaged");
    assert!(is_damaged(&error), "{error}");
    let place = format!("{FIRST_PLACE}: offset {}: ", HEADER as u64 + positions[1]);
    assert!(error.to_string().starts_with(&place), "{error}");
}

#[test]
fn missing_and_shortened_segments_are_corrupt() {
    for shorten in [false, true] {
        let files = Files::new();
        fill(&mut open_small(&files), 0..20, Durability::Os);
        let before = names(&files);
        let name = before[1];
        let bytes = bytes_of(&files, name);
        if shorten {
            files.replace(name, &bytes[..bytes.len() - 1]);
        } else {
            files.remove(name).expect("removed");
        }
        let error = refused(&files, Access::Write);
        assert!(is_damaged(&error), "{error}");
        assert!(
            error
                .to_string()
                .starts_with(&format!("{}: ", files.place(before[2]))),
            "{error}"
        );
        assert_eq!(names(&files).len(), before.len() - usize::from(!shorten));
    }
}

#[test]
fn headers_are_checked() {
    let (files, bytes, _) = five(Durability::Os);
    for at in 0..HEADER {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1;
        files.replace(FIRST, &damaged);
        let error = refused(&files, Access::Write);
        assert!(is_damaged(&error), "byte {at}: {error}");
        assert!(
            error
                .to_string()
                .starts_with(&format!("{FIRST_PLACE}: offset 0: ")),
            "{error}"
        );
    }
    let mut newer = bytes.clone();
    newer[8] = 2;
    let checksum = checksum::crc32c(&newer[..HEADER - 4]).to_le_bytes();
    newer[HEADER - 4..HEADER].copy_from_slice(&checksum);
    files.replace(FIRST, &newer);
    let error = refused(&files, Access::Write);
    assert!(matches!(error, Error::NewerFormat(_)), "{error}");
    files.remove(FIRST).expect("removed");
    let far = Segment {
        name: Name(u64::MAX - 5),
        form: Form::Growing,
        first: u64::MAX - 5,
        follows: None,
        end: 0,
    };
    files.replace(far.name, &[&far.header()[..], &bytes].concat());
    let error = refused(&files, Access::Write);
    assert!(is_damaged(&error), "{error}");
    files.remove(far.name).expect("removed");
    files.replace(Name(7), &bytes);
    let error = refused(&files, Access::Write);
    assert!(error.to_string().contains("as its name says"), "{error}");
}

#[test]
fn a_segment_whose_making_was_interrupted_is_made_again() {
    let header: Vec<u8> = {
        let (_, bytes, _) = five(Durability::Os);
        bytes[..HEADER].to_vec()
    };
    for left in [
        &header[..0],
        &header[..7],
        &header[..HEADER - 1],
        &[0; 31],
        &[0; HEADER],
    ] {
        // As the only one.
        let fresh = Files::new();
        fresh.replace(FIRST, left);
        check_cut(&fresh, FIRST, 0, 0);

        // After others.
        let files = Files::new();
        let mut log = open_small(&files);
        fill(&mut log, 0..8, Durability::Os);
        for next in [log.end(), log.end() + 777] {
            let name = Name(next);
            files.replace(name, left);
            let mut reader = Log::open(files.clone(), Access::Read).expect("good");
            assert_eq!(reader.end(), log.end());
            assert_eq!(replay(&mut reader, 0), contents(0..8));
            let mut writer = open_small(&files);
            assert_eq!(writer.end(), log.end());
            assert_eq!(replay(&mut writer, 0), contents(0..8));
            assert!(files.open(name).is_err());
        }
        let mut writer = open_small(&files);
        fill(&mut writer, 8..20, Durability::Os);
        assert_eq!(
            replay(&mut open(&files), 0),
            (0..20).map(content).collect::<Vec<_>>()
        );
    }
    // Without a header before newer ones it can't be that.
    let files = Files::new();
    fill(&mut open_small(&files), 0..20, Durability::Os);
    files.replace(FIRST, &[]);
    let error = refused(&files, Access::Write);
    assert!(is_damaged(&error), "{error}");
}
