//! Values to store and to compare with: awkward ones from a pool, and many different ones.

use sidx_columns::{OwnedValue, ValueType};

/// Every type of scalar.
pub const POOL_TYPES: [ValueType; 6] = ValueType::ALL;

const TWO_TO_53: i64 = 1 << 53;

/// Ints around zero, around what a double can hold exactly, and at the ends.
const INTS: [i64; 16] = [
    0,
    1,
    2,
    3,
    -1,
    7,
    200,
    500,
    TWO_TO_53 - 1,
    TWO_TO_53,
    TWO_TO_53 + 1,
    -TWO_TO_53 - 1,
    i64::MAX - 1,
    i64::MAX,
    i64::MIN + 1,
    i64::MIN,
];

const FLOATS: [f64; 18] = [
    0.0,
    -0.0,
    1.0,
    2.0,
    2.5,
    -1.0,
    0.1,
    200.0,
    9_007_199_254_740_992.0,
    9_007_199_254_740_994.0,
    9_223_372_036_854_775_808.0,
    -9_223_372_036_854_775_808.0,
    1e300,
    -1e300,
    5e-324,
    f64::NAN,
    f64::INFINITY,
    f64::NEG_INFINITY,
];

/// Texts that share long beginnings, end in the greatest character, hold quotes or nothing.
const TEXTS: [&str; 14] = [
    "",
    "a",
    "ab",
    "abc",
    "b",
    "B",
    "/api/users",
    "/api/orders",
    "größe",
    "\u{10ffff}\u{10ffff}\u{10ffff}\u{10ffff}\u{10ffff}\u{10ffff}\u{10ffff}\u{10ffff}\u{10ffff}",
    "a quote \" a slash \\ a\nline and a nul \0",
    "a beginning that is longer than thirty-two bytes, then one",
    "a beginning that is longer than thirty-two bytes, then two",
    "a beginning that is longer than thirty-two bytes",
];

/// Awkward values of a type.
pub fn pool(kind: ValueType) -> Vec<OwnedValue> {
    match kind {
        ValueType::String => TEXTS.into_iter().map(OwnedValue::from).collect(),
        ValueType::Int => INTS.into_iter().map(OwnedValue::Int).collect(),
        ValueType::Float => FLOATS.into_iter().map(OwnedValue::Float).collect(),
        ValueType::Bool => vec![OwnedValue::Bool(false), OwnedValue::Bool(true)],
        ValueType::Bytes => [
            &[][..],
            &[0],
            &[0, 0],
            &[1, 2, 3],
            b"abc",
            &[0xff],
            &[0xff; 40],
            &[0xfe; 33],
        ]
        .into_iter()
        .map(OwnedValue::from)
        .collect(),
        ValueType::Timestamp => INTS.into_iter().map(OwnedValue::Timestamp).collect(),
    }
}

/// Value number `at` of a long row of different values, so that pages need more than a dictionary.
pub fn spread(kind: ValueType, at: u32) -> OwnedValue {
    let number = i64::from(at);
    match kind {
        ValueType::String => OwnedValue::String(format!(
            "10.{}.{}.7:{}",
            at % 7,
            at % 251,
            at.wrapping_mul(31)
        )),
        ValueType::Int => OwnedValue::Int(number * 7_919 - 50_000),
        ValueType::Float => OwnedValue::Float(number as f64 / 64.0 - 3.0),
        ValueType::Bool => OwnedValue::Bool(at.is_multiple_of(3)),
        ValueType::Bytes => {
            OwnedValue::Bytes(at.wrapping_mul(2_654_435_761).to_be_bytes()[..3].to_vec())
        }
        ValueType::Timestamp => OwnedValue::Timestamp(1_357_000_000_000_000_000 + number * 999),
    }
}
