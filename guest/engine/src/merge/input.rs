//! An input of a merge: the rows of one part in their order.

use crate::error::{Error, Result};
use crate::host::{ABSENT, Host, PageSource, Selection};
use crate::ordered::predicate::{Places, Predicate};
use crate::part::Part;
use crate::part::block::BlockPlace;
use crate::part::column::PAYLOAD;
use crate::part::cut;
use crate::part::dead::Deaths;
use crate::part::frame::FrameNumber;
use crate::part::layout::BLOCK_ROWS;
use crate::part::list::Rank;
use crate::part::reader::{Frame, OpenBlock};
use crate::types::Job;
use std::sync::Arc;

/// The position of a row in the order of a part; the rank decides between equal ones.
pub(super) type Head = (u64, i64, Rank);

/// Which rows stay behind: those that a rule drops, and those that are dead in the snapshot. Rows that died
/// since stay, as a crash may bring them back.
pub(super) struct Retain<H: Host> {
    drop_below: Option<i64>,
    drop_where: Option<Predicate<H>>,
    deaths: Deaths<H>,
}

impl<H: Host> Retain<H> {
    pub(super) fn new(
        host: &H,
        job: &Job,
        parts: &[Arc<Part<H>>],
        deaths: &Deaths<H>,
    ) -> Result<Self> {
        let bind = |text: &String| Predicate::parse(host, text, parts);
        Ok(Self {
            drop_below: job.rule.drop_below,
            drop_where: job.rule.drop_where.as_ref().map(bind).transpose()?,
            deaths: deaths.clone(),
        })
    }

    /// One flag per row of a block: true for rows to drop. Empty when nothing is dropped.
    fn dropped(
        &self,
        host: &H,
        input: &Place<H>,
        places: &Places<H>,
        keys: &[i64],
    ) -> Result<Vec<bool>> {
        let mut dropped = self.dead(input, keys.len())?;
        if let Some(bound) = self.drop_below
            && keys.iter().any(|key| *key < bound)
        {
            dropped.resize(keys.len(), false);
            for (flag, key) in dropped.iter_mut().zip(keys) {
                *flag |= *key < bound;
            }
        }
        let Some(predicate) = &self.drop_where else {
            return Ok(dropped);
        };
        let Some(open) = input.frame.block(input.block) else {
            return Ok(dropped);
        };
        let slots = predicate.slot_frames(&input.part, places, &input.frame)?;
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

impl<H: Host> Retain<H> {
    /// One flag per row of a block: true for those that are dead in the snapshot. Empty when none is.
    fn dead(&self, input: &Place<H>, rows: usize) -> Result<Vec<bool>> {
        let dead = self.deaths.of(input.part.number());
        let open = input.frame.block(input.block);
        let (Some(dead), Some(open)) = (dead, open) else {
            return Ok(Vec::new());
        };
        let Some(bitmap) = dead.stored.bitmap(open.number)? else {
            return Ok(Vec::new());
        };
        match bitmap.len() == rows {
            true => Ok((0..rows).map(|row| bitmap.get(row)).collect()),
            false => Err(Error::corrupt(format!(
                "{}, block {}: what is known of its dead rows does not fit it",
                input.part.path(),
                open.number
            ))),
        }
    }
}

/// A block of an input.
pub(super) struct Place<H: Host> {
    pub(super) part: Arc<Part<H>>,
    /// Of the part among the inputs.
    pub(super) rank: Rank,
    pub(super) frame: Arc<Frame>,
    /// Where it is in the frame.
    pub(super) block: BlockPlace,
}

impl<H: Host> Clone for Place<H> {
    fn clone(&self) -> Self {
        Self {
            part: Arc::clone(&self.part),
            rank: self.rank,
            frame: Arc::clone(&self.frame),
            block: self.block,
        }
    }
}

/// Reads one part in its order, without the rows that are dropped.
pub(super) struct Input<H: Host> {
    host: Arc<H>,
    part: Arc<Part<H>>,
    pub(super) rank: Rank,
    places: Places<H>,
    pub(super) place: Option<Place<H>>,
    keys: Vec<i64>,
    /// Lengths of the payloads, when they can matter for where blocks are cut.
    lengths: Vec<u32>,
    dropped: Vec<bool>,
    pub(super) row: u32,
    run: usize,
    head: Option<Head>,
    /// Grows with every block that is opened, so that the output notices a change.
    pub(super) generation: u64,
}

impl<H: Host> Input<H> {
    pub(super) fn new(
        host: Arc<H>,
        part: Arc<Part<H>>,
        rank: Rank,
        retain: &Retain<H>,
    ) -> Result<Self> {
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
        input.open_block(FrameNumber::FIRST, BlockPlace::FIRST, retain)?;
        input.settle(retain)?;
        Ok(input)
    }

    pub(super) fn head(&self) -> Option<Head> {
        self.head
    }

    /// Moves to the next row that stays.
    pub(super) fn advance(&mut self, retain: &Retain<H>) -> Result<()> {
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
                place.frame.block(place.block),
            ) {
                let series = open.block.series_of(self.row, &mut self.run);
                self.head = Some((series, *key, self.rank));
                return Ok(());
            }
            let (frame, block) = (place.frame.number, place.block.next());
            self.open_block(frame, block, retain)?;
        }
    }

    /// Opens a block of a frame, or the first of the next frame when the frame has no such block.
    fn open_block(
        &mut self,
        frame: FrameNumber,
        block: BlockPlace,
        retain: &Retain<H>,
    ) -> Result<()> {
        let (mut number, mut block) = (frame, block);
        self.place = None;
        while self.part.frame_entry(number)?.is_some() {
            let frame = self.part.frame(number)?;
            if let Some(open) = frame.block(block) {
                self.keys = self.host.keys(open.keys, 0, open.block.rows)?;
                if self.keys.len() != open.block.rows as usize {
                    return Err(Error::corrupt(format!(
                        "{}, block {}: {} keys for {} rows",
                        self.part.path(),
                        open.number,
                        self.keys.len(),
                        open.block.rows
                    )));
                }
                self.lengths = self.payload_lengths(open)?;
                let part = Arc::clone(&self.part);
                let rank = self.rank;
                let place = Place {
                    part,
                    rank,
                    frame,
                    block,
                };
                self.dropped = retain.dropped(&self.host, &place, &self.places, &self.keys)?;
                self.place = Some(place);
                self.row = 0;
                self.run = 0;
                self.generation += 1;
                return Ok(());
            }
            number = number.next();
            block = BlockPlace::FIRST;
        }
        Ok(())
    }

    /// The length of the payload of the current row; 0 when lengths cannot matter.
    pub(super) fn payload_bytes(&self) -> u64 {
        self.lengths
            .get(self.row as usize)
            .copied()
            .map_or(0, u64::from)
    }

    fn payload_lengths(&self, open: &OpenBlock) -> Result<Vec<u32>> {
        // A block of the output may be full with rows of all inputs.
        if !cut::lengths_matter(self.part.summary().longest.payload_bytes, BLOCK_ROWS) {
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
