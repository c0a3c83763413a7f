//! Where the entries of a shared dictionary occur: lists of slices, an exact filter that also narrows a
//! block down.
//!
//! A *slice* is up to 1,024 consecutive rows of a block, numbered through the part; a *segment* is 1,024
//! slices. The lists of a segment are pages of arrays of ints: row `i` of page `p` has the slices, counted
//! from the segment's first, in which entry `16,384 * p + i` occurs.

use sidx_columns::{Bitmap, Column, ColumnError, ColumnType, ValueType, Values};

use crate::error::PageError;
use crate::page::encode_unfiltered;
use crate::page::{Page, Stored};

/// Rows of a slice; the last of a block may have fewer.
pub const SLICE_ROWS: u32 = 1_024;
/// Slices of a segment.
pub const SEGMENT_SLICES: u32 = 1_024;
/// Entries whose lists lie in one page.
pub const PAGE_ENTRIES: u32 = 16_384;

/// Most segments; a part of more blocks than half a million has no lists.
const MAX_SEGMENTS: u32 = 4_096;

/// Lists are worth their room when an entry is in at most one slice of so many on average.
const SPARSE: usize = 4;

/// The type of a page of lists.
const LISTS: ColumnType = ColumnType::array(ValueType::Int);

/// Pages that a segment has for a dictionary of so many entries.
#[must_use]
pub fn pages_per_segment(entries: usize) -> usize {
    entries.div_ceil(PAGE_ENTRIES as usize)
}

/// Collects the lists of a part, a segment at a time.
#[derive(Debug)]
pub struct PostingsWriter {
    entries: usize,
    segment: u32,
    /// Entry and slice of the segment, ascending by slice, without repeats in a row.
    pairs: Vec<(u32, u16)>,
    /// The last slice an entry was seen in, plus one, to leave repeats out.
    last: Vec<u32>,
    /// Lists that every slice is in would help nobody.
    given_up: bool,
}

impl PostingsWriter {
    /// For a dictionary of so many entries.
    #[must_use]
    pub fn new(entries: usize) -> PostingsWriter {
        PostingsWriter {
            entries,
            segment: 0,
            pairs: Vec::new(),
            last: vec![0; entries],
            given_up: false,
        }
    }

    /// Adds a block's column of codes, whose first row begins slice `first_slice`; returns the pages of
    /// segments that are complete now. Blocks come in order.
    ///
    /// # Errors
    /// When the column is not of codes of the dictionary.
    pub fn add(&mut self, codes: &Column, first_slice: u32) -> Result<Vec<Vec<u8>>, ColumnError> {
        let Values::Int(values) = codes.values() else {
            return Err(ColumnError::Store {
                kind: LISTS,
                found: codes.values().name(),
            });
        };
        let mut pages = Vec::new();
        let segment = first_slice / SEGMENT_SLICES;
        self.given_up |= segment >= MAX_SEGMENTS;
        while !self.given_up && segment > self.segment {
            pages.append(&mut self.finish_segment()?);
        }
        if codes.presence().is_none() && !codes.kind().array {
            for (at, codes) in (0u32..).zip(values.chunks(SLICE_ROWS as usize)) {
                self.add_slice(first_slice.saturating_add(at), codes)?;
            }
        } else {
            for row in (0..codes.rows()).filter(|row| codes.is_present(*row)) {
                let slice = first_slice.saturating_add(row as u32 / SLICE_ROWS);
                let codes = values.get(codes.element_range(row));
                self.add_slice(slice, codes.unwrap_or_default())?;
            }
        }
        if self.given_up {
            self.pairs.clear();
        }
        Ok(pages)
    }

    fn add_slice(&mut self, slice: u32, codes: &[i64]) -> Result<(), ColumnError> {
        for code in codes {
            let at = usize::try_from(*code).unwrap_or(usize::MAX);
            let Some(last) = self.last.get_mut(at) else {
                return Err(ColumnError::TooLarge {
                    what: "code of a value",
                    found: code.cast_unsigned(),
                    limit: self.entries as u64,
                });
            };
            if *last != slice.saturating_add(1) {
                *last = slice.saturating_add(1);
                self.pairs
                    .push((at as u32, (slice % SEGMENT_SLICES) as u16));
            }
        }
        Ok(())
    }

