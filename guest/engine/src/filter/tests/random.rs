//! Random expressions over random rows, drawn from the values where rules meet.

use proptest::prelude::*;
use sidx_columns::{OwnedValue, ValueType};

use super::{Row, check};
use crate::expression::{Comparison, Expression, Literal};

const TWO_53: i64 = 1 << 53;

const INTS: [i64; 12] = [
    i64::MIN,
    i64::MIN + 1,
    -TWO_53 - 1,
    -1,
    0,
    1,
    2,
    3,
    TWO_53,
    TWO_53 + 1,
    i64::MAX - 1,
    i64::MAX,
];

const FLOATS: [f64; 17] = [
    f64::NAN,
    f64::NEG_INFINITY,
    -1e300,
    -9_223_372_036_854_775_808.0,
    -9_007_199_254_740_992.0,
    -0.5,
    -0.0,
    0.0,
    1.0,
    1.5,
    2.0,
    3.0,
    9_007_199_254_740_992.0,
    9_007_199_254_740_994.0,
    9_223_372_036_854_775_808.0,
    1e300,
    f64::INFINITY,
];

const STRINGS: [&str; 9] = [
    "",
    "a",
    "ab",
    "abc",
    "b",
    "é",
    "\u{10ffff}",
    "a string that is longer than limits are, one",
    "a string that is longer than limits are, two",
];

const BYTES: [&[u8]; 8] = [
    b"",
    b"\0",
    b"a",
    b"ab",
    b"a\xff",
    b"a\xff\xff",
    b"\xff",
    b"\xff\xff",
];

const TAGS: [&str; 2] = ["a", "b"];

fn scalar(kind: ValueType) -> BoxedStrategy<OwnedValue> {
    let int = prop::sample::select(INTS.to_vec());
    match kind {
        ValueType::Int => int.prop_map(OwnedValue::Int).boxed(),
        ValueType::Timestamp => int.prop_map(OwnedValue::Timestamp).boxed(),
        ValueType::Float => prop::sample::select(FLOATS.to_vec())
            .prop_map(OwnedValue::Float)
            .boxed(),
        ValueType::Bool => any::<bool>().prop_map(OwnedValue::Bool).boxed(),
        ValueType::String => prop::sample::select(STRINGS.to_vec())
            .prop_map(|text| OwnedValue::String(text.to_owned()))
            .boxed(),
        ValueType::Bytes => prop::sample::select(BYTES.to_vec())
            .prop_map(|bytes| OwnedValue::Bytes(bytes.to_vec()))
            .boxed(),
    }
}

fn kind() -> impl Strategy<Value = ValueType> + Clone {
    prop::sample::select(ValueType::ALL.to_vec())
}

/// Values of a few types, so that a block often has all rows of one.
fn value(kinds: Vec<(ValueType, bool)>) -> impl Strategy<Value = OwnedValue> {
    prop::sample::select(kinds).prop_flat_map(|(kind, array)| {
        if !array {
            return scalar(kind);
        }
        prop::collection::vec(scalar(kind), 0..4)
            .prop_map(move |elements| OwnedValue::Array(kind, elements))
            .boxed()
    })
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let kinds = prop::collection::vec((kind(), prop::bool::weighted(0.3)), 1..3);
    (kinds.clone(), kinds, 0.0..1.0).prop_flat_map(|(first, second, absent)| {
        let present = if absent < 0.5 { 0.999 } else { 0.7 };
        let tag = |kinds| prop::option::weighted(present, value(kinds));
        let row = (tag(first), tag(second)).prop_map(|(a, b)| {
            let values = TAGS.into_iter().zip([a, b]);
            values
                .filter_map(|(name, value)| Some((name, value?)))
                .collect::<Row>()
        });
        prop::collection::vec(row, 0..8)
    })
}

