//! Runs that are all wanted: their rows are collected and sorted.

use std::ops::Range;

use sidx_columns::Bitmap;
use sidx_kernels::Keys;

use super::blocks::Blocks;
use super::{Found, Picked};
use crate::pages::Pages;

/// Rows beyond the wanted ones that are collected at most; with more the caller should go step by step.
const SPARE_ROWS: usize = 8 << 10;

/// Runs of a block beyond which all its keys are compared rather than the ends of each run looked at.
const MANY_RUNS: u32 = 16;

/// Rows of runs, which ascend by series and block.
#[derive(Default)]
struct Collected {
    keys: Vec<i64>,
    rows: Vec<u32>,
    runs: Vec<u32>,
}

/// The first rows of all runs; none, and not exhausted, when there are too many.
pub(super) fn rows<P: Pages>(blocks: &mut Blocks<'_, P>) -> Result<Found, P::Error> {
    let mut found = Found::default();
    let most = blocks.lists.limit as usize + SPARE_ROWS;
    let Some(collected) = collect(blocks, most, &mut found)? else {
        return Ok(found);
    };
    let total = collected.keys.len();
    let descending = blocks.lists.order == sidx_kernels::Order::Descending;
    let mut order = order_of(&collected.keys);
    if descending {
        // Runs ascend, so equal keys stand in order; the reverse of all is what is wanted.
        order.reverse();
    }
    order.truncate(blocks.lists.limit as usize);
    found.exhausted = order.len() == total;
    found.runs = blocks.lists.run_count();
    found.selected = total as u64;
    for at in &order {
        let at = *at as usize;
        let (key, row) = (collected.keys.get(at), collected.rows.get(at));
        let (Some(key), Some(row), Some(run)) = (key, row, collected.runs.get(at)) else {
            continue;
        };
        found.keys.push(*key);
        found.series.push(blocks.lists.series_of(*run));
        found.picked.push(Picked {
            block: blocks.lists.block_of(*run),
            row: *row,
        });
    }
    Ok(found)
}

fn collect<P: Pages>(
    blocks: &mut Blocks<'_, P>,
    most: usize,
    found: &mut Found,
) -> Result<Option<Collected>, P::Error> {
    let mut collected = Collected::default();
    let lists = blocks.lists;
    let count = lists.run_count() as u32;
    let mut from = 0;
    while from < count {
        let block = lists.block_of(from);
        let others = (from..count).take_while(|run| lists.block_of(*run) == block);
        let end = from + (others.count() as u32).max(1);
        let page = blocks.key_page(block)?;
        let keys = blocks.keys(&page, block)?;
        blocks.open(block, keys)?;
        let between = match end - from >= MANY_RUNS && blocks.marks_of(block).is_none() {
            true => keys.between(lists.low, lists.high),
            false => None,
        };
        let marks = blocks.marks_of(block).or(between.as_ref());
        let before = collected.rows.len();
        for run in from..end {
            let span = blocks.check_span(run, keys, block)?;
            found.considered += span.len() as u64;
            collected.add(blocks, keys, marks, run, span, most);
            if collected.rows.len() > most {
                return Ok(None);
            }
        }
        if collected.rows.len() > before {
            blocks.note_rows(block);
        }
        from = end;
    }
    Ok(Some(collected))
}

impl Collected {
    /// Adds the rows of a run, those that are marked where that was found out; their keys only while there
    /// are at most `most`.
    fn add<P: Pages>(
        &mut self,
        blocks: &Blocks<'_, P>,
        keys: Keys<'_>,
        marks: Option<&Bitmap>,
        run: u32,
        span: Range<usize>,
        most: usize,
    ) {
        let before = self.rows.len();
        if let Some(marks) = marks {
            self.rows
                .extend(marks.iter_range(span).map(|row| row as u32));
            let rows = self.rows.get(before..).unwrap_or_default();
            keys.gather(rows, &mut self.keys);
        } else {
            let (low, high) = (blocks.lists.low, blocks.lists.high);
            let range = keys.narrow_known(span, blocks.lists.ends(run), low, high);
            if range.is_empty() {
                return;
            }
            self.rows.extend(range.start as u32..range.end as u32);
            if self.rows.len() <= most {
                keys.decode(range, &mut self.keys);
            }
        }
        self.runs.resize(self.rows.len(), run);
    }
}

/// The positions of keys in ascending order; equal keys keep theirs.
fn order_of(keys: &[i64]) -> Vec<u32> {
    let low = keys.iter().copied().min().unwrap_or(0);
    let high = keys.iter().copied().max().unwrap_or(0);
    let width = high.abs_diff(low);
    let positions = 0u32..keys.len() as u32;
    if width < keys.len() as u64 * 2 + 1_024 {
        return counted(keys, low, width as usize);
    }
    if u32::try_from(width).is_ok() {
        let pack = |(key, at): (&i64, u32)| key.abs_diff(low) << u32::BITS | u64::from(at);
        let mut packed: Vec<u64> = keys.iter().zip(positions).map(pack).collect();
        packed.sort_unstable();
        return packed.into_iter().map(|packed| packed as u32).collect();
    }
    let mut pairs: Vec<(i64, u32)> = keys.iter().copied().zip(positions).collect();
    pairs.sort_unstable();
    pairs.into_iter().map(|(_, at)| at).collect()
}

/// The same for keys that differ by at most `width` from the least: each is counted, then put in place.
fn counted(keys: &[i64], low: i64, width: usize) -> Vec<u32> {
    let mut next = vec![0u32; width + 2];
    let bucket = |key: i64| key.abs_diff(low) as usize;
    for key in keys {
        if let Some(count) = next.get_mut(bucket(*key) + 1) {
            *count += 1;
        }
    }
    let mut total = 0;
    for start in &mut next {
        total += *start;
        *start = total;
    }
    let mut order = vec![0u32; keys.len()];
    for (key, position) in keys.iter().zip(0u32..) {
        if let Some(at) = next.get_mut(bucket(*key)) {
            if let Some(place) = order.get_mut(*at as usize) {
                *place = position;
            }
            *at += 1;
        }
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_of_sorting_is_stable() {
        let narrow: Vec<i64> = (0..500).map(|at| at * 7_919 % 23 - 11).collect();
        let wide = narrow.iter().map(|key| key * 1_000_000).collect();
        let widest = narrow.iter().map(|key| key * (i64::MAX / 12)).collect();
        let ends = vec![i64::MAX, 0, i64::MIN, i64::MAX, i64::MIN];
        for keys in [narrow, wide, widest, ends, vec![3], Vec::new()] {
            let mut expected: Vec<u32> = (0..keys.len() as u32).collect();
            expected.sort_by_key(|at| keys[*at as usize]);
            assert_eq!(order_of(&keys), expected);
        }
    }
}
