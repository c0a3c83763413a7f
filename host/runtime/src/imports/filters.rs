//! The filters of `sidx:engine/scan`.

use std::ops::Bound;

use sidx_engine::{Error, ErrorKind, Host, Result};
use sidx_kernels::{Step, Test};
use wasmtime::StoreContextMut;
use wasmtime::component::LinkerInstance;

use super::bindings::sidx::engine::scan;
use super::{Answer, MAX_RESOURCES, State, answer};
use crate::session::Filter;

type Store<'a> = StoreContextMut<'a, State>;

/// The filters that a component has compiled, by number: a handle would have to be lent for each use.
#[derive(Default)]
pub(super) struct Filters(Vec<Option<Filter>>);

impl Filters {
    /// The filter with a number.
    pub(super) fn get(&self, number: u32) -> Result<&Filter> {
        let filter = self.0.get(number as usize).and_then(Option::as_ref);
        filter.ok_or_else(|| Error::invalid(format!("no filter was compiled as number {number}")))
    }

    fn add(&mut self, filter: Filter) -> Result<u32> {
        let free = self.0.iter().position(Option::is_none);
        let number = free.unwrap_or(self.0.len());
        match self.0.get_mut(number) {
            Some(place) => *place = Some(filter),
            None if number < MAX_RESOURCES => self.0.push(Some(filter)),
            None => {
                let text = format!("an instance may hold {MAX_RESOURCES} filters");
                return Err(Error::new(ErrorKind::ResourceExhausted, text));
            }
        }
        Ok(number as u32)
    }

    fn remove(&mut self, number: u32) {
        if let Some(place) = self.0.get_mut(number as usize) {
            *place = None;
        }
    }
}

pub(super) fn link(scan: &mut LinkerInstance<'_, State>) -> wasmtime::Result<()> {
    scan.func_wrap("compile-filter", compile)?;
    scan.func_wrap("drop-filter", |mut store: Store<'_>, (filter,): (u32,)| {
        store.data_mut().filters.remove(filter);
        Ok(())
    })
}

fn compile(mut store: Store<'_>, (steps,): (Vec<scan::Step>,)) -> Answer<u32> {
    let State {
        session, filters, ..
    } = store.data_mut();
    let filter = session.compile_filter(steps.into_iter().map(step).collect());
    let number = filter.and_then(|filter| filters.add(filter));
    answer(number.map_err(Into::into))
}

fn step(step: scan::Step) -> Step {
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
