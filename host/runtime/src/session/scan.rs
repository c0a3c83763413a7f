//! Selections over the pages of several blocks.

use std::sync::Arc;

use sidx_engine::host::{ABSENT, Selected, Selection};
use sidx_engine::{Error, ErrorKind, Result};
use sidx_kernels::{Order, Page, Program, Resume, SelectRequest, Span, Stop};

use super::cached_page::{CachedPage, Purpose};
use super::handles::Handles;
use super::{Filter, Session};

/// Most rows that one call returns: the answer must fit the component's memory beside everything else.
const MAX_SELECTED_ROWS: usize = 1 << 24;

/// A selection whose lists are borrowed, so that they can be read where the component keeps them.
#[derive(Clone, Copy)]
pub(crate) struct SelectionLists<'a> {
    pub(crate) key_pages: &'a [u32],
    pub(crate) slots: u32,
    pub(crate) slot_pages: &'a [u32],
    pub(crate) span_counts: &'a [u32],
    pub(crate) spans: &'a [u32],
    pub(crate) low: i64,
    pub(crate) high: i64,
    pub(crate) order: Order,
    pub(crate) resume_keys: &'a [i64],
    pub(crate) resume_rows: &'a [u32],
    pub(crate) cap: u32,
}

impl<'a> From<&'a Selection> for SelectionLists<'a> {
    fn from(selection: &'a Selection) -> Self {
        Self {
            key_pages: &selection.key_pages,
            slots: selection.slots,
            slot_pages: &selection.slot_pages,
            span_counts: &selection.span_counts,
            spans: &selection.spans,
            low: selection.low,
            high: selection.high,
            order: selection.order(),
            resume_keys: &selection.resume_keys,
            resume_rows: &selection.resume_rows,
            cap: selection.cap,
        }
    }
}

impl SelectionLists<'_> {
    /// Compares the lengths of the lists with each other and with the filter.
    fn check(&self, program: Option<&Program>) -> Result<()> {
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
                return Err(Error::invalid(text));
            }
        }
        let needed = program.map_or(0, Program::slots);
        if needed > self.slots {
            let text = format!(
                "the filter uses {needed} slots, the selection has {}",
                self.slots
            );
            return Err(Error::invalid(text));
        }
        Ok(())
    }
}

/// Walks the lists block by block. Lengths were checked, so every take finds what it asks for.
struct Blocks<'a> {
    lists: SelectionLists<'a>,
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

/// Room for one block's pages and spans, used again for the next.
#[derive(Default)]
struct Scratch {
    slots: Vec<Option<Arc<CachedPage>>>,
    spans: Vec<Span>,
}

impl Session {
    /// `scan.select`, with the lists wherever they are.
    pub(crate) fn select_lists(
        &self,
        filter: Option<&Filter>,
        lists: SelectionLists<'_>,
    ) -> Result<Selected> {
        let _crossing = self.activity.crossing();
        let program = filter.map(|filter| filter.0.as_ref());
        lists.check(program)?;
        let blocks = lists.key_pages.len();
        let mut selected = Selected {
            counts: Vec::with_capacity(blocks),
            more: Vec::with_capacity(blocks),
            ..Selected::default()
        };
        self.each_block(program, lists, |request, stop| {
            let before = selected.rows.len();
            let (rows, keys) = (&mut selected.rows, &mut selected.keys);
            let more = sidx_kernels::select_until(request, stop, rows, keys)
                .map_err(|cause| self.kernel_error(cause))?;
            if selected.rows.len() > MAX_SELECTED_ROWS {
                let text = format!(
                    "one selection may return {MAX_SELECTED_ROWS} rows; ask for fewer blocks at once \
                     or lower the cap"
                );
                return Err(Error::new(ErrorKind::LimitExceeded, text));
            }
            selected.counts.push((selected.rows.len() - before) as u32);
            selected.more.push(u8::from(more));
            Ok(())
        })?;
        Ok(selected)
    }

