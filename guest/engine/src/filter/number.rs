//! Comparing ints with floats as the numbers they are, without rounding either.
//!
//! An int64 has 63 bits of magnitude and a double 53, so neither can be converted to the other
//! without changing the answer somewhere. Instead the literal is turned into bounds that are exact
//! in the type of the column.

use std::cmp::Ordering;
use std::ops::Bound;

use crate::expression::{Comparison, Literal};

/// The ints, both ends included, that compare with a number in the given way; `None` when there
/// are none. `Ne` gives what `Eq` gives: whoever asks negates it.
pub(super) fn int_range(op: Comparison, literal: &Literal) -> Option<(i64, i64)> {
    let (floor, ceiling) = whole_neighbours(literal)?;
    let (least, greatest) = (i128::from(i64::MIN), i128::from(i64::MAX));
    let (low, high) = match op {
        Comparison::Eq | Comparison::Ne => (ceiling, floor),
        Comparison::Lt => (least, ceiling.saturating_sub(1)),
        Comparison::Le => (least, floor),
        Comparison::Gt => (floor.saturating_add(1), greatest),
        Comparison::Ge => (ceiling, greatest),
    };
    let (low, high) = (low.max(least), high.min(greatest));
    let low = i64::try_from(low).ok()?;
    let high = i64::try_from(high).ok()?;
    (low <= high).then_some((low, high))
}

/// The greatest whole number not above a literal, and the least not below it. Beyond i128 both
/// are its ends, which are as far outside of i64 as the number itself.
fn whole_neighbours(literal: &Literal) -> Option<(i128, i128)> {
    match literal {
        Literal::Int(value) => Some((i128::from(*value), i128::from(*value))),
        Literal::Float(value) if !value.is_nan() => {
            Some((value.floor() as i128, value.ceil() as i128))
        }
        _ => None,
    }
}

/// The floats that compare with a number in the given way; `None` when there are none. NaN is
/// never among them. `Ne` gives what `Eq` gives: whoever asks negates it.
pub(super) fn float_range(op: Comparison, literal: &Literal) -> Option<(Bound<f64>, Bound<f64>)> {
    // No float lies between a number and the float nearest to it. So that float is the bound,
    // and it is inside when it lies on the side that the comparison wants.
    let (nearest, side) = nearest_float(literal)?;
    let bound = |wanted: Ordering, or_equal: bool| {
        let inside = side == wanted || or_equal && side == Ordering::Equal;
        if inside {
            Bound::Included(nearest)
        } else {
            Bound::Excluded(nearest)
        }
    };
    match op {
        Comparison::Eq | Comparison::Ne => (side == Ordering::Equal)
            .then_some((Bound::Included(nearest), Bound::Included(nearest))),
        Comparison::Lt => Some((Bound::Unbounded, bound(Ordering::Less, false))),
        Comparison::Le => Some((Bound::Unbounded, bound(Ordering::Less, true))),
        Comparison::Gt => Some((bound(Ordering::Greater, false), Bound::Unbounded)),
        Comparison::Ge => Some((bound(Ordering::Greater, true), Bound::Unbounded)),
    }
}

/// The float nearest to a number, and how it compares with the number.
fn nearest_float(literal: &Literal) -> Option<(f64, Ordering)> {
    match literal {
        Literal::Int(value) => {
            let nearest = *value as f64;
            // A float made of an i64 is whole and at most 2^63, so i128 holds it exactly.
            Some((nearest, (nearest as i128).cmp(&i128::from(*value))))
        }
        Literal::Float(value) if !value.is_nan() => Some((*value, Ordering::Equal)),
        _ => None,
    }
}

/// The int equal to a number, if there is one.
pub(super) fn exact_int(literal: &Literal) -> Option<i64> {
    int_range(Comparison::Eq, literal).map(|(low, _)| low)
}

/// The float equal to a number, if there is one.
pub(super) fn exact_float(literal: &Literal) -> Option<f64> {
    nearest_float(literal)
        .filter(|(_, side)| side.is_eq())
        .map(|(nearest, _)| nearest)
}

#[cfg(test)]
mod tests {
    use std::ops::Bound::{Excluded, Included, Unbounded};

    use super::*;
    use crate::expression::Comparison::{Eq, Ge, Gt, Le, Lt};

    const TWO_53: i64 = 1 << 53;

    fn ints(op: Comparison, literal: f64) -> Option<(i64, i64)> {
        int_range(op, &Literal::Float(literal))
    }

