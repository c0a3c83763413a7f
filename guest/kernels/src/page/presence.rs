//! Which rows of a page have a value, and where among the stored values each one is.

use std::ops::Range;

use sidx_columns::Bitmap;

use crate::bitmap;
use crate::error::PageError;
use crate::implementation::Implementation;
use crate::reader::Reader;
use crate::varint;

pub(crate) mod ranks;

use ranks::Ranks;

/// Every row is present; nothing follows.
pub const ALL: u8 = 0;
/// One bit per row in 64-bit words.
pub const BITMAP: u8 = 1;
/// Lengths of runs, absent and present in turn, absent first.
pub const RUNS: u8 = 2;

/// The present rows of a page.
#[derive(Debug, Clone)]
pub(crate) struct Presence {
    rows: usize,
    /// `None` when every row is present.
    ranked: Option<Ranked>,
}

/// A bitmap with the number of present rows before each word.
#[derive(Debug, Clone)]
struct Ranked {
    bitmap: Bitmap,
    ranks: Vec<u32>,
    present: usize,
}

impl Presence {
    /// Reads the presence of `rows` rows, of which `present` must be present.
    pub(crate) fn open(
        reader: &mut Reader,
        rows: usize,
        present: usize,
    ) -> Result<Presence, PageError> {
        let bitmap = match reader.u8("presence encoding")? {
            ALL => {
                check_present(rows, present)?;
                return Ok(Presence { rows, ranked: None });
            }
            BITMAP => {
                let words = reader.words("presence bitmap", rows)?;
                Bitmap::from_words(words, rows).unwrap_or_default()
            }
            RUNS => read_runs(reader, rows)?,
            found => {
                return Err(PageError::Code {
                    what: "presence encoding",
                    found,
                });
            }
        };
        check_present(bitmap::count(&bitmap), present)?;
        if present == rows {
            return Ok(Presence { rows, ranked: None });
        }
        let mut ranks = Vec::with_capacity(bitmap.words().len());
        let mut rank = 0u32;
        for word in bitmap.words() {
            ranks.push(rank);
            rank += word.count_ones();
        }
        Ok(Presence {
            rows,
            ranked: Some(Ranked {
                bitmap,
                ranks,
                present,
            }),
        })
    }

    /// The present rows; `None` when all are.
    pub(crate) fn bitmap(&self) -> Option<&Bitmap> {
        self.ranked.as_ref().map(|ranked| &ranked.bitmap)
    }

    pub(crate) fn present(&self) -> usize {
        self.ranked
            .as_ref()
            .map_or(self.rows, |ranked| ranked.present)
    }

    pub(crate) fn derived_bytes(&self) -> usize {
        let bytes = |ranked: &Ranked| ranked.bitmap.size_bytes() + ranked.ranks.len() * 4;
        self.ranked.as_ref().map_or(0, bytes)
    }

    /// Number of present rows before a row; all of them for rows beyond the last.
    #[inline]
    pub(crate) fn rank(&self, row: usize) -> usize {
        let Some(ranked) = &self.ranked else {
            return row.min(self.rows);
        };
        match (
            ranked.ranks.get(row / 64),
            ranked.bitmap.words().get(row / 64),
        ) {
            (Some(rank), Some(word)) => {
                let before = word & ((1u64 << (row % 64)) - 1);
                *rank as usize + before.count_ones() as usize
            }
            _ => ranked.present,
        }
    }

    /// Where a row's value is among the stored ones; `None` when the row is absent.
    #[inline]
    pub(crate) fn position(&self, row: usize) -> Option<usize> {
        match &self.ranked {
            None => (row < self.rows).then_some(row),
            Some(ranked) if ranked.bitmap.get(row) => Some(self.rank(row)),
            Some(_) => None,
        }
    }

    /// Positions of the values of a range of rows.
    pub(crate) fn positions(&self, rows: Range<usize>) -> Range<usize> {
        self.rank(rows.start)..self.rank(rows.end)
    }

    /// Turns a selection of stored values into a selection of rows, as far as the rows of the
    /// window go (widened to whole words).
    pub(crate) fn spread(&self, dense: Bitmap, window: Range<usize>) -> Bitmap {
        let Some(ranked) = &self.ranked else {
            return dense;
        };
        let mut rows = Bitmap::zeros(self.rows);
        let end = window.end.min(self.rows);
        let words = window.start / 64..end.div_ceil(64);
        if let Some(out) = rows.words_mut().get_mut(words.clone()) {
            let ranks = ranked.ranks();
            ranks.spread(Implementation::best(), dense.words(), words.start, out);
        }
        rows
    }

    /// Turns a selection of rows into a selection of stored values.
    pub(crate) fn compress(&self, rows: &Bitmap) -> Bitmap {
        let Some(ranked) = &self.ranked else {
            return rows.clone();
        };
        let mut dense = Bitmap::zeros(ranked.present);
        let ranks = ranked.ranks();
        ranks.compress(Implementation::best(), rows.words(), dense.words_mut());
        dense
    }
}

