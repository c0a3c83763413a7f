//! Rows on their way into a batch, column by column.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use sidx_columns::{Column, ColumnBuilder, ColumnType, ValueType};
use sidx_engine::{LABEL_BYTES_MAX, PAYLOAD_BYTES_MAX, TAG_NAME_BYTES_MAX, TAGS_MAX, series_id};

use super::problem::{Problem, Result, excerpt};
use crate::database::Pieces;

/// Collects rows. A row is begun by its first value and ended by [`Rows::end`] or
/// [`Rows::discard`]; discarded rows keep their place until the batch is made, so that no column
/// has to shrink.
pub(super) struct Rows {
    series: Vec<u64>,
    keys: Vec<i64>,
    labels: Vec<String>,
    label_of: HashMap<u64, usize>,
    payloads: ColumnBuilder,
    tags: Vec<Tag>,
    tag_of: HashMap<String, usize>,
    /// Where the next tag is looked for first: rows mostly name their tags in the same order.
    expected: usize,
    columns: usize,
    discarded: Vec<u32>,
    value_bytes: usize,
    array_types: HashMap<String, ValueType>,
    absent: Absent,
}

/// The tags that a row names without a value.
#[derive(Default)]
struct Absent {
    row: usize,
    names: HashSet<String>,
}

/// One tag name and a column for each type that came under it.
struct Tag {
    name: String,
    /// Row that was given a value last, counted from 1.
    given: usize,
    columns: Vec<ColumnBuilder>,
}

impl Rows {
    /// No rows yet.
    pub(super) fn new() -> Rows {
        Rows {
            series: Vec::new(),
            keys: Vec::new(),
            labels: Vec::new(),
            label_of: HashMap::new(),
            payloads: payload_column(),
            tags: Vec::new(),
            tag_of: HashMap::new(),
            expected: 0,
            columns: 0,
            discarded: Vec::new(),
            value_bytes: 0,
            array_types: HashMap::new(),
            absent: Absent::default(),
        }
    }

    /// Rows so far, discarded ones included.
    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Rows that will be in the batch.
    pub(super) fn kept(&self) -> usize {
        self.keys.len() - self.discarded.len()
    }

    /// Upper estimate of what the batch takes: every column has a slot for every row.
    pub(super) fn bytes(&self) -> usize {
        self.value_bytes + self.keys.len() * (24 + 9 * self.columns)
    }

    /// The id of a labelled series; the label goes into the batch.
    pub(super) fn label(&mut self, label: &str) -> Result<u64> {
        if label.len() > LABEL_BYTES_MAX {
            let what = format!(
                "the label has {} bytes, the limit is {LABEL_BYTES_MAX}",
                label.len()
            );
            return Err(Problem::new(what, "shorten the label"));
        }
        let id = series_id(label);
        match self.label_of.entry(id) {
            Entry::Occupied(known) => {
                if self
                    .labels
                    .get(*known.get())
                    .is_none_or(|known| known != label)
                {
                    let what = format!("label \"{}\" has the id of another label", excerpt(label));
                    return Err(Problem::new(what, "rename the series"));
                }
            }
            Entry::Vacant(free) => {
                free.insert(self.labels.len());
                self.value_bytes += label.len();
                self.labels.push(label.to_owned());
            }
        }
        Ok(id)
    }

    /// The payload of the current row.
    pub(super) fn payload(&mut self, payload: &[u8]) -> Result<()> {
        if payload.len() > PAYLOAD_BYTES_MAX as usize {
            let what = format!(
                "the payload has {} bytes, the limit is 16 MiB",
                payload.len()
            );
            return Err(Problem::new(
                what,
                "store large objects elsewhere and keep their name",
            ));
        }
        self.value_bytes += payload.len();
        self.payloads
            .push_bytes(payload)
            .map_err(super::text::refused)
    }

    /// The column that takes the current row's value of a tag, ready for its push. `bytes` is the
    /// size of the value at most.
    pub(super) fn tag(
        &mut self,
        name: &str,
        kind: ColumnType,
        bytes: usize,
    ) -> Result<&mut ColumnBuilder> {
        let row = self.keys.len();
        let at = self.tag_position(name)?;
        self.value_bytes += bytes;
        self.expected = at + 1;
        let tag = self.tags.get_mut(at).ok_or_else(|| lost(name))?;
        let is_absent = self.absent.row == row && self.absent.names.contains(name);
        if tag.given > row || is_absent {
            return Err(twice());
        }
        tag.given = row + 1;
        let place = tag.columns.iter().position(|column| column.kind() == kind);
        let place = place.unwrap_or_else(|| {
            self.columns += 1;
            tag.columns.push(ColumnBuilder::new(kind));
            tag.columns.len() - 1
        });
        let column = tag.columns.get_mut(place).ok_or_else(|| lost(name))?;
        pad(column, row);
        Ok(column)
    }

