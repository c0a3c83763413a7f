//! The hash of a value as membership filters see it: XXH3-64 over a canonical byte form.

use xxhash_rust::xxh3::xxh3_64;

/// Hash of a string's or byte string's bytes.
#[must_use]
#[inline]
pub fn of_bytes(value: &[u8]) -> u64 {
    xxh3_64(value)
}

/// Hash of an integer or timestamp: its eight little-endian bytes.
#[must_use]
#[inline]
pub fn of_int(value: i64) -> u64 {
    xxh3_64(&value.to_le_bytes())
}

/// Hash of a float: its eight little-endian bytes, with -0.0 as 0.0 because the two are equal.
/// NaN equals nothing, so no query looks one up; each bit pattern hashes as it is.
#[must_use]
#[inline]
pub fn of_float(value: f64) -> u64 {
    let canonical = if value == 0.0 { 0.0 } else { value };
    xxh3_64(&canonical.to_bits().to_le_bytes())
}

/// Hash of a boolean: one byte, 0 or 1.
#[must_use]
#[inline]
pub fn of_bool(value: bool) -> u64 {
    xxh3_64(&[u8::from(value)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_numbers_hash_alike() {
        assert_eq!(of_float(-0.0), of_float(0.0));
        assert_ne!(of_float(1.0), of_float(2.0));
        assert_eq!(of_int(-1), of_bytes(&[0xff; 8]));
        assert_eq!(of_bool(true), of_bytes(&[1]));
        // The reference value of XXH3-64 for empty input, which pins the on-disk hash.
        assert_eq!(of_bytes(b""), 0x2d06_8005_38d3_94c2);
    }
}
