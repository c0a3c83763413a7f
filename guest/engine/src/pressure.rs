//! Pressure: how near memory parts and files are to their budgets, what may still be taken in, and how
//! long writers should wait.

use crate::error::{Error, ErrorKind, Result};
use crate::host::{Host, Usage};
use crate::types::Pressure;

/// Bytes that a memory part takes beside the values of its batch: file headers, metadata, manifest.
const PART_BYTES: u64 = 16 << 10;

/// Thousandths of a budget from which writes are delayed, delayed more, and refused.
const MODERATE: u64 = 800;
const SEVERE: u64 = 900;
const CRITICAL: u64 = 950;
/// Delays at the begin of each level and at the end of the last, milliseconds. They grow evenly in
/// between, so that writers settle at the rate that flushes and merges keep up with.
const MODERATE_DELAY_MS: u64 = 1;
const SEVERE_DELAY_MS: u64 = 10;
const CRITICAL_DELAY_MS: u64 = 100;

/// Bytes of a budget below the critical level.
fn below_critical(allowed_bytes: u64) -> u64 {
    allowed_bytes - allowed_bytes / 20
}

/// Refuses a batch of `size_bytes` that would take memory parts or files past 95 % of their budget,
/// which is checked before anything of it is logged. `promised_bytes` are those of batches accepted in
/// the same call.
pub(crate) fn check_room<H: Host>(
    host: &H,
    size_bytes: u64,
    promised_bytes: u64,
    is_logged: bool,
) -> Result<()> {
    let usage = host.usage();
    let wanted = needed_bytes(size_bytes).saturating_add(promised_bytes);
    check_memory_of(&usage, wanted)?;
    let allowed = below_critical(usage.disk_allowed_bytes);
    if !is_logged || usage.disk_used_bytes.saturating_add(wanted) <= allowed {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::ResourceExhausted,
        format!(
            "the index takes {} of {} bytes in the store, and the batch needs {wanted} more; merge it, \
             remove rows with a retention rule, or open it with a larger disk budget",
            usage.disk_used_bytes, usage.disk_allowed_bytes
        ),
    ))
}

/// As [`check_room`], for memory parts alone.
pub(crate) fn check_memory<H: Host>(host: &H, size_bytes: u64) -> Result<()> {
    check_memory_of(&host.usage(), needed_bytes(size_bytes))
}

fn check_memory_of(usage: &Usage, wanted: u64) -> Result<()> {
    let allowed = below_critical(usage.memory_allowed_bytes);
    if usage.memory_used_bytes.saturating_add(wanted) <= allowed {
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

/// What a batch will take in memory, and in the log, at most about.
pub(crate) fn needed_bytes(size_bytes: u64) -> u64 {
    size_bytes
        .saturating_add(size_bytes / 8)
        .saturating_add(PART_BYTES)
}

/// The level, and the milliseconds that a writer should wait.
pub(crate) fn level(usage: &Usage) -> (Pressure, u32) {
    let memory = thousandths(usage.memory_used_bytes, usage.memory_allowed_bytes);
    let disk = thousandths(usage.disk_used_bytes, usage.disk_allowed_bytes);
    let used = memory.max(disk);
    let between = |from: u64, to: u64, least: u64, most: u64| {
        let delay_ms = least + (used - from) * (most - least) / (to - from);
        delay_ms as u32
    };
    match used {
        0..MODERATE => (Pressure::None, 0),
        MODERATE..SEVERE => {
            let delay_ms = between(MODERATE, SEVERE, MODERATE_DELAY_MS, SEVERE_DELAY_MS);
            (Pressure::Moderate, delay_ms)
        }
        SEVERE..CRITICAL => {
            let delay_ms = between(SEVERE, CRITICAL, SEVERE_DELAY_MS, CRITICAL_DELAY_MS);
            (Pressure::Severe, delay_ms)
        }
        _ => (Pressure::Critical, CRITICAL_DELAY_MS as u32),
    }
}

fn thousandths(used_bytes: u64, allowed_bytes: u64) -> u64 {
    let share = u128::from(used_bytes) * 1_000 / u128::from(allowed_bytes.max(1));
    u64::try_from(share).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(memory: u64, disk: u64) -> (Pressure, u32) {
        level(&Usage {
            memory_used_bytes: memory,
            memory_allowed_bytes: 1_000,
            disk_used_bytes: disk,
            disk_allowed_bytes: 1_000,
            free_slots: 1,
        })
    }

    #[test]
    fn levels_begin_where_they_should_and_delays_grow_without_a_step_back() {
        assert_eq!(at(0, 799), (Pressure::None, 0));
        assert_eq!(at(800, 0), (Pressure::Moderate, 1));
        assert_eq!(at(899, 0).0, Pressure::Moderate);
        assert_eq!(at(0, 900), (Pressure::Severe, 10));
        assert_eq!(at(949, 20).0, Pressure::Severe);
        assert_eq!(at(950, 0), (Pressure::Critical, 100));
        assert_eq!(at(5_000, 0), (Pressure::Critical, 100));
        for used in 1..2_000 {
            assert!(at(used, 0) >= at(used - 1, 0), "{used}");
        }
    }

    #[test]
    fn a_boundless_budget_gives_no_pressure() {
        let usage = Usage {
            memory_used_bytes: u64::MAX / 2,
            memory_allowed_bytes: u64::MAX,
            disk_used_bytes: 0,
            disk_allowed_bytes: 0,
            free_slots: 0,
        };
        assert_eq!(level(&usage), (Pressure::None, 0));
    }
}
