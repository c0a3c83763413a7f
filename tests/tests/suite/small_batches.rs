//! Many batches of few rows: what is in memory stays cheap to read, and folding it changes no result.

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use sidx_columns::{OwnedValue, ValueType};
use sidx_host::{Durability, Engine};
use sidx_tests::generate::query;
use sidx_tests::model::{Model, Query, Row};
use sidx_tests::subject::{Subject, keys_of, on_all_forms, read};

const SERIES: u64 = 4;

fn codes(at: u64) -> OwnedValue {
    let codes = [at as i64, -1].map(OwnedValue::Int);
    OwnedValue::Array(ValueType::Int, codes.to_vec())
}

/// A row with tags that come, go, change their type, and are arrays. Some series have labels.
fn row(at: u64) -> Row {
    let row = Row::new(
        at * 7 % SERIES,
        (at * 37 % 101) as i64 - 50,
        format!("payload {at}"),
    );
    let row = match at % 5 {
        0 => row.tag("status", 500 + (at % 3) as i64),
        1 => row
            .tag("status", "five hundred")
            .tag("fast", at.is_multiple_of(2)),
        2 => row.tag("codes", codes(at)),
        3 => row
            .tag("ratio", at as f64 / 8.0)
            .tag("peer", format!("10.0.0.{at}")),
        _ => row,
    };
    match at % 3 {
        0 => row.of("a label"),
        _ => row,
    }
}

fn batches(sizes: impl Iterator<Item = u64>) -> Vec<Vec<Row>> {
    let mut next = 0;
    let batch = |size: u64| {
        next += size;
        (next - size..next).map(row).collect()
    };
    sizes.map(batch).collect()
}

fn assert_answers(subject: &Subject, model: &Model, place: &str) {
    let mut runner = TestRunner::deterministic();
    for number in 0..30 {
        let asked = query(SERIES as u32)
            .new_tree(&mut runner)
            .unwrap()
            .current();
        let found = subject.rows_by(&asked, 7).unwrap();
        assert_eq!(
            found,
            model.query(&asked),
            "{place}, query {number}: {asked:?}"
        );
    }
    assert_eq!(subject.dump(), model.dump(), "{place}");
    subject.assert_sound(model.rows().len());
}

#[test]
fn folded_parts_hold_the_same_rows_in_the_same_order() {
    on_all_forms(|mut subject| {
        // In a bucket so many commits are flushed.
        subject.leave();
        subject.enter_with(|options| options.flush_bytes(u64::MAX));
        let mut model = Model::default();
        // Sizes on both sides of what is folded; 300 batches are folded, and the folds of them as well.
        for (number, batch) in batches((0..300).map(|at| 1 + at * 13 % 17))
            .iter()
            .enumerate()
        {
            subject.write(batch);
            model.write(batch);
            if number % 75 == 40 {
                assert_answers(&subject, &model, &format!("after batch {number}"));
            }
        }
        assert_answers(&subject, &model, "after all batches");
        // The log is replayed into parts that are folded like others.
        subject.reopen();
        assert_answers(&subject, &model, "after reopening");
        assert!(subject.parts("memory").len() <= 40);
        subject.flush();
        assert_answers(&subject, &model, "after a flush");
    });
}

#[test]
fn few_parts_are_in_memory_however_small_the_batches_are() {
    on_all_forms(|subject| {
        let mut most = 0;
        for batch in batches(std::iter::repeat_n(3, 1_000)) {
            subject.write_with(&batch, Durability::None).unwrap();
            most = most.max(subject.parts("memory").len());
        }
        // 15 batches, 15 folds of 16 of them, and what was folded twice.
        assert!(most <= 34, "{most} parts");
        assert_eq!(subject.count(&Query::default()), 3_000);
    });
}

#[test]
fn large_values_are_folded_into_blocks_that_hold_them() {
    on_all_forms(|subject| {
        let mut model = Model::default();
        for at in 0..40u64 {
            // Payloads of which few fit a block, and one that fills it alone.
            let size = if at == 20 {
                3 << 20
            } else {
                40_000 + at as usize
            };
            let batch = [Row::new(1, -(at as i64), vec![at as u8; size])];
            subject.write(&batch);
            model.write(&batch);
        }
        let query = Query::default();
        assert_eq!(subject.rows_by(&query, 9).unwrap(), model.query(&query));
        subject.assert_sound(40);
    });
}

#[test]
fn a_cursor_keeps_its_rows_while_parts_are_folded_below_it() {
    on_all_forms(|subject| {
        let keys = |range: std::ops::Range<i64>| range.collect::<Vec<_>>();
        for key in 0..12 {
            subject.write(&[Row::new(1, key, "old")]);
        }
        let mut cursor = subject.ask().rows_per_batch(1).run().unwrap();
        assert_eq!(cursor.next().unwrap().unwrap().keys(), [0]);
        let fresh = subject.ask().rows_per_batch(2).run().unwrap();
        for key in 12..400 {
            subject.write(&[Row::new(1, key, "new")]);
            if key % 50 == 0 {
                assert_eq!(keys_of(subject.ask()), keys(0..key + 1));
            }
        }
        let found = |cursor| {
            read(cursor)
                .unwrap()
                .iter()
                .map(|row| row.key)
                .collect::<Vec<_>>()
        };
        assert_eq!(found(cursor), keys(1..12));
        assert_eq!(found(fresh), keys(0..12));
        assert_eq!(keys_of(subject.ask()), keys(0..400));
    });
}

#[test]
fn what_is_folded_gives_its_memory_back() {
    for engine in [Engine::Native, Engine::Component] {
        let subject = Subject::create_in_memory(engine);
        let payload = vec![7; 2_000];
        for key in 0..2_000 {
            subject
                .write_with(&[Row::new(1, key, &payload)], Durability::None)
                .unwrap();
        }
        let used = subject.index().health().memory.used_bytes;
        let most = 3 * 2_000 * 2_000 / 2;
        assert!(used < most, "{used} bytes for 4 MB");
    }
}
