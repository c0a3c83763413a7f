//! Block records of `primary.bin`: the runs of a block and where its keys and payloads lie.

use super::extent::ExtentRecord;
use super::layout::BLOCK_ROWS;
use crate::error::Result;
use crate::host::Extent;
use crate::wire::{self, Reader, Sequence};
use serde::{Deserialize, Serialize};
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
pub struct Ordinal(pub(super) u64);

impl Ordinal {
    pub(crate) const FIRST: Self = Self(0);

    /// The row with a number.
    #[must_use]
    pub fn new(number: u64) -> Self {
        Self(number)
    }

    /// The ordinal of the row that comes so many later, within the rows of the part, which 64 bits hold.
    #[inline]
    #[must_use]
    pub fn plus(self, rows: u64) -> Self {
        Self(self.0 + rows)
    }

    /// As callers are told it.
    #[inline]
    #[must_use]
    pub fn get(self) -> u64 {
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
        let mut series = 0u64;
        let runs = self.runs.iter().map(move |run| {
            let step = run.series.wrapping_sub(series);
            series = run.series;
            RunRecord {
                step,
                rows: run.end - run.start,
                first_key: run.first_key,
                span: run.last_key.wrapping_sub(run.first_key) as u64,
            }
        });
        let payloads = self.payloads.iter().map(|piece| PieceRecord {
            rows: piece.end - piece.start,
            extent: piece.extent.into(),
        });
        let record = BlockRecord {
            runs: Sequence(runs),
            keys: self.keys.into(),
            payloads: Sequence(payloads),
        };
        wire::append(&record, out);
    }

    /// Reads a record and checks that runs and payload pieces cover the same rows, in order.
    pub(crate) fn read(reader: &mut Reader<'_>, first_row: Ordinal) -> Result<Self> {
        let record: BlockRecord<Vec<RunRecord>, Vec<PieceRecord>> = reader.read()?;
        let runs = runs_of_record(record.runs).map_err(|reason| reader.fault(&reason))?;
        let rows = runs.last().map_or(0, |run| run.end);
        let payloads = pieces_of_record(record.payloads).map_err(|reason| reader.fault(&reason))?;
        let paged = payloads.last().map_or(0, |piece| piece.end);
        if paged != rows {
            let reason = format!("payload pages hold {paged} rows, the runs {rows}");
            return Err(reader.fault(&reason));
        }
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
            keys: record.keys.into(),
            payloads,
        })
    }
}

/// What is stored of a block.
#[derive(Serialize, Deserialize)]
struct BlockRecord<R, P> {
    runs: R,
    keys: ExtentRecord,
    payloads: P,
}

/// What is stored of a run: differences are short.
#[derive(Serialize, Deserialize)]
struct RunRecord {
    /// The series, minus that of the run before it in the block.
    step: u64,
    rows: u32,
    first_key: i64,
    /// The last key, minus the first.
    span: u64,
}

/// What is stored of a payload page.
#[derive(Serialize, Deserialize)]
struct PieceRecord {
    rows: u32,
    extent: ExtentRecord,
}

/// The runs of a record, which are as many bytes in memory, or what is wrong with them.
fn runs_of_record(records: Vec<RunRecord>) -> std::result::Result<Vec<Run>, String> {
    let mut last: Option<Run> = None;
    let run_of = |record: RunRecord| {
        let (series, start) = last.map_or((0, 0), |last| (last.series, last.end));
        if last.is_some() && record.step == 0 {
            return Err("two runs of one series in one block".to_owned());
        }
        let first_key = record.first_key;
        let last_key = first_key.wrapping_add(record.span as i64);
        if i128::from(last_key) - i128::from(first_key) != i128::from(record.span) {
            return Err("last key of a run is before its first".to_owned());
        }
        let run = Run {
            series: series
                .checked_add(record.step)
                .ok_or("series out of order")?,
            start,
            end: end_of(start, record.rows)?,
            first_key,
            last_key,
        };
        last = Some(run);
        Ok(run)
    };
    records.into_iter().map(run_of).collect()
}

/// The payload pages of a record, or what is wrong with them.
fn pieces_of_record(records: Vec<PieceRecord>) -> std::result::Result<Vec<PayloadPiece>, String> {
    let mut start = 0;
    let piece_of = |record: PieceRecord| {
        let piece = PayloadPiece {
            start,
            end: end_of(start, record.rows)?,
            extent: record.extent.into(),
        };
        start = piece.end;
        Ok(piece)
    };
    records.into_iter().map(piece_of).collect()
}

/// The row after so many from `start`; a block holds at most [`BLOCK_ROWS`].
fn end_of(start: u32, rows: u32) -> std::result::Result<u32, String> {
    let end = start.saturating_add(rows);
    if rows == 0 || end > BLOCK_ROWS as u32 {
        return Err(format!("rows {start} to {end} do not fit a block"));
    }
    Ok(end)
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
        for damaged in wire::with_huge_numbers(&bytes) {
            let _ = Block::read(&mut Reader::new(&damaged, "block"), Ordinal::FIRST);
        }
    }

    #[test]
    fn runs_out_of_order_are_refused() {
        let extent = || ExtentRecord::from(Extent::default());
        let run = |step, span| RunRecord {
            step,
            rows: 1,
            first_key: 5,
            span,
        };
        let read = |runs: Vec<RunRecord>, rows: Vec<u32>| {
            let pieces = rows.into_iter().map(|rows| PieceRecord {
                rows,
                extent: extent(),
            });
            let record = BlockRecord {
                runs,
                keys: extent(),
                payloads: Sequence(pieces),
            };
            let bytes = wire::write(&record);
            let read = Block::read(&mut Reader::new(&bytes, "block"), Ordinal::FIRST);
            read.map_err(|error| error.message().to_owned())
        };
        assert!(read(vec![run(0, 0), run(1, 9)], vec![2]).is_ok());
        for (runs, rows, wanted) in [
            (
                vec![run(0, 0), run(0, 0)],
                vec![2],
                "two runs of one series",
            ),
            (vec![run(2, 0), run(u64::MAX, 0)], vec![2], "out of order"),
            (vec![run(0, u64::MAX)], vec![1], "before its first"),
            (vec![run(0, 0)], vec![1, 0], "do not fit a block"),
            (vec![run(0, 0)], vec![8_193], "do not fit a block"),
            (vec![], vec![], "without rows"),
        ] {
            let message = read(runs, rows).unwrap_err();
            assert!(message.contains(wanted), "{message}");
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
