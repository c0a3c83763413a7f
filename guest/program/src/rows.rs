//! Rows that were read.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use sidx_columns::{Bitmap, ByteStrings, Column, ColumnType, ValueType, Values};
use sidx_command::database::{self, Error, Result};

use crate::bindings::{index, scan, session};
use crate::error::other;
use crate::labels::LostLabels;
use crate::opened::Opened;

/// The type of payloads.
const PAYLOAD: ColumnType = ColumnType::scalar(ValueType::Bytes);

/// Rows in result order, as columns.
pub(crate) struct Rows {
    keys: Vec<i64>,
    series: Vec<u64>,
    columns: Vec<Column>,
    has_payload: bool,
    names: Vec<String>,
    resolved: OnceCell<BTreeMap<u64, Arc<str>>>,
    /// Labels that cannot be read are left out, and noted here; none where the result must be whole.
    lost_labels: Option<Rc<LostLabels>>,
    index: Rc<Opened>,
}

impl Rows {
    /// Takes rows of the engine, which must have as many columns as it was asked for.
    pub(crate) fn take(rows: index::Rows, has_payload: bool, index: &Rc<Opened>) -> Result<Self> {
        let held = match rows.content {
            index::RowContent::Found => match session::found() {
                Some(columns) => Ok(columns),
                None => return Err(other("the engine returned rows that were not found")),
            },
            index::RowContent::Held(columns) => Ok(columns),
            index::RowContent::Listed(keys) => Err(keys),
        };
        let (keys, columns) = match held {
            Ok(columns) => {
                let keys = session::keys_of(&columns).ok_or_else(|| {
                    other("the engine returned columns without the keys of their rows")
                })?;
                (keys, read_all(&columns)?)
            }
            Err(keys) => (keys, Vec::new()),
        };
        let names = match rows.names {
            Some(names) => names,
            None if keys.keys.is_empty() => Vec::new(),
            None => {
                let text = "the engine returned rows without the names of their columns";
                return Err(other(text));
            }
        };
        let expected = names.len() + usize::from(has_payload);
        // Without rows there need not be columns.
        if columns.len() != expected && !(keys.keys.is_empty() && columns.is_empty()) {
            let found = columns.len();
            let text = format!("the engine returned {found} columns instead of {expected}");
            return Err(other(text));
        }
        if let Some(payloads) = columns.first().filter(|_| has_payload)
            && (payloads.kind() != PAYLOAD || payloads.present_count() != payloads.rows())
        {
            let text = "the engine returned payloads that are not bytes in every row";
            return Err(other(text));
        }
        Ok(Self {
            keys: keys.keys,
            series: keys.series,
            columns,
            has_payload,
            names,
            resolved: OnceCell::new(),
            lost_labels: None,
            index: Rc::clone(index),
        })
    }

    /// The same rows, whose labels may be lost, which is noted.
    pub(crate) fn with_lost_labels(mut self, lost: Option<&Rc<LostLabels>>) -> Self {
        self.lost_labels = lost.cloned();
        self
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }
}

impl database::Rows for Rows {
    fn keys(&self) -> &[i64] {
        &self.keys
    }

    fn series(&self) -> &[u64] {
        &self.series
    }

    fn label(&self, row: usize) -> Result<Option<Arc<str>>> {
        let Some(series) = self.series.get(row) else {
            return Ok(None);
        };
        let resolved = match self.resolved.get() {
            Some(resolved) => resolved,
            None => {
                let mut labels = self.index.labels.borrow_mut();
                let found = match &self.lost_labels {
                    Some(lost) => labels.resolve_readable(&self.series, lost)?,
                    None => labels.resolve(&self.series)?,
                };
                self.resolved.get_or_init(|| found)
            }
        };
        Ok(resolved.get(series).cloned())
    }

    fn payloads(&self) -> Option<&Column> {
        self.columns.first().filter(|_| self.has_payload)
    }

    fn tags(&self) -> impl Iterator<Item = (&str, &Column)> {
        let tags = self.columns.iter().skip(usize::from(self.has_payload));
        self.names.iter().map(String::as_str).zip(tags)
    }
}

fn read_all(columns: &scan::Columns) -> Result<Vec<Column>> {
    let count = u32::try_from(columns.facts().kinds.len()).unwrap_or(u32::MAX);
    (0..count)
        .map(|number| column(columns.read(number)))
        .collect()
}

/// A column by value.
fn column(column: scan::Column) -> Result<Column> {
    let wrong = |what: &dyn std::fmt::Display| other(format!("a column of the adapter: {what}"));
    let kind = ColumnType::from_code(column.kind)
        .ok_or_else(|| wrong(&format_args!("its type is {}", column.kind)))?;
    let rows = column.rows as usize;
    let values = match column.values {
        scan::Values::Ints(values) => Values::Int(values),
        scan::Values::Floats(values) => Values::Float(values),
        scan::Values::Bools(values) => {
            Values::Bool(values.into_iter().map(|value| value != 0).collect())
        }
        scan::Values::ByteStrings(strings) => {
            let strings = ByteStrings::new(strings.ends, strings.bytes);
            Values::Bytes(strings.map_err(|cause| wrong(&cause))?)
        }
    };
    let presence = column.presence.map(|words| {
        Bitmap::from_words(words, rows)
            .ok_or_else(|| wrong(&format_args!("its presence is not {rows} bits long")))
    });
    let presence: Option<Bitmap> = presence.transpose()?;
    Column::new(kind, rows, presence, column.ends, values).map_err(|cause| wrong(&cause))
}

/// The error of a query with more rows than it may have.
pub(crate) fn too_many_rows(max_rows: u64) -> Error {
    let text = format!(
        "the query has more than the {max_rows} rows it may have; narrow it, give it a `limit`, or \
         raise `max_rows`"
    );
    Error::new(sidx_engine::ErrorKind::LimitExceeded, text)
}
