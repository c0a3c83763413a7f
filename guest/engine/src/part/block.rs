//! Block records of `primary.bin`: the runs of a block and where its keys and payloads lie.

use super::layout::BLOCK_ROWS;
use crate::error::Result;
use crate::host::Extent;
use crate::wire::{Reader, put, put_extent, put_signed};
use std::fmt;

/// Number of a block in its part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct BlockNumber(pub(super) u32);

impl BlockNumber {
    pub(crate) const FIRST: Self = Self(0);

    /// The number of the block that comes so many later.
    #[inline]
    pub(crate) fn plus(self, blocks: u32) -> Self {
        Self(self.0.saturating_add(blocks))
    }

    /// As callers are told it.
    #[inline]
    pub(crate) fn get(self) -> u32 {
        self.0
    }
}

impl fmt::Display for BlockNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Where a block is in its frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct BlockPlace(pub(super) u32);

impl BlockPlace {
    pub(crate) const FIRST: Self = Self(0);

    #[inline]
    pub(crate) fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// Its place in lists that have a member for each block of the frame.
    #[inline]
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

/// Number of a row in its part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ordinal(pub(super) u64);

impl Ordinal {
    pub(crate) const FIRST: Self = Self(0);

    /// The ordinal of the row that comes so many later, within the rows of the part, which 64 bits hold.
    #[inline]
    pub(crate) fn plus(self, rows: u64) -> Self {
        Self(self.0 + rows)
    }

    /// As callers are told it.
    #[inline]
    pub(crate) fn get(self) -> u64 {
        self.0
    }
}

/// The rows of one series inside one block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) series: u64,
    /// First row in the block.
    pub(crate) start: u32,
    /// Row after the last.
    pub(crate) end: u32,
    pub(crate) first_key: i64,
    pub(crate) last_key: i64,
}

/// A payload page of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PayloadPiece {
    /// First row in the block.
    pub(crate) start: u32,
    /// Row after the last.
    pub(crate) end: u32,
    pub(crate) extent: Extent,
}

/// A block: consecutive rows of a part, ordered by (series, key, element id).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) first_row: Ordinal,
    pub(crate) rows: u32,
    /// Ascending by series; together they cover all rows.
    pub(crate) runs: Vec<Run>,
    pub(crate) min_key: i64,
    pub(crate) max_key: i64,
    pub(crate) keys: Extent,
    pub(crate) payloads: Vec<PayloadPiece>,
}

impl Block {
    /// Builds the runs of sorted rows.
    pub(crate) fn runs_of(series: &[u64], keys: &[i64]) -> Vec<Run> {
        let mut runs: Vec<Run> = Vec::new();
        for (row, (series, key)) in (0u32..).zip(series.iter().zip(keys)) {
            match runs.last_mut() {
                Some(run) if run.series == *series => {
                    run.end = row + 1;
                    run.last_key = *key;
                }
                _ => runs.push(Run {
                    series: *series,
                    start: row,
                    end: row + 1,
                    first_key: *key,
                    last_key: *key,
                }),
            }
        }
        runs
    }

    /// Least and greatest key over the runs.
    pub(crate) fn key_range(runs: &[Run]) -> (i64, i64) {
        let min = runs
            .iter()
            .map(|run| run.first_key)
            .min()
            .unwrap_or(i64::MAX);
        let max = runs
            .iter()
            .map(|run| run.last_key)
            .max()
            .unwrap_or(i64::MIN);
        (min, max)
    }

    /// The ordinal of a row of the block.
    #[inline]
    pub(crate) fn ordinal(&self, row: u32) -> Ordinal {
        self.first_row.plus(u64::from(row))
    }

    pub(crate) fn first_series(&self) -> u64 {
        self.runs.first().map_or(u64::MAX, |run| run.series)
    }

    pub(crate) fn last_series(&self) -> u64 {
        self.runs.last().map_or(0, |run| run.series)
    }

    /// The series of a row, looked up near a position that the caller keeps between calls.
    pub(crate) fn series_of(&self, row: u32, near: &mut usize) -> u64 {
        if let Some(run) = self.runs.get(*near)
            && run.start <= row
            && row < run.end
        {
            return run.series;
        }
        *near = self.runs.partition_point(|run| run.end <= row);
        self.runs.get(*near).map_or(u64::MAX, |run| run.series)
    }

