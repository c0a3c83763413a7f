//! The filters that the engine has compiled, by number.

use std::ops::Bound;

use sidx_engine::{Error, ErrorKind, Result};
use sidx_kernels::{Step, Test};
use sidx_session::Filter;

use crate::bindings::exports::sidx::engine::scan;

/// Most filters at a time.
const FILTERS_MAX: usize = 100_000;

/// See the module. Numbers follow on those of the session before.
pub(crate) struct Filters {
    first: u32,
    filters: Vec<Option<Filter>>,
}

impl Filters {
    pub(crate) fn new(first: u32) -> Self {
        Self {
            first,
            filters: Vec::new(),
        }
    }

    /// The first number of the session that follows.
    pub(crate) fn next(&self) -> u32 {
        self.first.saturating_add(self.filters.len() as u32)
    }

    fn slot(&self, number: u32) -> Option<usize> {
        Some(number.checked_sub(self.first)? as usize)
    }

    /// The filter with a number, where there is one.
    pub(crate) fn get(&self, number: Option<u32>) -> Result<Option<Filter>> {
        let Some(number) = number else {
            return Ok(None);
        };
        let filter = self
            .slot(number)
            .and_then(|at| self.filters.get(at)?.clone());
        match filter {
            Some(filter) => Ok(Some(filter)),
            None => {
                let text = format!("no filter was compiled as number {number}");
                Err(Error::invalid(text))
            }
        }
    }

    pub(crate) fn add(&mut self, filter: Filter) -> Result<u32> {
        let free = self.filters.iter().position(Option::is_none);
        let at = free.unwrap_or(self.filters.len());
        match self.filters.get_mut(at) {
            Some(place) => *place = Some(filter),
            None if at < FILTERS_MAX => self.filters.push(Some(filter)),
            None => {
                let text = format!("an instance may hold {FILTERS_MAX} filters");
                return Err(Error::new(ErrorKind::ResourceExhausted, text));
            }
        }
        Ok(self.first.saturating_add(at as u32))
    }

    pub(crate) fn remove(&mut self, number: u32) {
        if let Some(place) = self.slot(number).and_then(|at| self.filters.get_mut(at)) {
            *place = None;
        }
    }
}

/// A step of a program.
pub(crate) fn step(step: scan::Step) -> Step {
    match step {
        scan::Step::Leaf(leaf) => Step::Leaf {
            slot: leaf.slot,
            elements: leaf.elements,
            test: test(leaf.test),
        },
        scan::Step::And => Step::And,
        scan::Step::Or => Step::Or,
        scan::Step::Not => Step::Not,
        scan::Step::PassAll => Step::True,
        scan::Step::PassNone => Step::False,
    }
}

fn test(test: scan::Test) -> Test {
    match test {
        scan::Test::Exists => Test::Exists,
        scan::Test::IntRange((low, high)) => Test::IntRange { low, high },
        scan::Test::IntSet(values) => Test::IntSet(values),
        scan::Test::FloatRange((low, high)) => Test::FloatRange {
            low: float_bound(low),
            high: float_bound(high),
        },
        scan::Test::FloatSet(values) => Test::FloatSet(values),
        scan::Test::Boolean(value) => Test::Bool(value),
        scan::Test::BytesRange((low, high)) => Test::BytesRange {
            low: bytes_bound(low),
            high: bytes_bound(high),
        },
        scan::Test::BytesSet(values) => Test::BytesSet(values),
        scan::Test::BytesPrefix(prefix) => Test::BytesPrefix(prefix),
        scan::Test::Regex(pattern) => Test::Regex(pattern),
    }
}

fn float_bound(bound: scan::FloatBound) -> Bound<f64> {
    match bound {
        scan::FloatBound::Unbounded => Bound::Unbounded,
        scan::FloatBound::Inclusive(value) => Bound::Included(value),
        scan::FloatBound::Exclusive(value) => Bound::Excluded(value),
    }
}

fn bytes_bound(bound: scan::BytesBound) -> Bound<Vec<u8>> {
    match bound {
        scan::BytesBound::Unbounded => Bound::Unbounded,
        scan::BytesBound::Inclusive(value) => Bound::Included(value),
        scan::BytesBound::Exclusive(value) => Bound::Excluded(value),
    }
}
