//! Merging parts: reads the keys of the inputs in order and lets the host rewrite everything else.
//!
//! Only keys and row numbers enter the component; payloads and tags are gathered from the pages of the
//! inputs and encoded by the host, a block at a time. Memory is bounded by one block per input and one
//! block of output.

mod labels;

use self::labels::MergedLabels;
use crate::error::{Error, Result};
use crate::host::{ABSENT, Host, Medium, PageSource, Selection};
use crate::live::Live;
use crate::part::layout::{BLOCK_PAYLOAD_BYTES, BLOCK_ROWS, block_rows_max};
use crate::part::reader::{Frame, OpenBlock};
use crate::part::writer::{Longest, TagColumn};
use crate::part::{Part, PartWriter, Values};
use crate::predicate::{Places, Predicate};
use crate::types::{Job, Outcome};
use sidx_kernels::{ColumnType, ValueType};
use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};
use std::sync::Arc;

/// The type of payloads.
pub(crate) const PAYLOAD: ColumnType = ColumnType {
    value: ValueType::Bytes,
    array: false,
};

/// Does a job: writes the output part next to the inputs and changes nothing else.
pub(crate) fn run<H: Host>(host: &Arc<H>, live: &Live<H>, job: &Job) -> Result<Outcome> {
    let find = |number: &u64| live.input(job.id, *number).cloned();
    let parts = job.inputs.iter().map(find).collect::<Result<Vec<_>>>()?;
    let retain = Retain::new(&**host, job, &parts)?;
    let input_rows: u64 = parts.iter().map(|part| part.manifest().rows).sum();
    let mut output = Output::new(host, live, job, &parts)?;
    let mut inputs = parts
        .iter()
        .enumerate()
        .map(|(rank, part)| Input::new(Arc::clone(host), Arc::clone(part), rank, &retain))
        .collect::<Result<Vec<_>>>()?;
    // The least head is on top; a part's rank is its place among the inputs, and decides between equal ones.
    let mut heads: BinaryHeap<Reverse<Head>> = inputs
        .iter()
        .filter_map(|input| input.head().map(Reverse))
        .collect();
    while let Some(Reverse((.., rank))) = heads.pop() {
        // Rows are taken from one input for as long as they come before the head of every other.
        let bound = heads.peek().map(|Reverse(bound)| *bound);
        let Some(input) = inputs.get_mut(rank) else {
            break;
        };
        output.begin(input);
        while let Some(head) = input.head() {
            if bound.is_some_and(|bound| bound < head) {
                heads.push(Reverse(head));
                break;
            }
            if output.push(head, input)? {
                host.check()?;
            }
            input.advance(&retain)?;
            output.follow(input);
        }
    }
    output.finish(job, input_rows)
}

/// The position of a row in the order of a part; the rank decides between equal ones.
type Head = (u64, i64, usize);

/// Which rows retention drops.
struct Retain<H: Host> {
    drop_below: Option<i64>,
    drop_where: Option<Predicate<H>>,
}

impl<H: Host> Retain<H> {
    fn new(host: &H, job: &Job, parts: &[Arc<Part<H>>]) -> Result<Self> {
        let bind = |text: &String| Predicate::bind(host, text, parts);
        Ok(Self {
            drop_below: job.drop_below,
            drop_where: job.drop_where.as_ref().map(bind).transpose()?,
        })
    }

    /// One flag per row of a block: true for rows to drop. Empty when nothing is dropped.
    fn dropped(
        &self,
        host: &H,
        input: &Place<H>,
        places: &Places,
        keys: &[i64],
    ) -> Result<Vec<bool>> {
        let mut dropped = Vec::new();
        if let Some(bound) = self.drop_below
            && keys.iter().any(|key| *key < bound)
        {
            dropped = keys.iter().map(|key| *key < bound).collect();
        }
        let Some(predicate) = &self.drop_where else {
            return Ok(dropped);
        };
        let Some(open) = input.frame.blocks.get(input.block) else {
            return Ok(dropped);
        };
        let slots = predicate.slot_frames(&input.part, places, &input.frame, input.frame_index)?;
        let mut selection = Selection {
            key_pages: vec![open.keys],
            slots: predicate.slots(),
            span_counts: vec![open.block.runs.len() as u32],
            spans: open
                .block
                .runs
                .iter()
                .flat_map(|run| [run.start, run.end])
                .collect(),
            low: i64::MIN,
            high: i64::MAX,
            resume_keys: vec![0],
            resume_rows: vec![ABSENT],
            cap: open.block.rows,
            ..Selection::default()
        };
        slots.append_pages(input.block, &mut selection.slot_pages);
        let selected = host.select(Some(predicate.compiled()), &selection.request())?;
        if !selected.rows.is_empty() {
            dropped.resize(keys.len(), false);
        }
        for row in selected.rows {
            if let Some(flag) = dropped.get_mut(row as usize) {
                *flag = true;
            }
        }
        Ok(dropped)
    }
}

/// A block of an input.
struct Place<H: Host> {
    part: Arc<Part<H>>,
    frame: Arc<Frame>,
    frame_index: usize,
    /// Index of the block in the frame.
    block: usize,
}

