//! CRC32C over pages, and beside it the CRC-32 of IEEE 802.3, which is all that crc32fast computes.

use crate::report::{Report, Work};
use crate::samples::values;

pub(crate) fn run(report: &mut Report) {
    let data: Vec<u8> = values(64, 8192)
        .into_iter()
        .flat_map(u64::to_le_bytes)
        .collect();
    for length in [256, 4096, 65536] {
        let Some(data) = data.get(..length) else {
            continue;
        };
        let kernel = format!("crc32c {length} bytes");
        let work = Work {
            read: length,
            written: 0,
            items: 1,
        };
        let expected = naive(data, 0x82f6_3b78);
        report.measure(&kernel, "crc32c", work, &expected, || crc32c::crc32c(data));
        report.measure(&kernel, "crc-fast", work, &expected, || {
            crc_fast::crc32_iscsi(data)
        });
        let kernel = format!("crc32 of IEEE {length} bytes");
        let expected = naive(data, 0xedb8_8320);
        report.measure(&kernel, "crc32fast", work, &expected, || {
            crc32fast::hash(data)
        });
        report.measure(&kernel, "crc-fast", work, &expected, || {
            crc_fast::crc32_iso_hdlc(data)
        });
    }
}

/// Bit by bit, from the polynomial with its lowest power first.
fn naive(data: &[u8], polynomial: u32) -> u32 {
    let mut crc = u32::MAX;
    for byte in data {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (polynomial & (crc & 1).wrapping_neg());
        }
    }
    !crc
}