    /// The pages of the last segment.
    ///
    /// # Errors
    /// None that these lists can bring about; passed on from the encoder.
    pub fn finish(&mut self) -> Result<Vec<Vec<u8>>, ColumnError> {
        self.finish_segment()
    }

    /// Whether there are no lists, whatever pages were returned before: they would help nobody, or are too
    /// many.
    #[must_use]
    pub fn has_given_up(&self) -> bool {
        self.given_up
    }

    /// The entries that occur.
    #[must_use]
    pub fn used(&self) -> Bitmap {
        let mut used = Bitmap::zeros(self.entries);
        let seen = self.last.iter().enumerate().filter(|(_, last)| **last > 0);
        seen.for_each(|(entry, _)| used.set(entry));
        used
    }

    fn finish_segment(&mut self) -> Result<Vec<Vec<u8>>, ColumnError> {
        let pairs = std::mem::take(&mut self.pairs);
        let slices = pairs.last().map_or(0, |(_, slice)| usize::from(*slice) + 1);
        if self.segment == 0 && pairs.len() * SPARSE > self.entries * slices {
            self.given_up = true;
        }
        self.segment += 1;
        if self.given_up {
            return Ok(Vec::new());
        }
        let (ends, slices) = by_entry(&pairs, self.entries);
        let mut pages = Vec::with_capacity(pages_per_segment(self.entries));
        let mut start = 0;
        for ends in ends.chunks(PAGE_ENTRIES as usize) {
            let end = ends.last().copied().unwrap_or(start);
            let values = slices.get(start as usize..end as usize).unwrap_or_default();
            let rebased = ends.iter().map(|end| end - start).collect();
            let column = Column::new(
                LISTS,
                ends.len(),
                None,
                Some(rebased),
                Values::Int(values.to_vec()),
            )?;
            pages.push(encode_unfiltered(&column)?.page);
            start = end;
        }
        Ok(pages)
    }
}

/// The pairs in order of their entries, as the end of each entry's list and all lists; a counting sort.
fn by_entry(pairs: &[(u32, u16)], entries: usize) -> (Vec<u32>, Vec<i64>) {
    let mut ends = vec![0u32; entries];
    for (entry, _) in pairs {
        if let Some(count) = ends.get_mut(*entry as usize) {
            *count += 1;
        }
    }
    let mut total = 0;
    for end in &mut ends {
        // Each becomes the start of its list, and below its end.
        total += std::mem::replace(end, total);
    }
    let mut slices = vec![0i64; pairs.len()];
    for (entry, slice) in pairs {
        if let Some(at) = ends.get_mut(*entry as usize) {
            if let Some(place) = slices.get_mut(*at as usize) {
                *place = i64::from(*slice);
            }
            *at += 1;
        }
    }
    (ends, slices)
}

