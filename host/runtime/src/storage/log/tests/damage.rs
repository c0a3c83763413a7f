//! Files that are not as they were written: what is cut, and what is reported.

use std::sync::Arc;

use super::super::segment::HEADER_BYTES;
use super::{
    FIRST, bytes_of, content, contents, fill, open, open_small, refused, replace, replay, storage,
};
use crate::checksum;
use crate::error::ErrorKind;
use crate::storage::Storage;
use crate::storage::log::{Log, LogAccess, LogDurability};

const HEADER: usize = HEADER_BYTES;

/// Opens a log that ends torn: a reader stops before it and changes nothing, a writer cuts it and
/// goes on. `whole` entries must be there.
fn check_cut(storage: &Arc<dyn Storage>, path: &str, whole: u64, end: u64) {
    let before = bytes_of(storage, path);
    let mut reader = Log::open(Arc::clone(storage), LogAccess::Read).expect("torn, not corrupt");
    assert_eq!(reader.end(), end);
    assert_eq!(replay(&mut reader, 0), contents(0..whole));
    assert_eq!(bytes_of(storage, path), before, "a reader changed the file");
    let mut writer = open(storage);
    assert_eq!(writer.end(), end);
    assert_eq!(
        fill(&mut writer, whole..whole + 2, LogDurability::Os)[0],
        end
    );
    assert_eq!(replay(&mut writer, 0), contents(0..whole + 2));
    assert_eq!(replay(&mut open(storage), 0), contents(0..whole + 2));
}

/// A log of five entries and where the last begins in its file.
fn five(durability: LogDurability) -> (Arc<dyn Storage>, Vec<u8>, Vec<usize>) {
    let storage = storage();
    let positions = fill(&mut open(&storage), 0..5, durability);
    let bytes = bytes_of(&storage, FIRST);
    let offsets = positions
        .iter()
        .map(|&position| position as usize + HEADER)
        .collect();
    (storage, bytes, offsets)
}

#[test]
fn an_end_torn_at_any_byte_is_cut() {
    let (storage, bytes, offsets) = five(LogDurability::Sync);
    let last = offsets[4];
    for size in last..bytes.len() {
        replace(&storage, FIRST, &bytes[..size]);
        check_cut(&storage, FIRST, 4, (last - HEADER) as u64);
        // With zeroes where the rest should be, as a power loss may leave it.
        let mut zeroed = bytes[..size].to_vec();
        zeroed.resize(bytes.len() + 100, 0);
        if zeroed[..bytes.len()] != bytes {
            replace(&storage, FIRST, &zeroed);
            check_cut(&storage, FIRST, 4, (last - HEADER) as u64);
        }
    }
}

#[test]
fn a_last_entry_with_any_wrong_byte_is_cut() {
    let (storage, bytes, offsets) = five(LogDurability::Sync);
    let last = offsets[4];
    for at in last..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x10;
        replace(&storage, FIRST, &damaged);
        check_cut(&storage, FIRST, 4, (last - HEADER) as u64);
    }
}

#[test]
fn garbage_after_the_end_is_cut() {
    let (storage, bytes, offsets) = five(LogDurability::Sync);
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
        replace(&storage, FIRST, &[&bytes[..], &tail].concat());
        check_cut(&storage, FIRST, 5, end);
    }
}

