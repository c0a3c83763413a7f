//! Rows on their way into an index.

mod columns;

use std::collections::HashMap;

use sidx_columns::{Column, ColumnType, ValueType};
use sidx_engine::{BATCH_BYTES_MAX, Durability, series_id};

use self::columns::{RowColumns, broken, fill};
use crate::error::{Error, Result};
use crate::session::Columns;
use crate::value::TagValue;

/// The series of a row: a label, from which its id is computed, or an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Series<'a> {
    /// The label; the index remembers it.
    Label(&'a str),
    /// The id.
    Id(u64),
}

impl<'a> Series<'a> {
    /// The series with this label.
    #[must_use]
    pub fn label(label: &'a str) -> Self {
        Self::Label(label)
    }

    /// The series with this id.
    #[must_use]
    pub fn id(id: u64) -> Self {
        Self::Id(id)
    }
}

impl<'a> From<&'a str> for Series<'a> {
    fn from(label: &'a str) -> Self {
        Self::Label(label)
    }
}

impl<'a> From<&'a String> for Series<'a> {
    fn from(label: &'a String) -> Self {
        Self::Label(label)
    }
}

impl From<u64> for Series<'_> {
    fn from(id: u64) -> Self {
        Self::Id(id)
    }
}

/// Rows that are written together: all of them or, when one is refused, none.
///
/// ```
/// # fn main() -> sidx_host::Result<()> {
/// use sidx_host::{Batch, Series};
///
/// let mut batch = Batch::new();
/// batch.row(Series::label("UA"), 42).payload(b"late").tag("origin", "EWR").add()?;
/// batch.row(Series::id(7), -1).tag("codes", vec![1, 2]).tag("fast", true).add()?;
/// assert_eq!(batch.len(), 2);
///
/// let error = batch.row("UA", 3).tag("origin", "EWR").tag("origin", 5).add().unwrap_err();
/// assert_eq!(error.to_string(), "invalid-argument: row 2, tag `origin`: given twice");
/// assert_eq!(batch.len(), 2);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, Default)]
pub struct Batch {
    labels: Vec<String>,
    /// Positions in `labels` by id.
    label_ids: HashMap<u64, usize>,
    series: Vec<u64>,
    keys: Vec<i64>,
    body: Body,
}

#[derive(Clone, Debug)]
enum Body {
    Rows(RowColumns),
    Columns {
        payloads: Column,
        tags: Vec<(String, Column)>,
    },
}

impl Default for Body {
    fn default() -> Self {
        Self::Rows(RowColumns::default())
    }
}

impl Batch {
    /// No rows yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A batch from whole columns, for callers that have their data in columns anyway: payloads are of
    /// type bytes and present in every row. A name may come once per type. Rows cannot be added one by
    /// one.
    ///
    /// # Errors
    /// `invalid-argument` when columns differ in their number of rows, or for payloads of another type
    /// or with absent rows.
    pub fn from_columns(
        series: Vec<u64>,
        keys: Vec<i64>,
        payloads: Column,
        tags: Vec<(String, Column)>,
    ) -> Result<Self> {
        let rows = keys.len();
        let check = |what: &str, found: usize| {
            if found == rows {
                return Ok(());
            }
            Err(Error::invalid(format!(
                "{what}: {found} rows, but there are {rows} keys"
            )))
        };
        check("series", series.len())?;
        check("payloads", payloads.rows())?;
        for (name, column) in &tags {
            check(&format!("tag `{name}`"), column.rows())?;
        }
        let kind = payloads.kind();
        if kind != ColumnType::scalar(ValueType::Bytes) {
            return Err(Error::invalid(format!(
                "payloads: the column is of type {kind}, not bytes"
            )));
        }
        if payloads.present_count() != rows {
            let text = "payloads: absent in some rows; an empty payload is no bytes, not absent";
            return Err(Error::invalid(text));
        }
        let body = Body::Columns { payloads, tags };
        Ok(Self {
            series,
            keys,
            body,
            ..Self::default()
        })
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there are no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Tells the label of a series whose rows are given by id, and returns the id.
    pub fn add_label(&mut self, label: &str) -> u64 {
        let id = series_id(label);
        let known = self.label_ids.get(&id).and_then(|at| self.labels.get(*at));
        // Of two labels with one id both go to the index, which refuses the batch.
        if known.is_none_or(|known| known != label) {
            self.label_ids.insert(id, self.labels.len());
            self.labels.push(label.to_owned());
        }
        id
    }

    /// Starts a row, which [`RowBuilder::add`] completes.
    pub fn row<'v>(&mut self, series: impl Into<Series<'v>>, key: i64) -> RowBuilder<'_, 'v> {
        if let Body::Rows(columns) = &mut self.body {
            columns.begin_row();
        }
        RowBuilder {
            batch: self,
            series: series.into(),
            key,
            payload: &[],
            tags: Vec::new(),
            error: None,
        }
    }