    /// Appends the record: runs, then extents.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        put(self.runs.len() as u64, out);
        let mut series = 0u64;
        for run in &self.runs {
            put(run.series.wrapping_sub(series), out);
            put(u64::from(run.end - run.start), out);
            put_signed(run.first_key, out);
            put(run.last_key.wrapping_sub(run.first_key) as u64, out);
            series = run.series;
        }
        put_extent(&self.keys, out);
        put(self.payloads.len() as u64, out);
        for piece in &self.payloads {
            put(u64::from(piece.end - piece.start), out);
            put_extent(&piece.extent, out);
        }
    }

    /// Reads a record and checks that runs and payload pieces cover the same rows, in order.
    pub(crate) fn read(reader: &mut Reader<'_>, first_row: Ordinal) -> Result<Self> {
        let count = reader.count(4)?;
        let mut runs = Vec::with_capacity(count);
        let mut series = 0u64;
        let mut rows = 0u32;
        for index in 0..count {
            let step = reader.number()?;
            if index > 0 && step == 0 {
                return Err(reader.fault("two runs of one series in one block"));
            }
            series = series
                .checked_add(step)
                .ok_or_else(|| reader.fault("series out of order"))?;
            let end = end_of(rows, reader)?;
            let first_key = reader.signed()?;
            let span = reader.number()?;
            let last_key = first_key.wrapping_add(span as i64);
            if i128::from(last_key) - i128::from(first_key) != i128::from(span) {
                return Err(reader.fault("last key of a run is before its first"));
            }
            runs.push(Run {
                series,
                start: rows,
                end,
                first_key,
                last_key,
            });
            rows = end;
        }
        let keys = reader.extent()?;
        let payloads = read_payloads(reader, rows)?;
        if rows == 0 {
            return Err(reader.fault("a block without rows"));
        }
        let (min_key, max_key) = Self::key_range(&runs);
        Ok(Self {
            first_row,
            rows,
            runs,
            min_key,
            max_key,
            keys,
            payloads,
        })
    }
}

/// Reads a count of rows and adds it to `start`; a block holds at most [`BLOCK_ROWS`].
fn end_of(start: u32, reader: &mut Reader<'_>) -> Result<u32> {
    let count = reader.small()?;
    let end = start.saturating_add(count);
    if count == 0 || end > BLOCK_ROWS as u32 {
        return Err(reader.fault(&format!("rows {start} to {end} do not fit a block")));
    }
    Ok(end)
}

fn read_payloads(reader: &mut Reader<'_>, rows: u32) -> Result<Vec<PayloadPiece>> {
    let count = reader.count(9)?;
    let mut pieces = Vec::with_capacity(count);
    let mut start = 0;
    for _ in 0..count {
        let end = end_of(start, reader)?;
        pieces.push(PayloadPiece {
            start,
            end,
            extent: reader.extent()?,
        });
        start = end;
    }
    if start != rows {
        return Err(reader.fault(&format!("payload pages hold {start} rows, the runs {rows}")));
    }
    Ok(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Block {
        let series = [0, 0, 7, u64::MAX, u64::MAX];
        let keys = [i64::MIN, i64::MAX, -1, 3, 3];
        let runs = Block::runs_of(&series, &keys);
        let extent = Extent {
            offset: 16,
            stored_bytes: 9,
            raw_bytes: 10,
            checksum: 0xdead_beef,
            codec: 1,
        };
        Block {
            first_row: Ordinal(100),
            rows: 5,
            min_key: i64::MIN,
            max_key: i64::MAX,
            runs,
            keys: extent,
            payloads: vec![
                PayloadPiece {
                    start: 0,
                    end: 2,
                    extent,
                },
                PayloadPiece {
                    start: 2,
                    end: 5,
                    extent,
                },
            ],
        }
    }

    #[test]
    fn record_returns() {
        let block = sample();
        let mut bytes = Vec::new();
        block.write(&mut bytes);
        let mut reader = Reader::new(&bytes, "block");
        assert_eq!(Block::read(&mut reader, Ordinal(100)).unwrap(), block);
        reader.finish().unwrap();
        for cut in 0..bytes.len() {
            assert!(Block::read(&mut Reader::new(&bytes[..cut], "block"), Ordinal::FIRST).is_err());
        }
    }

    #[test]
    fn series_lookup() {
        let block = sample();
        let mut near = 0;
        let found: Vec<u64> = [4, 0, 2, 3, 1]
            .map(|row| block.series_of(row, &mut near))
            .to_vec();
        assert_eq!(found, [u64::MAX, 0, 7, u64::MAX, 0]);
    }

    #[test]
    fn uneven_rows_are_refused() {
        let mut block = sample();
        block.payloads.pop();
        let mut bytes = Vec::new();
        block.write(&mut bytes);
        let error = Block::read(&mut Reader::new(&bytes, "block"), Ordinal::FIRST).unwrap_err();
        assert!(
            error
                .message()
                .contains("payload pages hold 2 rows, the runs 5"),
            "{error}"
        );
    }
}
