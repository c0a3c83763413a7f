//! Folding small parts in memory into larger ones, so that a query meets few parts however small the batches
//! were. It happens between two writes and is therefore bounded: each row is folded about twice on its way
//! to a part that is left alone until it is flushed, and some four times when batches have a row each.

use crate::error::{Error, Result};
use crate::host::{ABSENT, BlockSource, Host, PageSource};
use crate::merge::policy;
use crate::part::block::{BlockPlace, Ordinal};
use crate::part::column::PAYLOAD;
use crate::part::cut;
use crate::part::facet::{FacetWriters, Facets};
use crate::part::frame::FrameNumber;
use crate::part::reader::{Frame, OpenBlock};
use crate::part::totals::Totals;
use crate::part::{Longest, TagColumn};
use crate::part::{MemoryPartWriter, Part};
use std::ops::Range;
use std::sync::Arc;

/// Parts that are folded at once.
const FAN_IN: usize = 16;
/// Weights below which parts are folded with their neighbours, so far apart that a fold is above the limit
/// that its inputs were below: else a growing part would be folded again for every few rows.
const SMALL: [u64; 3] = [16, 256, 8 << 10];
/// Most weight of one fold: some milliseconds of work.
const FOLD_WEIGHT_MAX: u64 = 32 << 10;
/// With more parts than this, larger ones are folded as well: they are not being flushed.
const PARTS_MAX: usize = 64;
/// Most weight of a fold then.
const LARGE_WEIGHT_MAX: u64 = 1 << 20;
/// Bytes of values that count as a row.
const ROW_BYTES: u64 = 128;

/// What folding a part costs, in rows of usual size.
pub(crate) fn weight<H: Host>(part: &Part<H>) -> u64 {
    let summary = part.summary();
    summary.rows.max(summary.raw_bytes / ROW_BYTES)
}

/// Which neighbours to fold next, of parts in order of age.
pub(crate) fn choose(weights: &[u64]) -> Option<Range<usize>> {
    // Only parts that are not small enough for the limit before count, but those behind them go along.
    let small = |(limit, least): (&u64, &u64)| {
        let newest = weights.iter().rev();
        let stretch = newest.take_while(|weight| *weight < limit);
        let (mut count, mut members) = (0, 0);
        for weight in stretch {
            count += 1;
            members += usize::from(weight >= least);
        }
        (members >= FAN_IN).then(|| fitting(weights, weights.len() - count))?
    };
    let limits = SMALL.iter().zip([0].iter().chain(&SMALL));
    if let Some(range) = { limits }.find_map(small) {
        return Some(range);
    }
    if weights.len() <= PARTS_MAX {
        return None;
    }
    let sum =
        |range: &Range<usize>| -> u64 { weights.iter().skip(range.start).take(range.len()).sum() };
    policy::choose(weights, u64::MAX).filter(|range| sum(range) <= LARGE_WEIGHT_MAX)
}

/// As many of the parts from `start` on as may be folded at once, if that is worth it.
fn fitting(weights: &[u64], start: usize) -> Option<Range<usize>> {
    let mut sum = 0u64;
    let fits = |weight: &&u64| {
        sum = sum.saturating_add(**weight);
        sum <= FOLD_WEIGHT_MAX
    };
    let count = weights.iter().skip(start).take_while(fits).count();
    (count >= policy::FAN_IN_MIN).then_some(start..start + count)
}

/// A row of the inputs: series, key, number of the block among all of them, row in it. Blocks are numbered
/// by age, so this is the order of the output.
type Entry = (u64, i64, u32, u32);

/// Folds parts in memory, in order of age, into part `number` in memory.
pub(crate) fn run<H: Host>(
    host: &Arc<H>,
    facets: &Facets<H>,
    parts: &[Arc<Part<H>>],
    number: u64,
) -> Result<Part<H>> {
    let Totals {
        ids,
        longest,
        columns,
        ..
    } = Totals::of(parts);
    let inputs = Inputs::open(parts)?;
    let entries = inputs.entries(&**host)?;
    let lengths = inputs.payload_lengths(&**host, &entries, longest)?;
    let (kinds, pages) = inputs.pages(&columns)?;
    let mut source = BlockSource {
        kinds,
        pages,
        ..BlockSource::default()
    };
    let of_facets: Vec<&Part<H>> = parts.iter().map(|part| &**part).collect();
    let facets = FacetWriters::of_merge(&**host, facets, &of_facets, &[])?;
    let mut writer = MemoryPartWriter::new(host, number, columns, facets)?;
    let (mut left, mut lengths) = (entries.as_slice(), lengths.as_slice());
    while !left.is_empty() {
        let count = cut::rows_of_block(left.len(), longest.tag_bytes, lengths.iter().copied());
        let (block, rest) = left.split_at(count);
        let series: Vec<u64> = block.iter().map(|entry| entry.0).collect();
        let keys: Vec<i64> = block.iter().map(|entry| entry.1).collect();
        source.blocks = block.iter().map(|entry| entry.2).collect();
        source.rows = block.iter().map(|entry| entry.3).collect();
        let pieces = host.fold_block(writer.file(), &keys, source.source())?;
        writer.block(&series, &keys, pieces, &|row| {
            inputs.source(block.get(row)?)
        })?;
        left = rest;
        lengths = lengths.get(count..).unwrap_or_default();
    }
    writer.finish(ids, longest)
}

/// The blocks of the inputs, in order of age.
struct Inputs<'a, H: Host> {
    blocks: Vec<InputBlock<'a, H>>,
}

