//! Building a column row by row.

use crate::bitmap::Bitmap;
use crate::column::{Column, MAX_ELEMENTS, OwnedValue};
use crate::error::ColumnError;
use crate::types::{ColumnType, ValueType};
use crate::values::Values;

/// Collects the rows of a column in order. A push that fails leaves the column as it was.
///
/// In an array column, pushes between [`begin_array`](ColumnBuilder::begin_array) and
/// [`end_array`](ColumnBuilder::end_array) add elements of one row.
#[derive(Debug, Clone)]
pub struct ColumnBuilder {
    kind: ColumnType,
    rows: usize,
    /// Made when the first absent row comes.
    presence: Option<Bitmap>,
    ends: Vec<u32>,
    values: Values,
    open_array: bool,
}

impl ColumnBuilder {
    /// A builder without rows.
    #[must_use]
    pub fn new(kind: ColumnType) -> ColumnBuilder {
        ColumnBuilder::with_capacity(kind, 0)
    }

    /// A builder without rows, with room for some.
    #[must_use]
    pub fn with_capacity(kind: ColumnType, rows: usize) -> ColumnBuilder {
        ColumnBuilder {
            kind,
            rows: 0,
            presence: None,
            ends: Vec::with_capacity(if kind.array { rows } else { 0 }),
            values: Values::with_capacity(kind.value, rows),
            open_array: false,
        }
    }

    /// Type of the column being built.
    #[must_use]
    pub fn kind(&self) -> ColumnType {
        self.kind
    }

    /// Rows so far, not counting an open array.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Appends a string.
    ///
    /// # Errors
    /// When the column holds another type, an array is missing around the value, or the strings
    /// would exceed 4 GiB together.
    pub fn push_string(&mut self, value: &str) -> Result<(), ColumnError> {
        self.push_slot(ValueType::String, |values| {
            push_bytes(values, value.as_bytes())
        })
    }

    /// Appends bytes.
    ///
    /// # Errors
    /// When the column holds another type, an array is missing around the value, or the bytes
    /// would exceed 4 GiB together.
    pub fn push_bytes(&mut self, value: &[u8]) -> Result<(), ColumnError> {
        self.push_slot(ValueType::Bytes, |values| push_bytes(values, value))
    }

    /// Appends an integer.
    ///
    /// # Errors
    /// When the column holds another type, or an array is missing around the value.
    pub fn push_int(&mut self, value: i64) -> Result<(), ColumnError> {
        self.push_slot(ValueType::Int, |values| push_int(values, value))
    }

    /// Appends a timestamp in nanoseconds since 1970.
    ///
    /// # Errors
    /// When the column holds another type, or an array is missing around the value.
    pub fn push_timestamp(&mut self, value: i64) -> Result<(), ColumnError> {
        self.push_slot(ValueType::Timestamp, |values| push_int(values, value))
    }

    /// Appends a float.
    ///
    /// # Errors
    /// When the column holds another type, or an array is missing around the value.
    pub fn push_float(&mut self, value: f64) -> Result<(), ColumnError> {
        self.push_slot(ValueType::Float, |values| {
            if let Values::Float(values) = values {
                values.push(value);
            }
            Ok(())
        })
    }

    /// Appends a boolean.
    ///
    /// # Errors
    /// When the column holds another type, or an array is missing around the value.
    pub fn push_bool(&mut self, value: bool) -> Result<(), ColumnError> {
        self.push_slot(ValueType::Bool, |values| {
            if let Values::Bool(values) = values {
                values.push(value);
            }
            Ok(())
        })
    }

    /// Appends a row without a value.
    ///
    /// # Errors
    /// Inside an array: elements can't be absent.
    pub fn push_absent(&mut self) -> Result<(), ColumnError> {
        if self.open_array {
            return Err(self.array_error("an array element can't be absent"));
        }
        if self.kind.array {
            self.ends.push(self.values.len() as u32);
        } else {
            self.values.push_default();
        }
        let rows = self.rows;
        self.presence
            .get_or_insert_with(|| Bitmap::ones(rows))
            .push(false);
        self.rows += 1;
        Ok(())
    }

    /// Starts a row of an array column.
    ///
    /// # Errors
    /// In a column of scalars, or when an array is open already.
    pub fn begin_array(&mut self) -> Result<(), ColumnError> {
        if !self.kind.array {
            return Err(self.array_error("an array does not belong in a scalar column"));
        }
        if self.open_array {
            return Err(self.array_error("an array can't hold an array"));
        }
        self.open_array = true;
        Ok(())
    }

    /// Ends the row that [`begin_array`](ColumnBuilder::begin_array) started.
    ///
    /// # Errors
    /// When no array is open.
    pub fn end_array(&mut self) -> Result<(), ColumnError> {
        if !self.open_array {
            return Err(self.array_error("no array is open"));
        }
        self.open_array = false;
        self.ends.push(self.values.len() as u32);
        self.finish_row();
        Ok(())
    }

    /// Appends one array.
    ///
    /// # Errors
    /// As [`begin_array`](ColumnBuilder::begin_array) and
    /// [`push_value`](ColumnBuilder::push_value) of each element.
    pub fn push_array<T: Into<OwnedValue>>(
        &mut self,
        elements: impl IntoIterator<Item = T>,
    ) -> Result<(), ColumnError> {
        self.begin_array()?;
        let start = self.values.len();
        for element in elements {
            if let Err(error) = self.push_value(&element.into()) {
                self.abandon_array(start);
                return Err(error);
            }
        }
        self.end_array()
    }

