//! A query opens a block only when its first possible key is due, and `explain` accounts for every one.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use serde_json::Value;
use sidx_host::ErrorKind;
use sidx_tests::generate::{SMALL, case, query, rows};
use sidx_tests::model::Row;
use sidx_tests::subject::{Subject, error_of, explain_of, on_both_engines, part_folder};

fn number(explain: &Value, of: &str, name: &str) -> u64 {
    explain[of][name]
        .as_u64()
        .unwrap_or_else(|| panic!("{of}.{name} in {explain:#}"))
}

/// The sum of all counters of a group whose names begin with `dropped_`.
fn dropped(explain: &Value, of: &str) -> u64 {
    let counters = explain[of].as_object().unwrap().iter();
    counters
        .filter(|(name, _)| name.starts_with("dropped_"))
        .map(|(_, count)| count.as_u64().unwrap())
        .sum()
}

fn assert_every_block_is_accounted_for(explain: &Value) {
    let of = |name| number(explain, "blocks", name);
    let sum = dropped(explain, "blocks") + of("not_due") + of("opened");
    assert_eq!(of("total"), sum, "{explain:#}");
    let of = |name| number(explain, "parts", name);
    assert_eq!(
        of("total"),
        dropped(explain, "parts") + of("not_due") + of("read"),
        "{explain:#}"
    );
}

/// One series whose rows fill seven blocks of disjoint keys.
fn disjoint_blocks(index: &Subject) {
    index.write_part(
        &(0..50_000)
            .map(|key| Row::new(1, key, "x"))
            .collect::<Vec<_>>(),
    );
}

#[test]
fn the_first_rows_of_disjoint_blocks_cost_one_block() {
    on_both_engines(|index| {
        disjoint_blocks(&index);
        for limit in [1, 20, 500] {
            for query in [
                index.ask().limit(limit),
                index.ask().limit(limit).descending(),
            ] {
                let explain = explain_of(query);
                assert_eq!(number(&explain, "blocks", "opened"), 1, "{explain:#}");
                assert_eq!(number(&explain, "blocks", "total"), 7);
                assert_eq!(number(&explain, "rows", "returned"), limit);
                assert_every_block_is_accounted_for(&explain);
            }
        }
    });
}

#[test]
fn a_cursor_opens_the_next_block_only_when_it_is_reached() {
    on_both_engines(|index| {
        disjoint_blocks(&index);
        let mut cursor = index
            .ask()
            .limit(50_000)
            .rows_per_batch(8_000)
            .run()
            .unwrap();
        let mut opened = Vec::new();
        while cursor.next().transpose().unwrap().is_some() {
            opened.push(number(&cursor.explain().unwrap(), "blocks", "opened"));
        }
        assert_eq!(opened, [1, 2, 3, 4, 5, 6, 7]);
    });
}

#[test]
fn one_row_of_disjoint_parts_reads_one_part() {
    on_both_engines(|index| {
        for part in 0..5 {
            let keys = part * 100..part * 100 + 100;
            index.write_part(&keys.map(|key| Row::new(1, key, "x")).collect::<Vec<_>>());
        }
        for query in [index.ask().limit(1), index.ask().limit(1).descending()] {
            let explain = explain_of(query);
            assert_eq!(number(&explain, "parts", "read"), 1, "{explain:#}");
            assert_eq!(number(&explain, "parts", "not_due"), 4);
            assert_eq!(number(&explain, "blocks", "opened"), 1);
            assert_every_block_is_accounted_for(&explain);
        }
    });
}

#[test]
fn a_narrow_key_range_opens_the_blocks_that_hold_it() {
    on_both_engines(|index| {
        disjoint_blocks(&index);
        for (low, high, blocks) in [(100, 120, 1), (8_190, 8_193, 2), (60_000, 70_000, 0)] {
            let explain = explain_of(index.ask().keys(low..=high));
            assert_eq!(
                number(&explain, "blocks", "opened"),
                blocks,
                "keys {low}..={high}"
            );
            assert_every_block_is_accounted_for(&explain);
        }
    });
}

#[test]
fn blocks_of_other_series_are_not_opened() {
    on_both_engines(|index| {
        let batch: Vec<Row> = (0..4u64)
            .flat_map(|n| (0..9_000).map(move |key| Row::new(n, key, "x")))
            .collect();
        index.write_part(&batch);
        let explain = explain_of(index.ask().series_id(3));
        assert_eq!(number(&explain, "rows", "returned"), 9_000);
        let opened = number(&explain, "blocks", "opened");
        assert!(
            opened <= 3,
            "{opened} blocks for the rows of one or two\n{explain:#}"
        );
        let explain = explain_of(index.ask().series_id(99));
        assert_eq!(number(&explain, "blocks", "opened"), 0);
        assert_every_block_is_accounted_for(&explain);
    });
}

