//! CRC32C, which protects pages, files and log entries.

use crc_fast::{CrcAlgorithm, Digest};

/// The checksum of bytes.
#[inline]
pub fn crc32c(bytes: &[u8]) -> u32 {
    crc_fast::crc32_iscsi(bytes)
}

/// The checksum of what `checksum` is of, and more bytes behind it.
#[inline]
pub fn crc32c_append(checksum: u32, bytes: &[u8]) -> u32 {
    // The register holds the complement of what is stored.
    let state = u64::from(!checksum);
    let mut digest = Digest::new_with_init_state(CrcAlgorithm::Crc32Iscsi, state);
    digest.update(bytes);
    digest.finalize() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bit by bit, from the polynomial.
    fn naive(bytes: &[u8]) -> u32 {
        let mut register = u32::MAX;
        for byte in bytes {
            register ^= u32::from(*byte);
            for _ in 0..8 {
                register = register >> 1 ^ 0x82f6_3b78 & (register & 1).wrapping_neg();
            }
        }
        !register
    }

    #[test]
    fn every_length_and_alignment_gives_the_checksum_of_the_polynomial() {
        let mut number = 1u32;
        let mut byte = |_| {
            number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (number >> 24) as u8
        };
        let bytes: Vec<u8> = (0..70_000).map(&mut byte).collect();
        // The value that RFC 3720 gives for 32 zeros pins what is stored.
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        for length in (0..=300).chain([1000, 4095, 4096, 4097, 65_536, 69_000]) {
            for start in [0, 1, 7, 63, length % 64] {
                let piece = &bytes[start..start + length];
                assert_eq!(crc32c(piece), naive(piece), "{length} from {start}");
                let (head, tail) = piece.split_at(length / 3);
                let joined = crc32c_append(crc32c(head), tail);
                assert_eq!(joined, naive(piece), "{length} from {start} in two");
            }
        }
        assert_eq!(crc32c_append(0, &bytes), crc32c(&bytes));
    }
}