    fn tag_position(&mut self, name: &str) -> Result<usize> {
        if self
            .tags
            .get(self.expected)
            .is_some_and(|tag| tag.name == name)
        {
            return Ok(self.expected);
        }
        if let Some(at) = self.tag_of.get(name) {
            return Ok(*at);
        }
        check_tag_name(name)?;
        if self.tags.len() >= TAGS_MAX {
            let what = format!("more than {TAGS_MAX} tags");
            return Err(Problem::of_batch(what, "use fewer tag names"));
        }
        let at = self.tags.len();
        self.tag_of.insert(name.to_owned(), at);
        self.tags.push(Tag {
            name: name.to_owned(),
            given: 0,
            columns: Vec::new(),
        });
        Ok(at)
    }

    /// Notes that the current row names a tag without a value for it.
    pub(super) fn absent_tag(&mut self, name: &str) -> Result<()> {
        let row = self.keys.len();
        let known = self.tag_of.get(name).and_then(|at| self.tags.get(*at));
        if known.is_some_and(|tag| tag.given > row) {
            return Err(twice());
        }
        // Not among the tags, of which there may be only so many.
        if self.absent.row != row {
            self.absent.row = row;
            self.absent.names.clear();
        }
        if !self.absent.names.insert(name.to_owned()) {
            return Err(twice());
        }
        Ok(())
    }

    /// The element type that an array of a tag has when it does not tell: the one that was noted last.
    pub(super) fn array_type(&self, name: &str) -> Option<ValueType> {
        self.array_types.get(name).copied()
    }

    /// Notes the element type of a tag's arrays, for this batch and later ones.
    pub(super) fn know_array(&mut self, name: &str, kind: ValueType) {
        match self.array_types.get_mut(name) {
            Some(known) => *known = kind,
            None => {
                self.array_types.insert(name.to_owned(), kind);
            }
        }
    }

    /// Ends the current row.
    pub(super) fn end(&mut self, series: u64, key: i64) {
        self.series.push(series);
        self.keys.push(key);
        self.expected = 0;
        if self.payloads.rows() < self.keys.len() {
            // An empty payload can't be refused: it adds no bytes.
            let _ = self.payloads.push_bytes(b"");
        }
    }

    /// Ends the current row, which may be incomplete, and leaves it out of the batch.
    pub(super) fn discard(&mut self) {
        self.discarded
            .push(u32::try_from(self.keys.len()).unwrap_or(u32::MAX));
        self.end(0, 0);
    }

    /// The rows as columns; nothing is left behind but what types arrays had.
    pub(super) fn take(&mut self) -> Result<Pieces> {
        let mut rows = std::mem::replace(self, Rows::new());
        self.array_types = std::mem::take(&mut rows.array_types);
        rows.into_pieces()
    }

    fn into_pieces(self) -> Result<Pieces> {
        let total = self.keys.len();
        let kept = kept_rows(total, &self.discarded);
        let mut tags = Vec::with_capacity(self.columns);
        for tag in self.tags {
            for mut column in tag.columns {
                pad(&mut column, total);
                let column = keep(column.finish(), kept.as_deref())?;
                if column.present_count() > 0 {
                    tags.push((tag.name.clone(), column));
                }
            }
        }
        Ok(Pieces {
            series: select(self.series, kept.as_deref()),
            keys: select(self.keys, kept.as_deref()),
            labels: self.labels,
            payloads: keep(self.payloads.finish(), kept.as_deref())?,
            tags,
        })
    }
}

/// Whether a text can be a tag name.
pub(super) fn check_tag_name(name: &str) -> Result<()> {
    if name.is_empty() {
        return Err(Problem::new("a tag name is empty", "name the tag"));
    }
    if name.len() > TAG_NAME_BYTES_MAX {
        let what = format!(
            "the tag name has {} bytes, the limit is {TAG_NAME_BYTES_MAX}",
            name.len()
        );
        return Err(Problem::new(what, "shorten the name"));
    }
    Ok(())
}

fn twice() -> Problem {
    Problem::new("given twice in this row", "leave one of them out")
}

fn payload_column() -> ColumnBuilder {
    ColumnBuilder::new(ColumnType::scalar(ValueType::Bytes))
}

/// Makes rows absent up to `rows`.
fn pad(column: &mut ColumnBuilder, rows: usize) {
    while column.rows() < rows && column.push_absent().is_ok() {}
}

/// Rows that stay, or none when all do.
fn kept_rows(total: usize, discarded: &[u32]) -> Option<Vec<u32>> {
    if discarded.is_empty() {
        return None;
    }
    let mut gone = discarded.iter().copied().peekable();
    let total = u32::try_from(total).unwrap_or(u32::MAX);
    Some(
        (0..total)
            .filter(|row| gone.next_if_eq(row).is_none())
            .collect(),
    )
}

fn keep(column: Column, kept: Option<&[u32]>) -> Result<Column> {
    match kept {
        None => Ok(column),
        Some(kept) => column.take(kept).map_err(super::text::refused),
    }
}

