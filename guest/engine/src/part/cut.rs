//! Where a part is cut into blocks.

use super::layout::BLOCK_PAYLOAD_BYTES;

/// How many payloads fit one block; at least one.
pub(crate) fn rows_that_fit(lengths: impl Iterator<Item = u32>) -> usize {
    let mut sum = 0u64;
    let fitting = lengths.take_while(|length| {
        sum += u64::from(*length);
        sum <= BLOCK_PAYLOAD_BYTES
    });
    fitting.count().max(1)
}
