//! Filter expressions of the tests: a small tree, the text it stands for, and what it means for one
//! row. Written from the documented meaning alone; nothing here calls the engine's parser or filters.

mod text;

use std::cmp::Ordering;
use std::collections::BTreeMap;

use regex::Regex;
use sidx_columns::OwnedValue;

pub use text::literal_text;

/// The tags of one row. A tag that is not in the map is absent.
pub type Tags = BTreeMap<String, OwnedValue>;

/// How a tag is compared with one literal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// `=`
    Eq,
    /// `!=`
    Ne,
    /// `<`
    Lt,
    /// `<=`
    Le,
    /// `>`
    Gt,
    /// `>=`
    Ge,
}

impl Op {
    /// All comparisons.
    pub const ALL: [Op; 6] = [Op::Eq, Op::Ne, Op::Lt, Op::Le, Op::Gt, Op::Ge];
}

/// A filter. Literals are scalars; floats among them are finite, because others can't be written.
#[derive(Clone, Debug)]
pub enum Expression {
    /// `tag op literal`
    Compare(String, Op, OwnedValue),
    /// `tag in (..)`; negated: `tag not in (..)`
    In(String, Vec<OwnedValue>, bool),
    /// `tag ~ "regex"`; negated: `tag !~ "regex"`
    Matches(String, String, bool),
    /// `tag starts with literal`
    StartsWith(String, OwnedValue),
    /// `tag contains any (..)`
    ContainsAny(String, Vec<OwnedValue>),
    /// `tag contains all (..)`
    ContainsAll(String, Vec<OwnedValue>),
    /// `exists(tag)`
    Exists(String),
    /// All of them.
    And(Vec<Expression>),
    /// At least one of them.
    Or(Vec<Expression>),
    /// Plain logic: true exactly where the inner one is false.
    Not(Box<Expression>),
}

/// How a stored scalar stands to a literal.
enum Relation {
    /// The types never match: every comparison is false, `!=` included.
    Foreign,
    /// A NaN: equal to nothing, neither below nor above.
    Unordered,
    /// Comparable values.
    Ordered(Ordering),
}

impl Expression {
    /// Whether the filter lets a row through.
    pub fn accepts(&self, tags: &Tags) -> bool {
        match self {
            Self::Compare(tag, op, literal) => tags
                .get(tag)
                .is_some_and(|value| compare(value, *op, literal)),
            Self::In(tag, literals, negated) => {
                let Some(value) = tags.get(tag) else {
                    return false;
                };
                if !literals.iter().any(|literal| comparable(value, literal)) {
                    return false;
                }
                literals.iter().any(|literal| equal(value, literal)) != *negated
            }
            Self::Matches(tag, pattern, negated) => match tags.get(tag) {
                Some(OwnedValue::String(text)) => {
                    Regex::new(pattern)
                        .expect("patterns of the tests are valid")
                        .is_match(text)
                        != *negated
                }
                _ => false,
            },
            Self::StartsWith(tag, prefix) => match (tags.get(tag), prefix) {
                (Some(OwnedValue::String(text)), OwnedValue::String(prefix)) => {
                    text.as_bytes().starts_with(prefix.as_bytes())
                }
                (Some(OwnedValue::Bytes(bytes)), OwnedValue::Bytes(prefix)) => {
                    bytes.starts_with(prefix)
                }
                _ => false,
            },
            Self::ContainsAny(tag, literals) => literals
                .iter()
                .any(|literal| has_element(tags.get(tag), literal)),
            Self::ContainsAll(tag, literals) => literals
                .iter()
                .all(|literal| has_element(tags.get(tag), literal)),
            Self::Exists(tag) => tags.contains_key(tag),
            Self::And(parts) => parts.iter().all(|part| part.accepts(tags)),
            Self::Or(parts) => parts.iter().any(|part| part.accepts(tags)),
            Self::Not(part) => !part.accepts(tags),
        }
    }
}

fn compare(value: &OwnedValue, op: Op, literal: &OwnedValue) -> bool {
    match relation(value, literal) {
        Relation::Foreign => false,
        Relation::Unordered => op == Op::Ne,
        Relation::Ordered(ordering) => match op {
            Op::Eq => ordering.is_eq(),
            Op::Ne => ordering.is_ne(),
            Op::Lt => ordering.is_lt(),
            Op::Le => ordering.is_le(),
            Op::Gt => ordering.is_gt(),
            Op::Ge => ordering.is_ge(),
        },
    }
}

