//! Rows that a query returned.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

use sidx_columns::{Column, ColumnType, OwnedValue, Value, ValueType};
use sidx_executor::{RowSeries, SeriesRuns};

use crate::error::{Error, ErrorKind, Result};
use crate::instance::Returned;
use crate::labels::{Labels, LostLabels};
use crate::session::Columns;

/// The type of payloads.
const PAYLOAD: ColumnType = ColumnType::scalar(ValueType::Bytes);

/// Rows in result order, as columns.
///
/// ```
/// # fn main() -> sidx_host::Result<()> {
/// use sidx_host::{Batch, Series, Store, Value};
///
/// let index = Store::memory().index("flights").create()?;
/// let mut batch = Batch::new();
/// batch.row(Series::label("UA"), 7).payload(b"x").tag("origin", "EWR").add()?;
/// index.write(batch)?;
/// for rows in index.query().run()? {
///     let rows = rows?;
///     assert_eq!(rows.keys(), [7]);
///     assert_eq!(rows.label(0)?.as_deref(), Some("UA"));
///     assert_eq!(rows.payload(0), Some(&b"x"[..]));
///     assert_eq!(rows.tag("origin", 0), Some(Value::String("EWR")));
///     assert_eq!(rows.tag("origin", 1), None);
/// }
/// # Ok(()) }
/// ```
pub struct Rows {
    keys: Vec<i64>,
    series: Series,
    columns: Option<Columns>,
    has_payload: bool,
    names: Arc<[String]>,
    labels: Arc<Labels>,
    resolved: OnceLock<HashMap<u64, Arc<str>>>,
    /// Labels that cannot be read are left out, and noted here; none where the result must be whole.
    lost_labels: Option<Arc<LostLabels>>,
}

/// The series of rows.
enum Series {
    Each(Vec<u64>),
    /// For each run of rows, and what that amounts to when it is asked for.
    Runs(SeriesRuns, OnceLock<Vec<u64>>),
}

impl Series {
    fn all(&self) -> &[u64] {
        match self {
            Self::Each(series) => series,
            Self::Runs(runs, each) => each.get_or_init(|| {
                let rows = runs.ends.last().map_or(0, |end| *end as usize);
                let mut all = Vec::with_capacity(rows);
                for (id, end) in runs.series.iter().zip(&runs.ends) {
                    all.resize(*end as usize, *id);
                }
                all
            }),
        }
    }
}

impl Rows {
    /// Rows from the engine, which must have as many columns as it was asked for.
    pub(crate) fn new(rows: Returned, has_payload: bool, labels: Arc<Labels>) -> Result<Self> {
        let all = rows.columns.as_ref().map_or(&[][..], Columns::all);
        let Some(names) = rows
            .names
            .or_else(|| rows.keys.is_empty().then(Arc::default))
        else {
            let text = "the engine returned rows without the names of their columns";
            return Err(Error::new(ErrorKind::Other, text));
        };
        let expected = names.len() + usize::from(has_payload);
        // Without rows there need not be columns.
        if all.len() != expected && !(rows.keys.is_empty() && rows.columns.is_none()) {
            let found = all.len();
            let text = format!("the engine returned {found} columns instead of {expected}");
            return Err(Error::new(ErrorKind::Other, text));
        }
        if let Some(payloads) = all.first().filter(|_| has_payload)
            && (payloads.kind() != PAYLOAD || payloads.present_count() != payloads.rows())
        {
            let text = "the engine returned payloads that are not bytes in every row";
            return Err(Error::new(ErrorKind::Other, text));
        }
        Ok(Self {
            keys: rows.keys,
            series: match rows.series {
                RowSeries::Each(series) => Series::Each(series),
                RowSeries::Runs(runs) => Series::Runs(runs, OnceLock::new()),
            },
            columns: rows.columns,
            has_payload,
            names,
            labels,
            resolved: OnceLock::new(),
            lost_labels: None,
        })
    }

    /// The same rows, whose labels may be lost, which is noted.
    pub(crate) fn with_lost_labels(mut self, lost: Option<&Arc<LostLabels>>) -> Self {
        self.lost_labels = lost.cloned();
        self
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys().len()
    }