#[test]
fn a_damaged_entry_before_a_good_one_is_corrupt() {
    for durability in [LogDurability::Sync, LogDurability::Os] {
        let (storage, bytes, offsets) = five(durability);
        for at in offsets[1]..offsets[4] {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x10;
            replace(&storage, FIRST, &damaged);
            let frame = offsets
                .iter()
                .rev()
                .find(|&&offset| offset <= at)
                .expect("a frame");
            for access in [LogAccess::Read, LogAccess::Write] {
                let error = refused(&storage, access);
                assert_eq!(error.kind(), ErrorKind::Corrupt);
                let place = format!("memory:x/{FIRST}: offset {frame}: ");
                assert!(error.message().starts_with(&place), "byte {at}: {error}");
            }
            assert_eq!(
                bytes_of(&storage, FIRST),
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
        let storage = storage();
        let mut log = open(&storage);
        log.append(&[(b"", &vec![7; filler])], LogDurability::Sync)
            .expect("appended");
        let second = fill(&mut log, 0..1, LogDurability::Sync)[0];
        let mut damaged = bytes_of(&storage, FIRST);
        damaged[HEADER + 2] ^= 1;
        replace(&storage, FIRST, &damaged);
        let error = refused(&storage, LogAccess::Write);
        let follows = format!("follows at offset {}", second + HEADER as u64);
        assert!(error.message().contains(&follows), "{error}");
    }
}

/// A log of three entries of 3,000 bytes with the sector that begins 512 bytes into the second
/// lost.
fn sector_lost(durability: LogDurability) -> (Arc<dyn Storage>, u64) {
    let storage = storage();
    let mut log = open(&storage);
    let mut positions = Vec::new();
    for _ in 0..3 {
        positions.push(log.end());
        log.append(&[(b"", &[7; 3000])], durability)
            .expect("appended");
    }
    let mut bytes = bytes_of(&storage, FIRST);
    let sector = (HEADER + positions[1] as usize + 512).next_multiple_of(512);
    bytes[sector..sector + 512].fill(0);
    replace(&storage, FIRST, &bytes);
    (storage, positions[1])
}

#[test]
fn a_sector_that_was_never_written_is_torn_unless_it_had_been_synced() {
    let (storage, second) = sector_lost(LogDurability::Os);
    let mut log = open(&storage);
    assert_eq!(log.end(), second);
    assert_eq!(fill(&mut log, 0..1, LogDurability::Os), [second]);
    assert_eq!(replay(&mut open(&storage), second), contents(0..1));

    let (storage, second) = sector_lost(LogDurability::Sync);
    let error = refused(&storage, LogAccess::Write);
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(
        error.message().contains(&format!("position {second} ")),
        "{error}"
    );
}

#[test]
fn what_a_writer_found_at_opening_counts_as_synced() {
    let storage = storage();
    let large = [7; 3000];
    open(&storage)
        .append(&[(b"", &large)], LogDurability::Os)
        .expect("appended");
    fill(&mut open(&storage), 0..1, LogDurability::Os);
    let mut bytes = bytes_of(&storage, FIRST);
    bytes[512..1024].fill(0);
    replace(&storage, FIRST, &bytes);
    let error = refused(&storage, LogAccess::Write);
    assert_eq!(error.kind(), ErrorKind::Corrupt);
}

#[test]
fn damage_in_an_older_segment_is_corrupt_when_it_is_read() {
    let storage = storage();
    let positions = fill(&mut open_small(&storage), 0..20, LogDurability::Os);
    let mut bytes = bytes_of(&storage, FIRST);
    let at = HEADER + positions[1] as usize + 25;
    bytes[at] ^= 1;
    replace(&storage, FIRST, &bytes);
    let mut log = open(&storage);
    assert!(log.read(positions[0]).is_ok());
    let error = log.read(positions[1]).expect_err("damaged");
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    let place = format!(
        "memory:x/{FIRST}: offset {}: ",
        HEADER as u64 + positions[1]
    );
    assert!(error.message().starts_with(&place), "{error}");
}

#[test]
fn missing_and_shortened_segments_are_corrupt() {
    for shorten in [false, true] {
        let storage = storage();
        fill(&mut open_small(&storage), 0..20, LogDurability::Os);
        let names = storage.list("log").expect("listed");
        let path = format!("log/{}", names[1]);
        let bytes = bytes_of(&storage, &path);
        if shorten {
            replace(&storage, &path, &bytes[..bytes.len() - 1]);
        } else {
            storage.remove(&path).expect("removed");
        }
        let error = refused(&storage, LogAccess::Write);
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert!(
            error
                .message()
                .starts_with(&format!("memory:x/log/{}: ", names[2])),
            "{error}"
        );
        assert_eq!(
            storage.list("log").expect("listed").len(),
            names.len() - usize::from(!shorten)
        );
    }
}

#[test]
fn headers_are_checked() {
    let (storage, bytes, _) = five(LogDurability::Os);
    for at in 0..HEADER {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1;
        replace(&storage, FIRST, &damaged);
        let error = refused(&storage, LogAccess::Write);
        assert_eq!(error.kind(), ErrorKind::Corrupt, "byte {at}: {error}");
        assert!(
            error
                .message()
                .starts_with(&format!("memory:x/{FIRST}: offset 0: ")),
            "{error}"
        );
    }
    let mut newer = bytes.clone();
    newer[8] = 2;
    let checksum = checksum::crc32c(&newer[..HEADER - 4]).to_le_bytes();
    newer[HEADER - 4..HEADER].copy_from_slice(&checksum);
    replace(&storage, FIRST, &newer);
    let error = refused(&storage, LogAccess::Write);
    assert_eq!(error.kind(), ErrorKind::UnsupportedVersion);
    storage.remove(FIRST).expect("removed");
    let far = super::super::segment::header(u64::MAX - 5, None);
    replace(
        &storage,
        "log/fffffffffffffffa.log",
        &[&far[..], &bytes].concat(),
    );
    assert_eq!(
        refused(&storage, LogAccess::Write).kind(),
        ErrorKind::Corrupt
    );
    storage.remove("log/fffffffffffffffa.log").expect("removed");
    replace(&storage, "log/0000000000000007.log", &bytes);
    let error = refused(&storage, LogAccess::Write);
    assert!(error.message().contains("as its name says"), "{error}");
}

#[test]
fn a_segment_whose_making_was_interrupted_is_made_again() {
    let header: Vec<u8> = {
        let (_, bytes, _) = five(LogDurability::Os);
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
        let fresh = storage();
        replace(&fresh, FIRST, left);
        check_cut(&fresh, FIRST, 0, 0);

        // After others.
        let storage = storage();
        let mut log = open_small(&storage);
        fill(&mut log, 0..8, LogDurability::Os);
        for next in [log.end(), log.end() + 777] {
            let path = format!("log/{next:016x}.log");
            replace(&storage, &path, left);
            let mut reader = Log::open(Arc::clone(&storage), LogAccess::Read).expect("good");
            assert_eq!(reader.end(), log.end());
            assert_eq!(replay(&mut reader, 0), contents(0..8));
            let mut writer = open_small(&storage);
            assert_eq!(writer.end(), log.end());
            assert_eq!(replay(&mut writer, 0), contents(0..8));
            assert!(storage.open(&path).is_err());
        }
        let mut writer = open_small(&storage);
        fill(&mut writer, 8..20, LogDurability::Os);
        assert_eq!(
            replay(&mut open(&storage), 0),
            (0..20).map(content).collect::<Vec<_>>()
        );
    }
    // Without a header before newer ones it can't be that.
    let storage = storage();
    fill(&mut open_small(&storage), 0..20, LogDurability::Os);
    replace(&storage, FIRST, &[]);
    assert_eq!(
        refused(&storage, LogAccess::Write).kind(),
        ErrorKind::Corrupt
    );
}