/// A block of an input.
struct InputBlock<'a, H: Host> {
    /// Place of the part among the inputs.
    input: usize,
    part: &'a Part<H>,
    frame: Arc<Frame>,
    place: BlockPlace,
}

impl<'a, H: Host> Inputs<'a, H> {
    fn open(parts: &'a [Arc<Part<H>>]) -> Result<Self> {
        let mut blocks = Vec::with_capacity(parts.len());
        for (input, part) in parts.iter().enumerate() {
            // Parts in memory have one frame.
            let frame = part.frame(FrameNumber::FIRST)?;
            let places = frame.blocks.iter().map(|open| open.place);
            blocks.extend(places.map(|place| InputBlock {
                input,
                part,
                frame: Arc::clone(&frame),
                place,
            }));
        }
        Ok(Self { blocks })
    }

    fn open_blocks(&self) -> impl Iterator<Item = &OpenBlock> {
        let blocks = self.blocks.iter();
        blocks.filter_map(|block| block.frame.block(block.place))
    }

    /// Which row of which input a row of the output is.
    fn source(&self, entry: &Entry) -> Option<(usize, Ordinal)> {
        let block = self.blocks.get(entry.2 as usize)?;
        let open = block.frame.block(block.place)?;
        Some((block.input, open.block.ordinal(entry.3)))
    }

    /// All rows in the order of the output.
    fn entries(&self, host: &H) -> Result<Vec<Entry>> {
        let rows = self.open_blocks().map(|open| open.block.rows as usize);
        let mut entries: Vec<Entry> = Vec::with_capacity(rows.sum());
        for (number, open) in (0u32..).zip(self.open_blocks()) {
            let keys = host.keys(open.keys, 0, open.block.rows)?;
            if keys.len() != open.block.rows as usize {
                let (found, rows) = (keys.len(), open.block.rows);
                return Err(Error::corrupt(format!("{found} keys for {rows} rows")));
            }
            for run in &open.block.runs {
                let keys = keys.get(run.start as usize..run.end as usize);
                let rows = (run.start..).zip(keys.unwrap_or_default());
                entries.extend(rows.map(|(row, key)| (run.series, *key, number, row)));
            }
        }
        // The inputs are sorted, which a stable sort takes as the runs of a merge.
        entries.sort();
        Ok(entries)
    }

    /// The lengths of the payloads in the order of the entries, or nothing when every block fits anyway.
    fn payload_lengths(&self, host: &H, entries: &[Entry], longest: Longest) -> Result<Vec<u32>> {
        if !cut::lengths_matter(longest.payload_bytes, entries.len()) {
            return Ok(Vec::new());
        }
        let handles: Vec<u32> = self.open_blocks().map(|open| open.payloads).collect();
        let page = |entry: &Entry| handles.get(entry.2 as usize).copied().unwrap_or(ABSENT);
        let source = PageSource {
            kind: PAYLOAD,
            pages: entries.iter().map(page).collect(),
            rows: entries.iter().map(|entry| entry.3).collect(),
        };
        host.lengths(source.source())
    }

    /// The types of all columns, payloads first, and their pages in each block.
    fn pages(&self, columns: &[TagColumn]) -> Result<(Vec<sidx_columns::ColumnType>, Vec<u32>)> {
        let mut kinds = vec![PAYLOAD];
        let mut pages: Vec<u32> = self.open_blocks().map(|open| open.payloads).collect();
        for column in columns {
            kinds.push(column.kind);
            for InputBlock {
                part, frame, place, ..
            } in &self.blocks
            {
                let column = part.place_of(&column.name, column.kind);
                pages.push(part.page_of(frame, *place, column)?);
            }
        }
        Ok((kinds, pages))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes parts of a weight and folds whenever the policy says so: the most parts at any time, and how
    /// often each row was folded.
    fn write(weight: u64, count: usize) -> (usize, f64) {
        let (mut weights, mut folded, mut most) = (Vec::new(), 0u64, 0);
        for _ in 0..count {
            weights.push(weight);
            while let Some(range) = choose(&weights) {
                assert!(range.len() >= policy::FAN_IN_MIN);
                let sum: u64 = weights[range.clone()].iter().sum();
                assert!(sum <= FOLD_WEIGHT_MAX || weights.len() > PARTS_MAX);
                folded += sum;
                weights.splice(range, [sum]);
            }
            most = most.max(weights.len());
        }
        (most, folded as f64 / (weight * count as u64) as f64)
    }

    #[test]
    fn few_parts_stay_and_rows_are_folded_twice_at_most() {
        // As many rows as are usual before a flush.
        for weight in [1, 10, 100, 200, 500, 900, 1_000, 2_000, 5_000, 10_000] {
            let (most, folded) = write(weight, 600_000 / weight as usize);
            assert!(most <= PARTS_MAX + 1, "{weight}: {most} parts");
            let levels = match weight {
                1 => 5.0,
                10 => 3.5,
                _ => 2.5,
            };
            assert!(folded <= levels, "{weight}: folded {folded} times");
        }
    }

    #[test]
    fn large_parts_are_left_alone_while_they_are_few() {
        assert_eq!(choose(&[10_000; 64]), None);
        assert!(choose(&[10_000; 65]).is_some());
        assert_eq!(choose(&[600_000; 65]), None);
        assert_eq!(choose(&[100; 15]), None);
        assert_eq!(choose(&[100; 16]), Some(0..16));
        assert_eq!(
            choose(&[[9_000, 9_000].as_slice(), &[100; 16]].concat()),
            Some(2..18)
        );
        assert_eq!(choose(&[4_000; 16]), Some(0..8));
    }
}