impl Ranked {
    fn ranks(&self) -> Ranks<'_> {
        Ranks {
            present: self.bitmap.words(),
            ranks: &self.ranks,
        }
    }
}

/// Appends the smallest form of a column's presence.
pub(crate) fn write(rows: usize, presence: Option<&Bitmap>, out: &mut Vec<u8>) {
    let Some(bitmap) = presence.filter(|bitmap| !bitmap.all()) else {
        return out.push(ALL);
    };
    let limit = rows.div_ceil(64) * 8;
    let mut runs = Vec::new();
    let (mut start, mut member) = (0, false);
    while start < rows && runs.len() <= limit {
        let end = next_change(bitmap, start, member, rows);
        varint::write((end - start) as u64, &mut runs);
        (start, member) = (end, !member);
    }
    if runs.len() < limit {
        out.push(RUNS);
        out.append(&mut runs);
        return;
    }
    out.push(BITMAP);
    bitmap
        .words()
        .iter()
        .for_each(|word| out.extend_from_slice(&word.to_le_bytes()));
}

/// First row from `start` on whose membership differs from `member`, or `rows`.
fn next_change(bitmap: &Bitmap, start: usize, member: bool, rows: usize) -> usize {
    (start..rows)
        .find(|row| bitmap.get(*row) != member)
        .unwrap_or(rows)
}

fn read_runs(reader: &mut Reader, rows: usize) -> Result<Bitmap, PageError> {
    let mut bitmap = Bitmap::zeros(rows);
    let (mut row, mut member, mut first) = (0usize, false, true);
    while row < rows {
        let length = reader.varint()?;
        let left = (rows - row) as u64;
        // Only the first run may be empty, when the first row is present.
        if length > left || (length == 0 && !first) {
            return Err(PageError::Field {
                what: "presence run",
                found: length,
                limit: left,
            });
        }
        let end = row + length as usize;
        if member {
            bitmap.set_range(row..end);
        }
        (row, member, first) = (end, !member, false);
    }
    Ok(bitmap)
}

fn check_present(counted: usize, declared: usize) -> Result<(), PageError> {
    if counted == declared {
        return Ok(());
    }
    let (found, limit) = (declared as u64, counted as u64);
    Err(PageError::Field {
        what: "present rows",
        found,
        limit,
    })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use rand::{Rng, SeedableRng, rngs::SmallRng};

    use super::*;

    fn open(bitmap: &Bitmap) -> (Presence, Vec<u8>) {
        let mut bytes = Vec::new();
        write(bitmap.len(), Some(bitmap), &mut bytes);
        let mut reader = Reader::new(Bytes::from(bytes.clone()));
        let presence = Presence::open(&mut reader, bitmap.len(), bitmap.count()).unwrap();
        reader.finish("rest").unwrap();
        (presence, bytes)
    }

    #[test]
    fn ranks_and_selections_match_the_naive_ones() {
        let mut random = SmallRng::seed_from_u64(6);
        for rows in [0, 1, 63, 64, 65, 300, 1000] {
            for share in [0.0, 0.02, 0.5, 0.97, 1.0] {
                let bitmap = Bitmap::from_fn(rows, |_| random.random_bool(share));
                let (presence, _) = open(&bitmap);
                let present: Vec<usize> = bitmap.iter().collect();
                for row in 0..rows {
                    assert_eq!(presence.rank(row), present.partition_point(|at| *at < row));
                    assert_eq!(
                        presence.position(row),
                        present.iter().position(|at| *at == row)
                    );
                }
                assert_eq!(presence.rank(rows + 70), present.len());
                let dense = Bitmap::from_fn(present.len(), |_| random.random_bool(0.5));
                let spread = presence.spread(dense.clone(), 0..rows);
                let naive: Vec<usize> = dense.iter().map(|at| present[at]).collect();
                assert_eq!(spread.iter().collect::<Vec<_>>(), naive);
                assert_eq!(presence.compress(&spread), dense);
            }
        }
    }

    #[test]
    fn the_smallest_form_is_written() {
        let code = |bitmap: &Bitmap| open(bitmap).1.first().copied();
        assert_eq!(code(&Bitmap::ones(900)), Some(ALL));
        assert_eq!(code(&Bitmap::zeros(900)), Some(RUNS));
        assert_eq!(code(&Bitmap::from_fn(900, |row| row > 500)), Some(RUNS));
        assert_eq!(
            code(&Bitmap::from_fn(900, |row| row % 2 == 0)),
            Some(BITMAP)
        );
        assert_eq!([ALL, BITMAP, RUNS], [0, 1, 2]);
    }

    #[test]
    fn bad_runs_are_refused() {
        for bytes in [
            vec![RUNS],
            vec![RUNS, 5, 0, 5],
            vec![RUNS, 11],
            vec![RUNS, 0, 0, 10],
            vec![9],
        ] {
            let mut reader = Reader::new(Bytes::from(bytes));
            assert!(Presence::open(&mut reader, 10, 0).is_err());
        }
    }
}
