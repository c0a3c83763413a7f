//! The executors against what a few lines without any page say. Each check takes the number of a case, from
//! which everything in it follows.

mod blocks;
mod memory;
mod numbers;
mod written;

use sidx_columns::{Column, ColumnType, ValueType};
use sidx_executor::{
    ABSENT, RowSeries, SeriesRuns, gather as executor, select as selection, top as first,
};
use sidx_kernels::Order;

use self::blocks::{Block, Blocks, Run};
use self::numbers::Numbers;

pub use self::memory::Memory;
pub use self::written::written;

/// How many cases each check has.
pub const CASES: u64 = 60;

/// A row that is wanted, as the orders compare it.
type Row = (i64, u64, u32, u32);

fn texts(error: sidx_executor::Error) -> String {
    error.to_string()
}

/// An error that says what differs.
fn same<T: PartialEq + std::fmt::Debug>(what: &str, found: &T, expected: &T) -> Result<(), String> {
    match found == expected {
        true => Ok(()),
        false => Err(format!("{what}: {found:?} in place of {expected:?}")),
    }
}

fn order(numbers: &mut Numbers) -> Order {
    match numbers.below(2) {
        0 => Order::Ascending,
        _ => Order::Descending,
    }
}

/// Rows of blocks by key, with and without a filter, from the start or behind a row.
pub fn select(case: u64) -> Result<(), String> {
    let numbers = &mut Numbers::new(case);
    let memory = Memory::new(numbers);
    let blocks = Blocks::random(numbers, &memory)?;
    let (low, high) = numbers.bounds();
    let is_tested = numbers.below(2) == 0;
    let program = blocks.program()?;
    let program = Some(&program).filter(|_| is_tested);
    let order = order(numbers);
    let cap = 1 + numbers.below(40) as u32;
    let mut lists = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut resumes = (Vec::new(), Vec::new());
    let mut expected = selection::Selected::default();
    let mut counts = Vec::new();
    for block in &blocks.blocks {
        let passed = |row: &u32| block.is_wanted(*row, is_tested, low, high);
        let mut rows: Vec<u32> = (0..block.keys.len() as u32).filter(passed).collect();
        counts.push(rows.len() as u64);
        rows.sort_by_key(|row| (block.key(*row), *row));
        if order == Order::Descending {
            rows.reverse();
        }
        let from = numbers.below(rows.len() + 1);
        let resume = from.checked_sub(1).and_then(|at| rows.get(at)).copied();
        resumes.0.push(resume.map_or(0, |row| block.key(row)));
        resumes.1.push(resume.unwrap_or(ABSENT));
        let rows = rows.get(from..).unwrap_or_default();
        expected.more.push(u8::from(rows.len() > cap as usize));
        let rows = rows.get(..cap as usize).unwrap_or(rows);
        expected.counts.push(rows.len() as u32);
        expected.rows.extend(rows);
        expected.keys.extend(rows.iter().map(|row| block.key(*row)));
        lists.0.push(block.key_page);
        lists.1.push(block.tag_page);
        lists.2.push(block.runs.len() as u32);
        lists
            .3
            .extend(block.runs.iter().flat_map(|run| [run.start, run.end]));
    }
    let request = selection::Request {
        key_pages: &lists.0,
        slots: 1,
        slot_pages: &lists.1,
        span_counts: &lists.2,
        spans: &lists.3,
        low,
        high,
        order,
        resume_keys: &resumes.0,
        resume_rows: &resumes.1,
        cap,
    };
    let selected = selection::select(&memory, program, &request).map_err(texts)?;
    same("selected", &selected, &expected)?;
    let counted = selection::count(&memory, program, &request).map_err(texts)?;
    same("counted", &counted, &counts)?;
    let all = lists.0.iter().chain(&lists.1).copied();
    same("told of every page before", &memory.told(all), &true)
}

