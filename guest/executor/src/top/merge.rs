//! Merging runs by key, opening each when it is due.

use sidx_kernels::{Keys, Order};

use super::blocks::Blocks;
use super::{Found, Picked};
use crate::pages::Pages;

/// Most rows that are read of a run at a time.
const CHUNK: usize = 64;
/// Fewest rows to begin with.
const FEW: usize = 4;

/// Where a run stands: its next row by key, series and block, inverted for descending order. No two runs
/// of a series are in one block, so that it decides.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Head {
    key: i64,
    series: u64,
    block: u32,
    open: u32,
}

/// A run with rows that were read and not yet used.
#[derive(Clone, Copy)]
struct OpenRun {
    run: u32,
    /// Rows that were not read yet.
    start: u32,
    end: u32,
    /// Which of the rows that were read is next, and how many there are.
    at: u32,
    filled: u32,
    /// How many to read next.
    ahead: u32,
    /// The key of the first row that was not read yet, where it is known.
    known: Option<i64>,
}

/// The open runs; heads are a heap whose least is first.
struct Merge {
    chunk: usize,
    /// Rows to read of a run at first.
    ahead: u32,
    descending: bool,
    heads: Vec<Head>,
    runs: Vec<OpenRun>,
    /// `chunk` places for each open run, in the wanted order.
    keys: Vec<i64>,
    rows: Vec<u32>,
    read_keys: Vec<i64>,
    read_rows: Vec<u32>,
}

/// The first rows of the runs.
pub(super) fn rows<P: Pages>(blocks: &mut Blocks<'_, P>) -> Result<Found, P::Error> {
    let lists = blocks.lists;
    let limit = lists.limit as usize;
    let descending = lists.order == Order::Descending;
    let mut merge = Merge::new(limit, descending, lists.run_count());
    let horizon = lists.horizon.map(|(key, series)| merge.place(key, series));
    let mut found = Found::with_room(limit.min(CHUNK));
    let mut next = 0u32;
    while found.keys.len() < limit {
        let due = merge.open_due(blocks, &mut next, &mut found)?;
        let Some(head) = merge.heads.first().copied() else {
            found.exhausted = next as usize >= lists.run_count();
            break;
        };
        // Rows from here on could come behind others: of the next head, or of a run that is not open.
        let mut barrier = merge.second();
        for (key, series) in [due, horizon].into_iter().flatten() {
            let place = Head {
                key,
                series,
                block: 0,
                open: 0,
            };
            if barrier.is_none_or(|barrier| place < barrier) {
                barrier = Some(place);
            }
        }
        if horizon.is_some_and(|horizon| (head.key, head.series) >= horizon) {
            return Ok(found);
        }
        merge.take(blocks, head, barrier, limit, &mut found)?;
    }
    found.runs = next as usize;
    if found.keys.len() == limit && limit > 0 {
        found.exhausted = merge.heads.is_empty() && next as usize >= lists.run_count();
    }
    Ok(found)
}

impl Merge {
    #[inline]
    fn new(limit: usize, descending: bool, runs: usize) -> Self {
        let chunk = limit.clamp(1, CHUNK);
        // If all runs have a share in the result, it is half of this.
        let ahead = (limit.saturating_mul(2) / runs.max(1)).max(FEW).min(chunk);
        Self {
            chunk,
            ahead: ahead as u32,
            descending,
            heads: Vec::new(),
            runs: Vec::new(),
            keys: Vec::new(),
            rows: Vec::new(),
            read_keys: Vec::new(),
            read_rows: Vec::new(),
        }
    }

    /// A key and a series as they are compared.
    #[inline]
    fn place(&self, key: i64, series: u64) -> (i64, u64) {
        match self.descending {
            true => (!key, !series),
            false => (key, series),
        }
    }

    fn head<P: Pages>(&self, blocks: &Blocks<'_, P>, open: u32) -> Option<Head> {
        let OpenRun {
            run, at, filled, ..
        } = *self.runs.get(open as usize)?;
        if at >= filled {
            return None;
        }
        let key = *self.keys.get(open as usize * self.chunk + at as usize)?;
        let (key, series) = self.place(key, blocks.lists.series_of(run));
        let block = blocks.lists.block_of(run);
        let block = if self.descending { !block } else { block };
        Some(Head {
            key,
            series,
            block,
            open,
        })
    }

