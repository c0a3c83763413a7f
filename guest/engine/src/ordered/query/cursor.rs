//! The rows of a query, a batch at a time, whichever way it goes through the parts.

use super::bookmark::Bookmark;
use super::explain::Explain;
use super::heap::Heap;
use super::progress::Progress;
use super::sweep::Sweep;
use crate::error::Result;
use crate::host::Host;
use crate::types::Rows;

/// The rows of a query, a batch at a time, on the part list that it began with.
pub struct Cursor<H: Host>(Box<State<H>>);

struct State<H: Host> {
    query: Progress<H>,
    course: Course,
    finished: bool,
    /// What was done before the cursor began; told until it does something itself.
    before: Option<Explain>,
}

/// How a query goes through the parts.
enum Course {
    /// In key order.
    Heap(Heap),
    /// In any order.
    Sweep(Sweep),
}

impl Course {
    fn batch<H: Host>(
        &mut self,
        query: &mut Progress<H>,
        want: usize,
    ) -> Result<Option<Rows<H::Columns>>> {
        match self {
            Self::Heap(heap) => heap.batch(query, want),
            Self::Sweep(sweep) => sweep.batch(query, want),
        }
    }

    fn is_exhausted(&self) -> bool {
        match self {
            Self::Heap(heap) => heap.is_exhausted(),
            Self::Sweep(sweep) => sweep.is_exhausted(),
        }
    }

    /// Counts what was left alone so far.
    fn count_left<H: Host>(&self, query: &Progress<H>, explain: &mut Explain) {
        match self {
            Self::Heap(heap) => heap.count_left(query, explain),
            Self::Sweep(sweep) => sweep.count_left(query, explain),
        }
    }
}

impl<H: Host> Cursor<H> {
    /// A query in key order of which nothing was done.
    pub(super) fn in_key_order(mut query: Progress<H>) -> Self {
        let heap = Heap::start(&mut query, None);
        Self::new(query, Course::Heap(heap), None)
    }

    /// The cursor for the rows behind those that were returned already, counted in `explain`.
    pub(super) fn behind(
        mut query: Progress<H>,
        after: Option<Bookmark>,
        mut explain: Explain,
    ) -> Self {
        let heap = Heap::start(&mut query, after);
        query.left = query.left.saturating_sub(explain.rows.returned);
        query.explain.rows = explain.rows.clone();
        query.explain.calls = explain.calls.clone();
        explain.close();
        Self::new(query, Course::Heap(heap), Some(explain))
    }

    /// A query in any order.
    pub(super) fn in_any_order(query: Progress<H>, sweep: Sweep) -> Self {
        Self::new(query, Course::Sweep(sweep), None)
    }

    fn new(query: Progress<H>, course: Course, before: Option<Explain>) -> Self {
        Self(Box::new(State {
            finished: query.left == 0,
            query,
            course,
            before,
        }))
    }

    /// The first rows; none when nothing matches.
    pub(super) fn first(&mut self, max_rows: u32) -> Result<Rows<H::Columns>> {
        Ok(self.next(max_rows)?.unwrap_or_default())
    }

    /// `cursor.next`
    ///
    /// # Errors
    /// Everything that reading may bring; afterwards the cursor is finished.
    #[allow(
        clippy::should_implement_trait,
        reason = "named as in WIT; it can fail and go on"
    )]
    pub fn next(&mut self, max_rows: u32) -> Result<Option<Rows<H::Columns>>> {
        let state = &mut *self.0;
        if state.finished || max_rows == 0 {
            return Ok(None);
        }
        state.before = None;
        let want = state.query.batch_rows(max_rows);
        let rows = state.course.batch(&mut state.query, want);
        if !matches!(rows, Ok(Some(_))) {
            state.finished = true;
        }
        rows
    }

    /// Whether no row is left. May say no when the last row was just returned.
    pub(super) fn is_complete(&self) -> bool {
        let state = &*self.0;
        state.finished || state.query.left == 0 || state.course.is_exhausted()
    }

    /// How many rows were returned.
    pub(super) fn returned(&self) -> u64 {
        self.0.query.explain.rows.returned
    }

    /// Whether anything is missing so far.
    pub(super) fn is_partial(&self) -> bool {
        self.0.query.gaps.any()
    }

    /// `cursor.missing`
    pub fn missing(&self) -> Vec<String> {
        self.0.query.gaps.told()
    }

    /// `cursor.explain`
    pub fn explain(&self) -> String {
        let state = &*self.0;
        if let Some(before) = &state.before {
            return before.json();
        }
        let mut explain = state.query.explain.clone();
        state.course.count_left(&state.query, &mut explain);
        explain.json()
    }
}
