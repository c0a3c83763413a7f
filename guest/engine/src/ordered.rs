//! The ordered index: rows by (series, key, element id), how they come in, and the queries over them.
//!
//! A [`batch`] becomes a part in memory; a [`query`] asks a part list; a [`predicate`] is a filter bound to
//! the columns of one. [`dump`] takes rows as they lie. Its facet of each part are the [`labels`] of series.

pub(crate) mod batch;
pub(crate) mod dump;
pub(crate) mod labels;
pub(crate) mod predicate;
pub(crate) mod query;