    /// Opens every run that could come before the first head; returns when the one after them is due.
    fn open_due<P: Pages>(
        &mut self,
        blocks: &mut Blocks<'_, P>,
        next: &mut u32,
        found: &mut Found,
    ) -> Result<Option<(i64, u64)>, P::Error> {
        loop {
            if *next as usize >= blocks.lists.run_count() {
                return Ok(None);
            }
            let bound = blocks.lists.bound(*next);
            let due = self.place(bound, blocks.lists.series_of(*next));
            let first = self.heads.first();
            if first.is_some_and(|head| due > (head.key, head.series)) {
                return Ok(Some(due));
            }
            self.open(blocks, *next, found)?;
            *next += 1;
        }
    }

    fn open<P: Pages>(
        &mut self,
        blocks: &mut Blocks<'_, P>,
        run: u32,
        found: &mut Found,
    ) -> Result<(), P::Error> {
        let block = blocks.lists.block_of(run);
        let page = blocks.key_page(block)?;
        let keys = blocks.keys(&page, block)?;
        blocks.open(block, keys)?;
        let span = blocks.check_span(run, keys, block)?;
        found.considered += span.len() as u64;
        let ends = blocks.lists.ends(run);
        let range = match (blocks.marks_of(block), self.descending) {
            (Some(_), _) => span,
            // The other end is met when it is reached.
            (None, false) => keys.narrow_known(span, ends, blocks.lists.low, i64::MAX),
            (None, true) => keys.narrow_known(span, ends, i64::MIN, blocks.lists.high),
        };
        let open = self.runs.len() as u32;
        let whole = blocks.lists.span(run);
        let known = match self.descending {
            false => (range.start == whole.start).then_some(ends.0),
            true => (range.end == whole.end).then_some(ends.1),
        };
        self.runs.push(OpenRun {
            run,
            start: range.start as u32,
            end: range.end as u32,
            at: 0,
            filled: 0,
            ahead: self.ahead,
            known,
        });
        self.keys.resize(self.runs.len() * self.chunk, 0);
        self.rows.resize(self.runs.len() * self.chunk, 0);
        self.fill(blocks, keys, open, found);
        match self.head(blocks, open) {
            Some(head) => {
                blocks.note_rows(block);
                self.push(head);
            }
            // Its place serves the next.
            None => {
                self.runs.pop();
            }
        }
        Ok(())
    }

    /// Reads the next rows of a run.
    fn fill<P: Pages>(
        &mut self,
        blocks: &Blocks<'_, P>,
        keys: Keys<'_>,
        open: u32,
        found: &mut Found,
    ) {
        let (low, high) = (blocks.lists.low, blocks.lists.high);
        let Some(run) = self.runs.get_mut(open as usize) else {
            return;
        };
        (run.at, run.filled) = (0, 0);
        let ahead = run.ahead as usize;
        run.ahead = run.ahead.saturating_mul(2).min(self.chunk as u32);
        let known = run.known.take();
        self.read_keys.clear();
        self.read_rows.clear();
        let left = run.start as usize..run.end as usize;
        match blocks.marks_of(blocks.lists.block_of(run.run)) {
            Some(marks) => {
                let rows = marks.iter_range(left).map(|row| row as u32);
                match self.descending {
                    true => self.read_rows.extend(rows.rev().take(ahead)),
                    false => self.read_rows.extend(rows.take(ahead)),
                }
                keys.gather(&self.read_rows, &mut self.read_keys);
            }
            None if self.descending => {
                let start = left.end - left.len().min(ahead);
                self.read_rows.extend((start as u32..run.end).rev());
                keys.decode_down(start..left.end, known, &mut self.read_keys);
            }
            None => {
                let end = left.start + left.len().min(ahead);
                self.read_rows.extend(run.start..end as u32);
                keys.decode_up(left.start..end, known, &mut self.read_keys);
            }
        }
        match self.read_rows.last() {
            Some(row) if self.descending => run.end = *row,
            Some(row) => run.start = row + 1,
            None => run.start = run.end,
        }
        let wanted = |key: &&i64| (low..=high).contains(*key);
        let count = self.read_keys.iter().take_while(wanted).count();
        if count < self.read_keys.len() {
            // Keys beyond the bound: none behind them is wanted.
            run.start = run.end;
        }
        run.filled = count as u32;
        found.selected += count as u64;
        let at = open as usize * self.chunk;
        let places = self.keys.get_mut(at..at + count).into_iter().flatten();
        places
            .zip(&self.read_keys)
            .for_each(|(place, key)| *place = *key);
        let places = self.rows.get_mut(at..at + count).into_iter().flatten();
        places
            .zip(&self.read_rows)
            .for_each(|(place, row)| *place = *row);
    }

