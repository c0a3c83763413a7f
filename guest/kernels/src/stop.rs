//! How long work asks on the way whether it is still wanted.

use std::cell::Cell;
use std::fmt;

use crate::error::PageError;

/// Work between two questions, in bytes looked at. At the speed of a slow regular expression (some
/// MB/s) that is a few milliseconds; at that of a comparison, the price of asking vanishes in it.
const BYTES_PER_QUESTION: usize = 64 << 10;

/// Asks its owner every 64 KiB of work whether to stop. Once the answer was yes, kernels leave their
/// loops and return [`PageError::Stopped`]; what they appended to their outputs by then is of no use.
/// A single value is never interrupted.
pub struct Stop<'a> {
    wanted: &'a dyn Fn() -> bool,
    /// Work since the last question.
    bytes: Cell<usize>,
    stopped: Cell<bool>,
}

impl<'a> Stop<'a> {
    /// Stops when `wanted` says yes.
    #[must_use]
    pub fn when(wanted: &'a dyn Fn() -> bool) -> Self {
        Self {
            wanted,
            bytes: Cell::new(0),
            stopped: Cell::new(false),
        }
    }

    /// Never stops.
    #[must_use]
    pub fn never() -> Stop<'static> {
        Stop::when(&|| false)
    }

    /// Notes work and tells whether to leave the loop.
    #[inline]
    pub(crate) fn after(&self, bytes: usize) -> bool {
        let bytes = self.bytes.get().saturating_add(bytes);
        self.bytes.set(bytes);
        bytes >= BYTES_PER_QUESTION && self.ask()
    }

    #[cold]
    fn ask(&self) -> bool {
        // Once stopped the count stays up, so that every loop on the way out leaves at once.
        if !self.stopped.get() {
            self.stopped.set((self.wanted)());
        }
        if !self.stopped.get() {
            self.bytes.set(0);
        }
        self.stopped.get()
    }

    /// The error when a loop was left.
    pub(crate) fn check(&self) -> Result<(), PageError> {
        if self.stopped.get() {
            return Err(PageError::Stopped);
        }
        Ok(())
    }
}

impl fmt::Debug for Stop<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stop")
            .field("stopped", &self.stopped)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use sidx_columns::{ColumnBuilder, ColumnType, ValueType};

    use super::*;
    use crate::{Page, Program, Source, Step, Test, encode, gather_until};

    #[test]
    fn the_owner_is_asked_once_per_64_kib_and_never_after_a_yes() {
        let asked = Cell::new(0);
        let wanted = || {
            asked.set(asked.get() + 1);
            asked.get() == 3
        };
        let stop = Stop::when(&wanted);
        let steps = (1..).find(|_| stop.after(1 << 10));
        assert_eq!(steps, Some(3 * 64));
        assert_eq!(stop.check(), Err(PageError::Stopped));
        assert!(stop.after(1) && asked.get() == 3);
        assert!((0..1000).all(|_| !Stop::never().after(usize::MAX)));
    }
    /// Strings of 4 KiB, all different or all of a few.
    fn page(distinct: usize) -> Page {
        let mut column = ColumnBuilder::new(ColumnType::scalar(ValueType::String));
        for row in 0..1000 {
            let text = format!("{:04}{}", row % distinct, "x".repeat(4092));
            column.push_string(&text).unwrap();
        }
        Page::open(encode(&column.finish()).unwrap().page.into()).unwrap()
    }

    #[test]
    fn a_filter_and_a_gather_end_at_the_first_question_that_is_answered_yes() {
        let test = Test::Regex("0999x+$".to_owned());
        let leaf = |elements| Step::Leaf {
            slot: 0,
            elements,
            test: test.clone(),
        };
        // Plain strings, and a dictionary of 400 entries.
        for distinct in [1000, 400] {
            let page = page(distinct);
            let program = Program::compile(vec![leaf(false), Step::Not]).unwrap();
            for yes_at in [1, 3, 20] {
                let asked = Cell::new(0);
                let wanted = || {
                    asked.set(asked.get() + 1);
                    asked.get() >= yes_at
                };
                let slots = [Some(&page)];
                let stopped = program.evaluate_until(&slots, 1000, None, &Stop::when(&wanted));
                assert_eq!(stopped.map(drop), Err(PageError::Stopped));
                assert_eq!(asked.get(), yes_at, "{distinct} distinct strings");
                asked.set(0);
                // From one row of the page to another far away, so that each is a stretch of its own.
                let rows: Vec<u32> = (0..1000).map(|row| row * 7 % 1000).collect();
                let other = self::page(distinct);
                let pages: Vec<Option<&Page>> = rows
                    .iter()
                    .map(|row| Some(if row % 2 == 0 { &page } else { &other }))
                    .collect();
                let source = Source {
                    pages: &pages,
                    rows: &rows,
                };
                let stopped = gather_until(page.kind(), source, &Stop::when(&wanted));
                assert_eq!(stopped.map(drop), Err(PageError::Stopped));
                assert_eq!(asked.get(), yes_at);
            }
            let passed = program.evaluate_until(&[Some(&page)], 1000, None, &Stop::never());
            let matching = if distinct == 1000 { 1 } else { 0 };
            assert_eq!(passed.unwrap().count(), 1000 - matching);
        }
    }
}
