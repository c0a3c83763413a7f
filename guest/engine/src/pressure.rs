//! Memory pressure: what may still be taken in.

use crate::error::{Error, ErrorKind, Result};
use crate::host::Host;

/// Bytes that a memory part takes beside the values of its batch: file headers, metadata, manifest.
const PART_BYTES: u64 = 16 << 10;

/// Refuses a batch of `size_bytes` that would take the memory parts past 95 % of their budget, which is
/// checked before anything of it is logged. `promised_bytes` are those of batches accepted in the same
/// call.
pub(crate) fn check_memory<H: Host>(host: &H, size_bytes: u64, promised_bytes: u64) -> Result<()> {
    let usage = host.usage();
    let critical = usage.memory_allowed_bytes - usage.memory_allowed_bytes / 20;
    let wanted = needed_bytes(size_bytes).saturating_add(promised_bytes);
    if usage.memory_used_bytes.saturating_add(wanted) <= critical {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::ResourceExhausted,
        format!(
            "memory parts hold {} of {} bytes, and the batch needs {wanted} more; flush the index, or \
             open it with a larger memory budget",
            usage.memory_used_bytes, usage.memory_allowed_bytes
        ),
    ))
}

/// What a batch will take in memory, at most about.
pub(crate) fn needed_bytes(size_bytes: u64) -> u64 {
    size_bytes
        .saturating_add(size_bytes / 8)
        .saturating_add(PART_BYTES)
}