/// The first rows of runs of several blocks, step by step and whole.
pub fn top(case: u64) -> Result<(), String> {
    let numbers = &mut Numbers::new(case);
    let memory = Memory::new(numbers);
    let blocks = Blocks::random(numbers, &memory)?;
    let (low, high) = numbers.bounds();
    let is_tested = numbers.below(2) == 0;
    let program = blocks.program()?;
    let order = order(numbers);
    let limit = 1 + numbers.below(150);
    let whole = numbers.below(3) == 0;
    let expected = wanted(&blocks, is_tested, low, high, order);
    let mut runs: Vec<(u32, &Run, &Block)> = Vec::new();
    for (at, block) in (0u32..).zip(&blocks.blocks) {
        runs.extend(block.runs.iter().map(|run| (at, run, block)));
    }
    runs.sort_by_key(|(at, run, block)| {
        let (first, last) = ends(block, run);
        // Wanted whole they ascend by series and block, else in the order of the first key that each could
        // contribute.
        match order {
            _ if whole => (0, run.series, *at),
            Order::Ascending => (first.max(low), run.series, 0),
            Order::Descending => (!last.min(high), !run.series, 0),
        }
    });
    let each = || blocks.blocks.iter();
    let pages: Vec<u32> = each()
        .flat_map(|block| [block.key_page, block.tag_page])
        .collect();
    let pieces: Vec<u32> = each()
        .flat_map(|block| [block.keys.len() as u32, block.value_page])
        .collect();
    let run_list = runs
        .iter()
        .flat_map(|(at, run, _)| [*at, run.start, run.end]);
    let run_list: Vec<u32> = run_list.collect();
    let end_list = runs.iter().flat_map(|(_, run, block)| {
        let (first, last) = ends(block, run);
        [first, last, run.series.cast_signed()]
    });
    let end_list: Vec<i64> = end_list.collect();
    let request = first::Request {
        pages: &pages,
        slots: 1,
        tested: &vec![1; if is_tested { blocks.blocks.len() } else { 0 }],
        runs: &run_list,
        ends: &end_list,
        whole,
        low,
        high,
        order,
        limit: limit as u32,
        horizon: None,
        kinds: &[blocks::VALUES.code()],
        piece_counts: &vec![1; blocks.blocks.len()],
        pieces: &pieces,
    };
    let mut found = first::top(&memory, Some(&program), &request).map_err(texts)?;
    let (keys, series) = found.columns.take_keys().ok_or("no keys")?;
    let taken: Vec<Row> = expected.iter().take(limit).copied().collect();
    same("keys", &keys, &taken.iter().map(|row| row.0).collect())?;
    let wanted = RowSeries::Each(taken.iter().map(|row| row.1).collect());
    same("series", &series, &wanted)?;
    let is_exhausted = found.end == first::TopEnd::Exhausted;
    same("exhausted", &is_exhausted, &(expected.len() <= limit))?;
    let values = taken.iter().map(|row| blocks.value(row.2, row.3));
    let column = found.columns.get(0).map_err(texts)?;
    same("values", column, &blocks::column(values)?)
}

/// Rows of ranges with their keys and series, and whatever is wrong with those refused.
fn keyed_ranges(
    memory: &Memory,
    key_pages: &[u32],
    source: executor::Ranges<'_>,
    expected: Option<(&Vec<i64>, &Column)>,
) -> Result<(), String> {
    let keys = executor::Ranges {
        kind: ColumnType::scalar(ValueType::Int),
        pages: key_pages,
        ..source
    };
    let rows: u32 = source.ends.iter().sum::<u32>() - source.starts.iter().sum::<u32>();
    let mut ends = vec![rows / 2, rows];
    ends.retain(|end| *end > 0);
    let series = [7, 5].into_iter().take(ends.len()).collect();
    let runs = SeriesRuns { series, ends };
    let gather = |runs| executor::gather_ranges(memory, keys, runs, &[source]);
    for (series, ends) in [(vec![7], vec![rows + 1]), (vec![7, 5], vec![rows, rows])] {
        let wrong = gather(SeriesRuns { series, ends });
        same("wrong runs are refused", &wrong.is_err(), &true)?;
    }
    let gathered = gather(runs.clone());
    let Some((expected, values)) = expected else {
        // A range of no rows may name no page.
        return same(
            "absent keys",
            &gathered.is_ok(),
            &is_all_empty(key_pages, source),
        );
    };
    let mut columns = gathered.map_err(texts)?;
    let found = columns.take_keys().ok_or("no keys")?;
    let wanted = (expected.clone(), RowSeries::Runs(runs));
    same("keyed ranges", &found, &wanted)?;
    same("gathered ranges", columns.get(0).map_err(texts)?, values)
}

/// Whether every range without a page has no rows.
fn is_all_empty(pages: &[u32], source: executor::Ranges<'_>) -> bool {
    let bounds = source.starts.iter().zip(source.ends);
    let mut ranges = pages.iter().zip(bounds);
    ranges.all(|(page, (start, end))| *page != ABSENT || start == end)
}

