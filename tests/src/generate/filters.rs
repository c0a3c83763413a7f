//! Random filters over the tags that rows may have.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use sidx_columns::{OwnedValue, ValueType};

use super::rows::{TAGS, Typing};
use super::values::{POOL_TYPES, pool, spread};
use crate::expression::{Expression, Op};

/// Unanchored patterns: anchors, classes, case, text that needs no engine, and one for everything.
pub(crate) const PATTERNS: [&str; 10] = [
    "",
    "^a",
    "b$",
    "^$",
    "[0-9]+",
    "a.c",
    "(?i)API",
    "^10\\.[35]\\.",
    "users|orders",
    "é|ö",
];

pub(crate) const PREFIXES: [&str; 7] = [
    "",
    "a",
    "/api/",
    "10.3",
    "a beginning that is longer than thirty-two",
    "z",
    "\u{10ffff}",
];

/// Random filters, up to three levels deep.
pub fn filter() -> impl Strategy<Value = Expression> {
    leaf().prop_recursive(3, 10, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 2..=3).prop_map(Expression::And),
            vec(inner.clone(), 2..=3).prop_map(Expression::Or),
            inner.prop_map(|inner| Expression::Not(Box::new(inner))),
        ]
    })
}

fn leaf() -> impl Strategy<Value = Expression> {
    (0..TAGS.len()).prop_flat_map(|at| {
        let (name, typing) = TAGS[at];
        let is_array = matches!(typing, Typing::Fixed(kind) if kind.array);
        // Mostly tests that fit the tag; the others must be false, not wrong.
        let (scalar, array) = match typing {
            Typing::Fixed(_) if is_array => (1, 6),
            Typing::Fixed(_) => (6, 1),
            _ => (3, 3),
        };
        prop_oneof![
            scalar => scalar_test(name, typing),
            array => array_test(name, typing),
            1 => Just(Expression::Exists(name.to_owned())),
        ]
    })
}

fn scalar_test(name: &'static str, typing: Typing) -> BoxedStrategy<Expression> {
    let tag = || name.to_owned();
    let compare = (comparison(), literal(typing)).prop_filter_map(
        "bools have no order",
        move |(op, literal)| {
            let ordering = !matches!(op, Op::Eq | Op::Ne);
            (!(ordering && matches!(literal, OwnedValue::Bool(_))))
                .then(|| Expression::Compare(tag(), op, literal))
        },
    );
    let within = (vec(literal(typing), 1..=5), any::<bool>())
        .prop_map(move |(literals, negated)| Expression::In(tag(), literals, negated));
    let pattern = (select(PATTERNS.to_vec()), any::<bool>())
        .prop_map(move |(pattern, negated)| Expression::Matches(tag(), pattern.into(), negated));
    let prefix = prop_oneof![
        3 => select(PREFIXES.to_vec()).prop_map(OwnedValue::from),
        1 => select(vec![vec![], vec![0], vec![0xff], vec![0xff; 33]])
            .prop_map(OwnedValue::Bytes),
    ];
    let prefix = prefix.prop_map(move |prefix| Expression::StartsWith(tag(), prefix));
    prop_oneof![5 => compare, 2 => within, 1 => pattern, 1 => prefix].boxed()
}

fn array_test(name: &'static str, typing: Typing) -> BoxedStrategy<Expression> {
    (vec(literal(typing), 1..=3), any::<bool>())
        .prop_map(move |(literals, all)| {
            if all {
                Expression::ContainsAll(name.to_owned(), literals)
            } else {
                Expression::ContainsAny(name.to_owned(), literals)
            }
        })
        .boxed()
}

fn comparison() -> impl Strategy<Value = Op> {
    select(Op::ALL.to_vec())
}

/// Literals that mostly compare with the tag: of its type, or the other kind of number.
fn literal(typing: Typing) -> BoxedStrategy<OwnedValue> {
    let any_type = select(POOL_TYPES.to_vec());
    let kind = match typing {
        Typing::Fixed(kind) => {
            let near = match kind.value {
                ValueType::Int => ValueType::Float,
                ValueType::Float => ValueType::Int,
                other => other,
            };
            prop_oneof![6 => Just(kind.value), 2 => Just(near), 1 => any_type].boxed()
        }
        _ => any_type.boxed(),
    };
    let writable = |value: &OwnedValue| !matches!(value, OwnedValue::Float(f) if !f.is_finite());
    kind.prop_flat_map(move |kind| {
        let pool: Vec<OwnedValue> = pool(kind).into_iter().filter(writable).collect();
        prop_oneof![2 => select(pool), 1 => (0u32..3_000).prop_map(move |at| spread(kind, at))]
    })
    .boxed()
}
