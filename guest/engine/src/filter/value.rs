//! From a comparison with literals to the test of values of one type.
//!
//! Everything here gives `None` for a test that no value of the type passes.

use std::ops::Bound;

use sidx_columns::ValueType;
use sidx_kernels::Test;

use super::number::{exact_float, exact_int, float_range, int_range};
use crate::expression::{Comparison, Literal};

/// Whether values of a type compare with a literal at all.
pub(super) fn comparable(literal: &Literal, value: ValueType) -> bool {
    match literal {
        Literal::Int(_) | Literal::Float(_) => matches!(value, ValueType::Int | ValueType::Float),
        Literal::String(_) => value == ValueType::String,
        Literal::Bool(_) => value == ValueType::Bool,
        Literal::Bytes(_) => value == ValueType::Bytes,
        Literal::Timestamp(_) => value == ValueType::Timestamp,
    }
}

/// The test of values of a type that a comparison with a literal makes. `Ne` gives what `Eq`
/// gives: whoever asks negates it.
pub(super) fn comparison(op: Comparison, literal: &Literal, value: ValueType) -> Option<Test> {
    if matches!(op, Comparison::Eq | Comparison::Ne) {
        return member(std::slice::from_ref(literal), value);
    }
    match value {
        ValueType::Int => int_range(op, literal).map(|(low, high)| Test::IntRange { low, high }),
        ValueType::Float => {
            float_range(op, literal).map(|(low, high)| Test::FloatRange { low, high })
        }
        ValueType::Timestamp => {
            let nanoseconds = Literal::Int(timestamp(literal)?);
            int_range(op, &nanoseconds).map(|(low, high)| Test::IntRange { low, high })
        }
        ValueType::String | ValueType::Bytes => {
            bytes(literal, value).map(|bytes| bytes_range(op, bytes.to_vec()))
        }
        // Bools have no order; the parser says so, and a tree made by hand finds nothing.
        ValueType::Bool => None,
    }
}

/// The test of values of a type for being equal to one of some literals. Literals that do not
/// compare with the type are passed over.
pub(super) fn member(literals: &[Literal], value: ValueType) -> Option<Test> {
    let literals = literals.iter();
    match value {
        ValueType::Int => int_set(literals.filter_map(exact_int).collect()),
        ValueType::Timestamp => int_set(literals.filter_map(timestamp).collect()),
        ValueType::Float => float_set(literals.filter_map(exact_float).collect()),
        ValueType::Bool => bool_set(literals.filter_map(truth).collect()),
        ValueType::String | ValueType::Bytes => {
            let set = literals.filter_map(|literal| bytes(literal, value));
            bytes_set(set.map(<[u8]>::to_vec).collect())
        }
    }
}

/// The test of values of a type for a prefix.
pub(super) fn prefix(literal: &Literal, value: ValueType) -> Option<Test> {
    bytes(literal, value).map(|bytes| Test::BytesPrefix(bytes.to_vec()))
}

fn timestamp(literal: &Literal) -> Option<i64> {
    if let Literal::Timestamp(value) = literal {
        Some(*value)
    } else {
        None
    }
}

fn truth(literal: &Literal) -> Option<bool> {
    if let Literal::Bool(value) = literal {
        Some(*value)
    } else {
        None
    }
}

/// The bytes of a literal of this very type, strings or bytes.
fn bytes(literal: &Literal, value: ValueType) -> Option<&[u8]> {
    match (literal, value) {
        (Literal::String(text), ValueType::String) => Some(text.as_bytes()),
        (Literal::Bytes(bytes), ValueType::Bytes) => Some(bytes),
        _ => None,
    }
}

fn int_set(mut set: Vec<i64>) -> Option<Test> {
    set.sort_unstable();
    set.dedup();
    let (low, high) = (*set.first()?, *set.last()?);
    // Neighbours make a range, which costs a kernel two comparisons whatever its width.
    if i128::from(high) - i128::from(low) + 1 == set.len() as i128 {
        return Some(Test::IntRange { low, high });
    }
    Some(Test::IntSet(set))
}

fn float_set(mut set: Vec<f64>) -> Option<Test> {
    set.sort_unstable_by(f64::total_cmp);
    set.dedup();
    match set.as_slice() {
        [] => None,
        [one] => Some(Test::FloatRange {
            low: Bound::Included(*one),
            high: Bound::Included(*one),
        }),
        _ => Some(Test::FloatSet(set)),
    }
}

fn bool_set(set: Vec<bool>) -> Option<Test> {
    let first = *set.first()?;
    // Both truth values: any value passes.
    Some(if set.contains(&!first) {
        Test::Exists
    } else {
        Test::Bool(first)
    })
}

fn bytes_set(mut set: Vec<Vec<u8>>) -> Option<Test> {
    set.sort_unstable();
    set.dedup();
    (!set.is_empty()).then_some(Test::BytesSet(set))
}

fn bytes_range(op: Comparison, bytes: Vec<u8>) -> Test {
    let (low, high) = match op {
        Comparison::Lt => (Bound::Unbounded, Bound::Excluded(bytes)),
        Comparison::Le => (Bound::Unbounded, Bound::Included(bytes)),
        Comparison::Gt => (Bound::Excluded(bytes), Bound::Unbounded),
        Comparison::Ge => (Bound::Included(bytes), Bound::Unbounded),
        Comparison::Eq | Comparison::Ne => return Test::BytesSet(vec![bytes]),
    };
    Test::BytesRange { low, high }
}
