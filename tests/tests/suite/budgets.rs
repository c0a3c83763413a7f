//! Budgets that are full and stay so: a flush always fits, retention and writes follow, also after the index
//! was opened again; levels say what is refused.

use std::time::{Duration, Instant};

use sidx_host::{Durability, Engine, Error, ErrorKind, Index, IndexBuilder, Pressure, Retention};
use sidx_tests::model::Row;
use sidx_tests::subject::{NAME, Subject, batch};

const ENGINES: [Engine; 2] = [Engine::Native, Engine::Component];
const MIB: u64 = 1 << 20;
const ROWS: i64 = 100;

/// Rows of 1 KiB that no encoding makes smaller.
pub(super) fn rows(first: i64, count: i64) -> Vec<Row> {
    let noise = |seed: u64| {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let bytes = (0..128).flat_map(move |_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()
        });
        bytes.collect::<Vec<u8>>()
    };
    (first..first + count)
        .map(|key| Row::new(1, key, noise(key as u64 + 1)).tag("n", key))
        .collect()
}

pub(super) fn write(index: &Index, first: i64, count: i64) -> Result<(), Error> {
    index
        .write_with(batch(&rows(first, count)).unwrap(), Durability::Os)
        .map(drop)
}

/// Writes ever smaller batches until none is taken any more; returns the key of the next row, which is
/// how many are in when the first was 0.
pub(super) fn fill(index: &Index, mut next: i64) -> i64 {
    let mut count = ROWS;
    while count > 0 {
        match write(index, next, count) {
            Ok(()) => next += count,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::ResourceExhausted, "{error}");
                assert!(error.message().contains("flush"), "{error}");
                count /= 2;
            }
        }
        assert!(next < 1_000_000, "nothing is ever refused");
    }
    next
}

/// As [`fill`], until not even a row without a payload is taken.
fn fill_to_the_edge(index: &Index) -> i64 {
    let mut next = fill(index, 0);
    let smallest = |key| batch(&[Row::new(1, key, "")]).unwrap();
    while index.write_with(smallest(next), Durability::Os).is_ok() {
        next += 1;
    }
    next
}

pub(super) fn drop_below(key: i64) -> Retention {
    Retention {
        drop_where: None,
        drop_below: Some(key),
    }
}

