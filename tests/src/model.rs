//! The naive index: a list of rows, and queries answered by filtering and sorting all of them.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Bound;

use sidx_columns::{OwnedValue, ValueType};

use crate::expression::{Expression, Tags};

/// Whose row it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SeriesName {
    /// A series with a label.
    Label(String),
    /// A series known by its number only.
    Id(u64),
}

impl SeriesName {
    /// The number of the series.
    pub fn id(&self) -> u64 {
        match self {
            Self::Label(label) => sidx_engine::series_id(label),
            Self::Id(id) => *id,
        }
    }
}

/// A row as a caller writes it.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its series.
    pub series: SeriesName,
    /// Its key.
    pub key: i64,
    /// Its payload, possibly empty.
    pub payload: Vec<u8>,
    /// Its tags.
    pub tags: Tags,
}

impl Row {
    /// A row of a numbered series without tags.
    pub fn new(series: u64, key: i64, payload: impl AsRef<[u8]>) -> Row {
        Row {
            series: SeriesName::Id(series),
            key,
            payload: payload.as_ref().to_vec(),
            tags: Tags::new(),
        }
    }

    /// The same row with one more tag.
    pub fn tag(mut self, name: &str, value: impl Into<OwnedValue>) -> Row {
        self.tags.insert(name.to_owned(), value.into());
        self
    }

    /// The same row in a series with a label.
    pub fn of(mut self, label: &str) -> Row {
        self.series = SeriesName::Label(label.to_owned());
        self
    }
}

/// Which tags a query returns.
#[derive(Clone, Debug)]
pub enum Projection {
    /// All of them.
    All,
    /// These, in this order; unknown names are left out.
    Only(Vec<String>),
}

/// A query.
#[derive(Clone, Debug)]
pub struct Query {
    /// The wanted series; none for all.
    pub series: Option<Vec<SeriesName>>,
    /// Lower bound of the key.
    pub low: Bound<i64>,
    /// Upper bound of the key.
    pub high: Bound<i64>,
    /// Row filter.
    pub filter: Option<Expression>,
    /// Greatest key first, the exact reverse of ascending order.
    pub descending: bool,
    /// Most rows.
    pub limit: Option<u64>,
    /// Only the first row of each payload, in result order.
    pub distinct_payload: bool,
    /// Tags to return.
    pub projection: Projection,
    /// Whether to return payloads.
    pub payload: bool,
}

impl Default for Query {
    /// Everything, ascending.
    fn default() -> Query {
        Query {
            series: None,
            low: Bound::Unbounded,
            high: Bound::Unbounded,
            filter: None,
            descending: false,
            limit: None,
            distinct_payload: false,
            projection: Projection::All,
            payload: true,
        }
    }
}

/// A value that compares by identity: NaN equals itself, -0.0 differs from 0.0.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cell {
    /// Text.
    String(String),
    /// Integer.
    Int(i64),
    /// The bits of a float.
    Float(u64),
    /// Truth value.
    Bool(bool),
    /// Bytes.
    Bytes(Vec<u8>),
    /// Nanoseconds.
    Timestamp(i64),
    /// Element type and elements.
    Array(ValueType, Vec<Cell>),
}

impl From<&OwnedValue> for Cell {
    fn from(value: &OwnedValue) -> Cell {
        match value {
            OwnedValue::String(text) => Cell::String(text.clone()),
            OwnedValue::Int(value) => Cell::Int(*value),
            OwnedValue::Float(value) => Cell::Float(value.to_bits()),
            OwnedValue::Bool(value) => Cell::Bool(*value),
            OwnedValue::Bytes(bytes) => Cell::Bytes(bytes.clone()),
            OwnedValue::Timestamp(value) => Cell::Timestamp(*value),
            OwnedValue::Array(kind, elements) => {
                Cell::Array(*kind, elements.iter().map(Cell::from).collect())
            }
        }
    }
}

/// A row as a query or dump returns it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Found {
    /// Its key.
    pub key: i64,
    /// Its series.
    pub series: u64,
    /// The label of the series, if it has one.
    pub label: Option<String>,
    /// Its payload, if the query asked for payloads.
    pub payload: Option<Vec<u8>>,
    /// The tags that the query asked for and the row has.
    pub tags: BTreeMap<String, Cell>,
}

/// All rows that were acknowledged, in order of arrival. A row's element id is its place in the
/// order of arrival, so the list itself breaks ties.
#[derive(Clone, Debug, Default)]
pub struct Model {
    rows: Vec<Row>,
    labels: BTreeMap<u64, String>,
}

impl Model {
    /// Adds a batch.
    pub fn write(&mut self, batch: &[Row]) {
        for row in batch {
            if let SeriesName::Label(label) = &row.series {
                self.labels.insert(row.series.id(), label.clone());
            }
            self.rows.push(row.clone());
        }
    }

    /// All rows in order of arrival.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Drops the rows that a filter accepts and those with smaller keys than `below`.
    pub fn drop_rows(&mut self, filter: Option<&Expression>, below: Option<i64>) {
        self.rows.retain(|row| {
            !filter.is_some_and(|filter| filter.accepts(&row.tags))
                && below.is_none_or(|below| row.key >= below)
        });
    }

