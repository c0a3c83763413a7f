//! Random cases for the property tests.
//!
//! Proptest chooses, and shrinks, what a case consists of: how many rows a write has, which queries
//! are asked, what happens between. The rows themselves come from a seed and their number in the
//! write, so that a shorter write is a beginning of the longer one and a case prints in a few lines.

mod filters;
mod rows;
mod values;

use std::ops::Bound;

use proptest::collection::vec;
use proptest::prelude::*;

pub use filters::filter;
pub(crate) use filters::{PATTERNS, PREFIXES};
pub(crate) use rows::TAGS;
pub use rows::{Keys, Payloads, Write, rows, series_name};
pub use values::{POOL_TYPES, pool, spread};

use crate::expression::Expression;
use crate::model::{Projection, Query};

/// A whole life of an index.
#[derive(Clone, Debug)]
pub struct Case {
    /// Number of series.
    pub series: u32,
    /// In a directory rather than in memory.
    pub on_disk: bool,
    /// What happens, in order.
    pub phases: Vec<Phase>,
}

/// Some writes, a change of the stored form, and queries afterwards.
#[derive(Clone, Debug)]
pub struct Phase {
    /// One batch each.
    pub writes: Vec<Write>,
    /// What happens after the writes.
    pub action: Action,
    /// What is asked then.
    pub queries: Vec<Asked>,
}

/// A change of the stored form, which changes no result unless it drops rows.
#[derive(Clone, Debug)]
pub enum Action {
    /// Rows stay in memory.
    Nothing,
    /// Memory parts become a file part.
    Flush,
    /// Flush, then merge parts of similar size.
    Merge,
    /// Flush, then merge everything into one part.
    MergeAll,
    /// Leave and open again, with whatever is not flushed.
    Reopen,
    /// The same, and each store goes on with the other engine.
    SwapEngines,
    /// Drop the rows that a filter accepts and those with smaller keys.
    Retain(Option<Expression>, Option<i64>),
}

/// A query and the number of rows to take from its cursor at a time.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The query.
    pub query: Query,
    /// Rows per batch.
    pub batch_rows: u32,
}

/// How large a case may be.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Most series.
    pub series: u32,
    /// Most phases.
    pub phases: usize,
    /// Most writes in a phase.
    pub writes: usize,
    /// Fewest and most rows in a write.
    pub rows: (u32, u32),
    /// Most queries after a phase.
    pub queries: usize,
}

/// A few hundred rows: every kind of value, page and part, at many cases per second.
pub const SMALL: Size = Size {
    series: 40,
    phases: 5,
    writes: 4,
    rows: (1, 300),
    queries: 8,
};

/// Up to 100,000 rows in up to 10,000 series: many blocks per part, frames and large merges.
pub const LARGE: Size = Size {
    series: 10_000,
    phases: 3,
    writes: 2,
    rows: (4_000, 16_500),
    queries: 8,
};

/// Random cases of a size.
pub fn case(size: Size) -> impl Strategy<Value = Case> {
    let series = prop_oneof![3 => log_uniform(1, size.series), 1 => Just(size.series)];
    series.prop_flat_map(move |series| {
        (
            proptest::bool::weighted(0.1),
            vec(phase(size, series), 1..=size.phases),
        )
            .prop_map(move |(on_disk, phases)| Case {
                series,
                on_disk,
                phases,
            })
    })
}

fn phase(size: Size, series: u32) -> impl Strategy<Value = Phase> {
    let action = prop_oneof![
        Just(Action::Nothing),
        Just(Action::Flush),
        Just(Action::Merge),
        Just(Action::MergeAll),
        Just(Action::Reopen),
        Just(Action::SwapEngines),
        (
            proptest::option::of(filter()),
            proptest::option::weighted(0.3, key())
        )
            .prop_map(|(filter, below)| Action::Retain(filter, below)),
    ];
    let writes = vec(rows::write(size.rows), 1..=size.writes);
    let queries = vec(asked(series), 1..=size.queries);
    (writes, action, queries).prop_map(|(writes, action, queries)| Phase {
        writes,
        action,
        queries,
    })
}