/// A merge in the background that had begun before holds what it may still write, and what it reads.
fn wait_for_merges(index: &Index) {
    let started = Instant::now();
    while index.health().pressure != Pressure::None && started.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Of an index that refuses writes: flush, retention and write succeed in that order.
pub(super) fn make_room(index: &Index, rows: i64) {
    index.flush().unwrap();
    assert_eq!(index.query().count().unwrap(), rows as u64);
    index.retain(drop_below(i64::MAX)).unwrap();
    assert_eq!(index.query().count().unwrap(), 0);
    wait_for_merges(index);
    assert_eq!(index.health().pressure, Pressure::None);
    write(index, 0, ROWS).unwrap();
    index.flush().unwrap();
}

fn options(subject: &Subject, budget: u64, background: bool) -> IndexBuilder {
    let builder = subject.store().index(NAME).engine(subject.engine());
    builder.disk_bytes(budget).background(background)
}

/// Nothing was ever beyond the budget, and most of it was used.
fn assert_used(index: &Index, budget: u64) {
    let used = index.health().disk.used_bytes;
    assert!(used <= budget, "{used} of {budget} bytes");
    assert!(used > budget / 100 * 60, "only {used} of {budget} bytes");
}

#[test]
fn a_full_budget_takes_a_flush_then_retention_then_writes() {
    for engine in ENGINES {
        for (budget, background) in [(4 * MIB, false), (4 * MIB, true), (40 * MIB, true)] {
            let mut subject = Subject::create(engine);
            subject.leave();
            let index = options(&subject, budget, background).open().unwrap();
            let rows = fill(&index, 0);
            assert_used(&index, budget);
            make_room(&index, rows);
        }
    }
}

#[test]
fn a_full_budget_is_no_reason_not_to_open_the_index_again() {
    for engine in ENGINES {
        for flush_bytes in [u64::MAX, 64 << 20] {
            let mut subject = Subject::create(engine);
            subject.leave();
            let open = || {
                options(&subject, 4 * MIB, false)
                    .flush_bytes(flush_bytes)
                    .open()
            };
            let index = open().unwrap();
            let rows = fill(&index, 0);
            drop(index);
            let index = open().unwrap();
            assert_eq!(index.query().count().unwrap(), rows as u64);
            make_room(&index, rows);
        }
    }
}

#[test]
fn without_automatic_flushes_the_log_never_takes_the_room_of_the_flush() {
    for engine in ENGINES {
        let mut subject = Subject::create(engine);
        subject.leave();
        let options = || options(&subject, 16 * MIB, true).flush_bytes(u64::MAX);
        let index = options().open().unwrap();
        let rows = fill_to_the_edge(&index);
        let before = index.health();
        assert_eq!(before.pressure, Pressure::Critical);
        let flushed = index.flush().unwrap();
        assert_eq!(flushed.rows, rows as u64);
        assert!(flushed.bytes_written <= before.flush_bytes);
        let after = index.health();
        assert!(after.disk.used_bytes <= before.disk.used_bytes);
        assert!(after.pressure < Pressure::Critical);
        // The flush made room by itself.
        write(&index, rows, ROWS).unwrap();
    }
}

#[test]
fn very_many_columns_are_counted_in_what_a_flush_takes() {
    for engine in ENGINES {
        let mut subject = Subject::create(engine);
        subject.leave();
        let index = options(&subject, 4 * MIB, false)
            .flush_bytes(u64::MAX)
            .open()
            .unwrap();
        let row = |key: i64, first: usize| {
            let mut row = Row::new(1, key, "");
            for tag in first..first + 20 {
                row = row.tag(&format!("tag-{tag}"), format!("value {key} of {tag}"));
            }
            row
        };
        let mut accepted = 0;
        while index
            .write_with(
                batch(&[row(accepted, 20 * accepted as usize)]).unwrap(),
                Durability::Os,
            )
            .is_ok()
        {
            accepted += 1;
            assert!(accepted < 40, "the files of {accepted} rows were promised");
        }
        assert!(accepted > 5, "{accepted}");
        let kept = index.health().flush_bytes;
        let flushed = index.flush().unwrap();
        assert!(flushed.bytes_written < kept);
    }
}

#[test]
fn writes_are_refused_exactly_while_the_level_is_critical() {
    for engine in ENGINES {
        let mut subject = Subject::create(engine);
        subject.leave();
        let (mut refused, mut taken) = (0, 0);
        for (memory, disk) in [(2 * MIB, u64::MAX), (1 << 30, 3 * MIB)] {
            let builder = subject.options().memory_bytes(memory).disk_bytes(disk);
            let index = builder.flush_bytes(u64::MAX).open().unwrap();
            let mut key = 0;
            for round in 0..600 {
                // The last steps up to the edge are small.
                let large = index.health().pressure < Pressure::Severe;
                if large {
                    let _ = write(&index, key, 20);
                } else {
                    let _ = write(&index, key, 1);
                }
                key += 20;
                let critical = index.health().pressure == Pressure::Critical;
                let smallest = batch(&[Row::new(1, key, "")]).unwrap();
                let written = index.write_with(smallest, Durability::Os);
                assert_eq!(
                    written.is_err(),
                    critical,
                    "round {round}: {:#?}",
                    index.health()
                );
                if critical {
                    refused += 1;
                    break;
                }
                taken += 1;
            }
            index.flush().unwrap();
            assert!(index.health().pressure < Pressure::Critical);
            index.retain(drop_below(i64::MAX)).unwrap();
            drop(index);
        }
        assert!(
            refused == 2 && taken > 10,
            "{refused} refused, {taken} taken"
        );
    }
}

#[test]
fn levels_are_told_before_any_write_and_by_readers() {
    for engine in ENGINES {
        let mut subject = Subject::create(engine);
        subject.leave();
        let options = || options(&subject, 4 * MIB, false).flush_bytes(u64::MAX);
        let index = options().open().unwrap();
        fill_to_the_edge(&index);
        let told = index.health();
        assert_eq!(told.disk.level, Pressure::Critical);
        let reader = options().read_only().unwrap().health();
        assert_eq!(reader.pressure, Pressure::Critical);
        // The reader left a note of its own in the store.
        assert!(reader.disk.used_bytes.abs_diff(told.disk.used_bytes) < 4096);
        assert_eq!(reader.flush_bytes, told.flush_bytes);
        drop(index);
        let again = options().open().unwrap();
        assert_eq!(again.health().pressure, Pressure::Critical);
        assert!(write(&again, 0, 1).is_err());
        // With another budget the same index is at ease.
        drop(again);
        let index = options().disk_bytes(400 * MIB).open().unwrap();
        assert_eq!(index.health().pressure, Pressure::None);
        write(&index, 0, ROWS).unwrap();
    }
}

#[test]
fn writes_are_delayed_from_moderate_on() {
    for engine in ENGINES {
        let mut subject = Subject::create(engine);
        subject.leave();
        let index = options(&subject, 4 * MIB, false)
            .flush_bytes(u64::MAX)
            .open()
            .unwrap();
        let (mut levels, mut key) = (Vec::new(), 0);
        loop {
            // A write waits, before anything else, as the one before it found that one should.
            let (start, level) = (Instant::now(), index.health().pressure);
            if write(&index, key, 10).is_err() {
                break;
            }
            let took = start.elapsed();
            let least = match level {
                Pressure::None => Duration::ZERO,
                Pressure::Moderate => Duration::from_millis(1),
                Pressure::Severe => Duration::from_millis(10),
                Pressure::Critical => Duration::from_millis(100),
            };
            assert!(took >= least, "{level:?}: {took:?}");
            levels.push(level);
            key += 10;
        }
        assert!(levels.is_sorted(), "{levels:?}");
        levels.dedup();
        assert_eq!(
            levels.get(..3),
            Some(&[Pressure::None, Pressure::Moderate, Pressure::Severe][..])
        );
    }
}

#[test]
fn merges_do_not_begin_at_severe_and_begin_again_after_it() {
    for engine in ENGINES {
        let mut subject = Subject::create(engine);
        for part in 0..5 {
            subject.write_part(&rows(part * 10, 10));
        }
        subject.leave();
        for (memory, disk) in [(2 * MIB, u64::MAX), (1 << 30, 4 * MIB)] {
            let builder = subject.options().memory_bytes(memory).disk_bytes(disk);
            let index = builder.flush_bytes(u64::MAX).open().unwrap();
            let mut key = 1_000;
            while index.health().pressure < Pressure::Severe {
                write(&index, key, 5).unwrap();
                key += 5;
            }
            let parts = subject_parts(&index);
            let refused = index.merge().unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::ResourceExhausted, "{refused}");
            assert_eq!(subject_parts(&index), parts);
            index.flush().unwrap();
            assert!(index.health().pressure < Pressure::Severe);
            assert!(index.merge().unwrap().parts > 0);
            assert!(subject_parts(&index) < parts);
            index.retain(drop_below(i64::MAX)).unwrap();
            for part in 0..5 {
                write(&index, part * 10, 10).unwrap();
                index.flush().unwrap();
            }
        }
    }
}