fn select<T: Copy>(values: Vec<T>, kept: Option<&[u32]>) -> Vec<T> {
    match kept {
        None => values,
        Some(kept) => kept
            .iter()
            .filter_map(|row| values.get(*row as usize).copied())
            .collect(),
    }
}

fn lost(name: &str) -> Problem {
    Problem::new(
        format!("tag \"{}\" got lost", excerpt(name)),
        "report this as a bug",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use sidx_columns::Value;

    fn int() -> ColumnType {
        ColumnType::scalar(ValueType::Int)
    }

    #[test]
    fn columns_are_filled_up_with_absent_rows() {
        let mut rows = Rows::new();
        let ua = rows.label("UA").unwrap();
        rows.tag("a", int(), 8).unwrap().push_int(1).unwrap();
        rows.end(ua, 10);
        assert_eq!(rows.label("UA"), Ok(ua));
        rows.tag("b", "string".parse().unwrap(), 1)
            .unwrap()
            .push_string("x")
            .unwrap();
        rows.payload(b"p").unwrap();
        rows.end(ua, 11);
        rows.tag("a", "float".parse().unwrap(), 8)
            .unwrap()
            .push_float(0.5)
            .unwrap();
        rows.end(7, 12);
        let pieces = rows.take().unwrap();
        assert_eq!(
            (pieces.series, pieces.keys),
            (vec![ua, ua, 7], vec![10, 11, 12])
        );
        assert_eq!(pieces.labels, ["UA"]);
        assert_eq!(pieces.payloads.value(1), Some(Value::Bytes(b"p")));
        assert_eq!(pieces.payloads.value(2), Some(Value::Bytes(b"")));
        let shape: Vec<_> = pieces
            .tags
            .iter()
            .map(|(name, column)| (name.as_str(), column.rows(), column.present_count()))
            .collect();
        assert_eq!(shape, [("a", 3, 1), ("a", 3, 1), ("b", 3, 1)]);
        assert_eq!(rows.len(), 0);
    }

    #[test]
    fn discarded_rows_leave_no_trace() {
        let mut rows = Rows::new();
        for key in 0..3 {
            rows.tag("a", int(), 8).unwrap().push_int(key).unwrap();
            if key == 1 {
                rows.tag("only here", int(), 8)
                    .unwrap()
                    .push_int(key)
                    .unwrap();
                rows.discard();
            } else {
                rows.end(1, key);
            }
        }
        assert_eq!((rows.len(), rows.kept()), (3, 2));
        let pieces = rows.take().unwrap();
        assert_eq!(pieces.keys, [0, 2]);
        assert_eq!(pieces.payloads.rows(), 2);
        assert_eq!(pieces.tags.len(), 1);
        let values: Vec<_> = (0..2).map(|row| pieces.tags[0].1.value(row)).collect();
        assert_eq!(values, [Some(Value::Int(0)), Some(Value::Int(2))]);
    }

    #[test]
    fn limits_and_duplicates_are_refused() {
        let mut rows = Rows::new();
        rows.tag("a", int(), 8).unwrap().push_int(1).unwrap();
        assert!(rows.tag("a", int(), 8).is_err());
        assert!(rows.tag("a", "bool".parse().unwrap(), 1).is_err());
        assert!(rows.tag("", int(), 8).is_err());
        assert!(rows.tag(&"n".repeat(256), int(), 8).is_err());
        assert!(rows.tag(&"n".repeat(255), int(), 8).is_ok());
        assert!(
            rows.payload(&vec![0; PAYLOAD_BYTES_MAX as usize + 1])
                .is_err()
        );
        for n in 0..TAGS_MAX - 2 {
            rows.tag(&n.to_string(), int(), 8)
                .unwrap()
                .push_int(1)
                .unwrap();
        }
        assert!(rows.tag("one more", int(), 8).is_err());
    }

    #[test]
    fn the_type_of_arrays_is_remembered_across_batches() {
        let mut rows = Rows::new();
        rows.know_array("codes", ValueType::Int);
        assert_eq!(rows.array_type("codes"), Some(ValueType::Int));
        rows.end(1, 1);
        assert!(rows.take().is_ok());
        assert_eq!(rows.array_type("codes"), Some(ValueType::Int));
        rows.know_array("codes", ValueType::Float);
        assert_eq!(rows.array_type("codes"), Some(ValueType::Float));
        assert_eq!(rows.array_type("other"), None);
    }

    #[test]
    fn a_tag_without_a_value_is_given_too() {
        let mut rows = Rows::new();
        rows.absent_tag("a").unwrap();
        assert!(rows.tag("a", int(), 8).is_err());
        assert!(rows.absent_tag("a").is_err());
        rows.end(1, 1);
        rows.tag("a", int(), 8).unwrap().push_int(1).unwrap();
        assert!(rows.absent_tag("a").is_err());
        rows.absent_tag("b").unwrap();
        rows.end(1, 2);
        rows.absent_tag("a").unwrap();
        rows.end(1, 3);
        let pieces = rows.take().unwrap();
        assert_eq!((pieces.keys.len(), pieces.tags.len()), (3, 1));
    }
}
