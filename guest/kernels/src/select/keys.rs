//! Keys of runs, a few at a time: what it takes to merge runs by key.

use std::ops::Range;

use sidx_columns::Bitmap;

use crate::error::PageError;
use crate::integer::{Form, Integers};
use crate::page::Page;
use crate::program::Program;
use crate::select::key_values;
use crate::stop::Stop;

/// Most keys that are found by steps from a known one: beyond it, decoding many at once costs less.
const TAIL: usize = 8;

/// The keys of a block. They ascend inside each run; where they do not (corrupt data), positions are
/// arbitrary ones of the range, nothing worse.
#[derive(Debug, Clone, Copy)]
pub struct Keys<'a> {
    stored: &'a Integers,
}

impl<'a> Keys<'a> {
    /// The keys in a page.
    ///
    /// # Errors
    /// When the page is not of integers or lacks rows.
    pub fn of(page: &'a Page) -> Result<Keys<'a>, PageError> {
        Ok(Keys {
            stored: key_values(page)?,
        })
    }

    /// Number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.stored.count()
    }

    /// The rows of a run whose keys lie in `low..=high`. Its first and last key are known, which decides most
    /// runs without a look; costs little where an end of the run is near.
    #[must_use]
    pub fn narrow_known(
        &self,
        run: Range<usize>,
        (first, last): (i64, i64),
        low: i64,
        high: i64,
    ) -> Range<usize> {
        let mut run = run.start..run.end.min(self.rows());
        if low > high || first > high || last < low || run.is_empty() {
            return run.start..run.start;
        }
        if first < low
            && last.abs_diff(low) < low.abs_diff(first)
            && let Some(rows) = self.narrow_tail(run.clone(), last, low, high)
        {
            return rows;
        }
        if first < low {
            run.start = self.first_known(run.clone(), (first, last), low);
        }
        if last > high
            && let Some(above) = high.checked_add(1)
        {
            run.end = self.first_known(run.clone(), (first, last), above);
        }
        run
    }

    /// All rows whose keys lie in `low..=high`, found 64 at a time; none in forms of which a look at the ends
    /// of runs costs less.
    #[must_use]
    pub fn between(&self, low: i64, high: i64) -> Option<Bitmap> {
        if !matches!(self.stored.form(), Form::Offset { .. }) {
            return None;
        }
        let mut marks = Bitmap::zeros(self.rows());
        self.stored.mark_range(0, marks.words_mut(), low, high);
        Some(marks)
    }

    /// The rows of a run whose keys lie in `low..=high`, by a look at its last few keys, without a branch on
    /// any of them. None when more of them may lie there.
    fn narrow_tail(
        &self,
        run: Range<usize>,
        last: i64,
        low: i64,
        high: i64,
    ) -> Option<Range<usize>> {
        let count = run.len().min(TAIL);
        let mut keys = [last; TAIL];
        self.walk(run.end - 1, last, true, keys.get_mut(..count)?)?;
        let keys = keys.get(..count)?;
        let above = keys
            .iter()
            .map(|key| usize::from(*key > high))
            .sum::<usize>();
        let wanted = keys
            .iter()
            .map(|key| usize::from(*key >= low))
            .sum::<usize>();
        if wanted == count && count < run.len() {
            return None;
        }
        let end = run.end - above;
        Some((run.end - wanted.max(above))..end)
    }

    /// The keys of rows from `row` on, or from it down, the first of which is known. None where that costs
    /// more than decoding them.
    fn walk(&self, row: usize, known: i64, down: bool, keys: &mut [i64]) -> Option<()> {
        match self.stored.form() {
            Form::Delta(delta) => {
                let others = keys.len().checked_sub(1)?;
                let first = if down { row.checked_sub(others)? } else { row };
                let steps: [i64; TAIL] = delta.steps(first + 1, others)?;
                let steps = steps.get(..others)?;
                let mut value = known;
                let (start, keys) = keys.split_first_mut()?;
                *start = known;
                if down {
                    for (key, step) in keys.iter_mut().zip(steps.iter().rev()) {
                        value = value.wrapping_sub(*step);
                        *key = value;
                    }
                } else {
                    for (key, step) in keys.iter_mut().zip(steps) {
                        value = value.wrapping_add(*step);
                        *key = value;
                    }
                }
            }
            Form::Offset { base, width, bytes } => {
                let packed = self.stored.packed(bytes, *width)?;
                for (at, key) in keys.iter_mut().enumerate() {
                    let row = if down { row.checked_sub(at)? } else { row + at };
                    *key = base.wrapping_add(packed.get(row).cast_signed());
                }
            }
            _ => return None,
        }
        Some(())
    }

