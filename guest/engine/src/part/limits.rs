//! Least and greatest values of columns: as records in tag metadata, as JSON in manifests.

use crate::wire::Bytes;
use serde::{Deserialize, Serialize};
use sidx_kernels::ValueRange;

/// Limits in a record. The code of a variant is its place.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum LimitsRecord<'a> {
    None,
    Ints {
        min: i64,
        max: i64,
    },
    Floats {
        min: f64,
        max: f64,
        nan: bool,
    },
    /// Bit 0 least, bit 1 greatest.
    Bools(u8),
    Bytes {
        #[serde(borrow)]
        min: Bytes<'a>,
        #[serde(borrow)]
        max: Bytes<'a>,
    },
    BytesUnbounded {
        #[serde(borrow)]
        min: Bytes<'a>,
    },
}

impl<'a> From<&'a ValueRange> for LimitsRecord<'a> {
    #[inline]
    fn from(limits: &'a ValueRange) -> Self {
        match *limits {
            ValueRange::None => Self::None,
            ValueRange::Int { min, max } => Self::Ints { min, max },
            ValueRange::Float { min, max, nan } => Self::Floats { min, max, nan },
            ValueRange::Bool { min, max } => Self::Bools(u8::from(min) | u8::from(max) << 1),
            ValueRange::Bytes { ref min, ref max } => match max {
                Some(max) => Self::Bytes {
                    min: Bytes(min),
                    max: Bytes(max),
                },
                None => Self::BytesUnbounded { min: Bytes(min) },
            },
        }
    }
}

impl From<LimitsRecord<'_>> for ValueRange {
    #[inline]
    fn from(record: LimitsRecord<'_>) -> Self {
        match record {
            LimitsRecord::None => Self::None,
            LimitsRecord::Ints { min, max } => Self::Int { min, max },
            LimitsRecord::Floats { min, max, nan } => Self::Float { min, max, nan },
            LimitsRecord::Bools(bits) => Self::Bool {
                min: bits & 1 != 0,
                max: bits & 2 != 0,
            },
            LimitsRecord::Bytes { min, max } => Self::Bytes {
                min: min.0.to_vec(),
                max: Some(max.0.to_vec()),
            },
            LimitsRecord::BytesUnbounded { min } => Self::Bytes {
                min: min.0.to_vec(),
                max: None,
            },
        }
    }
}

/// Limits in a manifest. Floats are text, since JSON has no infinities; byte strings are lists of numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LimitsText {
    None,
    Ints(i64, i64),
    Floats { min: String, max: String, nan: bool },
    Bools(bool, bool),
    Bytes { min: Vec<u8>, max: Option<Vec<u8>> },
    Strings { min: String, max: Option<String> },
}

impl From<&ValueRange> for LimitsText {
    fn from(limits: &ValueRange) -> Self {
        let text = |bytes: &[u8]| std::str::from_utf8(bytes).ok().map(str::to_owned);
        match limits {
            ValueRange::None => Self::None,
            ValueRange::Int { min, max } => Self::Ints(*min, *max),
            ValueRange::Float { min, max, nan } => Self::Floats {
                min: format!("{min:?}"),
                max: format!("{max:?}"),
                nan: *nan,
            },
            ValueRange::Bool { min, max } => Self::Bools(*min, *max),
            ValueRange::Bytes { min, max } => {
                let max_text = max.as_deref().map(text);
                match (text(min), max_text) {
                    (Some(min), None) => Self::Strings { min, max: None },
                    (Some(min), Some(Some(max))) => Self::Strings {
                        min,
                        max: Some(max),
                    },
                    _ => Self::Bytes {
                        min: min.clone(),
                        max: max.clone(),
                    },
                }
            }
        }
    }
}

impl LimitsText {
    /// The limits; a float that does not parse is taken as "anything", which is always right.
    pub(crate) fn range(&self) -> ValueRange {
        match self {
            Self::None => ValueRange::None,
            Self::Ints(min, max) => ValueRange::Int {
                min: *min,
                max: *max,
            },
            Self::Floats { min, max, nan } => ValueRange::Float {
                min: min.parse().unwrap_or(f64::NEG_INFINITY),
                max: max.parse().unwrap_or(f64::INFINITY),
                nan: *nan,
            },
            Self::Bools(min, max) => ValueRange::Bool {
                min: *min,
                max: *max,
            },
            Self::Bytes { min, max } => ValueRange::Bytes {
                min: min.clone(),
                max: max.clone(),
            },
            Self::Strings { min, max } => ValueRange::Bytes {
                min: min.clone().into_bytes(),
                max: max.clone().map(String::into_bytes),
            },
        }
    }
}

