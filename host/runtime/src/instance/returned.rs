//! Rows as an instance returned them.

use std::sync::Arc;

use sidx_engine::host::RowKeys;
use sidx_engine::{RowContent, Rows};
use sidx_executor::RowSeries;

use crate::error::{Error, ErrorKind, Result};
use crate::session::{Columns, Session};

/// Rows that an instance returned, with their keys and series, wherever these were. Nobody looked yet whether
/// they are the rows and columns that were asked for.
pub(crate) struct Returned {
    /// One per row, as `series` has one, or one for each run of rows.
    pub(crate) keys: Vec<i64>,
    pub(crate) series: RowSeries,
    /// With as many rows as there are keys; none where keys and series are all there is.
    pub(crate) columns: Option<Columns>,
    /// The tag of each column but the payload's; none where they were told before, or there is no row.
    pub(crate) names: Option<Arc<[String]>>,
    pub(crate) stripe: u32,
}

impl Returned {
    /// Takes the keys out of the columns that hold them, and these out of the session where it found them.
    /// Columns without keys, and keys without series, are the answer of an engine that does not work.
    pub(crate) fn of(rows: Rows<Columns>, session: &Session) -> Result<Self> {
        let held = |mut columns: Columns| match columns.take_keys() {
            Some((keys, series)) => Ok((keys, series, Some(columns))),
            None => Err(wrong("columns without the keys of their rows".to_owned())),
        };
        let (keys, series, columns) = match rows.content {
            RowContent::Found => match session.take_found() {
                Some(columns) => held(columns)?,
                None => return Err(wrong("rows that were not found".to_owned())),
            },
            RowContent::Held(columns) => held(columns)?,
            RowContent::Listed(RowKeys { keys, series }) => {
                if keys.len() != series.len() {
                    let (keys, series) = (keys.len(), series.len());
                    return Err(wrong(format!("{keys} keys and {series} series")));
                }
                (keys, RowSeries::Each(series), None)
            }
        };
        Ok(Self {
            keys,
            series,
            columns,
            names: rows.names.map(Arc::from),
            stripe: rows.stripe,
        })
    }

    /// Number of rows.
    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
}

fn wrong(what: String) -> Error {
    let text = format!("the engine returned {what}; it does not work as it should");
    Error::new(ErrorKind::Other, text)
}
