//! Rows of several blocks that pass a filter, or how many do.

use sidx_kernels::{Order, Program, Resume, SelectRequest, Span, Stop};

use crate::ABSENT;
use crate::error::Error;
use crate::page::Purpose;
use crate::pages::{Pages, at_block, columns, failure, load_slots};

/// Most rows that one call returns: the answer must fit the component's memory beside everything else.
const MAX_SELECTED_ROWS: usize = 1 << 24;

/// Wanted rows of several blocks, as parallel flat lists; see `scan.selection`.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The key page of each block.
    pub key_pages: &'a [u32],
    /// Pages per block in `slot_pages`.
    pub slots: u32,
    /// `slots` handles per block, [`ABSENT`] where the block lacks the column.
    pub slot_pages: &'a [u32],
    /// Spans per block.
    pub span_counts: &'a [u32],
    /// Pairs of first row and end row.
    pub spans: &'a [u32],
    /// Least key.
    pub low: i64,
    /// Greatest key.
    pub high: i64,
    /// Wanted order.
    pub order: Order,
    /// Per block: continue after this key ...
    pub resume_keys: &'a [i64],
    /// ... and row; [`ABSENT`] for the start.
    pub resume_rows: &'a [u32],
    /// Most rows per block.
    pub cap: u32,
}

/// Rows that passed; see `scan.selected`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selected {
    /// Rows of each block in the lists below.
    pub counts: Vec<u32>,
    /// Row ordinals in their block.
    pub rows: Vec<u32>,
    /// Keys of the rows.
    pub keys: Vec<i64>,
    /// 1 for each block that has more rows than the cap.
    pub more: Vec<u8>,
}

/// The selected rows of one block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SelectedRows<'s> {
    /// Row ordinals in the block.
    pub rows: &'s [u32],
    /// Keys of the rows.
    pub keys: &'s [i64],
    /// The block has more rows than the cap.
    pub more: bool,
}

impl Selected {
    /// The rows of each block, for blocks of so many rows. Damage when the lists are shorter than they say,
    /// or a row is none of its block's: who asked a host does not trust it.
    pub fn per_block(
        &self,
        block_rows: impl IntoIterator<Item = u32>,
    ) -> impl Iterator<Item = Result<SelectedRows<'_>, Error>> {
        let (mut rows, mut keys) = (self.rows.as_slice(), self.keys.as_slice());
        let blocks = block_rows.into_iter().enumerate();
        blocks.map(move |(at, block_rows)| {
            let short = || Error::damage("the host returned fewer rows than it counted");
            let count = *self.counts.get(at).ok_or_else(short)? as usize;
            let (these, rest) = rows.split_at_checked(count).ok_or_else(short)?;
            let (these_keys, rest_keys) = keys.split_at_checked(count).ok_or_else(short)?;
            (rows, keys) = (rest, rest_keys);
            if these.iter().any(|row| *row >= block_rows) {
                return Err(Error::damage("the host returned a row outside the block"));
            }
            Ok(SelectedRows {
                rows: these,
                keys: these_keys,
                more: self.more.get(at).is_some_and(|more| *more != 0),
            })
        })
    }
}

impl Request<'_> {
    /// Compares the lengths of the lists with each other and with the filter.
    fn check(&self, program: Option<&Program>) -> Result<(), Error> {
        let blocks = self.key_pages.len();
        let pairs: u64 = self.span_counts.iter().map(|count| u64::from(*count)).sum();
        let expected = [
            (
                "slot-pages",
                self.slot_pages.len() as u64,
                blocks as u64 * u64::from(self.slots),
            ),
            ("span-counts", self.span_counts.len() as u64, blocks as u64),
            ("spans", self.spans.len() as u64, pairs * 2),
            ("resume-keys", self.resume_keys.len() as u64, blocks as u64),
            ("resume-rows", self.resume_rows.len() as u64, blocks as u64),
        ];
        for (name, found, needed) in expected {
            if found != needed {
                let text = format!("{name} has {found} members, {blocks} blocks need {needed}");
                return Err(Error::request(text));
            }
        }
        let needed = program.map_or(0, Program::slots);
        if needed > self.slots {
            let text = format!(
                "the filter uses {needed} slots, the selection has {}",
                self.slots
            );
            return Err(Error::request(text));
        }
        Ok(())
    }
}

/// Walks the lists block by block. Lengths were checked, so every take finds what it asks for.
struct Blocks<'a> {
    lists: Request<'a>,
    at: usize,
    spans: &'a [u32],
}

struct Block<'a> {
    key_page: u32,
    slot_pages: &'a [u32],
    spans: &'a [u32],
    resume: Option<Resume>,
}

impl<'a> Iterator for Blocks<'a> {
    type Item = Block<'a>;