    /// Appends a value of any type, as a row or as an element of the open array.
    ///
    /// # Errors
    /// As the push of the value's own type.
    pub fn push_value(&mut self, value: &OwnedValue) -> Result<(), ColumnError> {
        match value {
            OwnedValue::String(text) => self.push_string(text),
            OwnedValue::Int(value) => self.push_int(*value),
            OwnedValue::Float(value) => self.push_float(*value),
            OwnedValue::Bool(value) => self.push_bool(*value),
            OwnedValue::Bytes(bytes) => self.push_bytes(bytes),
            OwnedValue::Timestamp(value) => self.push_timestamp(*value),
            OwnedValue::Array(element, values) => {
                if *element != self.kind.value || !self.kind.array {
                    return Err(self.type_error(ColumnType::array(*element)));
                }
                self.begin_array()?;
                let start = self.values.len();
                for value in values {
                    if let Err(error) = self.push_element(value) {
                        self.abandon_array(start);
                        return Err(error);
                    }
                }
                self.end_array()
            }
        }
    }

    /// The column. An array that is still open is ended first.
    #[must_use]
    pub fn finish(mut self) -> Column {
        if self.open_array {
            self.open_array = false;
            self.ends.push(self.values.len() as u32);
            self.finish_row();
        }
        let ends = self.kind.array.then_some(self.ends);
        Column::from_checked(self.kind, self.rows, self.presence, ends, self.values)
    }

    /// Like `push_value`, but without descending: elements are scalars.
    fn push_element(&mut self, value: &OwnedValue) -> Result<(), ColumnError> {
        if matches!(value, OwnedValue::Array(..)) {
            return Err(self.array_error("an array can't hold an array"));
        }
        self.push_value(value)
    }

    fn push_slot(
        &mut self,
        value: ValueType,
        push: impl FnOnce(&mut Values) -> Result<(), ColumnError>,
    ) -> Result<(), ColumnError> {
        if value != self.kind.value || self.kind.array != self.open_array {
            return Err(self.type_error(ColumnType::scalar(value)));
        }
        if self.open_array && self.values.len() >= MAX_ELEMENTS {
            return Err(ColumnError::TooLarge {
                what: "array elements",
                found: self.values.len() as u64 + 1,
                limit: MAX_ELEMENTS as u64,
            });
        }
        push(&mut self.values)?;
        if !self.open_array {
            self.finish_row();
        }
        Ok(())
    }

    fn finish_row(&mut self) {
        if let Some(presence) = &mut self.presence {
            presence.push(true);
        }
        self.rows += 1;
    }

    /// Removes the elements of a row that failed half way.
    fn abandon_array(&mut self, start: usize) {
        self.open_array = false;
        match &mut self.values {
            Values::Int(values) => values.truncate(start),
            Values::Float(values) => values.truncate(start),
            Values::Bool(values) => values.truncate(start),
            Values::Bytes(values) => values.truncate(start),
        }
    }

    fn type_error(&self, found: ColumnType) -> ColumnError {
        ColumnError::Type {
            row: self.rows,
            expected: self.kind,
            found,
        }
    }

    fn array_error(&self, what: &'static str) -> ColumnError {
        ColumnError::Array {
            row: self.rows,
            what,
        }
    }
}

fn push_int(values: &mut Values, value: i64) -> Result<(), ColumnError> {
    if let Values::Int(values) = values {
        values.push(value);
    }
    Ok(())
}

fn push_bytes(values: &mut Values, value: &[u8]) -> Result<(), ColumnError> {
    match values {
        Values::Bytes(values) => values.push(value),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::column::Value;

    #[test]
    fn wrong_types_are_refused_and_leave_no_trace() {
        let mut builder = ColumnBuilder::new(ColumnType::scalar(ValueType::Int));
        builder.push_int(1).unwrap();
        assert!(builder.push_string("x").is_err());
        assert!(builder.push_timestamp(1).is_err());
        assert!(
            builder
                .push_value(&OwnedValue::Array(ValueType::Int, vec![]))
                .is_err()
        );
        assert!(builder.begin_array().is_err());
        assert!(builder.end_array().is_err());
        builder.push_absent().unwrap();
        builder.push_int(-1).unwrap();
        let column = builder.finish();
        let rows: Vec<_> = (0..3).map(|row| column.value(row)).collect();
        assert_eq!(rows, [Some(Value::Int(1)), None, Some(Value::Int(-1))]);
    }

    #[test]
    fn arrays_are_built_whole_or_not_at_all() {
        let mut builder = ColumnBuilder::new(ColumnType::array(ValueType::String));
        assert!(builder.push_string("bare").is_err());
        builder.push_array(["a", "b"]).unwrap();
        let mixed = [OwnedValue::from("c"), OwnedValue::from(1)];
        assert!(builder.push_array(mixed.clone()).is_err());
        assert!(
            builder
                .push_value(&OwnedValue::Array(ValueType::String, mixed.into()))
                .is_err()
        );
        let nested = OwnedValue::Array(
            ValueType::String,
            vec![OwnedValue::Array(ValueType::String, vec![])],
        );
        assert!(builder.push_value(&nested).is_err());
        builder.push_absent().unwrap();
        builder
            .push_value(&OwnedValue::Array(ValueType::String, vec![]))
            .unwrap();
        builder.begin_array().unwrap();
        assert!(builder.push_absent().is_err());
        assert!(builder.begin_array().is_err());
        builder.push_string("last").unwrap();
        let column = builder.finish();
        assert_eq!((column.rows(), column.present_count()), (4, 3));
        let lengths: Vec<_> = (0..4).map(|row| column.element_range(row).len()).collect();
        assert_eq!(lengths, [2, 0, 0, 1]);
        assert!(column.value(1).is_none() && column.value(2).is_some());
    }
}
