//! Rows of a write, each made from the seed and its number.

use proptest::prelude::*;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use sidx_columns::{ColumnType, OwnedValue, ValueType};

use super::log_uniform;
use super::values::{POOL_TYPES, pool, spread};
use crate::expression::Tags;
use crate::model::{Row, SeriesName};

/// Keys at the ends of their range.
pub(super) const EXTREME_KEYS: [i64; 7] =
    [i64::MIN, i64::MIN + 1, -1, 0, 1, i64::MAX - 1, i64::MAX];

/// How a tag gets its type.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Typing {
    /// Always this one.
    Fixed(ColumnType),
    /// One per write: retyped between batches.
    PerWrite,
    /// One per row: retyped inside batches.
    PerRow,
}

const fn scalar(value: ValueType) -> Typing {
    Typing::Fixed(ColumnType::scalar(value))
}

const fn array(value: ValueType) -> Typing {
    Typing::Fixed(ColumnType::array(value))
}

/// The tags that rows may have, with names that a file system or parser could stumble over.
pub(crate) const TAGS: [(&str, Typing); 17] = [
    ("code", scalar(ValueType::Int)),
    ("name", scalar(ValueType::String)),
    ("ratio", scalar(ValueType::Float)),
    ("flag", scalar(ValueType::Bool)),
    ("blob", scalar(ValueType::Bytes)),
    ("at", scalar(ValueType::Timestamp)),
    ("codes", array(ValueType::Int)),
    ("names", array(ValueType::String)),
    ("ratios", array(ValueType::Float)),
    ("flags", array(ValueType::Bool)),
    ("blobs", array(ValueType::Bytes)),
    ("times", array(ValueType::Timestamp)),
    ("drift", Typing::PerWrite),
    ("mixed", Typing::PerRow),
    ("../x", scalar(ValueType::String)),
    ("and", Typing::PerWrite),
    ("größe `1`", Typing::PerWrite),
];

/// Where the keys of a write lie.
#[derive(Clone, Copy, Debug)]
pub enum Keys {
    /// Very few different ones.
    Few,
    /// 0 to 999.
    Dense,
    /// One after the other.
    Sequence,
    /// The ends of the range.
    Extreme,
    /// Anywhere.
    Any,
}

/// What the payloads of a write are like.
#[derive(Clone, Copy, Debug)]
pub enum Payloads {
    /// Zero bytes.
    Empty,
    /// A handful of different ones.
    Few,
    /// All different.
    Unique,
    /// Up to 4 KiB that do not compress.
    Large,
}

/// One batch to write.
#[derive(Clone, Debug)]
pub struct Write {
    /// Number of rows.
    pub rows: u32,
    /// Makes the rows.
    pub seed: u64,
    /// Where the keys lie.
    pub keys: Keys,
    /// What the payloads are like.
    pub payloads: Payloads,
    /// Which of the tags rows may have, a bit each.
    pub tags: u32,
    /// Per cent of the rows that have a tag.
    pub present: u8,
    /// Whether values are mostly different from each other.
    pub spread: bool,
    /// Waits for the medium, not just the operating system.
    pub sync: bool,
}

pub(super) fn write((least, most): (u32, u32)) -> impl Strategy<Value = Write> {
    let large = most > 1_000;
    let keys = prop_oneof![
        Just(Keys::Few),
        Just(Keys::Dense),
        Just(Keys::Sequence),
        Just(Keys::Extreme),
        Just(Keys::Any),
    ];
    let payloads = prop_oneof![
        2 => Just(Payloads::Few),
        2 => Just(Payloads::Unique),
        1 => Just(Payloads::Empty),
        1 => Just(if large { Payloads::Unique } else { Payloads::Large }),
    ];
    let present = prop_oneof![Just(100u8), Just(90), Just(50), Just(3)];
    let style = (keys, payloads, any::<u32>(), present, any::<bool>());
    let sync = proptest::bool::weighted(0.1);
    (
        log_uniform(least, most),
        any::<u64>().no_shrink(),
        style,
        sync,
    )
        .prop_map(
            move |(rows, seed, (keys, payloads, tags, present, spread), sync)| {
                // Large writes carry fewer tags, so that a case fits memory and time.
                let tags = if large { tags & (tags >> 7) } else { tags };
                Write {
                    rows,
                    seed,
                    keys,
                    payloads,
                    tags,
                    present,
                    spread,
                    sync,
                }
            },
        )
}

