//! Unsigned LEB128 and zigzag: small integers in few bytes.

use crate::error::PageError;

/// Longest encoding of a `u64`.
pub const MAX_BYTES: usize = 10;

/// Appends `value` in 1 to 10 bytes, seven bits each, low bits first.
pub fn write(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push((value as u8 & 0x7f) | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Reads one number at `*position` and moves the position behind it.
///
/// # Errors
/// When the bytes end inside the number, or it does not fit 64 bits.
pub fn read(bytes: &[u8], position: &mut usize) -> Result<u64, PageError> {
    let start = *position;
    let mut value = 0u64;
    for (index, byte) in bytes.iter().skip(start).take(MAX_BYTES).enumerate() {
        let bits = u64::from(byte & 0x7f);
        if index == MAX_BYTES - 1 && *byte > 1 {
            return Err(PageError::Rule {
                what: "varint beyond 64 bits",
                position: start as u64,
            });
        }
        value |= bits << (7 * index);
        if byte & 0x80 == 0 {
            *position = start + index + 1;
            return Ok(value);
        }
    }
    let available = bytes.len().saturating_sub(start);
    Err(PageError::Truncated {
        what: "varint",
        offset: start,
        needed: available as u64 + 1,
        available,
    })
}

/// Maps small magnitudes of either sign to small unsigned numbers.
#[must_use]
pub fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// The inverse of [`zigzag`].
#[must_use]
pub fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_return_and_bad_bytes_do_not() {
        for value in [
            0,
            1,
            127,
            128,
            300,
            u64::from(u32::MAX),
            u64::MAX - 1,
            u64::MAX,
        ] {
            let mut bytes = vec![9];
            write(value, &mut bytes);
            let mut position = 1;
            assert_eq!(read(&bytes, &mut position), Ok(value));
            assert_eq!(position, bytes.len());
            for cut in 1..bytes.len() {
                assert!(read(&bytes[..cut], &mut 1).is_err());
            }
        }
        assert!(read(&[0xff; 11], &mut 0).is_err());
        assert!(read(&[], &mut 5).is_err());
        for value in [0, -1, 1, i64::MIN, i64::MAX, 12345, -12345] {
            assert_eq!(unzigzag(zigzag(value)), value);
        }
        assert_eq!(zigzag(-1), 1);
    }
}
