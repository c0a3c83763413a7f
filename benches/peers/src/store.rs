//! What a store must do to take part, and what it found.

use sidx_w1::{Answer, Query, Row};

use crate::Result;

/// A store that holds the rows of W1.
pub trait Store {
    /// Adds rows `first`, `first + 1` and so on as one batch: all or nothing.
    fn write(&mut self, first: u64, rows: &[Row]) -> Result<()>;

    /// Returns when everything written outlives a power cut.
    fn sync(&mut self) -> Result<()>;

    /// Rewrites everything in the form that reads best and takes least space.
    fn compact(&mut self) -> Result<()>;

    /// Adds what a query returns; `wide` are the series of Q8.
    fn query(&self, query: Query, wide: &[u64], found: &mut Found) -> Result<()>;

    /// Closes it.
    fn close(self: Box<Self>) -> Result<()>;
}

/// The result of a query, copied out of the store.
#[derive(Debug, Default)]
pub struct Found {
    keys: Vec<i64>,
    payloads: Vec<u8>,
    counted: u64,
    summed: u64,
}

impl Found {
    /// Forgets everything but its memory.
    pub fn clear(&mut self) {
        self.keys.clear();
        self.payloads.clear();
        self.counted = 0;
        self.summed = 0;
    }

    /// A row of a result.
    pub(crate) fn row(&mut self, key: i64, payload: &[u8]) {
        self.keys.push(key);
        self.payloads.extend_from_slice(payload);
    }

    /// How many rows there are already.
    pub(crate) fn rows(&self) -> usize {
        self.keys.len()
    }

    /// Rows that were only counted.
    pub(crate) fn count(&mut self, rows: u64) {
        self.counted += rows;
    }

    /// A row of which only the payload was read.
    pub(crate) fn payload(&mut self, payload: &[u8]) {
        self.counted += 1;
        self.summed += sum(payload);
    }

    /// What is compared of it.
    pub fn answer(&self, query: Query) -> Answer {
        let compared = matches!(query, Query::Q3 | Query::Q4);
        Answer {
            rows: self.keys.len() as u64 + self.counted,
            key_sum: self.keys.iter().sum(),
            payload_sum: self.summed + if compared { sum(&self.payloads) } else { 0 },
        }
    }
}

fn sum(bytes: &[u8]) -> u64 {
    bytes.iter().map(|byte| u64::from(*byte)).sum()
}