#[test]
fn tag_ranges_drop_blocks() {
    on_both_engines(|index| {
        let row = |key: i64| Row::new(1, key, "x").tag("code", key / 10_000);
        index.write_part(&(0..50_000).map(row).collect::<Vec<_>>());
        let explain = explain_of(index.ask().filter("code = 4"));
        assert_eq!(number(&explain, "rows", "returned"), 10_000);
        assert_eq!(number(&explain, "blocks", "opened"), 3, "{explain:#}");
        assert!(number(&explain, "blocks", "dropped_by_tag_range") >= 4);
        assert_every_block_is_accounted_for(&explain);
    });
}

#[test]
fn membership_filters_drop_blocks() {
    on_both_engines(|index| {
        let row = |key: u32| {
            let name = format!("{:08x}", key.wrapping_mul(2_654_435_761));
            Row::new(1, key.into(), "x").tag("name", name)
        };
        index.write_part(&(0..50_000).map(row).collect::<Vec<_>>());
        let name = format!("{:08x}", 30_000u32.wrapping_mul(2_654_435_761));
        let explain = explain_of(index.ask().filter(format!("name = \"{name}\"")));
        assert_eq!(number(&explain, "rows", "returned"), 1);
        // All seven blocks span the same names; at most 0.5 % of the filters are wrong.
        assert!(
            number(&explain, "blocks", "dropped_by_filter") >= 4,
            "{explain:#}"
        );
        assert_every_block_is_accounted_for(&explain);
    });
}

#[test]
fn every_block_and_part_of_random_queries_is_accounted_for() {
    on_both_engines(|index| {
        let mut runner = TestRunner::deterministic();
        let cases = case(SMALL).prop_filter("has enough rows", |case| case.phases.len() > 2);
        let case = cases.new_tree(&mut runner).unwrap().current();
        for write in case.phases.iter().flat_map(|phase| &phase.writes) {
            index.write_part(&rows(write, case.series));
        }
        for _ in 0..200 {
            let query = query(case.series).new_tree(&mut runner).unwrap().current();
            let explain = explain_of(index.query(&query));
            assert_every_block_is_accounted_for(&explain);
            let found = number(&explain, "rows", "returned");
            assert_eq!(found, index.count(&query), "{query:?}");
            let explain = explain_of(index.query(&query).any_order());
            assert_every_block_is_accounted_for(&explain);
            assert_eq!(found, number(&explain, "rows", "returned"), "{query:?}");
        }
    });
}

/// Damages every page of a file in place, under the feet of an open index.
fn overwrite(path: &Path) {
    let file = fs::File::options()
        .read(true)
        .write(true)
        .open(path)
        .unwrap();
    let size = file.metadata().unwrap().len();
    // The header of a file is 16 bytes; what follows is pages with checksums.
    file.write_all_at(&vec![0xee; size as usize - 16], 16)
        .unwrap();
}

/// Explain is not for counts, so the proof is that the pages are not even readable.
#[test]
fn counts_that_metadata_can_answer_open_no_page() {
    on_both_engines(|mut index| {
        let row = |key: i64| Row::new(1, key, key.to_string()).tag("code", key / 25_000);
        index.write_part(&(0..50_000).map(row).collect::<Vec<_>>());
        // Opened anew, so that nothing is cached.
        index.reopen();
        let part = index.parts("file")[0]["part"].as_str().unwrap().to_owned();
        for name in ["keys.bin", "data.bin", "code.td"] {
            overwrite(&part_folder(&index.path(), &part).join(name));
        }
        assert_eq!(index.ask().count().unwrap(), 50_000);
        assert_eq!(index.ask().filter("code >= 0").count().unwrap(), 50_000);
        assert_eq!(index.ask().series_id(1).limit(7).count().unwrap(), 7);
        assert_eq!(index.ask().keys(60_000..).count().unwrap(), 0);
        assert_eq!(error_of(index.ask()).kind(), ErrorKind::Corrupt);
        let partial = index.ask().keys(10..).count().unwrap_err();
        assert_eq!(partial.kind(), ErrorKind::Corrupt);
    });
}