fn literal() -> impl Strategy<Value = Literal> {
    kind().prop_flat_map(scalar).prop_map(|value| match value {
        OwnedValue::Int(value) => Literal::Int(value),
        OwnedValue::Timestamp(value) => Literal::Timestamp(value),
        OwnedValue::Float(value) => Literal::Float(value),
        OwnedValue::Bool(value) => Literal::Bool(value),
        OwnedValue::Bytes(value) => Literal::Bytes(value),
        OwnedValue::String(value) => Literal::String(value),
        OwnedValue::Array(..) => panic!("scalars only"),
    })
}

fn expression() -> impl Strategy<Value = Expression> {
    use Comparison::{Eq, Ge, Gt, Le, Lt, Ne};
    let tag = || prop::sample::select(TAGS.to_vec()).prop_map(str::to_owned);
    let op = prop::sample::select(vec![Eq, Ne, Lt, Le, Gt, Ge]);
    let list = || prop::collection::vec(literal(), 0..6);
    let pattern = prop::sample::select(vec!["", "^a", "b$", "[bé]", "^$"]);
    let leaf = prop_oneof![
        6 => (tag(), op, literal())
            .prop_map(|(tag, op, value)| Expression::Compare { tag, op, value }),
        2 => (tag(), list(), any::<bool>())
            .prop_map(|(tag, values, negated)| Expression::In { tag, values, negated }),
        1 => (tag(), pattern, any::<bool>()).prop_map(|(tag, pattern, negated)| {
            let pattern = Literal::String(pattern.to_owned());
            Expression::Matches { tag, pattern, negated }
        }),
        1 => (tag(), literal()).prop_map(|(tag, prefix)| Expression::StartsWith { tag, prefix }),
        2 => (tag(), any::<bool>(), list())
            .prop_map(|(tag, all, values)| Expression::Contains { tag, all, values }),
        1 => tag().prop_map(|tag| Expression::Exists { tag }),
    ];
    leaf.prop_recursive(4, 12, 3, |inner| {
        let parts = || prop::collection::vec(inner.clone(), 0..3);
        prop_oneof![
            parts().prop_map(Expression::And),
            parts().prop_map(Expression::Or),
            inner
                .clone()
                .prop_map(|part| Expression::Not(Box::new(part))),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, ..ProptestConfig::default() })]

    #[test]
    fn kernels_and_verdicts_agree_with_the_oracle(
        expression in expression(),
        rows in rows(),
        cut in 0..4usize,
    ) {
        check(&expression, &rows, cut);
    }
}

/// Every comparison of every pair of values, one row each: no luck needed.
#[test]
fn every_pair_of_values() {
    let ints = INTS
        .iter()
        .flat_map(|v| [OwnedValue::Int(*v), OwnedValue::Timestamp(*v)]);
    let floats = FLOATS.iter().map(|v| OwnedValue::Float(*v));
    let texts = STRINGS.iter().map(|v| OwnedValue::from(*v));
    let bytes = BYTES.iter().map(|v| OwnedValue::from(*v));
    let bools = [false, true].map(OwnedValue::Bool);
    let values: Vec<OwnedValue> = ints
        .chain(floats)
        .chain(texts)
        .chain(bytes)
        .chain(bools)
        .collect();
    let rows: Vec<Row> = values
        .iter()
        .map(|value| vec![("a", value.clone())])
        .collect();
    use Comparison::{Eq, Ge, Gt, Le, Lt, Ne};
    for value in &values {
        let value = match value {
            OwnedValue::Int(value) => Literal::Int(*value),
            OwnedValue::Timestamp(value) => Literal::Timestamp(*value),
            OwnedValue::Float(value) => Literal::Float(*value),
            OwnedValue::String(value) => Literal::String(value.clone()),
            OwnedValue::Bytes(value) => Literal::Bytes(value.clone()),
            OwnedValue::Bool(value) => Literal::Bool(*value),
            OwnedValue::Array(..) => continue,
        };
        for op in [Eq, Ne, Lt, Le, Gt, Ge] {
            let expression = Expression::Compare {
                tag: "a".to_owned(),
                op,
                value: value.clone(),
            };
            check(&expression, &rows, 1);
            // Alone in a block, a row's limits say most.
            for row in &rows {
                check(&expression, std::slice::from_ref(row), 32);
            }
        }
    }
}
