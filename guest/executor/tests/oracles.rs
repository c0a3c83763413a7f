//! The executors against their oracles. The same cases run inside WebAssembly; see `tests/executor-wasm`.

use sidx_columns::{ColumnBuilder, ColumnType, ValueType};
use sidx_executor::ABSENT;
use sidx_executor::gather::{self, Source};
use sidx_executor_wasm::checks::{self, Memory};

fn pass(check: fn(u64) -> Result<(), String>) {
    for case in 1..=checks::CASES {
        let result = check(case);
        assert_eq!(result, Ok(()), "case {case}");
    }
}

#[test]
fn selections_and_counts_give_the_rows_that_pass() {
    pass(checks::select);
}

#[test]
fn the_first_rows_of_runs_are_those_of_a_sort() {
    pass(checks::top);
}

#[test]
fn gathered_values_are_those_of_the_rows() {
    pass(checks::gather);
}

#[test]
fn what_is_written_is_read_back() {
    pass(checks::written);
}

#[test]
fn a_gather_in_groups_of_pages_gives_what_one_from_all_pages_does() {
    let mut memory = Memory::default();
    let strings = ColumnType::scalar(ValueType::String);
    for page in 0..7u32 {
        let mut column = ColumnBuilder::new(strings);
        for row in 0..50 {
            match (row + page) % 5 {
                0 => column.push_absent().unwrap(),
                _ => column.push_string(&format!("{page}:{row}")).unwrap(),
            }
        }
        assert_eq!(memory.add_column(&column.finish()), Ok(page));
    }
    let rows: Vec<u32> = (0..400).map(|at| at * 7 % 50).collect();
    let from: Vec<u32> = (0..400u32)
        .map(|at| if at % 31 == 0 { ABSENT } else { at * 13 % 7 })
        .collect();
    let source = Source {
        kind: strings,
        pages: &from,
        rows: &rows,
    };
    memory.held_bytes_max = u64::MAX;
    let whole = gather::gather(&memory, &[source]).unwrap();
    let whole = whole.get(0).unwrap();
    assert_eq!(whole.rows(), 400);
    assert!(whole.value(1).is_some() && whole.value(0).is_none());
    for limit in [0, 1, 500, 1_000, 2_000] {
        memory.held_bytes_max = limit;
        let grouped = gather::gather(&memory, &[source]).unwrap();
        assert!(grouped.get(0).unwrap() == whole, "{limit}");
    }
}
