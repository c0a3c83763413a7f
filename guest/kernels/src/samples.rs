//! Random columns of every type and shape, shared by the tests.

use rand::{Rng, SeedableRng, rngs::SmallRng};
use sidx_columns::{Column, ColumnBuilder, ColumnType, OwnedValue, ValueType};

use crate::page::Page;
use crate::page::encode;

/// Ways to draw values; each type reads them its own way.
pub(crate) const SHAPES: usize = 6;

pub(crate) fn random(seed: u64) -> SmallRng {
    SmallRng::seed_from_u64(seed)
}

/// Every column type.
pub(crate) fn kinds() -> Vec<ColumnType> {
    let scalars = ValueType::ALL.into_iter().map(ColumnType::scalar);
    scalars
        .chain(ValueType::ALL.into_iter().map(ColumnType::array))
        .collect()
}

/// One value of a type in a shape: constant, few, small numbers, wide, special, ascending.
pub(crate) fn value(r: &mut SmallRng, kind: ValueType, shape: usize, row: usize) -> OwnedValue {
    let int = match shape {
        0 => 7,
        1 => [-5, 200, 404, 500][r.random_range(0..4)],
        2 => r.random_range(-1000..1000),
        3 => r.random(),
        4 => [i64::MIN, i64::MAX, 0, -1, 1][r.random_range(0..5)],
        _ => row as i64 * 3 + r.random_range(0..3),
    };
    match kind {
        ValueType::Int => OwnedValue::Int(int),
        ValueType::Timestamp => OwnedValue::Timestamp(int),
        ValueType::Bool => OwnedValue::Bool(if shape == 0 { true } else { int & 1 == 0 }),
        ValueType::Float => OwnedValue::Float(match shape {
            3 => f64::from_bits(r.random()),
            4 => [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, 0.0, 1.5][r.random_range(0..6)],
            _ => int as f64 / 100.0,
        }),
        ValueType::String => OwnedValue::String(match shape {
            2 => ["", "é", "日本", "a", "zz"][r.random_range(0..5)].to_owned(),
            4 => "long".repeat(r.random_range(0..60)),
            _ => format!("value {int}"),
        }),
        ValueType::Bytes => OwnedValue::Bytes(match shape {
            2 => (0..r.random_range(0..4))
                .map(|_| r.random_range(254..=255))
                .collect(),
            3 => (0..33).map(|_| r.random()).collect(),
            _ => int.to_be_bytes().to_vec(),
        }),
    }
}

/// A column of `rows` rows, of which about `share` are present.
pub(crate) fn column(
    r: &mut SmallRng,
    kind: ColumnType,
    shape: usize,
    rows: usize,
    share: f64,
) -> Column {
    let mut builder = ColumnBuilder::new(kind);
    for row in 0..rows {
        if !r.random_bool(share) {
            builder.push_absent().unwrap();
        } else if kind.array {
            let elements: Vec<OwnedValue> = (0..r.random_range(0..4))
                .map(|_| value(r, kind.value, shape, row))
                .collect();
            builder.push_array(elements).unwrap();
        } else {
            builder
                .push_value(&value(r, kind.value, shape, row))
                .unwrap();
        }
    }
    builder.finish()
}

pub(crate) fn open(column: &Column) -> Page {
    Page::open(encode(column).unwrap().page.into()).unwrap()
}
