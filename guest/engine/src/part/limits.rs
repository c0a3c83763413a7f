//! Least and greatest values of columns: as bytes in tag metadata, as JSON in manifests.

use crate::error::Result;
use crate::wire::{Reader, put, put_bytes, put_signed};
use serde::{Deserialize, Serialize};
use sidx_kernels::ValueRange;

const NONE: u64 = 0;
const INTS: u64 = 1;
const FLOATS: u64 = 2;
const BOOLS: u64 = 3;
const BYTES: u64 = 4;
const BYTES_UNBOUNDED: u64 = 5;

/// Appends limits: a code, then the two values.
pub(crate) fn put_limits(limits: &ValueRange, out: &mut Vec<u8>) {
    match limits {
        ValueRange::None => put(NONE, out),
        ValueRange::Int { min, max } => {
            put(INTS, out);
            put_signed(*min, out);
            put_signed(*max, out);
        }
        ValueRange::Float { min, max, nan } => {
            put(FLOATS, out);
            out.extend_from_slice(&min.to_bits().to_le_bytes());
            out.extend_from_slice(&max.to_bits().to_le_bytes());
            out.push(u8::from(*nan));
        }
        ValueRange::Bool { min, max } => {
            put(BOOLS, out);
            out.push(u8::from(*min) | u8::from(*max) << 1);
        }
        ValueRange::Bytes {
            min,
            max: Some(max),
        } => {
            put(BYTES, out);
            put_bytes(min, out);
            put_bytes(max, out);
        }
        ValueRange::Bytes { min, max: None } => {
            put(BYTES_UNBOUNDED, out);
            put_bytes(min, out);
        }
    }
}

/// Reads what [`put_limits`] wrote.
pub(crate) fn read_limits(reader: &mut Reader<'_>) -> Result<ValueRange> {
    Ok(match reader.number()? {
        NONE => ValueRange::None,
        INTS => ValueRange::Int {
            min: reader.signed()?,
            max: reader.signed()?,
        },
        FLOATS => ValueRange::Float {
            min: f64::from_bits(reader.fixed_u64()?),
            max: f64::from_bits(reader.fixed_u64()?),
            nan: reader.byte()? != 0,
        },
        BOOLS => {
            let bits = reader.byte()?;
            ValueRange::Bool {
                min: bits & 1 != 0,
                max: bits & 2 != 0,
            }
        }
        BYTES => ValueRange::Bytes {
            min: reader.bytes()?.to_vec(),
            max: Some(reader.bytes()?.to_vec()),
        },
        BYTES_UNBOUNDED => ValueRange::Bytes {
            min: reader.bytes()?.to_vec(),
            max: None,
        },
        code => return Err(reader.fault(&format!("unknown code {code} of limits"))),
    })
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
            let mut bytes = Vec::new();
            put_limits(&limits, &mut bytes);
            let mut reader = Reader::new(&bytes, "limits");
            assert_eq!(read_limits(&mut reader).unwrap(), limits);
            reader.finish().unwrap();
            let json = serde_json::to_string(&LimitsText::from(&limits)).unwrap();
            let text: LimitsText = serde_json::from_str(&json).unwrap();
            assert_eq!(text.range(), limits, "{json}");
            for cut in 0..bytes.len() {
                assert!(read_limits(&mut Reader::new(&bytes[..cut], "limits")).is_err());
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
