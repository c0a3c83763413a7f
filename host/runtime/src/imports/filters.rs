//! The resource `filter` of `sidx:engine/scan`.

use std::ops::Bound;

use sidx_engine::Host;
use sidx_kernels::{Step, Test};
use wasmtime::StoreContextMut;
use wasmtime::component::{LinkerInstance, Resource, ResourceType};

use super::bindings::sidx::engine::scan;
use super::{Answer, State, answer};
use crate::session::Filter;

pub(super) fn link(scan: &mut LinkerInstance<'_, State>) -> wasmtime::Result<()> {
    scan.resource(
        "filter",
        ResourceType::host::<Filter>(),
        |mut store, rep| {
            store
                .data_mut()
                .table
                .delete(Resource::<Filter>::new_own(rep))?;
            Ok(())
        },
    )?;
    scan.func_wrap("[static]filter.compile", compile)
}

fn compile(
    mut store: StoreContextMut<'_, State>,
    (steps,): (Vec<scan::Step>,),
) -> Answer<Resource<Filter>> {
    let State { session, table, .. } = store.data_mut();
    let filter = session.compile_filter(steps.into_iter().map(step).collect());
    answer(
        filter
            .map_err(Into::into)
            .and_then(|filter| Ok(table.push(filter)?)),
    )
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