/// The limits that hold for both.
pub(crate) fn union(one: &ValueRange, other: &ValueRange) -> ValueRange {
    match (one, other) {
        (ValueRange::None, limits) | (limits, ValueRange::None) => limits.clone(),
        (ValueRange::Int { min: a, max: b }, ValueRange::Int { min: c, max: d }) => {
            ValueRange::Int {
                min: *a.min(c),
                max: *b.max(d),
            }
        }
        (
            ValueRange::Float {
                min: a,
                max: b,
                nan: m,
            },
            ValueRange::Float {
                min: c,
                max: d,
                nan: n,
            },
        ) => ValueRange::Float {
            min: a.min(*c),
            max: b.max(*d),
            nan: *m || *n,
        },
        (ValueRange::Bool { min: a, max: b }, ValueRange::Bool { min: c, max: d }) => {
            ValueRange::Bool {
                min: *a && *c,
                max: *b || *d,
            }
        }
        (ValueRange::Bytes { min: a, max: b }, ValueRange::Bytes { min: c, max: d }) => {
            let max = match (b, d) {
                (Some(b), Some(d)) => Some(b.max(d).clone()),
                _ => None,
            };
            ValueRange::Bytes {
                min: a.min(c).clone(),
                max,
            }
        }
        // Limits of different kinds never belong to one column; knowing nothing is always right for
        // bytes, and the caller compares kinds before it gets here.
        _ => ValueRange::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{self, Reader};

    fn samples() -> Vec<ValueRange> {
        vec![
            ValueRange::None,
            ValueRange::Int {
                min: i64::MIN,
                max: i64::MAX,
            },
            ValueRange::Float {
                min: f64::NEG_INFINITY,
                max: 0.1,
                nan: true,
            },
            ValueRange::Float {
                min: -0.0,
                max: 1e300,
                nan: false,
            },
            ValueRange::Bool {
                min: false,
                max: true,
            },
            ValueRange::Bytes {
                min: b"a".to_vec(),
                max: Some("é".as_bytes().to_vec()),
            },
            ValueRange::Bytes {
                min: vec![0xff, 0],
                max: None,
            },
            ValueRange::Bytes {
                min: Vec::new(),
                max: None,
            },
        ]
    }

    #[test]
    fn limits_return() {
        for limits in samples() {
            let bytes = wire::write(&LimitsRecord::from(&limits));
            let mut reader = Reader::new(&bytes, "limits");
            let read: LimitsRecord<'_> = reader.read().unwrap();
            assert_eq!(ValueRange::from(read), limits);
            reader.finish().unwrap();
            let json = serde_json::to_string(&LimitsText::from(&limits)).unwrap();
            let text: LimitsText = serde_json::from_str(&json).unwrap();
            assert_eq!(text.range(), limits, "{json}");
            for cut in 0..bytes.len() {
                let read = Reader::new(&bytes[..cut], "limits").read::<LimitsRecord<'_>>();
                assert!(read.is_err());
            }
            for damaged in wire::with_huge_numbers(&bytes) {
                let _ = Reader::new(&damaged, "limits").read::<LimitsRecord<'_>>();
            }
        }
    }

    #[test]
    fn unions() {
        let bytes = |min: &[u8], max: Option<&[u8]>| ValueRange::Bytes {
            min: min.to_vec(),
            max: max.map(<[u8]>::to_vec),
        };
        assert_eq!(
            union(&bytes(b"b", Some(b"c")), &bytes(b"a", Some(b"d"))),
            bytes(b"a", Some(b"d"))
        );
        assert_eq!(
            union(&bytes(b"b", None), &bytes(b"a", Some(b"d"))),
            bytes(b"a", None)
        );
        for limits in samples() {
            assert_eq!(union(&limits, &ValueRange::None), limits);
            assert_eq!(union(&limits, &limits), limits);
        }
    }
}
