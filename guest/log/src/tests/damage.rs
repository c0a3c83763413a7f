//! Growing files that are not as they were written: what is left out, and what is reported.

use super::{
    Files, alone, bytes_of, contents, fill, is_damaged, names, next_term, open, open_small,
    refused, replay, writing,
};
use crate::segment::Segment;
use crate::{Access, Cut, Durability, Error, Form, Log, Name, Segments, checksum};

const HEADER: usize = Form::Growing.header_bytes();

/// Opens a log that ends torn: a reader stops before that, and a writer goes on there, in a segment of its
/// own. Neither changes what is there. `whole` entries must be there.
fn check_left_out(name: Name, before: &[u8], whole: u64, end: u64) {
    let files: &Files = &alone(name, before);
    let mut reader = Log::open(files.clone(), Access::Read).expect("torn, not corrupt");
    assert_eq!(reader.end(), end);
    assert_eq!(replay(&mut reader, 0), contents(0..whole));
    let mut writer = open(files);
    assert_eq!(writer.end(), end);
    let torn_bytes = (before.len() as u64).saturating_sub(HEADER as u64 + end);
    let cut = (torn_bytes > 0).then(|| Cut {
        place: files.place(name),
        torn_bytes,
        end,
    });
    assert_eq!(writer.cut(), cut.as_ref());
    assert_eq!(fill(&mut writer, whole..whole + 2, Durability::Os)[0], end);
    assert_eq!(replay(&mut writer, 0), contents(0..whole + 2));
    assert_eq!(replay(&mut open(files), 0), contents(0..whole + 2));
    assert_eq!(bytes_of(files, name), before, "the file was changed");
    let end = writer.end();
    let mut last = open(files);
    assert_eq!((last.end(), last.cut()), (end, None));
    last.drop_before(end).expect("dropped");
    assert!(files.open(name).is_err());
}

/// A log of five entries: the name of its file, its bytes, and where each entry begins in it.
fn five(durability: Durability) -> (Name, Vec<u8>, Vec<usize>) {
    let files = Files::new();
    let positions = fill(&mut open(&files), 0..5, durability);
    let name = names(&files)[0];
    let bytes = bytes_of(&files, name);
    let offsets = positions
        .iter()
        .map(|&position| position as usize + HEADER)
        .collect();
    (name, bytes, offsets)
}

#[test]
fn an_end_torn_at_any_byte_is_left_out() {
    let (name, bytes, offsets) = five(Durability::Sync);
    let last = offsets[4];
    for size in last..bytes.len() {
        check_left_out(name, &bytes[..size], 4, (last - HEADER) as u64);
        // With zeroes where the rest should be, as a power loss may leave it.
        let mut zeroed = bytes[..size].to_vec();
        zeroed.resize(bytes.len() + 100, 0);
        if zeroed[..bytes.len()] != bytes {
            check_left_out(name, &zeroed, 4, (last - HEADER) as u64);
        }
    }
}

#[test]
fn a_write_of_several_entries_counts_whole_or_not_at_all() {
    let files = Files::new();
    let mut log = open(&files);
    let entries: Vec<_> = (2..5).map(super::content).collect();
    let slices: Vec<(&[u8], &[u8])> = entries.iter().map(|(h, b)| (&h[..], &b[..])).collect();
    fill(&mut log, 0..2, Durability::Sync);
    let end = log.end();
    log.append(&slices, Durability::Sync).expect("appended");
    assert_eq!(replay(&mut log, end), entries);
    let name = names(&files)[0];
    let bytes = bytes_of(&files, name);
    for size in HEADER + end as usize..bytes.len() {
        check_left_out(name, &bytes[..size], 2, end);
    }
    check_left_out(name, &bytes, 5, log.end());
    // Who needs it from within finds no less.
    let within = end + 20 + 4 + (entries[0].0.len() + entries[0].1.len()) as u64;
    let mut again = Log::open_from(files.clone(), writing(), within).expect("sound");
    assert_eq!(replay(&mut again, within), entries[1..]);
}

#[test]
fn a_last_entry_with_any_wrong_byte_is_left_out() {
    let (name, bytes, offsets) = five(Durability::Sync);
    let last = offsets[4];
    for at in last..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x10;
        check_left_out(name, &damaged, 4, (last - HEADER) as u64);
    }
}

#[test]
fn garbage_after_the_end_is_left_out() {
    let (name, bytes, offsets) = five(Durability::Sync);
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
        check_left_out(name, &[&bytes[..], &tail].concat(), 5, end);
    }
}

