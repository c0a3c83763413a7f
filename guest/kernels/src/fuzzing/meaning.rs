//! What values are and what tests mean, said as plainly as can be.

use std::ops::{Bound, RangeBounds};

use sidx_columns::{Array, Column, Value};

use crate::predicate::Test;

/// Values of the present rows, or their elements.
pub(super) fn cells(column: &Column) -> Vec<Value<'_>> {
    let values = (0..column.rows()).filter_map(|row| column.value(row));
    values
        .flat_map(|value| match value {
            Value::Array(array) => Array::iter(&array).collect(),
            value => vec![value],
        })
        .collect()
}

/// Every value with its bits: what a row of a column is, whatever its absent slots hold.
pub(super) fn image(column: &Column) -> Vec<u8> {
    let mut out = vec![column.kind().code()];
    for row in 0..column.rows() {
        match column.value(row) {
            None => out.push(0),
            Some(Value::Array(array)) => {
                out.extend_from_slice(&(array.len() as u64).to_le_bytes());
                array.iter().for_each(|value| put(&mut out, value));
            }
            Some(value) => put(&mut out, value),
        }
    }
    out
}

fn put(out: &mut Vec<u8>, value: Value<'_>) {
    let mut bytes = |bytes: &[u8]| {
        out.push(1);
        out.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
        out.extend_from_slice(bytes);
    };
    match value {
        Value::String(text) => bytes(text.as_bytes()),
        Value::Bytes(value) => bytes(value),
        Value::Int(value) | Value::Timestamp(value) => bytes(&value.to_le_bytes()),
        Value::Float(value) => bytes(&value.to_bits().to_le_bytes()),
        Value::Bool(value) => bytes(&[u8::from(value)]),
        Value::Array(_) => {}
    }
}

/// The meaning of a test for one value.
pub(super) fn passes(test: &Test, value: Option<Value<'_>>) -> bool {
    let Some(value) = value else {
        return false;
    };
    let within = |bytes: &[u8], low: &Bound<Vec<u8>>, high: &Bound<Vec<u8>>| {
        let (low, high) = (
            low.as_ref().map(Vec::as_slice),
            high.as_ref().map(Vec::as_slice),
        );
        RangeBounds::<[u8]>::contains(&(low, high), bytes)
    };
    match (test, value) {
        (Test::Exists, _) => true,
        (Test::IntRange { low, high }, Value::Int(v) | Value::Timestamp(v)) => {
            (*low..=*high).contains(&v)
        }
        (Test::IntSet(set), Value::Int(v) | Value::Timestamp(v)) => set.contains(&v),
        (Test::FloatRange { low, high }, Value::Float(v)) => (*low, *high).contains(&v),
        (Test::FloatSet(set), Value::Float(v)) => set.contains(&v),
        (Test::Bool(wanted), Value::Bool(v)) => *wanted == v,
        (Test::BytesRange { low, high }, Value::String(v)) => within(v.as_bytes(), low, high),
        (Test::BytesRange { low, high }, Value::Bytes(v)) => within(v, low, high),
        (Test::BytesSet(set), Value::String(v)) => set.iter().any(|m| m == v.as_bytes()),
        (Test::BytesSet(set), Value::Bytes(v)) => set.iter().any(|m| m == v),
        (Test::BytesPrefix(prefix), Value::String(v)) => v.as_bytes().starts_with(prefix),
        (Test::BytesPrefix(prefix), Value::Bytes(v)) => v.starts_with(prefix),
        (Test::Regex(pattern), Value::String(v)) => regex::Regex::new(pattern).unwrap().is_match(v),
        _ => false,
    }
}