    /// Whether there are no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys().is_empty()
    }

    /// The key of each row.
    #[must_use]
    pub fn keys(&self) -> &[i64] {
        &self.keys
    }

    /// The series of each row.
    #[must_use]
    pub fn series(&self) -> &[u64] {
        self.series.all()
    }

    /// The columns that were asked for.
    fn columns(&self) -> &[Column] {
        self.columns.as_ref().map_or(&[][..], Columns::all)
    }

    /// The label of a row's series; `None` when it has none, or beyond the last row. The first call
    /// looks up the labels of all rows at once.
    ///
    /// # Errors
    /// When the labels must be looked up: `corrupt` or `io` when parts cannot be read, `resource-exhausted`
    /// when all instances are in use.
    pub fn label(&self, row: usize) -> Result<Option<Arc<str>>> {
        let Some(series) = self.series().get(row) else {
            return Ok(None);
        };
        if self.resolved.get().is_none() {
            let labels = match &self.lost_labels {
                Some(lost) => self.labels.resolve_readable(self.series(), lost)?,
                None => self.labels.resolve(self.series())?,
            };
            // Another thread may have been faster; both found the same.
            let _ = self.resolved.set(labels);
        }
        Ok(self
            .resolved
            .get()
            .and_then(|labels| labels.get(series))
            .map(Arc::clone))
    }

    /// The payload of a row; `None` when payloads were not asked for, or beyond the last row.
    #[must_use]
    pub fn payload(&self, row: usize) -> Option<&[u8]> {
        match self.payloads()?.value(row)? {
            Value::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The column of payloads, if they were asked for.
    #[must_use]
    pub fn payloads(&self) -> Option<&Column> {
        self.columns().first().filter(|_| self.has_payload)
    }

    /// The value of a tag in a row; `None` when it is absent, was not asked for, or beyond the last row.
    #[must_use]
    pub fn tag(&self, name: &str, row: usize) -> Option<Value<'_>> {
        // A name has one column per type that was ever written under it; a row has a value in one.
        self.tags()
            .filter(|(tag, _)| *tag == name)
            .find_map(|(_, column)| column.value(row))
    }

    /// The columns of tags with their names. A name comes once per type that was written under it.
    pub fn tags(&self) -> impl Iterator<Item = (&str, &Column)> {
        let tags = self.columns().iter().skip(usize::from(self.has_payload));
        self.names.iter().map(String::as_str).zip(tags)
    }

    /// One row by itself; `None` beyond the last row.
    ///
    /// # Errors
    /// As [`label`](Self::label).
    pub fn row(&self, row: usize) -> Result<Option<Row>> {
        let (Some(key), Some(series)) = (self.keys().get(row), self.series().get(row)) else {
            return Ok(None);
        };
        let tags = self.tags().filter_map(|(name, column)| {
            Some((name.to_owned(), column.value(row)?.to_owned_value()))
        });
        Ok(Some(Row {
            key: *key,
            series: *series,
            label: self.label(row)?,
            payload: self.payload(row).map(<[u8]>::to_vec),
            tags: tags.collect(),
        }))
    }
}

impl fmt::Debug for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rows")
            .field("keys", &self.keys())
            .field("series", &self.series())
            .field("names", &self.names)
            .finish_non_exhaustive()
    }
}

/// One row by itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Key.
    pub key: i64,
    /// Series.
    pub series: u64,
    /// Label of the series, if it has one.
    pub label: Option<Arc<str>>,
    /// Payload, if payloads were asked for.
    pub payload: Option<Vec<u8>>,
    /// Tags that the row has, of those asked for.
    pub tags: Vec<(String, OwnedValue)>,
}

impl Row {
    /// The value of a tag; `None` when the row does not have it or it was not asked for.
    #[must_use]
    pub fn tag(&self, name: &str) -> Option<&OwnedValue> {
        self.tags
            .iter()
            .find(|(tag, _)| tag == name)
            .map(|(_, value)| value)
    }
}

/// Physical rows of one part; see [`Index::dump`](crate::Index::dump).
#[derive(Debug)]
pub struct DumpedRows {
    /// Name of the part.
    pub part: String,
    /// Block in the part.
    pub block: u32,
    /// Ordinal of the first row in the part.
    pub first_row: u64,
    /// The rows in stored order, with payloads and all tags.
    pub rows: Rows,
}
