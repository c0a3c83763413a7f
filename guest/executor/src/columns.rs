//! Columns that the host holds for the engine: a batch on its way in, rows on their way out.

use std::sync::Arc;

use sidx_columns::Column;

use crate::error::Error;

type Result<T> = std::result::Result<T, Error>;

/// Columns of equal row count. Clones share them.
#[derive(Clone, Debug)]
pub struct Columns {
    rows: u32,
    columns: Arc<Vec<Column>>,
    /// The key and series of each row, of columns that are part of an answer.
    keys: Option<Arc<(Vec<i64>, RowSeries)>>,
}

/// The key and series of each row, as many of the one as of the other; see `scan.row-keys`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowKeys {
    /// Key of each row.
    pub keys: Vec<i64>,
    /// Series of each row.
    pub series: Vec<u64>,
}

/// The series of consecutive rows, as parallel lists; see `scan.series-runs`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeriesRuns {
    /// Each series.
    pub series: Vec<u64>,
    /// The row after the last of each, which has one at least; the last is the number of rows.
    pub ends: Vec<u32>,
}

impl SeriesRuns {
    /// Whether these are the series of so many rows.
    fn fit(&self, rows: u32) -> bool {
        let starts = std::iter::once(&0).chain(&self.ends);
        let ascend = starts.zip(&self.ends).all(|(start, end)| start < end);
        ascend
            && self.ends.last().map_or(0, |end| *end) == rows
            && self.series.len() == self.ends.len()
    }
}

/// The series of rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowSeries {
    /// One for each row.
    Each(Vec<u64>),
    /// One for each run of rows.
    Runs(SeriesRuns),
}

impl Columns {
    /// The same columns, and the key and series of each row; an error when there are not as many as rows.
    #[inline]
    pub fn with_keys(self, keys: Vec<i64>, series: RowSeries) -> Result<Self> {
        let rows = self.rows;
        let (fit, found) = match &series {
            RowSeries::Each(series) => (series.len() == rows as usize, series.len()),
            RowSeries::Runs(runs) => (runs.fit(rows), runs.series.len()),
        };
        if keys.len() != rows as usize || !fit {
            let keys = keys.len();
            let text = format!("{keys} keys and {found} series do not belong to {rows} rows");
            return Err(Error::request(text));
        }
        let keys = Some(Arc::new((keys, series)));
        Ok(Self { keys, ..self })
    }

    /// Takes the key and series of each row, where they are known.
    #[inline]
    pub fn take_keys(&mut self) -> Option<(Vec<i64>, RowSeries)> {
        Some(Arc::unwrap_or_clone(self.keys.take()?))
    }

    /// Bytes that the keys and series of the rows take.
    #[must_use]
    pub fn key_bytes(&self) -> u64 {
        let bytes = |keys: &Arc<(Vec<i64>, RowSeries)>| {
            let series = match &keys.1 {
                RowSeries::Each(series) => size_of_val(series.as_slice()),
                RowSeries::Runs(runs) => {
                    size_of_val(runs.series.as_slice()) + size_of_val(runs.ends.as_slice())
                }
            };
            (size_of_val(keys.0.as_slice()) + series) as u64
        };
        self.keys.as_ref().map_or(0, bytes)
    }

    /// Bytes that the columns take in memory: values, 4 for each string or bytes, ends of arrays, presence,
    /// and 128 for each column.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        self.columns
            .iter()
            .map(|column| column.size_bytes() as u64)
            .sum()
    }

    /// Columns that must all have `rows` rows.
    #[inline]
    pub fn from_columns(rows: usize, columns: Vec<Column>) -> Result<Self> {
        let count = u32::try_from(rows)
            .map_err(|_| Error::request(format!("{rows} rows are more than {}", u32::MAX)))?;
        if let Some((at, column)) = columns
            .iter()
            .enumerate()
            .find(|(_, column)| column.rows() != rows)
        {
            return Err(uneven(at, column.rows(), rows));
        }
        Ok(Self {
            rows: count,
            columns: Arc::new(columns),
            keys: None,
        })
    }

    /// Rows of each column.
    #[must_use]
    #[inline]
    pub fn rows(&self) -> u32 {
        self.rows
    }

    /// The columns in order.
    #[must_use]
    #[inline]
    pub fn all(&self) -> &[Column] {
        &self.columns
    }

    /// One column; an error when there is none at the position.
    #[inline]
    pub fn get(&self, at: u32) -> Result<&Column> {
        self.columns.get(at as usize).ok_or_else(|| {
            let count = self.columns.len();
            Error::request(format!("column {at} does not exist, there are {count}"))
        })
    }
}

fn uneven(at: usize, found: usize, rows: usize) -> Error {
    Error::request(format!(
        "column {at} has {found} rows, the others have {rows}"
    ))
}