    /// The rows of a query in result order.
    pub fn query(&self, query: &Query) -> Vec<Found> {
        let wanted: Option<HashSet<u64>> = query
            .series
            .as_ref()
            .map(|names| names.iter().map(SeriesName::id).collect());
        let matches = |row: &&Row| {
            wanted
                .as_ref()
                .is_none_or(|ids| ids.contains(&row.series.id()))
                && after_low(query.low, row.key)
                && before_high(query.high, row.key)
                && query
                    .filter
                    .as_ref()
                    .is_none_or(|filter| filter.accepts(&row.tags))
        };
        let mut rows: Vec<&Row> = self.rows.iter().filter(matches).collect();
        // Stable, so rows of equal key and series stay in order of arrival.
        rows.sort_by_key(|row| (row.key, row.series.id()));
        if query.descending {
            rows.reverse();
        }
        if query.distinct_payload {
            let mut seen = HashSet::new();
            rows.retain(|row| seen.insert(&row.payload));
        }
        rows.truncate(
            query
                .limit
                .unwrap_or(u64::MAX)
                .try_into()
                .unwrap_or(usize::MAX),
        );
        rows.into_iter().map(|row| self.found(row, query)).collect()
    }

    /// What is wrong with rows that a query returned in any order; none when they are right.
    pub fn fault_in_any_order(&self, query: &Query, found: &[Found]) -> Option<String> {
        let all = Query {
            limit: None,
            distinct_payload: false,
            payload: true,
            ..query.clone()
        };
        let mut matching = self.query(&all);
        let mut wanted = matching.len();
        if query.distinct_payload {
            let payloads: HashSet<_> = matching.iter().map(|row| row.payload.clone()).collect();
            wanted = payloads.len();
            let found: HashSet<_> = found.iter().map(|row| row.payload.clone()).collect();
            let limit = query.limit.unwrap_or(u64::MAX);
            if query.payload && (found.len() as u64) < (wanted as u64).min(limit) {
                return Some(format!("{} payloads of {wanted}", found.len()));
            }
        }
        let limit = query.limit.unwrap_or(u64::MAX);
        if found.len() as u64 != (wanted as u64).min(limit) {
            return Some(format!("{} rows of {wanted}", found.len()));
        }
        let mut left: HashMap<Found, usize> = HashMap::new();
        for mut row in matching.drain(..) {
            row.payload = row.payload.filter(|_| query.payload);
            *left.entry(row).or_default() += 1;
        }
        for row in found {
            match left.get_mut(row) {
                Some(count) if *count > 0 => *count -= 1,
                _ => return Some(format!("a row too many: {row:?}")),
            }
        }
        None
    }

    /// Every row with everything, sorted as a multiset.
    pub fn dump(&self) -> Vec<Found> {
        let mut rows = self.query(&Query::default());
        rows.sort_unstable();
        rows
    }

    fn found(&self, row: &Row, query: &Query) -> Found {
        let series = row.series.id();
        let shown = |name: &String| match &query.projection {
            Projection::All => true,
            Projection::Only(names) => names.contains(name),
        };
        Found {
            key: row.key,
            series,
            label: self.labels.get(&series).cloned(),
            payload: query.payload.then(|| row.payload.clone()),
            tags: row
                .tags
                .iter()
                .filter(|(name, _)| shown(name))
                .map(|(name, value)| (name.clone(), Cell::from(value)))
                .collect(),
        }
    }
}

fn after_low(low: Bound<i64>, key: i64) -> bool {
    match low {
        Bound::Unbounded => true,
        Bound::Included(bound) => key >= bound,
        Bound::Excluded(bound) => key > bound,
    }
}

fn before_high(high: Bound<i64>, key: i64) -> bool {
    match high {
        Bound::Unbounded => true,
        Bound::Included(bound) => key <= bound,
        Bound::Excluded(bound) => key < bound,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(rows: &[Found]) -> Vec<i64> {
        rows.iter().map(|row| row.key).collect()
    }

    fn sample() -> Model {
        let mut model = Model::default();
        model.write(&[
            Row::new(2, 5, "a"),
            Row::new(1, 5, "b"),
            Row::new(2, 5, "a"),
        ]);
        model.write(&[Row::new(1, i64::MIN, "c"), Row::new(1, i64::MAX, "b")]);
        model
    }

    #[test]
    fn order_is_key_then_series_then_arrival_and_reverses_exactly() {
        let model = sample();
        let mut rows = model.query(&Query::default());
        let order: Vec<_> = rows.iter().map(|row| (row.key, row.series)).collect();
        assert_eq!(
            order,
            [(i64::MIN, 1), (5, 1), (5, 2), (5, 2), (i64::MAX, 1)]
        );
        let back = model.query(&Query {
            descending: true,
            ..Query::default()
        });
        rows.reverse();
        assert_eq!(rows, back);
    }

    #[test]
    fn distinct_comes_before_the_limit() {
        let query = Query {
            distinct_payload: true,
            limit: Some(2),
            ..Query::default()
        };
        assert_eq!(keys(&sample().query(&query)), [i64::MIN, 5]);
        let query = Query {
            distinct_payload: true,
            descending: true,
            ..Query::default()
        };
        assert_eq!(keys(&sample().query(&query)), [i64::MAX, 5, i64::MIN]);
    }

    #[test]
    fn bounds_are_inclusive_exclusive_or_open() {
        let between = |low, high| {
            keys(&sample().query(&Query {
                low,
                high,
                ..Query::default()
            }))
        };
        assert_eq!(
            between(Bound::Excluded(i64::MIN), Bound::Excluded(i64::MAX)),
            [5, 5, 5]
        );
        assert!(between(Bound::Included(5), Bound::Excluded(5)).is_empty());
        assert_eq!(
            between(Bound::Unbounded, Bound::Included(i64::MIN)),
            [i64::MIN]
        );
    }
}