/// Series number `at`: labelled and numbered ones in turn, the ends of the numbers among them.
pub fn series_name(at: u32) -> SeriesName {
    match at {
        1 => SeriesName::Id(0),
        3 => SeriesName::Id(u64::MAX),
        at if at % 2 == 0 => SeriesName::Label(format!("series {at}")),
        at => SeriesName::Id(u64::from(at)),
    }
}

/// The rows of a write over `series` series.
pub fn rows(write: &Write, series: u32) -> Vec<Row> {
    let pools = POOL_TYPES.map(pool);
    (0..write.rows)
        .map(|at| row(write, series, at, &pools))
        .collect()
}

fn row(write: &Write, series: u32, at: u32, pools: &[Vec<OwnedValue>; 6]) -> Row {
    let seed = write.seed ^ u64::from(at).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let rng = &mut SmallRng::seed_from_u64(seed);
    let key = match write.keys {
        Keys::Few => rng.random_range(-3..3),
        Keys::Dense => rng.random_range(0..1_000),
        Keys::Sequence => i64::from(at),
        Keys::Extreme => EXTREME_KEYS[rng.random_range(0..EXTREME_KEYS.len())],
        Keys::Any => rng.random(),
    };
    let mut tags = Tags::new();
    for (bit, (name, typing)) in TAGS.iter().enumerate() {
        if write.tags >> bit & 1 == 0 || rng.random_range(0..100) >= write.present {
            continue;
        }
        let kind = match typing {
            Typing::Fixed(kind) => *kind,
            Typing::PerWrite => any_type(write.seed.rotate_left(bit as u32) % 12),
            Typing::PerRow => any_type(rng.random_range(0..12)),
        };
        tags.insert((*name).to_owned(), value(rng, kind, write.spread, pools));
    }
    Row {
        series: series_name(rng.random_range(0..series)),
        key,
        payload: payload(rng, write.payloads, at),
        tags,
    }
}

fn any_type(number: u64) -> ColumnType {
    let value = POOL_TYPES[(number % 6) as usize];
    ColumnType {
        value,
        array: number >= 6,
    }
}

fn value(
    rng: &mut SmallRng,
    kind: ColumnType,
    spread: bool,
    pools: &[Vec<OwnedValue>; 6],
) -> OwnedValue {
    if !kind.array {
        return scalar_value(rng, kind.value, spread, pools);
    }
    let length = rng.random_range(0..5);
    let elements = (0..length)
        .map(|_| scalar_value(rng, kind.value, spread, pools))
        .collect();
    OwnedValue::Array(kind.value, elements)
}

fn scalar_value(
    rng: &mut SmallRng,
    kind: ValueType,
    many: bool,
    pools: &[Vec<OwnedValue>; 6],
) -> OwnedValue {
    // One in thirty is awkward in spread columns, so that they keep their own encodings often.
    if many && rng.random_range(0..30) > 0 {
        return spread(kind, rng.random_range(0..3_000));
    }
    let at = POOL_TYPES
        .iter()
        .position(|known| *known == kind)
        .expect("every type has a pool");
    let pool = &pools[at];
    pool[rng.random_range(0..pool.len())].clone()
}

fn payload(rng: &mut SmallRng, payloads: Payloads, at: u32) -> Vec<u8> {
    match payloads {
        Payloads::Empty => Vec::new(),
        Payloads::Few => format!("payload {}", rng.random_range(0..5)).into_bytes(),
        Payloads::Unique => {
            let mut bytes = at.to_be_bytes().to_vec();
            bytes.extend(rng.random::<[u8; 16]>());
            bytes
        }
        Payloads::Large => {
            let length = rng.random_range(0..4_096);
            (0..length).map(|_| rng.random()).collect()
        }
    }
}
