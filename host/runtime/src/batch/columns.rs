//! Columns of a batch that is filled row by row.

use std::collections::HashMap;

use sidx_columns::{Column, ColumnBuilder, ColumnError, ColumnType, ValueType};

use crate::error::{Error, Result};

/// Columns that grow by rows. A column is only touched by the rows that have a value in it; the rows
/// between are filled in when the next value comes.
#[derive(Clone, Debug)]
pub(super) struct RowColumns {
    pub(super) payloads: ColumnBuilder,
    pub(super) tags: Vec<TagColumn>,
    by_name: HashMap<String, Vec<usize>>,
    /// Number of the row that is being put together, counting those that were given up.
    stamp: u64,
    /// Where the next tag is expected: rows tend to name their tags in the same order.
    expected: usize,
}

#[derive(Clone, Debug)]
pub(super) struct TagColumn {
    pub(super) name: String,
    pub(super) column: ColumnBuilder,
    /// The last row, by its stamp, that named this tag.
    stamp: u64,
    /// Another column has the same name and another type.
    shares_name: bool,
}

impl Default for RowColumns {
    fn default() -> Self {
        Self {
            payloads: ColumnBuilder::new(ColumnType::scalar(ValueType::Bytes)),
            tags: Vec::new(),
            by_name: HashMap::new(),
            stamp: 0,
            expected: 0,
        }
    }
}

impl RowColumns {
    pub(super) fn begin_row(&mut self) {
        self.stamp += 1;
        self.expected = 0;
    }

    /// The column of a tag in the row being put together; `None` when the row named the tag before.
    pub(super) fn tag(&mut self, name: &str, kind: ColumnType) -> Option<usize> {
        let at = match self.tags.get(self.expected) {
            Some(tag) if !tag.shares_name && tag.column.kind() == kind && tag.name == name => {
                self.expected
            }
            _ => self.find(name, kind)?,
        };
        let tag = self
            .tags
            .get_mut(at)
            .filter(|tag| tag.stamp != self.stamp)?;
        tag.stamp = self.stamp;
        self.expected = at + 1;
        Some(at)
    }

    /// As [`tag`](Self::tag), by name; makes the column when it is new.
    fn find(&mut self, name: &str, kind: ColumnType) -> Option<usize> {
        let same = self.by_name.get(name).map_or(&[][..], Vec::as_slice);
        let mut found = None;
        for at in same {
            let tag = self.tags.get(*at)?;
            if tag.stamp == self.stamp {
                return None;
            }
            if tag.column.kind() == kind {
                found = Some(*at);
            }
        }
        if found.is_some() {
            return found;
        }
        let shares_name = !same.is_empty();
        for at in same {
            if let Some(tag) = self.tags.get_mut(*at) {
                tag.shares_name = true;
            }
        }
        let at = self.tags.len();
        let column = ColumnBuilder::new(kind);
        self.tags.push(TagColumn {
            name: name.to_owned(),
            column,
            stamp: 0,
            shares_name,
        });
        self.by_name.entry(name.to_owned()).or_default().push(at);
        Some(at)
    }

    /// The columns, filled up to `rows`. A column that no completed row has a value in is left out.
    pub(super) fn finish(self, rows: usize) -> Result<(Column, Vec<(String, Column)>)> {
        let used = self.tags.into_iter().filter(|tag| tag.column.rows() > 0);
        let finish = |mut tag: TagColumn| {
            fill(&mut tag.column, rows).map_err(|cause| broken(&tag.name, &cause))?;
            Ok((tag.name, tag.column.finish()))
        };
        Ok((
            self.payloads.finish(),
            used.map(finish).collect::<Result<_>>()?,
        ))
    }
}

pub(super) fn fill(column: &mut ColumnBuilder, rows: usize) -> Result<(), ColumnError> {
    (column.rows()..rows).try_for_each(|_| column.push_absent())
}

pub(super) fn broken(name: &str, cause: &ColumnError) -> Error {
    Error::invalid(format!("tag `{name}`: {cause}"))
}
