//! The first rows of many runs in order of key, with their columns: what a query with a limit asks for.
//!
//! Runs come in the order of the first key that each could contribute, and are opened when that key is due;
//! or they are all wanted whole.

mod blocks;
mod merge;
mod pieces;
mod request;
mod whole;

use sidx_columns::Column;
use sidx_kernels::{Program, RangeGather};

use self::blocks::Blocks;
use self::pieces::{Pieces, Places};
use self::request::column_type;
use crate::ABSENT;
use crate::columns::{Columns, RowSeries};
use crate::error::Error;
use crate::gather::{
    self, MAX_GATHERED_BYTES, MAX_GATHERED_BYTES_IN_ALL, Source, check_bytes, check_rows_size,
};
use crate::page::Purpose;
use crate::pages::{Pages, at_rows};

pub use self::request::Request;

/// The first rows of runs.
#[derive(Clone, Debug)]
pub struct Top {
    /// The rows, with their keys and series.
    pub columns: Columns,
    /// Whether there are others.
    pub end: TopEnd,
    /// What was found, and what was done for it.
    pub facts: TopFacts,
}

/// Where the first rows of runs end; see `scan.top-end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TopEnd {
    /// The runs have no other rows.
    Exhausted,
    /// As many were found as were wanted at most.
    Full,
    /// The same, in less than a quarter of the runs: fewer of them would have done.
    FullOfFew,
    /// Before others could come between them, or because there are too many.
    Short,
}

/// What was found, and what was done for it; see `scan.top-facts`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TopFacts {
    /// How many rows there are.
    pub rows: u32,
    /// Key, series, block and row of the last one.
    pub last: (i64, u64, u32, u32),
    /// Blocks that were opened.
    pub opened: u32,
    /// Those of them without a wanted row, as far as they were looked at.
    pub without_match: u32,
    /// Rows in the spans of opened runs.
    pub considered: u64,
    /// Rows that passed, as far as they were looked at.
    pub selected: u64,
}

/// Up to so many rows are gathered page by page as they come; more, and those of far pages, are worth a
/// look at which pages take turns.
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
    /// Runs that were opened.
    runs: usize,
    considered: u64,
    selected: u64,
}

impl Found {
    /// With room for so many rows.
    #[inline]
    fn with_room(rows: usize) -> Self {
        Self {
            keys: Vec::with_capacity(rows),
            series: Vec::with_capacity(rows),
            picked: Vec::with_capacity(rows),
            ..Self::default()
        }
    }
}

/// The first rows of the runs of a request.
pub fn top<P: Pages>(
    pages: &P,
    program: Option<&Program>,
    request: &Request<'_>,
) -> Result<Top, P::Error> {
    request.check(program)?;
    pages.check()?;
    let mut blocks = Blocks::new(pages, *request, program);
    blocks.load();
    let found = match request.whole {
        true => whole::rows(&mut blocks)?,
        false => merge::rows(&mut blocks)?,
    };
    let opened = blocks.states.iter().filter(|state| state.is_open);
    let (opened, without_match) = (
        opened.clone().count(),
        opened.filter(|state| !state.has_rows).count(),
    );
    let columns = gather_found(pages, request, &found)?;
    let facts = TopFacts {
        rows: found.keys.len() as u32,
        last: last_of(&found),
        opened: opened as u32,
        without_match: without_match as u32,
        considered: found.considered,
        selected: found.selected,
    };
    Ok(Top {
        columns: columns.with_keys(found.keys, RowSeries::Each(found.series))?,
        end: match found.exhausted {
            true => TopEnd::Exhausted,
            false if facts.rows < request.limit => TopEnd::Short,
            false if found.runs * 4 < request.run_count() => TopEnd::FullOfFew,
            false => TopEnd::Full,
        },
        facts,
    })
}

fn gather_found<P: Pages>(
    pages: &P,
    request: &Request<'_>,
    found: &Found,
) -> Result<Columns, P::Error> {
    let mut rest = Pieces(request.pieces);
    let blocks = request.block_count();
    let rows = found.picked.len();
    if rows <= FEW_ROWS && !pages.is_far() {
        let mut bytes = 0u64;
        let mut columns = Vec::with_capacity(request.kinds.len());
        for (column, kind) in request.kinds.iter().enumerate() {
            let places = rest.take(request.piece_counts_of(column, blocks));
            let column = gather_picked(pages, *kind, &places, &found.picked)?;
            bytes = bytes.saturating_add(column.size_bytes() as u64);
            check_bytes(bytes, MAX_GATHERED_BYTES_IN_ALL)?;
            columns.push(column);
        }
        return Ok(Columns::from_columns(rows, columns)?);
    }
    let mut columns = Vec::with_capacity(request.kinds.len());
    let mut sources = Vec::with_capacity(request.kinds.len());
    for (column, kind) in request.kinds.iter().enumerate() {
        let places = rest.take(request.piece_counts_of(column, blocks));
        sources.push((*kind, places.of(&found.picked)?));
    }
    for (kind, (pages, rows)) in &sources {
        columns.push(Source {
            kind: column_type(*kind)?,
            pages,
            rows,
        });
    }
    if columns.is_empty() {
        return Ok(Columns::from_columns(rows, Vec::new())?);
    }
    gather::gather(pages, &columns)
}

/// One column of few rows, page by page.
fn gather_picked<P: Pages>(
    pages: &P,
    kind: u8,
    places: &Places<'_>,
    picked: &[Picked],
) -> Result<Column, P::Error> {
    let mut gather = RangeGather::new(column_type(kind)?, picked.len());
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
                .map_err(Error::from)?;
            continue;
        }
        let held = pages.page(page, Purpose::Column)?;
        let opened = held.column()?;
        check_rows_size(opened, &rows)?;
        gather
            .push_rows(opened, &rows)
            .map_err(|cause| at_rows(pages, cause.into(), page))?;
        check_bytes(gather.string_bytes() as u64, MAX_GATHERED_BYTES)?;
    }
    Ok(gather.finish())
}

#[inline]
fn last_of(found: &Found) -> (i64, u64, u32, u32) {
    let key = found.keys.last().copied().unwrap_or(0);
    let series = found.series.last().copied().unwrap_or(0);
    let (block, row) = found
        .picked
        .last()
        .map_or((0, 0), |picked| (picked.block, picked.row));
    (key, series, block, row)
}