fn comparable(value: &OwnedValue, literal: &OwnedValue) -> bool {
    !matches!(relation(value, literal), Relation::Foreign)
}

fn equal(value: &OwnedValue, literal: &OwnedValue) -> bool {
    matches!(relation(value, literal), Relation::Ordered(Ordering::Equal))
}

fn has_element(value: Option<&OwnedValue>, literal: &OwnedValue) -> bool {
    match value {
        Some(OwnedValue::Array(_, elements)) => {
            elements.iter().any(|element| equal(element, literal))
        }
        _ => false,
    }
}

fn relation(value: &OwnedValue, literal: &OwnedValue) -> Relation {
    use OwnedValue::{Bool, Bytes, Float, Int, String, Timestamp};
    let found = match (value, literal) {
        (Int(a), Int(b)) | (Timestamp(a), Timestamp(b)) => Some(a.cmp(b)),
        (Int(a), Float(b)) => int_to_float(*a, *b),
        (Float(a), Int(b)) => int_to_float(*b, *a).map(Ordering::reverse),
        (Float(a), Float(b)) => a.partial_cmp(b),
        (String(a), String(b)) => Some(a.as_bytes().cmp(b.as_bytes())),
        (Bytes(a), Bytes(b)) => Some(a.cmp(b)),
        (Bool(a), Bool(b)) => Some(a.cmp(b)),
        _ => return Relation::Foreign,
    };
    found.map_or(Relation::Unordered, Relation::Ordered)
}

/// Compares exactly, without rounding either side; none for NaN.
fn int_to_float(int: i64, float: f64) -> Option<Ordering> {
    const TWO_TO_63: f64 = 9_223_372_036_854_775_808.0;
    if float.is_nan() {
        return None;
    }
    if float >= TWO_TO_63 {
        return Some(Ordering::Less);
    }
    if float < -TWO_TO_63 {
        return Some(Ordering::Greater);
    }
    // The whole part fits an i64 now, and both conversions below are exact.
    let whole = float.trunc();
    let by_whole = int.cmp(&(whole as i64));
    Some(by_whole.then_with(|| {
        0.0f64
            .partial_cmp(&(float - whole))
            .unwrap_or(Ordering::Equal)
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ints_and_floats_compare_without_rounding() {
        let edge = 1i64 << 53;
        assert_eq!(int_to_float(edge + 1, edge as f64), Some(Ordering::Greater));
        assert_eq!(
            int_to_float(i64::MAX, i64::MAX as f64),
            Some(Ordering::Less)
        );
        assert_eq!(
            int_to_float(i64::MIN, i64::MIN as f64),
            Some(Ordering::Equal)
        );
        assert_eq!(int_to_float(-2, -2.5), Some(Ordering::Greater));
        assert_eq!(int_to_float(2, 2.5), Some(Ordering::Less));
        assert_eq!(int_to_float(0, -0.0), Some(Ordering::Equal));
        assert_eq!(int_to_float(0, f64::INFINITY), Some(Ordering::Less));
        assert_eq!(int_to_float(0, f64::NAN), None);
    }

    #[test]
    fn absence_is_false_for_every_test_and_true_for_its_plain_negation() {
        let none = Tags::new();
        let one = || OwnedValue::Int(1);
        let tests = [
            Expression::Compare("a".into(), Op::Ne, one()),
            Expression::In("a".into(), vec![one()], true),
            Expression::Matches("a".into(), "x".into(), true),
            Expression::ContainsAll("a".into(), vec![one()]),
            Expression::Exists("a".into()),
        ];
        for test in tests {
            assert!(!test.accepts(&none), "{}", test.text());
            assert!(Expression::Not(Box::new(test)).accepts(&none));
        }
    }

    #[test]
    fn not_equal_needs_a_comparable_type() {
        let tags = Tags::from([
            ("text".to_owned(), OwnedValue::from("x")),
            ("nan".to_owned(), OwnedValue::Float(f64::NAN)),
        ]);
        let ne = |tag: &str| Expression::Compare(tag.into(), Op::Ne, OwnedValue::Int(1));
        assert!(!ne("text").accepts(&tags));
        assert!(ne("nan").accepts(&tags));
    }
}
