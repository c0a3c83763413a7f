//! The first rows of many runs in order of key, with their columns: what a query with a limit asks for.
//!
//! Runs come in the order of the first key that each could contribute, and are opened when that key is due;
//! or they are all wanted whole.

mod lists;
mod merge;
mod whole;

pub(crate) use self::lists::TopLists;

use std::ops::Range;
use std::sync::Arc;

use sidx_columns::{Bitmap, Column};
use sidx_engine::host::{ABSENT, Top};
use sidx_engine::{Error, Result};
use sidx_kernels::{Keys, Program, RangeGather, Stop};

use self::lists::Places;
use super::cached_page::{CachedPage, Purpose};
use super::columns::Columns;
use super::gather::{MAX_GATHERED_BYTES, MAX_GATHERED_BYTES_IN_ALL};
use super::handles::Handles;
use super::range_gather::{at_rows, check_bytes, check_rows_size};
use super::scan::{at_page, opened};
use super::{Filter, Session, SourceLists, kernel_error};

/// Up to so many rows are gathered page by page as they come; more are worth a look at which pages take
/// turns.
const FEW_ROWS: usize = 64;

/// A row that was found.
#[derive(Clone, Copy)]
struct Picked {
    block: u32,
    row: u32,
}

/// Rows in result order.
#[derive(Default)]
struct Found {
    keys: Vec<i64>,
    series: Vec<u64>,
    picked: Vec<Picked>,
    /// The runs have no others.
    exhausted: bool,
    considered: u64,
    selected: u64,
}

impl Found {
    /// With room for so many rows.
    fn with_room(rows: usize) -> Self {
        Self {
            keys: Vec::with_capacity(rows),
            series: Vec::with_capacity(rows),
            picked: Vec::with_capacity(rows),
            ..Self::default()
        }
    }
}

/// What is known of a block.
#[derive(Clone, Default)]
struct BlockState {
    is_open: bool,
    has_rows: bool,
    /// The rows that pass the filter and the bounds, for blocks that are tested.
    marks: Option<Bitmap>,
}

/// The blocks of a request as they are opened.
struct Blocks<'s> {
    session: &'s Session,
    handles: &'s Handles,
    lists: TopLists<'s>,
    program: Option<&'s Program>,
    states: Vec<BlockState>,
    /// Runs of each block, for blocks that are tested: where they begin in `runs`, which are sorted by block.
    starts: Vec<u32>,
    runs: Vec<u32>,
}

impl<'s> Blocks<'s> {
    fn new(
        session: &'s Session,
        handles: &'s Handles,
        lists: TopLists<'s>,
        program: Option<&'s Program>,
    ) -> Self {
        let count = lists.block_count();
        let (starts, runs) = match lists.tested.is_empty() {
            true => (Vec::new(), Vec::new()),
            false => lists.runs_by_block(),
        };
        Self {
            session,
            handles,
            lists,
            program,
            states: vec![BlockState::default(); count],
            starts,
            runs,
        }
    }

    /// The key page of a block.
    fn key_page(&self, block: u32) -> Result<Arc<CachedPage>> {
        let page = self.lists.key_page(block);
        self.session.page(self.handles, page, Purpose::Column)
    }

    fn at_page(&self, error: Error, block: u32) -> Error {
        at_page(error, self.handles, self.lists.key_page(block))
    }

    /// The keys in the page of a block.
    fn keys<'p>(&self, page: &'p CachedPage, block: u32) -> Result<Keys<'p>> {
        Keys::of(page.column()?)
            .map_err(|cause| self.at_page(self.session.kernel_error(cause), block))
    }

    /// Notes that a block is looked at. What passes the filter is found out once.
    fn open(&mut self, block: u32, keys: Keys<'_>) -> Result<()> {
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

    fn marks(&self, block: u32, keys: Keys<'_>) -> Result<Bitmap> {
        let Some(program) = self.program else {
            return Err(Error::invalid("rows are to be tested without a filter"));
        };
        let mut slots = Vec::new();
        for page in self.lists.slot_pages(block) {
            slots.push(match *page {
                ABSENT => None,
                page => Some(self.session.page(self.handles, page, Purpose::Column)?),
            });
        }
        let slots = opened(&slots)?;
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
        let wanted = || self.session.check_call().is_err();
        sidx_kernels::matches_until(program, &slots, rows, ranges, &Stop::when(&wanted))
            .map_err(|cause| self.at_page(self.session.kernel_error(cause), block))
    }

    fn marks_of(&self, block: u32) -> Option<&Bitmap> {
        self.states.get(block as usize)?.marks.as_ref()
    }

    fn note_rows(&mut self, block: u32) {
        if let Some(state) = self.states.get_mut(block as usize) {
            state.has_rows = true;
        }
    }

    /// The rows of a run as they lie in its block.
    fn check_span(&self, run: u32, keys: Keys<'_>, block: u32) -> Result<Range<usize>> {
        let span = self.lists.span(run);
        if span.end > keys.rows() {
            let text = format!(
                "rows {span:?} do not lie in a block of {} rows",
                keys.rows()
            );
            return Err(self.at_page(Error::invalid(text), block));
        }
        Ok(span)
    }
}

