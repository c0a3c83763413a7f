//! Guards the generators: what they never make is never tested.

use std::collections::HashSet;

use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::*;
use crate::model::Model;

fn samples<S: Strategy>(strategy: &S, count: usize) -> Vec<S::Value> {
    let mut runner = TestRunner::deterministic();
    let sample = |_| strategy.new_tree(&mut runner).unwrap().current();
    (0..count).map(sample).collect()
}

#[test]
fn a_shorter_write_is_a_beginning_of_the_longer_one() {
    let write = samples(&rows::write((50, 60)), 1).remove(0);
    let shorter = Write {
        rows: 20,
        ..write.clone()
    };
    let long = format!("{:?}", &rows(&write, 7)[..20]);
    assert_eq!(long, format!("{:?}", rows(&shorter, 7)));
}

#[test]
fn cases_stay_within_their_size() {
    for case in samples(&case(SMALL), 30) {
        assert!((1..=SMALL.series).contains(&case.series));
        assert!(case.phases.len() <= SMALL.phases);
        for phase in &case.phases {
            let fits = |write: &Write| (1..=SMALL.rows.1).contains(&write.rows);
            assert!(phase.writes.iter().all(fits));
        }
    }
}

/// Guards the generators themselves: a query that never matches tests nothing.
#[test]
fn many_filters_select_some_rows_and_not_all() {
    let mut model = Model::default();
    for write in samples(&rows::write((100, 200)), 12) {
        model.write(&rows(&write, 5));
    }
    let total = model.rows().len();
    let filters = samples(&filter(), 300);
    let count = |filter: &crate::expression::Expression| {
        model
            .rows()
            .iter()
            .filter(|row| filter.accepts(&row.tags))
            .count()
    };
    let partial = filters
        .iter()
        .map(count)
        .filter(|rows| (1..total).contains(rows))
        .count();
    assert!(
        partial > 120,
        "only {partial} of 300 filters select a part of the rows"
    );
}

#[test]
fn rows_hold_every_type_and_every_awkward_value() {
    let mut seen = HashSet::new();
    for write in samples(&rows::write((150, 200)), 40) {
        for row in rows(&write, 9) {
            seen.extend(row.tags.values().map(|value| format!("{:?}", value.kind())));
            seen.extend(row.tags.values().map(|value| format!("{value:?}")));
            seen.insert(format!("key {}", row.key));
            seen.insert(format!("payload {}", row.payload.len().min(2_000)));
        }
    }
    let wanted = [
        "Float(NaN)",
        "Float(-0.0)",
        "Float(inf)",
        "Int(-9223372036854775808)",
        "String(\"\")",
        "Bytes([])",
        "Array(Int, [])",
        "key -9223372036854775808",
        "key 9223372036854775807",
        "payload 0",
        "payload 2000",
    ];
    for text in wanted {
        assert!(seen.contains(text), "{text} was never made");
    }
    for kind in POOL_TYPES {
        for array in [false, true] {
            let kind = format!("ColumnType {{ value: {kind:?}, array: {array} }}");
            assert!(seen.contains(&kind), "{kind} was never made");
        }
    }
}