/// Appends the slices of an entry from the page of lists that it is in, and of the segment.
///
/// # Errors
/// When the page is not one of lists, or has fewer entries, or a slice is not of the segment.
pub fn read_slices(
    page: &Page,
    entry: u32,
    segment: u32,
    out: &mut Vec<u32>,
) -> Result<(), PageError> {
    let row = entry % PAGE_ENTRIES;
    let (Stored::Int(slices), Some(lists)) = (page.stored(), page.lists()) else {
        return Err(PageError::Type {
            expected: LISTS,
            found: page.kind(),
        });
    };
    if row >= page.rows() || page.present() != page.rows() {
        return Err(PageError::Row {
            row: row.into(),
            rows: page.present().into(),
        });
    }
    let range = lists.range(row as usize);
    let mut found = Vec::with_capacity(range.len());
    slices.decode(range.start, range.end, &mut found);
    for slice in found {
        let slice = u32::try_from(slice)
            .ok()
            .filter(|slice| *slice < SEGMENT_SLICES);
        let slice = slice.ok_or(PageError::Rule {
            what: "slice outside its segment",
            position: entry.into(),
        })?;
        out.push(segment.saturating_mul(SEGMENT_SLICES).saturating_add(slice));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use rand::rngs::SmallRng;
    use rand::{Rng, SeedableRng};

    use super::*;

    fn lookup(pages: &[Page], entries: usize, entry: u32) -> Vec<u32> {
        let per_segment = pages_per_segment(entries);
        let mut out = Vec::new();
        for (segment, pages) in (0u32..).zip(pages.chunks(per_segment)) {
            let page = &pages[(entry / PAGE_ENTRIES) as usize];
            read_slices(page, entry, segment, &mut out).unwrap();
        }
        out
    }

    #[test]
    fn lists_are_those_of_a_naive_index() {
        let mut rng = SmallRng::seed_from_u64(3);
        for entries in [1usize, 700, 20_000] {
            let mut writer = PostingsWriter::new(entries);
            let mut naive: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
            let mut bytes = Vec::new();
            // With gaps, so that a whole segment is missing.
            for block in [0u32, 1, 5, 127, 128, 300, 512] {
                let rows = rng.random_range(1..8_192.min(entries * 2 + 1));
                let values: Vec<i64> = (0..rows)
                    .map(|_| rng.random_range(0..entries as i64))
                    .collect();
                for (row, code) in (0u32..).zip(&values) {
                    let slice = block * 8 + row / SLICE_ROWS;
                    naive.entry(*code as u32).or_default().insert(slice);
                }
                let kind = ColumnType::scalar(ValueType::Int);
                let column = Column::new(kind, rows, None, None, Values::Int(values)).unwrap();
                bytes.append(&mut writer.add(&column, block * 8).unwrap());
            }
            bytes.append(&mut writer.finish().unwrap());
            let pages: Vec<Page> = bytes
                .into_iter()
                .map(|page| Page::open(page.into()).unwrap())
                .collect();
            assert_eq!(pages.len(), 5 * pages_per_segment(entries));
            for entry in 0..entries as u32 {
                let expected: Vec<u32> = naive.get(&entry).into_iter().flatten().copied().collect();
                assert_eq!(lookup(&pages, entries, entry), expected);
                assert_eq!(writer.used().get(entry as usize), !expected.is_empty());
            }
        }
    }

    #[test]
    fn lists_of_everything_are_given_up() {
        let mut writer = PostingsWriter::new(3);
        let kind = ColumnType::scalar(ValueType::Int);
        for block in 0..200 {
            let values = (0..8_192).map(|row| row % 3).collect();
            let column = Column::new(kind, 8_192, None, None, Values::Int(values)).unwrap();
            assert!(writer.add(&column, block * 8).unwrap().is_empty());
        }
        assert!(writer.finish().unwrap().is_empty());
        assert_eq!(writer.used().count(), 3);
    }

    #[test]
    fn a_part_of_too_many_blocks_has_no_lists() {
        let mut writer = PostingsWriter::new(1_000);
        let kind = ColumnType::scalar(ValueType::Int);
        let column = Column::new(kind, 1, None, None, Values::Int(vec![7])).unwrap();
        assert!(writer.add(&column, 0).unwrap().is_empty());
        for slice in [u32::MAX, 0, MAX_SEGMENTS * SEGMENT_SLICES] {
            assert!(writer.add(&column, slice).unwrap().is_empty());
        }
        assert!(writer.has_given_up() && writer.finish().unwrap().is_empty());
        assert!(writer.used().get(7));
    }

    #[test]
    fn codes_outside_the_dictionary_are_refused() {
        let kind = ColumnType::scalar(ValueType::Int);
        for code in [-1, 5, i64::MAX] {
            let column = Column::new(kind, 1, None, None, Values::Int(vec![code])).unwrap();
            assert!(PostingsWriter::new(5).add(&column, 0).is_err());
        }
    }
}