fn asked(series: u32) -> impl Strategy<Value = Asked> {
    (query(series), log_uniform(1, 20_000))
        .prop_map(|(query, batch_rows)| Asked { query, batch_rows })
}

/// Random queries over `series` series.
pub fn query(series: u32) -> impl Strategy<Value = Query> {
    let wanted = prop_oneof![
        3 => Just(None),
        2 => vec(0..series.saturating_add(2), 1..=8)
            .prop_map(|numbers| Some(numbers.into_iter().map(series_name).collect())),
    ];
    let limit = prop_oneof![
        3 => Just(None),
        1 => (0u64..4).prop_map(Some),
        2 => (4u64..200).prop_map(Some),
        1 => Just(Some(u64::MAX)),
    ];
    let shape = (any::<bool>(), limit, proptest::bool::weighted(0.2));
    let shown = (projection(), proptest::bool::weighted(0.7));
    (
        wanted,
        bounds(),
        proptest::option::weighted(0.7, filter()),
        shape,
        shown,
    )
        .prop_map(
            |(series, (low, high), filter, (descending, limit, distinct_payload), shown)| Query {
                series,
                low,
                high,
                filter,
                descending,
                limit,
                distinct_payload,
                projection: shown.0,
                payload: shown.1,
            },
        )
}

fn projection() -> impl Strategy<Value = Projection> {
    let names: Vec<String> = rows::TAGS
        .iter()
        .map(|(name, _)| (*name).to_owned())
        .chain(["no such tag".to_owned()])
        .collect();
    prop_oneof![
        3 => Just(Projection::All),
        1 => Just(Projection::Only(Vec::new())),
        3 => proptest::sample::subsequence(names, 1..=4)
            .prop_shuffle()
            .prop_map(Projection::Only),
    ]
}

/// Wide, narrow, empty and inverted key ranges.
fn bounds() -> impl Strategy<Value = (Bound<i64>, Bound<i64>)> {
    let narrow = (key(), 0i64..4).prop_map(|(low, width)| {
        (
            Bound::Included(low),
            Bound::Included(low.saturating_add(width)),
        )
    });
    let ordered = (key(), key(), any::<[bool; 2]>()).prop_map(|(one, other, exclusive)| {
        let bound = |key, exclusive| {
            if exclusive {
                Bound::Excluded(key)
            } else {
                Bound::Included(key)
            }
        };
        (
            bound(one.min(other), exclusive[0]),
            bound(one.max(other), exclusive[1]),
        )
    });
    prop_oneof![
        4 => Just((Bound::Unbounded, Bound::Unbounded)),
        3 => ordered,
        1 => (bound(), bound()),
        1 => narrow,
    ]
}

fn bound() -> impl Strategy<Value = Bound<i64>> {
    prop_oneof![
        Just(Bound::Unbounded),
        key().prop_map(Bound::Included),
        key().prop_map(Bound::Excluded),
    ]
}

fn key() -> impl Strategy<Value = i64> {
    prop_oneof![
        3 => -5i64..5,
        4 => -10i64..1_010,
        2 => proptest::sample::select(rows::EXTREME_KEYS.to_vec()),
        1 => any::<i64>(),
    ]
}

/// Numbers whose logarithm is spread evenly, so that small and large ones are equally likely.
fn log_uniform(least: u32, most: u32) -> impl Strategy<Value = u32> {
    let bits = most.max(1).ilog2();
    (0..=bits).prop_flat_map(move |bits| {
        let high = (2u32 << bits).saturating_sub(1).clamp(least, most);
        let low = (1u32 << bits).clamp(least, high);
        low..=high
    })
}

#[cfg(test)]
mod tests;