fn subject_parts(index: &Index) -> usize {
    let parts = index.parts().unwrap();
    let parts = parts.as_array().unwrap().iter();
    parts.filter(|part| part["medium"] == "file").count()
}

#[test]
fn no_part_that_merges_make_by_themselves_is_too_large_to_be_rewritten() {
    for engine in ENGINES {
        let mut subject = Subject::create(engine);
        subject.leave();
        let budget = 16 * MIB;
        let index = options(&subject, budget, false).open().unwrap();
        fill(&index, 0);
        assert!(index.health().counters.merges > 0);
        let parts = index.parts().unwrap();
        let parts = parts.as_array().unwrap().iter();
        let sizes = parts.map(|part| part["size_bytes"].as_u64().unwrap());
        let sizes: Vec<u64> = sizes.collect();
        assert!(sizes.iter().all(|size| *size <= budget / 20), "{sizes:?}");
        assert!(sizes.len() < 64, "{} parts", sizes.len());
    }
}

#[test]
fn the_room_of_a_smaller_budget_comes_back_with_a_larger_one() {
    for engine in ENGINES {
        let mut subject = Subject::create(engine);
        subject.leave();
        let index = options(&subject, 4 * MIB, false).open().unwrap();
        let rows = fill(&index, 0);
        drop(index);
        // Far beyond what is allowed now: a flush is still what makes room.
        let index = options(&subject, MIB, false).open().unwrap();
        assert!(write(&index, rows, 1).is_err());
        make_room(&index, rows);
    }
}
