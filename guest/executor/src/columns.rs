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
    order: Option<Arc<RowOrder>>,
}

/// The key and series of each row.
#[derive(Clone, Debug, Default)]
struct RowOrder {
    keys: Vec<i64>,
    series: Vec<u64>,
}

impl Columns {
    /// No columns yet, of `rows` rows.
    #[must_use]
    #[inline]
    pub fn new(rows: u32) -> Self {
        Self {
            rows,
            columns: Arc::default(),
            order: None,
        }
    }

    /// The same columns, and the key and series of each row; an error when there are not as many as rows.
    #[inline]
    pub fn ordered(self, keys: Vec<i64>, series: Vec<u64>) -> Result<Self> {
        for (what, found) in [("keys", keys.len()), ("series", series.len())] {
            if found != self.rows as usize {
                let rows = self.rows;
                return Err(Error::request(format!("{found} {what} for {rows} rows")));
            }
        }
        let order = Some(Arc::new(RowOrder { keys, series }));
        Ok(Self { order, ..self })
    }

    /// Takes the key and series of each row, where they are known.
    #[inline]
    pub fn take_order(&mut self) -> Option<(Vec<i64>, Vec<u64>)> {
        let RowOrder { keys, series } = Arc::unwrap_or_clone(self.order.take()?);
        Some((keys, series))
    }

    /// Bytes that the keys and series of the rows take.
    #[must_use]
    pub fn order_bytes(&self) -> u64 {
        let order = self.order.as_ref();
        order.map_or(0, |order| order.keys.len() as u64 * 16)
    }

    /// Raw bytes of all values.
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
        let mut result = Self::new(count);
        if let Some((at, column)) = columns
            .iter()
            .enumerate()
            .find(|(_, column)| column.rows() != rows)
        {
            return Err(uneven(at, column.rows(), rows));
        }
        result.columns = Arc::new(columns);
        Ok(result)
    }

    /// Adds a column, which must have as many rows as the others.
    pub fn push(&mut self, column: Column) -> Result<()> {
        if column.rows() != self.rows as usize {
            return Err(uneven(
                self.columns.len(),
                column.rows(),
                self.rows as usize,
            ));
        }
        Arc::make_mut(&mut self.columns).push(column);
        Ok(())
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
