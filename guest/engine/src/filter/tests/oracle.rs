//! Evaluates an expression over one row straight from the rules in `docs/query.md`.

use std::cmp::Ordering;

use sidx_columns::OwnedValue;

use super::Row;
use crate::expression::{Comparison, Expression, Literal};

pub(super) fn passes(expression: &Expression, row: &Row) -> bool {
    let value = |tag: &str| {
        row.iter()
            .find(|(name, _)| *name == tag)
            .map(|(_, value)| value)
    };
    match expression {
        Expression::And(parts) => parts.iter().all(|part| passes(part, row)),
        Expression::Or(parts) => parts.iter().any(|part| passes(part, row)),
        Expression::Not(part) => !passes(part, row),
        Expression::Exists { tag } => value(tag).is_some(),
        Expression::Compare {
            tag,
            op,
            value: literal,
        } => value(tag).is_some_and(|value| compares(value, *op, literal)),
        Expression::In {
            tag,
            values,
            negated,
        } => value(tag).is_some_and(|value| {
            let related = values.iter().any(|literal| order(value, literal).is_some());
            related && values.iter().any(|literal| equal(value, literal)) != *negated
        }),
        Expression::Matches {
            tag,
            pattern,
            negated,
        } => match (value(tag), pattern) {
            (Some(OwnedValue::String(text)), Literal::String(pattern)) => {
                matches_pattern(pattern, text) != *negated
            }
            _ => false,
        },
        Expression::StartsWith { tag, prefix } => match (value(tag), prefix) {
            (Some(OwnedValue::String(text)), Literal::String(prefix)) => text.starts_with(prefix),
            (Some(OwnedValue::Bytes(bytes)), Literal::Bytes(prefix)) => bytes.starts_with(prefix),
            _ => false,
        },
        Expression::Contains { tag, all, values } => match value(tag) {
            Some(OwnedValue::Array(_, elements)) => {
                let mut found = values
                    .iter()
                    .map(|literal| elements.iter().any(|e| equal(e, literal)));
                if *all {
                    !values.is_empty() && found.all(|f| f)
                } else {
                    found.any(|f| f)
                }
            }
            _ => false,
        },
    }
}

fn equal(value: &OwnedValue, literal: &Literal) -> bool {
    order(value, literal) == Some(Some(Ordering::Equal))
}

fn compares(value: &OwnedValue, op: Comparison, literal: &Literal) -> bool {
    let Some(order) = order(value, literal) else {
        return false;
    };
    let is = |wanted: fn(Ordering) -> bool| order.is_some_and(wanted);
    match op {
        Comparison::Eq => is(Ordering::is_eq),
        Comparison::Ne => !is(Ordering::is_eq),
        _ if matches!(literal, Literal::Bool(_)) => false,
        Comparison::Lt => is(Ordering::is_lt),
        Comparison::Le => is(Ordering::is_le),
        Comparison::Gt => is(Ordering::is_gt),
        Comparison::Ge => is(Ordering::is_ge),
    }
}

/// How a value compares with a literal: `None` when their types never match, `Some(None)` when
/// one of them is NaN.
#[allow(clippy::option_option)]
fn order(value: &OwnedValue, literal: &Literal) -> Option<Option<Ordering>> {
    Some(match (value, literal) {
        (OwnedValue::Int(a), Literal::Int(b)) => Some(a.cmp(b)),
        (OwnedValue::Int(a), Literal::Float(b)) => int_with_float(*a, *b),
        (OwnedValue::Float(a), Literal::Int(b)) => int_with_float(*b, *a).map(Ordering::reverse),
        (OwnedValue::Float(a), Literal::Float(b)) => a.partial_cmp(b),
        (OwnedValue::String(a), Literal::String(b)) => Some(a.as_bytes().cmp(b.as_bytes())),
        (OwnedValue::Bytes(a), Literal::Bytes(b)) => Some(a.cmp(b)),
        (OwnedValue::Bool(a), Literal::Bool(b)) => Some(a.cmp(b)),
        (OwnedValue::Timestamp(a), Literal::Timestamp(b)) => Some(a.cmp(b)),
        _ => return None,
    })
}

/// Compares by whole part, then by what is behind the point.
fn int_with_float(int: i64, float: f64) -> Option<Ordering> {
    if float.is_nan() {
        return None;
    }
    // From 2^63 on, no int reaches the float; within, its whole part is an i128 exactly.
    if float.abs() >= 1e19 {
        return 0.0.partial_cmp(&float);
    }
    let whole = i128::from(int).cmp(&(float.trunc() as i128));
    Some(whole.then(0.0.partial_cmp(&float.fract())?))
}

/// The patterns that the tests use; the oracle has no engine of its own.
fn matches_pattern(pattern: &str, text: &str) -> bool {
    match pattern {
        "" => true,
        "^a" => text.starts_with('a'),
        "b$" => text.ends_with('b'),
        "[bé]" => text.contains(['b', 'é']),
        "^$" => text.is_empty(),
        "^[0-9]$" => text.len() == 1 && text.bytes().all(|b| b.is_ascii_digit()),
        _ => panic!("the oracle does not know the pattern {pattern}"),
    }
}
