//! The blocks of a request as they are opened.

use std::iter;
use std::ops::Range;

use sidx_columns::Bitmap;
use sidx_kernels::{Keys, Program, Stop};

use super::request::Request;
use crate::error::Error;
use crate::page::{OpenPage, Purpose};
use crate::pages::{Pages, at_block, columns, failure, load_slots};

/// What is known of a block.
#[derive(Clone, Default)]
pub(super) struct BlockState {
    pub(super) is_open: bool,
    pub(super) has_rows: bool,
    /// The rows that pass the filter and the bounds, for blocks that are tested.
    marks: Option<Bitmap>,
}

/// The blocks of a request as they are opened.
pub(super) struct Blocks<'s, P> {
    pages: &'s P,
    pub(super) lists: Request<'s>,
    program: Option<&'s Program>,
    pub(super) states: Vec<BlockState>,
    /// Runs of each block, for blocks that are tested: where they begin in `runs`, which are sorted by block.
    starts: Vec<u32>,
    runs: Vec<u32>,
}

impl<'s, P: Pages> Blocks<'s, P> {
    pub(super) fn new(pages: &'s P, lists: Request<'s>, program: Option<&'s Program>) -> Self {
        let count = lists.block_count();
        let (starts, runs) = match lists.tested.is_empty() {
            true => (Vec::new(), Vec::new()),
            false => lists.runs_by_block(),
        };
        Self {
            pages,
            lists,
            program,
            states: vec![BlockState::default(); count],
            starts,
            runs,
        }
    }

    /// Loads far pages before they are read. Not all may be: runs are opened as they come due, and a list of
    /// runs that is too long is given up. So near ones are read when their turn comes.
    pub(super) fn load(&self) {
        if !self.pages.is_far() {
            return;
        }
        let pages_of = |block| {
            let slots = match self.lists.is_tested(block) {
                true => self.lists.slot_pages(block),
                false => &[],
            };
            iter::once(self.lists.key_page(block)).chain(slots.iter().copied())
        };
        let blocks = 0..self.lists.block_count() as u32;
        self.pages.load(blocks.flat_map(pages_of), Purpose::Column);
    }

    /// The key page of a block.
    pub(super) fn key_page(&self, block: u32) -> Result<P::Page, P::Error> {
        self.pages.page(self.lists.key_page(block), Purpose::Column)
    }

    fn at_block(&self, error: Error, block: u32) -> Error {
        at_block(self.pages, error, self.lists.key_page(block))
    }

    /// The keys in the page of a block.
    pub(super) fn keys<'p>(&self, page: &'p OpenPage, block: u32) -> Result<Keys<'p>, P::Error> {
        let at = |error| self.at_block(error, block);
        Keys::of(page.column()?).map_err(|cause| failure(self.pages, cause, at))
    }

    /// Notes that a block is looked at. What passes the filter is found out once.
    pub(super) fn open(&mut self, block: u32, keys: Keys<'_>) -> Result<(), P::Error> {
        let at = block as usize;
        if self.states.get(at).is_none_or(|state| state.is_open) {
            return Ok(());
        }
        let marks = match self.lists.is_tested(block) {
            true => Some(self.marks(block, keys)?),
            false => None,
        };
        if let Some(state) = self.states.get_mut(at) {
            state.is_open = true;
            state.marks = marks;
        }
        Ok(())
    }

    fn marks(&self, block: u32, keys: Keys<'_>) -> Result<Bitmap, P::Error> {
        let Some(program) = self.program else {
            return Err(Error::request("rows are to be tested without a filter").into());
        };
        let mut slots = Vec::new();
        load_slots(self.pages, self.lists.slot_pages(block), &mut slots)?;
        let slots = columns(&slots)?;
        let ends = self.starts.get(block as usize..block as usize + 2);
        let runs = match ends {
            Some([start, end]) => self.runs.get(*start as usize..*end as usize),
            _ => None,
        };
        let (low, high) = (self.lists.low, self.lists.high);
        let mut ranges = Vec::new();
        for run in runs.unwrap_or_default() {
            let (span, ends) = (self.lists.span(*run), self.lists.ends(*run));
            let range = keys.narrow_known(span, ends, low, high);
            if !range.is_empty() {
                ranges.push(range);
            }
        }
        let rows = keys.rows() as u32;
        if ranges.is_empty() {
            return Ok(Bitmap::zeros(rows as usize));
        }
        let wanted = || self.pages.check().is_err();
        let at = |error| self.at_block(error, block);
        sidx_kernels::matches_until(program, &slots, rows, ranges, &Stop::when(&wanted))
            .map_err(|cause| failure(self.pages, cause, at))
    }

    pub(super) fn marks_of(&self, block: u32) -> Option<&Bitmap> {
        self.states.get(block as usize)?.marks.as_ref()
    }

    pub(super) fn note_rows(&mut self, block: u32) {
        if let Some(state) = self.states.get_mut(block as usize) {
            state.has_rows = true;
        }
    }

    /// The rows of a run as they lie in its block.
    pub(super) fn check_span(
        &self,
        run: u32,
        keys: Keys<'_>,
        block: u32,
    ) -> Result<Range<usize>, Error> {
        let span = self.lists.span(run);
        if span.end > keys.rows() {
            let text = format!(
                "rows {span:?} do not lie in a block of {} rows",
                keys.rows()
            );
            return Err(self.at_block(Error::Request(text), block));
        }
        Ok(span)
    }
}