    /// Takes rows of the first run up to the barrier, and brings the run to its new place.
    fn take<P: Pages>(
        &mut self,
        blocks: &Blocks<'_, P>,
        head: Head,
        barrier: Option<Head>,
        limit: usize,
        found: &mut Found,
    ) -> Result<(), P::Error> {
        let open = head.open as usize;
        let Some(mut run) = self.runs.get(open).copied() else {
            return Ok(());
        };
        let (series, block) = (
            blocks.lists.series_of(run.run),
            blocks.lists.block_of(run.run),
        );
        let before = found.keys.len();
        loop {
            let from = open * self.chunk;
            let range = from + run.at as usize..from + run.filled as usize;
            let keys = self.keys.get(range.clone()).unwrap_or_default();
            let rows = self.rows.get(range).unwrap_or_default();
            let room = limit - found.keys.len();
            let comes_first = |key: &&i64| {
                let key = if self.descending { !**key } else { **key };
                barrier.is_none_or(|barrier| Head { key, ..head } < barrier)
            };
            // The head comes first, whatever the barrier says: nothing else is due.
            let first = usize::from(found.keys.len() == before);
            let more = keys.iter().skip(first).take(room.saturating_sub(first));
            let count = (first + more.take_while(comes_first).count()).min(keys.len());
            found.keys.extend(keys.iter().take(count));
            let picked = rows
                .iter()
                .take(count)
                .map(|row| Picked { block, row: *row });
            found.picked.extend(picked);
            run.at += count as u32;
            if let Some(place) = self.runs.get_mut(open) {
                place.at = run.at;
            }
            if run.at < run.filled || run.start >= run.end {
                break;
            }
            let page = blocks.key_page(block)?;
            self.fill(blocks, blocks.keys(&page, block)?, head.open, found);
            match self.runs.get(open) {
                Some(filled) => run = *filled,
                None => break,
            }
            if run.filled == 0 || found.keys.len() >= limit {
                break;
            }
        }
        found.series.resize(found.keys.len(), series);
        match self.head(blocks, head.open) {
            Some(head) => self.replace(head),
            None => self.remove(),
        }
        Ok(())
    }
}

/// The heap.
impl Merge {
    #[inline]
    fn push(&mut self, head: Head) {
        let mut at = self.heads.len();
        self.heads.push(head);
        while at > 0 {
            let above = (at - 1) / 2;
            if self.heads.get(above).is_none_or(|other| *other <= head) {
                break;
            }
            self.heads.swap(at, above);
            at = above;
        }
    }

    /// The least head but one.
    #[inline]
    fn second(&self) -> Option<Head> {
        let children = self.heads.get(1..self.heads.len().min(3))?;
        children.iter().min().copied()
    }

    /// Puts another head in place of the first.
    #[inline]
    fn replace(&mut self, head: Head) {
        let mut at = 0;
        loop {
            let left = at * 2 + 1;
            let below = match (self.heads.get(left), self.heads.get(left + 1)) {
                (Some(a), Some(b)) if b < a => left + 1,
                (Some(_), _) => left,
                (None, _) => break,
            };
            match self.heads.get(below).copied() {
                Some(other) if other < head => {
                    if let Some(place) = self.heads.get_mut(at) {
                        *place = other;
                    }
                    at = below;
                }
                _ => break,
            }
        }
        if let Some(place) = self.heads.get_mut(at) {
            *place = head;
        }
    }

    /// Removes the first head.
    #[inline]
    fn remove(&mut self) {
        if let Some(last) = self.heads.pop()
            && !self.heads.is_empty()
        {
            self.replace(last);
        }
    }
}