    #[inline]
    fn next(&mut self) -> Option<Block<'a>> {
        let at = self.at;
        let key_page = *self.lists.key_pages.get(at)?;
        let slots = self.lists.slots as usize;
        let slot_pages = self.lists.slot_pages.get(at * slots..(at + 1) * slots)?;
        let count = *self.lists.span_counts.get(at)? as usize;
        let (spans, rest) = self.spans.split_at_checked(count * 2)?;
        let (key, row) = (
            *self.lists.resume_keys.get(at)?,
            *self.lists.resume_rows.get(at)?,
        );
        let resume = (row != ABSENT).then_some(Resume { key, row });
        self.spans = rest;
        self.at += 1;
        Some(Block {
            key_page,
            slot_pages,
            spans,
            resume,
        })
    }
}

/// The rows of each block, in its order.
pub fn select<P: Pages>(
    pages: &P,
    program: Option<&Program>,
    request: &Request<'_>,
) -> Result<Selected, P::Error> {
    request.check(program)?;
    let blocks = request.key_pages.len();
    let mut selected = Selected {
        counts: Vec::with_capacity(blocks),
        more: Vec::with_capacity(blocks),
        ..Selected::default()
    };
    each_block(pages, program, request, |key_page, request, stop| {
        let before = selected.rows.len();
        let (rows, keys) = (&mut selected.rows, &mut selected.keys);
        let at = |error| at_block(pages, error, key_page);
        let more = sidx_kernels::select_until(request, stop, rows, keys)
            .map_err(|cause| failure(pages, cause, at))?;
        if selected.rows.len() > MAX_SELECTED_ROWS {
            let text = format!(
                "one selection may return {MAX_SELECTED_ROWS} rows; ask for fewer blocks at once or \
                 lower the cap"
            );
            return Err(at(Error::Limit(text)).into());
        }
        selected.counts.push((selected.rows.len() - before) as u32);
        selected.more.push(u8::from(more));
        Ok(())
    })?;
    Ok(selected)
}

/// The number of rows of each block. Order, resume points and cap are not looked at.
pub fn count<P: Pages>(
    pages: &P,
    program: Option<&Program>,
    request: &Request<'_>,
) -> Result<Vec<u64>, P::Error> {
    request.check(program)?;
    let mut counts = Vec::with_capacity(request.key_pages.len());
    each_block(pages, program, request, |key_page, request, stop| {
        let at = |error| at_block(pages, error, key_page);
        let count = sidx_kernels::count_until(request, stop);
        counts.push(count.map_err(|cause| failure(pages, cause, at))?);
        Ok(())
    })?;
    Ok(counts)
}

/// Calls `scan` with the key page and the request of each block, and with what may stop it inside the
/// block; every page asks before it is used.
fn each_block<P: Pages>(
    pages: &P,
    program: Option<&Program>,
    lists: &Request<'_>,
    mut scan: impl FnMut(u32, &SelectRequest<'_>, &Stop<'_>) -> Result<(), P::Error>,
) -> Result<(), P::Error> {
    let all = lists.key_pages.iter().chain(lists.slot_pages);
    pages.load(all.copied(), Purpose::Column);
    // Room for the pages and spans of a block, used again for the next.
    let (mut slots, mut spans) = (Vec::new(), Vec::new());
    let wanted = || pages.check().is_err();
    let blocks = Blocks {
        lists: *lists,
        at: 0,
        spans: lists.spans,
    };
    for block in blocks {
        let keys = pages.page(block.key_page, Purpose::Column)?;
        load_slots(pages, block.slot_pages, &mut slots)?;
        read_spans(block.spans, &mut spans)?;
        let request = SelectRequest {
            keys: keys.column()?,
            slots: &columns(&slots)?,
            program,
            spans: &spans,
            low: lists.low,
            high: lists.high,
            order: lists.order,
            resume: block.resume,
            cap: lists.cap,
        };
        scan(block.key_page, &request, &Stop::when(&wanted))?;
    }
    Ok(())
}

/// Spans from pairs of numbers; they must ascend and not overlap.
#[inline]
fn read_spans(pairs: &[u32], spans: &mut Vec<Span>) -> Result<(), Error> {
    spans.clear();
    let mut least = 0;
    for pair in pairs.as_chunks::<2>().0 {
        let [start, end] = *pair;
        if start < least || end < start {
            let text =
                format!("span {start}..{end} begins before {least} or ends before it begins");
            return Err(Error::request(text));
        }
        spans.push(Span { start, end });
        least = end;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selected_rows_are_told_block_by_block_and_not_trusted() {
        let selected = Selected {
            counts: vec![2, 0, 1],
            rows: vec![3, 4, 0],
            keys: vec![30, 40, 7],
            more: vec![1, 0, 0],
        };
        let blocks: Vec<_> = selected.per_block([5, 5, 1]).collect();
        let counts = blocks
            .iter()
            .flatten()
            .map(|block| (block.rows.len(), block.more));
        assert_eq!(
            counts.collect::<Vec<_>>(),
            [(2, true), (0, false), (1, false)]
        );
        assert_eq!(
            blocks[2].as_ref().map(|block| block.keys),
            Ok([7].as_slice())
        );
        assert!(
            selected
                .per_block([4, 5, 1])
                .next()
                .is_some_and(|block| block.is_err())
        );
        assert!(
            selected
                .per_block([5, 5, 1, 1])
                .last()
                .is_some_and(|block| block.is_err())
        );
    }
}
