//! What an index must show in which of rows with equal payloads only the latest lives.

use std::collections::BTreeMap;

use sidx_host::Index;
use sidx_tests::model::{Found, Model, Query, Row};
use sidx_tests::subject::{ask, read};

/// The rows that live, in the order of their arrival, and how many died.
#[derive(Clone, Debug, Default)]
pub(crate) struct Latest {
    rows: Vec<Row>,
    pub(crate) died: u64,
}

impl Latest {
    /// Takes a batch in.
    pub(crate) fn write(&mut self, batch: &[Row]) {
        for row in batch {
            let before = self.rows.len();
            self.rows.retain(|other| other.payload != row.payload);
            self.died += (before - self.rows.len()) as u64;
            self.rows.push(row.clone());
        }
    }

    /// Drops rows with smaller keys.
    pub(crate) fn drop_below(&mut self, below: i64) {
        self.rows.retain(|row| row.key >= below);
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// An ordinary index with the rows that live.
    pub(crate) fn model(&self) -> Model {
        let mut model = Model::default();
        for row in &self.rows {
            model.write(std::slice::from_ref(row));
        }
        model
    }

    /// All rows in key order.
    pub(crate) fn all(&self) -> Vec<Found> {
        self.model().query(&Query::default())
    }
}

/// All rows of an index in key order.
pub(crate) fn all_of(index: &Index) -> sidx_host::Result<Vec<Found>> {
    read(ask(index, &Query::default()).run()?)
}

/// Compares whatever ways there are to ask for everything.
pub(crate) fn assert_shows(index: &Index, wanted: &Latest) {
    let all = wanted.all();
    assert_eq!(all_of(index).unwrap(), all);
    assert_eq!(index.query().count().unwrap(), all.len() as u64);
    let mut sorted = all.clone();
    sorted.sort_unstable();
    let mut swept = read(index.query().payload(true).any_order().run().unwrap()).unwrap();
    swept.sort_unstable();
    assert_eq!(swept, sorted);
    let mut payloads = BTreeMap::new();
    for row in &all {
        let count: &mut u32 = payloads.entry(row.payload.clone()).or_default();
        *count += 1;
        assert_eq!(*count, 1, "{row:?}");
    }
}

/// What the index counts of rows that died.
pub(crate) fn counted(index: &Index) -> u64 {
    let stats = index.stats().unwrap();
    stats["counters"]["latest"].as_u64().unwrap_or_default()
}