#[test]
fn a_damaged_entry_before_a_good_one_is_corrupt() {
    for durability in [Durability::Sync, Durability::Os] {
        let (name, bytes, offsets) = five(durability);
        for at in offsets[1]..offsets[4] {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x10;
            let files: Files = alone(name, &damaged);
            let frame = offsets
                .iter()
                .rev()
                .find(|&&offset| offset <= at)
                .expect("a frame");
            for access in [Access::Read, writing()] {
                let error = refused(&files, access);
                assert!(is_damaged(&error), "{error}");
                let place = format!("{}: offset {frame}: ", files.place(name));
                assert!(error.to_string().starts_with(&place), "byte {at}: {error}");
            }
            assert_eq!(bytes_of(&files, name), damaged, "a refused log was changed");
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
        let name = names(&files)[0];
        let mut damaged = bytes_of(&files, name);
        damaged[HEADER + 2] ^= 1;
        files.replace(name, &damaged);
        let error = refused(&files, writing());
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
    let name = names(&files)[0];
    let mut bytes = bytes_of(&files, name);
    let sector = (HEADER + positions[1] as usize + 512).next_multiple_of(512);
    bytes[sector..sector + 512].fill(0);
    files.replace(name, &bytes);
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
    let error = refused(&files, writing());
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
    let mut log = open(&files);
    log.append(&[(b"", &large)], Durability::Os)
        .expect("appended");
    let (name, end) = (names(&files)[0], log.end());
    assert_eq!(files.synced(name), HEADER as u64);
    fill(&mut open(&files), 0..1, Durability::Os);
    assert_eq!(files.synced(name), HEADER as u64 + end);
    let mut bytes = bytes_of(&files, name);
    bytes.truncate(bytes.len() - 1);
    files.replace(name, &bytes);
    let error = refused(&files, writing());
    assert!(is_damaged(&error), "{error}");
}

#[test]
fn damage_in_an_older_segment_is_corrupt_when_it_is_read() {
    let files = Files::new();
    let positions = fill(&mut open_small(&files), 0..20, Durability::Os);
    let name = names(&files)[0];
    let mut bytes = bytes_of(&files, name);
    let at = HEADER + positions[1] as usize + 25;
    bytes[at] ^= 1;
    files.replace(name, &bytes);
    let mut log = open(&files);
    assert!(log.read(positions[0]).is_ok());
    let error = log.read(positions[1]).expect_err("damaged");
    assert!(is_damaged(&error), "{error}");
    let place = files.place(name);
    let place = format!("{place}: offset {}: ", HEADER as u64 + positions[1]);
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
        let error = refused(&files, writing());
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
    let (name, bytes, _) = five(Durability::Os);
    for at in 0..HEADER {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1;
        let files: Files = alone(name, &damaged);
        let error = refused(&files, writing());
        assert!(is_damaged(&error), "byte {at}: {error}");
        let place = format!("{}: offset 0: ", files.place(name));
        assert!(error.to_string().starts_with(&place), "{error}");
    }
    let mut newer = bytes.clone();
    newer[8] = 3;
    let checksum = checksum::crc32c(&newer[..HEADER - 4]).to_le_bytes();
    newer[HEADER - 4..HEADER].copy_from_slice(&checksum);
    let error = refused::<Files>(&alone(name, &newer), writing());
    assert!(matches!(error, Error::NewerFormat(_)), "{error}");
    let far = u64::MAX - 5;
    let far = Segment {
        name: Name {
            number: far,
            ..name
        },
        form: Form::Growing,
        term: name.term.expect("one"),
        first: far,
        follows: None,
        previous: None,
        end: 0,
        header_bytes: HEADER as u64,
        is_seal: false,
    };
    let error = refused::<Files>(
        &alone(far.name, &[&far.header()[..], &bytes].concat()),
        writing(),
    );
    assert!(is_damaged(&error), "{error}");
    let seven = Name { number: 7, ..name };
    let other = Name {
        term: Some(next_term()),
        ..name
    };
    for renamed in [seven, other, Name { term: None, ..name }] {
        let error = refused::<Files>(&alone(renamed, &bytes), writing());
        assert!(is_damaged(&error), "{error}");
    }
    let error = refused::<Files>(&alone(seven, &bytes), writing());
    assert!(error.to_string().contains("as its name says"), "{error}");
}

#[test]
fn a_segment_whose_making_was_interrupted_holds_nothing() {
    let (first, bytes, _) = five(Durability::Os);
    let header = &bytes[..HEADER];
    for left in [
        &header[..0],
        &header[..7],
        &header[..HEADER - 1],
        &[0; 31],
        &[0; HEADER],
    ] {
        // As the only one.
        check_left_out(first, left, 0, 0);

        // After others, of the same writer and of one that came later.
        let files = Files::new();
        let mut log = open_small(&files);
        fill(&mut log, 0..8, Durability::Os);
        let later = Some(next_term());
        let end = log.end();
        for (number, term) in [end, end + 777]
            .into_iter()
            .flat_map(|number| [(number, log.term()), (number, later)])
        {
            let name = Name { number, term };
            files.replace(name, left);
            let mut reader = Log::open(files.clone(), Access::Read).expect("good");
            assert_eq!(reader.end(), end);
            assert_eq!(replay(&mut reader, 0), contents(0..8));
            let mut writer = open_small(&files);
            assert_eq!(writer.end(), end);
            assert_eq!(replay(&mut writer, 0), contents(0..8));
            assert!(files.open(name).is_ok(), "it was another's");
            writer.drop_before(0).expect("nothing to drop");
            assert!(files.open(name).is_err());
        }
        let mut writer = open_small(&files);
        fill(&mut writer, 8..20, Durability::Os);
        assert_eq!(replay(&mut open(&files), 0), contents(0..20));
    }
    // Without a header before newer ones it can't be that.
    let files = Files::new();
    fill(&mut open_small(&files), 0..20, Durability::Os);
    files.replace(names(&files)[0], &[]);
    let error = refused(&files, writing());
    assert!(is_damaged(&error), "{error}");
}