    /// The batch for the engine.
    pub(crate) fn into_engine(self, durability: Durability) -> Result<sidx_engine::Batch<Columns>> {
        let rows = self.keys.len();
        let (payloads, tags) = match self.body {
            Body::Rows(columns) => columns.finish(rows)?,
            Body::Columns { payloads, tags } => (payloads, tags),
        };
        let (names, columns): (Vec<String>, Vec<Column>) = tags.into_iter().unzip();
        let columns = std::iter::once(payloads).chain(columns).collect();
        let columns = Columns::from_columns(rows, columns)?;
        // The engine checks the same; here it keeps an oversized batch out of its memory.
        let size_bytes = columns.size_bytes().saturating_add(16 * rows as u64);
        if size_bytes > BATCH_BYTES_MAX {
            return Err(Error::invalid(format!(
                "the batch holds {size_bytes} bytes, the limit is {BATCH_BYTES_MAX} bytes (64 MiB); split it"
            )));
        }
        Ok(sidx_engine::Batch {
            labels: self.labels,
            series: self.series,
            keys: self.keys,
            columns,
            names,
            durability,
        })
    }
}

/// A row that is being put together; nothing of it is in the batch before [`add`](Self::add).
#[must_use = "a row is not in the batch until `add`"]
pub struct RowBuilder<'b, 'v> {
    batch: &'b mut Batch,
    series: Series<'v>,
    key: i64,
    payload: &'v [u8],
    tags: Vec<(usize, TagValue<'v>)>,
    error: Option<Error>,
}

impl<'v> RowBuilder<'_, 'v> {
    /// The payload; empty by default.
    pub fn payload(mut self, bytes: &'v (impl AsRef<[u8]> + ?Sized)) -> Self {
        self.payload = bytes.as_ref();
        self
    }

    /// A tag. Its type is that of the value.
    pub fn tag(mut self, name: &str, value: impl Into<TagValue<'v>>) -> Self {
        if self.error.is_none()
            && let Err(what) = self.try_tag(name, value.into())
        {
            let row = self.batch.len();
            self.error = Some(Error::invalid(format!("row {row}, tag `{name}`: {what}")));
        }
        self
    }

    fn try_tag(&mut self, name: &str, value: TagValue<'v>) -> Result<(), String> {
        if let Some(misfit) = value.misfit() {
            let (kind, found) = (value.kind(), misfit.kind());
            return Err(format!("a value of type {found} does not belong in {kind}"));
        }
        let Body::Rows(columns) = &mut self.batch.body else {
            return Err("the batch was made of columns and takes no single rows".to_owned());
        };
        let column = columns.tag(name, value.kind()).ok_or("given twice")?;
        self.tags.push((column, value));
        Ok(())
    }

    /// Completes the row.
    ///
    /// # Errors
    /// `invalid-argument`, naming row and tag. A tag given twice, or an array with values of several
    /// types, leaves the batch as it was. A batch in which a column outgrew 4 GiB cannot be written any
    /// more.
    pub fn add(self) -> Result<()> {
        if let Some(error) = self.error {
            return Err(error);
        }
        let row = self.batch.keys.len();
        let Body::Rows(columns) = &mut self.batch.body else {
            let text = "the batch was made of columns and takes no single rows";
            return Err(Error::invalid(format!("row {row}: {text}")));
        };
        for (at, value) in &self.tags {
            if let Some(tag) = columns.tags.get_mut(*at) {
                fill(&mut tag.column, row)
                    .and_then(|()| value.push(&mut tag.column))
                    .map_err(|cause| broken(&tag.name, &cause).at(format_args!("row {row}")))?;
            }
        }
        columns
            .payloads
            .push_bytes(self.payload)
            .map_err(|cause| Error::invalid(format!("row {row}, payload: {cause}")))?;
        let series = match self.series {
            Series::Id(id) => id,
            Series::Label(label) => self.batch.add_label(label),
        };
        self.batch.series.push(series);
        self.batch.keys.push(self.key);
        Ok(())
    }
}