    /// `scan.count`, with the lists wherever they are.
    pub(crate) fn count_lists(
        &self,
        filter: Option<&Filter>,
        lists: SelectionLists<'_>,
    ) -> Result<Vec<u64>> {
        let _crossing = self.activity.crossing();
        let program = filter.map(|filter| filter.0.as_ref());
        lists.check(program)?;
        let mut counts = Vec::with_capacity(lists.key_pages.len());
        self.each_block(program, lists, |request, stop| {
            let count = sidx_kernels::count_until(request, stop);
            counts.push(count.map_err(|cause| self.kernel_error(cause))?);
            Ok(())
        })?;
        Ok(counts)
    }

    /// Calls `scan` with the request of each block, and with what may stop it inside the block; every
    /// page asks before it is used.
    fn each_block(
        &self,
        program: Option<&Program>,
        lists: SelectionLists<'_>,
        mut scan: impl FnMut(&SelectRequest<'_>, &Stop<'_>) -> Result<()>,
    ) -> Result<()> {
        let handles = self.handles.lock();
        let mut scratch = Scratch::default();
        let wanted = || self.check_call().is_err();
        for block in (Blocks {
            lists,
            at: 0,
            spans: lists.spans,
        }) {
            let keys = self.page(&handles, block.key_page, Purpose::Column)?;
            self.load_slots(&handles, block.slot_pages, &mut scratch.slots)?;
            let slots = opened(&scratch.slots)?;
            read_spans(block.spans, &mut scratch.spans)?;
            let request = SelectRequest {
                keys: keys.column()?,
                slots: &slots,
                program,
                spans: &scratch.spans,
                low: lists.low,
                high: lists.high,
                order: lists.order,
                resume: block.resume,
                cap: lists.cap,
            };
            scan(&request, &Stop::when(&wanted))
                .map_err(|error| at_page(error, &handles, block.key_page))?;
        }
        Ok(())
    }

    fn load_slots(
        &self,
        handles: &Handles,
        pages: &[u32],
        slots: &mut Vec<Option<Arc<CachedPage>>>,
    ) -> Result<()> {
        slots.clear();
        for page in pages {
            slots.push(match *page {
                ABSENT => None,
                page => Some(self.page(handles, page, Purpose::Column)?),
            });
        }
        Ok(())
    }

    /// `scan.probe`.
    pub(crate) fn probe_pages(&self, pages: &[u32], hashes: &[u64]) -> Result<Vec<u8>> {
        let _crossing = self.activity.crossing();
        let handles = self.handles.lock();
        let mut answers = Vec::with_capacity(pages.len());
        for page in pages {
            if *page == ABSENT {
                answers.push(1);
                continue;
            }
            let page = self.page(&handles, *page, Purpose::Filter)?;
            let filter = page.filter()?;
            answers.push(u8::from(hashes.iter().any(|hash| filter.contains(*hash))));
        }
        Ok(answers)
    }
}

pub(super) fn opened(slots: &[Option<Arc<CachedPage>>]) -> Result<Vec<Option<&Page>>> {
    slots
        .iter()
        .map(|slot| slot.as_deref().map(CachedPage::column).transpose())
        .collect()
}

/// The error with the place of the block's key page, as the kernels know neither files nor offsets.
pub(super) fn at_page(error: Error, handles: &Handles, page: u32) -> Error {
    match handles.page(page) {
        Ok(page) => error.at(format_args!(
            "block with keys in {} offset {}",
            page.place.file.path, page.place.extent.offset
        )),
        Err(_) => error,
    }
}

/// Spans from pairs of numbers; they must ascend and not overlap.
fn read_spans(pairs: &[u32], spans: &mut Vec<Span>) -> Result<()> {
    spans.clear();
    let mut least = 0;
    for pair in pairs.as_chunks::<2>().0 {
        let [start, end] = *pair;
        if start < least || end < start {
            let text =
                format!("span {start}..{end} begins before {least} or ends before it begins");
            return Err(Error::invalid(text));
        }
        spans.push(Span { start, end });
        least = end;
    }
    Ok(())
}