/// The first and the last key of a run.
fn ends(block: &Block, run: &Run) -> (i64, i64) {
    (block.key(run.start), block.key(run.end - 1))
}

/// All rows that pass, in order.
fn wanted(blocks: &Blocks, is_tested: bool, low: i64, high: i64, order: Order) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for (at, block) in (0u32..).zip(&blocks.blocks) {
        for run in &block.runs {
            let passed = |row: &u32| block.is_wanted(*row, is_tested, low, high);
            let of_run = (run.start..run.end).filter(passed);
            rows.extend(of_run.map(|row| (block.key(row), run.series, at, row)));
        }
    }
    rows.sort_unstable();
    if order == Order::Descending {
        rows.reverse();
    }
    rows
}

/// Rows and ranges of pages, lengths and keys.
pub fn gather(case: u64) -> Result<(), String> {
    let numbers = &mut Numbers::new(case);
    let mut memory = Memory::new(numbers);
    let blocks = Blocks::random(numbers, &memory)?;
    let picked: Vec<(Option<&Block>, u32)> = (0..numbers.below(2000))
        .map(|_| {
            let block = blocks.blocks.get(numbers.below(blocks.blocks.len() + 1));
            let row = block.map_or(0, |block| numbers.below(block.keys.len()) as u32);
            (block, row)
        })
        .collect();
    let value = |(block, row): &(Option<&Block>, u32)| block.and_then(|block| block.value(*row));
    let expected = blocks::column(picked.iter().map(value))?;
    let pages: Vec<u32> = picked
        .iter()
        .map(|(block, _)| block.map_or(ABSENT, |block| block.value_page))
        .collect();
    let rows: Vec<u32> = picked.iter().map(|(_, row)| *row).collect();
    let source = executor::Source {
        kind: blocks::VALUES,
        pages: &pages,
        rows: &rows,
    };
    for held_bytes_max in [0, 200, 3_000, u64::MAX] {
        memory.held_bytes_max = held_bytes_max;
        let columns = executor::gather(&memory, &[source, source]).map_err(texts)?;
        for column in columns.all() {
            same("gathered rows", column, &expected)?;
        }
    }
    let lengths = executor::lengths(&memory, source).map_err(texts)?;
    let expected = picked
        .iter()
        .map(|one| value(one).map_or(0, |text| text.len() as u32));
    same("lengths", &lengths, &expected.collect())?;
    ranges(numbers, &memory, &blocks)
}

fn ranges(numbers: &mut Numbers, memory: &Memory, blocks: &Blocks) -> Result<(), String> {
    let (mut pages, mut starts, mut ends) = (Vec::new(), Vec::new(), Vec::new());
    let first = blocks.blocks.first().ok_or("no block")?;
    // Rows without a value have keys too; as many ranges without a page of keys are to be refused.
    let (mut key_pages, mut absent_key_pages) = (Vec::new(), Vec::new());
    let mut expected: Vec<Option<String>> = Vec::new();
    let mut expected_keys = Vec::new();
    for _ in 0..numbers.below(20) {
        let block = blocks.blocks.get(numbers.below(blocks.blocks.len() + 1));
        let keyed = block.unwrap_or(first);
        let rows = keyed.keys.len();
        let start = numbers.below(rows) as u32;
        let end = start + numbers.below(rows - start as usize + 1) as u32;
        pages.push(block.map_or(ABSENT, |block| block.value_page));
        key_pages.push(keyed.key_page);
        absent_key_pages.push(block.map_or(ABSENT, |block| block.key_page));
        expected_keys.extend((start..end).map(|row| keyed.key(row)));
        starts.push(start);
        ends.push(end);
        expected.extend((start..end).map(|row| block.and_then(|block| block.value(row))));
        if let Some(block) = block {
            let keys = executor::keys(memory, block.key_page, start, end).map_err(texts)?;
            same(
                "keys",
                &keys,
                &(start..end).map(|row| block.key(row)).collect(),
            )?;
        }
    }
    let source = executor::Ranges {
        kind: blocks::VALUES,
        pages: &pages,
        starts: &starts,
        ends: &ends,
    };
    let values = blocks::column(expected.into_iter())?;
    keyed_ranges(memory, &key_pages, source, Some((&expected_keys, &values)))?;
    if absent_key_pages.contains(&ABSENT) {
        keyed_ranges(memory, &absent_key_pages, source, None)?;
    }
    same(
        "told of every page before",
        &memory.told(pages.iter().copied()),
        &true,
    )
}