    /// Appends the keys of consecutive rows from the last down, when that of the last is known: of few rows
    /// without decoding others.
    pub fn decode_down(&self, rows: Range<usize>, last: Option<i64>, out: &mut Vec<i64>) {
        let rows = rows.start..rows.end.min(self.rows());
        let mut few = [0; TAIL];
        if let (Some(last), Some(few)) = (last, few.get_mut(..rows.len()))
            && !rows.is_empty()
            && self.walk(rows.end - 1, last, true, few).is_some()
        {
            return out.extend_from_slice(few);
        }
        let from = out.len();
        self.decode(rows, out);
        out.get_mut(from..).unwrap_or_default().reverse();
    }

    /// Appends the keys of consecutive rows, when that of the first is known: of few rows without decoding
    /// others.
    pub fn decode_up(&self, rows: Range<usize>, first: Option<i64>, out: &mut Vec<i64>) {
        let rows = rows.start..rows.end.min(self.rows());
        let mut few = [0; TAIL];
        if let (Some(first), Some(few)) = (first, few.get_mut(..rows.len()))
            && !rows.is_empty()
            && self.walk(rows.start, first, false, few).is_some()
        {
            return out.extend_from_slice(few);
        }
        self.decode(rows, out);
    }

    /// The first row of a run with at least this key, which the last one has.
    fn first_known(&self, run: Range<usize>, (first, last): (i64, i64), key: i64) -> usize {
        let is_delta = matches!(self.stored.form(), Form::Delta(_));
        match is_delta && last.abs_diff(key) < key.abs_diff(first) {
            true => self.stored.lower_bound_below(run.start, run.end, last, key),
            false => self.first_at_least(run, key),
        }
    }

    /// The first row of a run with at least this key, or its end.
    fn first_at_least(&self, run: Range<usize>, key: i64) -> usize {
        let Range { start, end } = run;
        if start >= end || matches!(self.stored.form(), Form::Delta(_)) {
            // One value of that form costs as much as the whole search.
            return self.stored.lower_bound(start, end, key);
        }
        let at = |row: usize| self.stored.get(row).unwrap_or(i64::MAX);
        let (first, last) = (at(start), at(end - 1));
        if first >= key {
            return start;
        }
        if last < key {
            return end;
        }
        // From here on `at(low) < key <= at(high)`. Steps double from the end whose key is nearer.
        let (mut low, mut high) = (start, end - 1);
        let mut step = 1;
        if last.abs_diff(key) < key.abs_diff(first) {
            while high - low > step {
                let row = high - step;
                if at(row) < key {
                    low = row;
                    break;
                }
                high = row;
                step *= 2;
            }
        } else {
            while high - low > step {
                let row = low + step;
                if at(row) >= key {
                    high = row;
                    break;
                }
                low = row;
                step *= 2;
            }
        }
        self.stored.lower_bound(low + 1, high, key)
    }

    /// Appends the keys of consecutive rows.
    pub fn decode(&self, rows: Range<usize>, out: &mut Vec<i64>) {
        self.stored.decode(rows.start, rows.end, out);
    }

    /// Appends the keys of ascending rows.
    pub fn gather(&self, rows: &[u32], out: &mut Vec<i64>) {
        self.stored.gather(rows, out);
    }
}

/// The rows of these ranges that pass a filter, of a block of `rows` rows.
///
/// # Errors
/// When a page of the filter has another number of rows, and [`PageError::Stopped`].
pub fn matches_until(
    program: &Program,
    slots: &[Option<&Page>],
    rows: u32,
    ranges: impl IntoIterator<Item = Range<usize>>,
    stop: &Stop<'_>,
) -> Result<Bitmap, PageError> {
    let mut within = Bitmap::zeros(rows as usize);
    ranges.into_iter().for_each(|range| within.set_range(range));
    program.evaluate_until(slots, rows, Some(&within), stop)
}

#[cfg(test)]
mod tests {
    use sidx_columns::{Column, ColumnType, ValueType, Values};

    use super::*;
    use crate::page::encode;

    fn page(keys: &[i64]) -> Page {
        let kind = ColumnType::scalar(ValueType::Int);
        let column = Column::new(kind, keys.len(), None, None, Values::Int(keys.to_vec()));
        Page::open(encode(&column.unwrap()).unwrap().page.into()).unwrap()
    }