impl<H: Host> Clone for Place<H> {
    fn clone(&self) -> Self {
        Self {
            part: Arc::clone(&self.part),
            frame: Arc::clone(&self.frame),
            frame_index: self.frame_index,
            block: self.block,
        }
    }
}

/// Reads one part in its order.
struct Input<H: Host> {
    host: Arc<H>,
    part: Arc<Part<H>>,
    rank: usize,
    places: Places,
    place: Option<Place<H>>,
    keys: Vec<i64>,
    /// Lengths of the payloads, when they can matter for where blocks are cut.
    lengths: Vec<u32>,
    dropped: Vec<bool>,
    row: u32,
    run: usize,
    head: Option<Head>,
    /// Grows with every block that is opened, so that the output notices a change.
    generation: u64,
}

impl<H: Host> Input<H> {
    fn new(host: Arc<H>, part: Arc<Part<H>>, rank: usize, retain: &Retain<H>) -> Result<Self> {
        let places = retain
            .drop_where
            .as_ref()
            .map(|predicate| predicate.places(&part));
        let mut input = Self {
            host,
            part,
            rank,
            places: places.unwrap_or_default(),
            place: None,
            keys: Vec::new(),
            lengths: Vec::new(),
            dropped: Vec::new(),
            row: 0,
            run: 0,
            head: None,
            generation: 0,
        };
        input.open_block(0, 0, retain)?;
        input.settle(retain)?;
        Ok(input)
    }

    fn head(&self) -> Option<Head> {
        self.head
    }

    /// Moves to the next row that stays.
    fn advance(&mut self, retain: &Retain<H>) -> Result<()> {
        self.row += 1;
        self.settle(retain)
    }

    /// Finds the row at or after the current one that stays, opening further blocks as needed.
    fn settle(&mut self, retain: &Retain<H>) -> Result<()> {
        loop {
            let Some(place) = &self.place else {
                self.head = None;
                return Ok(());
            };
            while self
                .dropped
                .get(self.row as usize)
                .copied()
                .unwrap_or(false)
            {
                self.row += 1;
            }
            if let (Some(key), Some(open)) = (
                self.keys.get(self.row as usize),
                place.frame.blocks.get(place.block),
            ) {
                let series = open.block.series_of(self.row, &mut self.run);
                self.head = Some((series, *key, self.rank));
                return Ok(());
            }
            let (frame, block) = (place.frame_index, place.block + 1);
            self.open_block(frame, block, retain)?;
        }
    }

    /// Opens a block of a frame, or the first of the next frame when the frame has no such block.
    fn open_block(&mut self, frame_index: usize, block: usize, retain: &Retain<H>) -> Result<()> {
        let frames = self.part.frames()?.len();
        let (mut frame_index, mut block) = (frame_index, block);
        self.place = None;
        while frame_index < frames {
            let frame = match &self.place {
                Some(place) if place.frame_index == frame_index => Arc::clone(&place.frame),
                _ => self.part.frame(frame_index)?,
            };
            if let Some(open) = frame.blocks.get(block) {
                self.keys = self.host.keys(open.keys, 0, open.block.rows)?;
                if self.keys.len() != open.block.rows as usize {
                    return Err(Error::corrupt(format!(
                        "{}, block {}: {} keys for {} rows",
                        self.part.directory(),
                        open.number,
                        self.keys.len(),
                        open.block.rows
                    )));
                }
                self.lengths = self.payload_lengths(open)?;
                let part = Arc::clone(&self.part);
                let place = Place {
                    part,
                    frame,
                    frame_index,
                    block,
                };
                self.dropped = retain.dropped(&self.host, &place, &self.places, &self.keys)?;
                self.place = Some(place);
                self.row = 0;
                self.run = 0;
                self.generation += 1;
                return Ok(());
            }
            frame_index += 1;
            block = 0;
        }
        Ok(())
    }
}

impl<H: Host> Input<H> {
    /// The length of the payload of the current row; 0 when lengths cannot matter.
    fn payload_bytes(&self) -> u64 {
        self.lengths
            .get(self.row as usize)
            .copied()
            .map_or(0, u64::from)
    }

    fn payload_lengths(&self, open: &OpenBlock) -> Result<Vec<u32>> {
        let longest = u64::from(self.part.manifest().longest_payload_bytes);
        if longest * BLOCK_ROWS as u64 <= BLOCK_PAYLOAD_BYTES {
            return Ok(Vec::new());
        }
        let mut near = 0;
        let (pages, rows) = (0..open.block.rows)
            .map(|row| open.payload_of(row, &mut near))
            .unzip();
        let source = PageSource {
            kind: PAYLOAD,
            pages,
            rows,
        };
        self.host.lengths(source.source())
    }
}

