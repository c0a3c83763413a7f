//! The output of a merge: rows collected to blocks, and the part that they become.

use super::input::{Head, Input, Place};
use crate::error::Result;
use crate::host::{ABSENT, Host, PageSource};
use crate::part::column::PAYLOAD;
use crate::part::cut::Cut;
use crate::part::facet::FacetWriters;
use crate::part::layout::BLOCK_ROWS;
use crate::part::list::Rank;
use crate::part::totals::Totals;
use crate::part::{Longest, Part, PartList, PartWriter, TagColumn, Values};
use crate::types::{Job, Outcome};
use sidx_columns::ValueType;
use std::sync::Arc;

/// Collects rows and writes them as blocks.
pub(super) struct Output<'h, H: Host> {
    writer: PartWriter<'h, H>,
    columns: Vec<TagColumn>,
    ids: (u64, u64),
    longest: Longest,
    /// Of the pending rows.
    cut: Cut,
    series: Vec<u64>,
    keys: Vec<i64>,
    /// Index into `places`, and row, of each pending row.
    from: Vec<u32>,
    rows: Vec<u32>,
    places: Vec<Place<H>>,
    /// The input block that rows are being taken from: its index in `places`.
    current: u32,
    current_block: Option<(Rank, u64)>,
    written: u64,
}

impl<'h, H: Host> Output<'h, H> {
    pub(super) fn new(
        host: &'h Arc<H>,
        live: &'h PartList<H>,
        job: &Job,
        parts: &'h [Arc<Part<H>>],
    ) -> Result<Self> {
        let Totals {
            ids,
            longest,
            columns,
            rows,
        } = Totals::of(parts);
        let inputs: Vec<&Part<H>> = parts.iter().map(|part| &**part).collect();
        let is_other = |part: &&Part<H>| !job.inputs.contains(&part.number());
        let others = live.parts.iter().map(|part| &**part).filter(is_other);
        let others: Vec<&Part<H>> = others.collect();
        let facets = FacetWriters::of_merge(&**host, &live.facets, &inputs, &others)?;
        let name = live.new_name(&**host, job.output);
        let mut writer = PartWriter::new(&**host, name, &columns, facets)?;
        // Within a block there is nothing to share.
        if rows > BLOCK_ROWS as u64 {
            share_dictionaries(&mut writer, &columns, parts)?;
        }
        Ok(Self {
            writer,
            columns,
            ids,
            longest,
            cut: Cut::new(longest.tag_bytes),
            series: Vec::new(),
            keys: Vec::new(),
            from: Vec::new(),
            rows: Vec::new(),
            places: Vec::new(),
            current: 0,
            current_block: None,
            written: 0,
        })
    }

    /// Rows come from `input` from now on.
    pub(super) fn begin(&mut self, input: &Input<H>) {
        self.current_block = None;
        self.follow(input);
    }

    /// Notices that `input` moved to another block.
    pub(super) fn follow(&mut self, input: &Input<H>) {
        let block = (input.rank, input.generation);
        if self.current_block == Some(block) {
            return;
        }
        self.current_block = Some(block);
        if let Some(place) = &input.place {
            let same = |other: &Place<H>| {
                Arc::ptr_eq(&other.frame, &place.frame) && other.block == place.block
            };
            self.current = match self.places.iter().rposition(same) {
                Some(index) => index as u32,
                None => {
                    self.places.push(place.clone());
                    self.places.len() as u32 - 1
                }
            };
        }
    }

    /// Adds the head row of an input; true when a block was written and `begin` must be called.
    pub(super) fn push(&mut self, head: Head, input: &Input<H>) -> Result<bool> {
        let written = !self.cut.takes(input.payload_bytes());
        if written {
            self.write_block()?;
            self.begin(input);
        }
        self.series.push(head.0);
        self.keys.push(head.1);
        self.from.push(self.current);
        self.rows.push(input.row);
        Ok(written)
    }

    /// Writes the pending rows as a block.
    fn write_block(&mut self) -> Result<()> {
        let values = Values {
            payloads: self.payload_source(),
            tags: self.tag_sources()?,
        };
        let Self {
            writer,
            from,
            rows,
            places,
            ..
        } = self;
        let source = |row: usize| {
            let place = places.get(*from.get(row)? as usize)?;
            let open = place.frame.block(place.block)?;
            let input = place.rank.get() as usize;
            Some((input, open.block.ordinal(*rows.get(row)?)))
        };
        writer.block(&self.series, &self.keys, &values, &source)?;
        self.series.clear();
        self.written += self.rows.len() as u64;
        self.keys.clear();
        self.from.clear();
        self.rows.clear();
        self.places.clear();
        Ok(())
    }

    fn payload_source(&self) -> PageSource {
        let mut source = PageSource {
            kind: PAYLOAD,
            pages: Vec::with_capacity(self.rows.len()),
            rows: Vec::with_capacity(self.rows.len()),
        };
        let mut near = vec![0; self.places.len()];
        for (from, row) in self.from.iter().zip(&self.rows) {
            let from = *from as usize;
            let place = self.places.get(from).zip(near.get_mut(from));
            let open =
                place.and_then(|(place, near)| Some((place.frame.block(place.block)?, near)));
            let (page, row) = open.map_or((ABSENT, 0), |(open, near)| open.payload_of(*row, near));
            source.pages.push(page);
            source.rows.push(row);
        }
        source
    }

    fn tag_sources(&self) -> Result<Vec<PageSource>> {
        let mut sources = Vec::with_capacity(self.columns.len());
        for column in &self.columns {
            let mut pages = Vec::with_capacity(self.places.len());
            for place in &self.places {
                let part = &place.part;
                let at = part.place_of(&column.name, column.kind);
                pages.push(part.page_of(&place.frame, place.block, at)?);
            }
            let page = |from: &u32| pages.get(*from as usize).copied().unwrap_or(ABSENT);
            sources.push(PageSource {
                kind: column.kind,
                pages: self.from.iter().map(page).collect(),
                rows: self.rows.clone(),
            });
        }
        Ok(sources)
    }

    pub(super) fn finish(mut self, job: &Job, input_rows: u64) -> Result<Outcome> {
        while !self.rows.is_empty() {
            self.write_block()?;
        }
        let rows = self.written;
        let dropped_rows = input_rows.saturating_sub(rows);
        let mut bytes_written = 0;
        if rows > 0 {
            let made = self.writer.finish(self.ids, self.longest)?;
            bytes_written = made.summary.size_bytes;
        }
        Ok(Outcome {
            job: job.clone(),
            rows,
            dropped_rows,
            bytes_written,
        })
    }
}

/// Lets the pages of columns of strings and bytes share a dictionary, where that pays.
fn share_dictionaries<H: Host>(
    writer: &mut PartWriter<'_, H>,
    columns: &[TagColumn],
    parts: &[Arc<Part<H>>],
) -> Result<()> {
    for (place, column) in columns.iter().enumerate() {
        if matches!(column.kind.value, ValueType::String | ValueType::Bytes) {
            let mut pages = Vec::new();
            for part in parts {
                part.append_pages(column, &mut pages)?;
            }
            writer.share(place, &pages)?;
        }
    }
    Ok(())
}