    #[test]
    fn narrowing_agrees_with_a_look_at_every_key() {
        // Constant, progression, offset, dictionary and delta forms; runs of one and of many rows.
        let square = |row: i64| row * row % 9_973 + row * 50;
        let samples: [Vec<i64>; 6] = [
            vec![7; 300],
            (0..300).map(|row| row * 3).collect(),
            (0..300).map(|row| row / 40 * 1_000_003).collect(),
            (0..1_000).map(|row| row / 3 + 1_000_000_000).collect(),
            (0..500).map(square).collect(),
            vec![i64::MIN, -1, 0, i64::MAX],
        ];
        for mut keys in samples {
            keys.sort_unstable();
            let page = page(&keys);
            let found = Keys::of(&page).unwrap();
            assert_eq!(found.rows(), keys.len());
            let (third, quarter) = (keys.len() / 3, keys.len() - keys.len() / 4);
            let ends = [0, 1, 2, third, quarter, keys.len() - 1, keys.len()];
            let edges = ends.map(|row| keys.get(row).copied().unwrap_or(i64::MAX));
            for start in ends {
                for end in ends.into_iter().filter(|end| *end >= start) {
                    for low in edges.into_iter().chain([i64::MIN]) {
                        for high in edges.into_iter().flat_map(|key| [key, key.wrapping_sub(1)]) {
                            let wanted = |row: &usize| (low..=high).contains(&keys[*row]);
                            let expected: Vec<usize> = (start..end).filter(wanted).collect();
                            if start < end {
                                let known = (keys[start], keys[end - 1]);
                                let run = found.narrow_known(start..end, known, low, high);
                                assert_eq!(run.collect::<Vec<_>>(), expected, "{known:?}");
                            }
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn rows_between_are_those_with_such_keys() {
        let offset: Vec<i64> = (0..300).map(|row| row * 7_919 % 1_021 - 300).collect();
        let page_of_offset = page(&offset);
        let found = Keys::of(&page_of_offset).unwrap();
        for (low, high) in [(0, 99), (5, 5), (9, 3), (i64::MIN, i64::MAX), (800, 900)] {
            let marks = found.between(low, high).unwrap();
            let expected: Vec<usize> = (0..offset.len())
                .filter(|row| (low..=high).contains(&offset[*row]))
                .collect();
            assert_eq!(marks.iter_range(0..300).collect::<Vec<_>>(), expected);
        }
        let ascending: Vec<i64> = (0..2_000).map(|row| row * row).collect();
        assert!(Keys::of(&page(&ascending)).unwrap().between(0, 9).is_none());
    }

    #[test]
    fn keys_are_the_same_however_many_are_asked_for() {
        let wave: Vec<i64> = (0..400).map(|row| row % 130 * (row % 130)).collect();
        let offset: Vec<i64> = (0..300).map(|row| row * 7_919 % 1_021 - 300).collect();
        for keys in [wave, offset, vec![9; 20], (0..40).collect()] {
            let page = page(&keys);
            let found = Keys::of(&page).unwrap();
            for start in 0..keys.len() {
                for count in [0, 1, 2, TAIL - 1, TAIL, TAIL + 1, 140] {
                    let rows = start..(start + count).min(keys.len());
                    let expected = &keys[rows.clone()];
                    for known in [true, false] {
                        let (mut up, mut down) = (vec![-1], vec![-1]);
                        let ends = (expected.first(), expected.last());
                        let ends = (ends.0.filter(|_| known), ends.1.filter(|_| known));
                        found.decode_up(rows.clone(), ends.0.copied(), &mut up);
                        found.decode_down(rows.clone(), ends.1.copied(), &mut down);
                        assert_eq!(up[1..], *expected, "{rows:?}");
                        down[1..].reverse();
                        assert_eq!(down[1..], *expected, "{rows:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn wrong_ends_of_a_run_give_some_of_its_rows() {
        for keys in [
            (0..300).map(|row| row * row).collect::<Vec<_>>(),
            vec![5; 300],
        ] {
            let page = page(&keys);
            let found = Keys::of(&page).unwrap();
            for known in [(i64::MIN, i64::MAX), (i64::MAX, i64::MIN), (7, 7)] {
                for (low, high) in [(0, 10), (i64::MIN, 5), (100, i64::MAX), (9, 3)] {
                    let run = found.narrow_known(20..900, known, low, high);
                    assert!(run.start >= 20 && run.end <= 300, "{run:?}");
                }
            }
        }
    }

    #[test]
    fn a_run_behind_the_page_is_cut() {
        let page = page(&[1, 2, 3]);
        let keys = Keys::of(&page).unwrap();
        assert_eq!(keys.narrow_known(1..900, (2, 3), i64::MIN, i64::MAX), 1..3);
        assert_eq!(keys.narrow_known(1..900, (2, 3), 3, 3), 2..3);
        assert!(keys.narrow_known(5..900, (0, 9), 0, 9).is_empty());
    }
}