impl Session {
    /// `scan.top`, with the lists wherever they are.
    pub(crate) fn top_lists(
        &self,
        filter: Option<&Filter>,
        lists: TopLists<'_>,
    ) -> Result<Top<Columns>> {
        let _crossing = self.activity.crossing();
        let program = filter.map(|filter| filter.0.as_ref());
        lists.check(program)?;
        self.check_call()?;
        let (found, states) = {
            let handles = self.handles.lock();
            let mut blocks = Blocks::new(self, &handles, lists, program);
            let found = match lists.whole {
                true => whole::rows(&mut blocks)?,
                false => merge::rows(&mut blocks)?,
            };
            (found, blocks.states)
        };
        let last = last_of(&found);
        let columns = self.gather_found(lists, &found)?;
        let opened = states.iter().filter(|state| state.is_open);
        Ok(Top {
            rows: found.keys.len() as u32,
            exhausted: found.exhausted,
            last,
            opened: opened.clone().count() as u32,
            without_match: opened.filter(|state| !state.has_rows).count() as u32,
            considered: found.considered,
            selected: found.selected,
            columns: columns.ordered(found.keys, found.series)?,
        })
    }

    fn gather_found(&self, lists: TopLists<'_>, found: &Found) -> Result<Columns> {
        let mut rest = lists.pieces();
        let blocks = lists.block_count();
        let rows = found.picked.len();
        if rows <= FEW_ROWS {
            let mut bytes = 0u64;
            let mut columns = Vec::with_capacity(lists.kinds.len());
            for (column, kind) in lists.kinds.iter().enumerate() {
                let places = rest.take(lists.piece_counts_of(column, blocks));
                let column = self.gather_picked(*kind, &places, &found.picked)?;
                bytes = bytes.saturating_add(column.size_bytes() as u64);
                check_bytes(bytes, MAX_GATHERED_BYTES_IN_ALL)?;
                columns.push(column);
            }
            return Columns::from_columns(rows, columns);
        }
        let mut columns = Vec::with_capacity(lists.kinds.len());
        let mut sources = Vec::with_capacity(lists.kinds.len());
        for (column, kind) in lists.kinds.iter().enumerate() {
            let places = rest.take(lists.piece_counts_of(column, blocks));
            sources.push((*kind, places.of(&found.picked)?));
        }
        for (kind, (pages, rows)) in &sources {
            columns.push(SourceLists {
                kind: lists::column_type(*kind)?,
                pages,
                rows,
            });
        }
        if columns.is_empty() {
            return Columns::from_columns(rows, Vec::new());
        }
        self.gather_sources(&columns)
    }

    /// One column of few rows, page by page.
    fn gather_picked(&self, kind: u8, places: &Places<'_>, picked: &[Picked]) -> Result<Column> {
        let handles = self.handles.lock();
        let mut gather = RangeGather::new(lists::column_type(kind)?, picked.len());
        let mut rows = Vec::with_capacity(picked.len());
        let mut rest = picked;
        while let Some(first) = rest.first() {
            let (within, page) = places.find(first)?;
            let is_here = |one: &&Picked| one.block == first.block && within.contains(&one.row);
            rows.clear();
            let these = rest.iter().take_while(is_here);
            rows.extend(these.map(|one| one.row - within.start));
            rest = rest.get(rows.len().max(1)..).unwrap_or_default();
            if page == ABSENT {
                gather
                    .push(None, 0..rows.len() as u32)
                    .map_err(kernel_error)?;
                continue;
            }
            let cached = self.page(&handles, page, Purpose::Column)?;
            let opened = cached.column()?;
            check_rows_size(opened, &rows)?;
            gather
                .push_rows(opened, &rows)
                .map_err(|cause| at_rows(kernel_error(cause), &handles, page))?;
            check_bytes(gather.string_bytes() as u64, MAX_GATHERED_BYTES)?;
        }
        Ok(gather.finish())
    }
}

fn last_of(found: &Found) -> (i64, u64, u32, u32) {
    let key = found.keys.last().copied().unwrap_or(0);
    let series = found.series.last().copied().unwrap_or(0);
    let (block, row) = found
        .picked
        .last()
        .map_or((0, 0), |picked| (picked.block, picked.row));
    (key, series, block, row)
}