    fn floats(op: Comparison, literal: i64) -> Option<(Bound<f64>, Bound<f64>)> {
        float_range(op, &Literal::Int(literal))
    }

    #[test]
    fn floats_bound_ints_exactly() {
        assert_eq!(ints(Gt, 2.5), Some((3, i64::MAX)));
        assert_eq!(ints(Ge, 2.5), Some((3, i64::MAX)));
        assert_eq!(ints(Lt, 2.5), Some((i64::MIN, 2)));
        assert_eq!(ints(Le, -2.5), Some((i64::MIN, -3)));
        assert_eq!(ints(Lt, 2.0), Some((i64::MIN, 1)));
        assert_eq!(ints(Le, 2.0), Some((i64::MIN, 2)));
        assert_eq!(ints(Eq, 2.0), Some((2, 2)));
        assert_eq!(ints(Eq, -0.0), Some((0, 0)));
        assert_eq!(ints(Eq, 2.5), None);
        assert_eq!(ints(Eq, f64::NAN), None);
        assert_eq!(ints(Lt, f64::NAN), None);
    }

    #[test]
    fn floats_beyond_ints_take_all_or_none() {
        let two_63 = 9_223_372_036_854_775_808.0;
        let all = Some((i64::MIN, i64::MAX));
        for literal in [two_63, 1e300, f64::INFINITY] {
            for op in [Eq, Gt, Ge] {
                assert_eq!(ints(op, literal), None, "{op} {literal}");
            }
            assert_eq!(ints(Lt, literal), all);
            assert_eq!(ints(Le, literal), all);
        }
        for literal in [-1e300, f64::NEG_INFINITY] {
            for op in [Eq, Lt, Le] {
                assert_eq!(ints(op, literal), None, "{op} {literal}");
            }
            assert_eq!(ints(Gt, literal), all);
        }
        assert_eq!(ints(Eq, -two_63), Some((i64::MIN, i64::MIN)));
        assert_eq!(ints(Lt, -two_63), None);
        assert_eq!(ints(Gt, -two_63), Some((i64::MIN + 1, i64::MAX)));
        assert_eq!(int_range(Lt, &Literal::Int(i64::MIN)), None);
        assert_eq!(int_range(Gt, &Literal::Int(i64::MAX)), None);
    }

    #[test]
    fn ints_bound_floats_exactly() {
        let two_53 = TWO_53 as f64;
        assert_eq!(floats(Lt, TWO_53), Some((Unbounded, Excluded(two_53))));
        assert_eq!(floats(Le, TWO_53), Some((Unbounded, Included(two_53))));
        // 2^53 + 1 rounds down to 2^53, which is less.
        assert_eq!(floats(Lt, TWO_53 + 1), Some((Unbounded, Included(two_53))));
        assert_eq!(floats(Le, TWO_53 + 1), Some((Unbounded, Included(two_53))));
        assert_eq!(floats(Gt, TWO_53 + 1), Some((Excluded(two_53), Unbounded)));
        assert_eq!(floats(Ge, TWO_53 + 1), Some((Excluded(two_53), Unbounded)));
        assert_eq!(floats(Eq, TWO_53 + 1), None);
        // 2^53 + 3 rounds up to 2^53 + 4, which is greater.
        let above = two_53 + 4.0;
        assert_eq!(floats(Lt, TWO_53 + 3), Some((Unbounded, Excluded(above))));
        assert_eq!(floats(Le, TWO_53 + 3), Some((Unbounded, Excluded(above))));
        assert_eq!(floats(Gt, TWO_53 + 3), Some((Included(above), Unbounded)));
        assert_eq!(floats(Eq, i64::MAX), None);
        let least = i64::MIN as f64;
        assert_eq!(
            floats(Eq, i64::MIN),
            Some((Included(least), Included(least)))
        );
    }

    #[test]
    fn exact_numbers() {
        assert_eq!(exact_int(&Literal::Float(3.0)), Some(3));
        assert_eq!(exact_int(&Literal::Float(3.5)), None);
        assert_eq!(exact_int(&Literal::Bool(true)), None);
        assert_eq!(exact_int(&Literal::Timestamp(3)), None);
        assert_eq!(exact_float(&Literal::Int(3)), Some(3.0));
        assert_eq!(exact_float(&Literal::Int(TWO_53 + 1)), None);
        assert_eq!(exact_float(&Literal::Int(i64::MAX)), None);
    }
}