/// Collects rows and writes them as blocks.
struct Output<'h, H: Host> {
    writer: PartWriter<'h, H>,
    columns: Vec<TagColumn>,
    labels: MergedLabels<H>,
    ids: (u64, u64),
    longest: Longest,
    /// Most rows of a block by the lengths of tags.
    block_rows: usize,
    /// Payload bytes of the pending rows, where they can matter.
    pending_bytes: u64,
    series: Vec<u64>,
    keys: Vec<i64>,
    /// Index into `places`, and row, of each pending row.
    from: Vec<u32>,
    rows: Vec<u32>,
    places: Vec<Place<H>>,
    /// The input block that rows are being taken from: its index in `places`.
    current: u32,
    current_block: Option<(usize, u64)>,
    written: u64,
}

impl<'h, H: Host> Output<'h, H> {
    fn new(host: &'h Arc<H>, live: &Live<H>, job: &Job, parts: &[Arc<Part<H>>]) -> Result<Self> {
        let columns: BTreeSet<TagColumn> = parts
            .iter()
            .flat_map(|part| part.columns().iter().map(|entry| entry.column.clone()))
            .collect();
        let columns: Vec<TagColumn> = columns.into_iter().collect();
        let labels = MergedLabels::new(live, parts)?;
        let manifests = || parts.iter().map(|part| part.manifest());
        let longest = Longest {
            payload_bytes: manifests()
                .map(|part| part.longest_payload_bytes)
                .max()
                .unwrap_or(0),
            tag_bytes: manifests()
                .map(|part| part.longest_tag_bytes)
                .max()
                .unwrap_or(0),
        };
        let mut writer = PartWriter::new(&**host, job.output, Medium::Durable, &columns)?;
        share_dictionaries(&mut writer, &columns, parts)?;
        Ok(Self {
            writer,
            columns,
            labels,
            ids: (
                manifests()
                    .map(|manifest| manifest.first_id)
                    .min()
                    .unwrap_or(0),
                manifests()
                    .map(|manifest| manifest.last_id)
                    .max()
                    .unwrap_or(0),
            ),
            longest,
            block_rows: block_rows_max(longest.tag_bytes),
            pending_bytes: 0,
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
    fn begin(&mut self, input: &Input<H>) {
        self.current_block = None;
        self.follow(input);
    }

    /// Notices that `input` moved to another block.
    fn follow(&mut self, input: &Input<H>) {
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
    fn push(&mut self, head: Head, input: &Input<H>) -> Result<bool> {
        let bytes = input.payload_bytes();
        let full = self.rows.len() >= self.block_rows
            || self.pending_bytes.saturating_add(bytes) > BLOCK_PAYLOAD_BYTES;
        let written = full && !self.rows.is_empty();
        if written {
            self.write_block()?;
            self.begin(input);
        }
        self.series.push(head.0);
        self.keys.push(head.1);
        self.from.push(self.current);
        self.rows.push(input.row);
        self.pending_bytes = self.pending_bytes.saturating_add(bytes);
        Ok(written)
    }

    /// Writes the pending rows as a block.
    fn write_block(&mut self) -> Result<()> {
        let values = Values {
            payloads: self.payload_source(),
            tags: self.tag_sources()?,
        };
        self.writer.block(&self.series, &self.keys, &values)?;
        let series = std::mem::take(&mut self.series);
        self.labels.keep(&series);
        self.written += self.rows.len() as u64;
        self.keys.clear();
        self.from.clear();
        self.rows.clear();
        self.places.clear();
        self.pending_bytes = 0;
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
                place.and_then(|(place, near)| Some((place.frame.blocks.get(place.block)?, near)));
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
                pages.push(match place.part.place_of(&column.name, column.kind) {
                    None => ABSENT,
                    Some((tag, index)) => place
                        .part
                        .tag_frame(&place.frame, place.frame_index, tag)?
                        .page(place.block, index)
                        .map_or(ABSENT, |page| page.handle),
                });
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

    fn finish(mut self, job: &Job, input_rows: u64) -> Result<Outcome> {
        while !self.rows.is_empty() {
            self.write_block()?;
        }
        let rows = self.written;
        let dropped_rows = input_rows.saturating_sub(rows);
        let mut bytes_written = 0;
        if rows > 0 {
            let manifest = self
                .writer
                .finish(self.ids, self.longest, self.labels.kept())?;
            bytes_written = manifest.size_bytes();
        }
        Ok(Outcome {
            job: job.clone(),
            rows,
            dropped_rows,
            bytes_written,
        })
    }
}

/// Lets the pages of columns of strings and bytes share a dictionary, where the inputs are more than a block.
fn share_dictionaries<H: Host>(
    writer: &mut PartWriter<'_, H>,
    columns: &[TagColumn],
    parts: &[Arc<Part<H>>],
) -> Result<()> {
    let rows: u64 = parts.iter().map(|part| part.manifest().rows).sum();
    if rows <= BLOCK_ROWS as u64 {
        return Ok(());
    }
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

/// How many payloads fit one block; at least one.
pub(crate) fn rows_that_fit(lengths: impl Iterator<Item = u32>) -> usize {
    let mut sum = 0u64;
    let fitting = lengths.take_while(|length| {
        sum += u64::from(*length);
        sum <= BLOCK_PAYLOAD_BYTES
    });
    fitting.count().max(1)
}
