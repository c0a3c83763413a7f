//! Workload W1: rows like those of a trace index, the same on every machine, eight queries over them,
//! and their answers computed without any store.

mod answer;
mod columns;
mod query;
mod rows;

pub use answer::{Answer, Answers};
pub use columns::Columns;
pub use query::{ENDPOINTS, PEER, Query, SERIES, wide_series};
pub use rows::{Generator, Row, peer};
