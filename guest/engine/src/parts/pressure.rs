//! Pressure: how near memory parts, files and the medium are to what they may take, what may still be taken
//! in, and how long writers should wait.
//!
//! Of the store, what a flush of everything in memory will take counts as taken: a batch is refused unless
//! that flush will have room after it, for log and parts in memory exist beside the output of the flush until
//! its snapshot is published. So a flush always fits, and it is what makes room first.

use crate::error::{Error, ErrorKind, Result};
use crate::host::{Form, Host, Usage};
use crate::merge::space::{column_bytes, column_files, output_bytes};
use crate::types::{FlushNeed, Pressure};

/// Bytes that a memory part takes beside the values of its batch: file headers, metadata, manifest. They hold
/// the values of a small batch as well, so that all of those are refused at the same level.
const PART_BYTES: u64 = 16 << 10;
const SMALL_BATCH_BYTES: u64 = 1 << 10;

/// A budget is divided by these for what is left of it where the levels begin: a fifth, a tenth, a twentieth.
const MODERATE_SHARE: u64 = 5;
const SEVERE_SHARE: u64 = 10;
const CRITICAL_SHARE: u64 = 20;
/// Delays at the begin of each level and at the end of the last, milliseconds. They grow evenly in
/// between, so that writers settle at the rate that flushes and merges keep up with.
const MODERATE_DELAY_MS: u64 = 1;
const SEVERE_DELAY_MS: u64 = 10;
const CRITICAL_DELAY_MS: u64 = 100;

/// The largest part that merges make by themselves is this share of what the index may take in the store. It
/// is what a budget has left when it refuses writes, so that retention has room to rewrite any such part; and
/// it bounds what a merge takes beside its inputs. The price are some twenty parts in a store that is full.
const PART_SHARE: u64 = CRITICAL_SHARE;

/// What batches will take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Demand {
    pub(crate) memory_bytes: u64,
    /// Log entry, and output of the flush.
    pub(crate) disk_bytes: u64,
    /// Of the output of the flush.
    pub(crate) files: u64,
}

impl Demand {
    /// That of a batch which brings so many columns that nothing in memory has, where parts have a form.
    pub(crate) fn of(size_bytes: u64, new_columns: u64, form: Form) -> Self {
        let bytes = needed_bytes(size_bytes);
        Self {
            memory_bytes: bytes,
            disk_bytes: bytes
                .saturating_add(output_bytes(bytes))
                .saturating_add(column_bytes(new_columns, form)),
            files: column_files(new_columns, form),
        }
    }

    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            memory_bytes: self.memory_bytes.saturating_add(other.memory_bytes),
            disk_bytes: self.disk_bytes.saturating_add(other.disk_bytes),
            files: self.files.saturating_add(other.files),
        }
    }
}

/// What a batch will take in memory, and in the log, at most about.
fn needed_bytes(size_bytes: u64) -> u64 {
    let size_bytes = size_bytes.saturating_sub(SMALL_BATCH_BYTES);
    size_bytes
        .saturating_add(size_bytes / 8)
        .saturating_add(PART_BYTES)
}

/// Something that fills up.
#[derive(Clone, Copy, Debug)]
struct Gauge {
    taken: u64,
    /// Where levels begin.
    moderate: u64,
    severe: u64,
    /// What is taken never passes this.
    full: u64,
    /// What the smallest batch takes.
    least: u64,
}

impl Gauge {
    fn lacks(&self, wanted: u64) -> bool {
        self.taken.saturating_add(wanted) > self.full
    }

    fn level(&self) -> (Pressure, u32) {
        let between = |from: u64, to: u64, least: u64, most: u64| {
            let (far, width) = (self.taken.saturating_sub(from), to.saturating_sub(from));
            let more = u128::from(far) * u128::from(most - least) / u128::from(width.max(1));
            u32::try_from(u128::from(least) + more).map_or(most as u32, |ms| ms.min(most as u32))
        };
        if self.lacks(self.least) {
            return (Pressure::Critical, CRITICAL_DELAY_MS as u32);
        }
        if self.taken >= self.severe {
            let delay_ms = between(self.severe, self.full, SEVERE_DELAY_MS, CRITICAL_DELAY_MS);
            return (Pressure::Severe, delay_ms);
        }
        if self.taken >= self.moderate {
            let delay_ms = between(
                self.moderate,
                self.severe,
                MODERATE_DELAY_MS,
                SEVERE_DELAY_MS,
            );
            return (Pressure::Moderate, delay_ms);
        }
        (Pressure::None, 0)
    }
}

/// A budget of so many bytes; none when it has no bound.
fn budget(taken: u64, allowed: u64, least: u64) -> Option<Gauge> {
    (allowed < u64::MAX).then_some(Gauge {
        taken,
        moderate: allowed - allowed / MODERATE_SHARE,
        severe: allowed - allowed / SEVERE_SHARE,
        full: allowed - allowed / CRITICAL_SHARE,
        least,
    })
}

fn memory(usage: &Usage) -> Option<Gauge> {
    let least = Demand::of(0, 0, Form::Folder).memory_bytes;
    budget(usage.memory_used_bytes, usage.memory_allowed_bytes, least)
}

fn taken(usage: &Usage, flush: FlushNeed) -> u64 {
    usage.disk_used_bytes.saturating_add(flush.bytes)
}

fn disk(usage: &Usage, flush: FlushNeed) -> Option<Gauge> {
    let least = Demand::of(0, 0, Form::Folder).disk_bytes;
    budget(taken(usage, flush), usage.disk_allowed_bytes, least)
}

/// The medium is not the index's own, and may be very large: levels begin at distances, not at shares.
fn medium(usage: &Usage, flush: FlushNeed) -> Option<Gauge> {
    let (full, minimum) = (usage.medium_allowed_bytes, usage.medium_minimum_bytes);
    (full < u64::MAX).then_some(Gauge {
        taken: taken(usage, flush),
        moderate: full.saturating_sub(minimum),
        severe: full.saturating_sub(minimum / 2),
        full,
        least: Demand::of(0, 0, Form::Folder).disk_bytes,
    })
}

/// Files, where the medium holds a fixed number of them.
fn files(usage: &Usage, flush: FlushNeed) -> Option<Gauge> {
    let free = usage.medium_free_files;
    (free < u64::MAX).then_some(Gauge {
        taken: flush.files,
        moderate: free / 4,
        severe: free / 2,
        full: free,
        least: Demand::of(0, 0, Form::Folder).files,
    })
}

/// Levels of everything that fills up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Levels {
    /// Of parts in memory.
    pub memory: Pressure,
    /// Of the budget in the store.
    pub disk: Pressure,
    /// Of the medium, of its bytes or of its files.
    pub medium: Pressure,
    /// How long a writer should wait before its batch is acknowledged, in milliseconds.
    pub delay_ms: u32,
}

impl Levels {
    /// The levels, where a flush of everything in memory takes `flush`. Nobody computes them otherwise.
    pub fn of(usage: &Usage, flush: FlushNeed) -> Self {
        let level = |gauge: Option<Gauge>| gauge.map_or_else(Default::default, |it| it.level());
        let (memory, memory_ms) = level(memory(usage));
        let (disk, disk_ms) = level(disk(usage, flush));
        let (medium, medium_ms) = level(medium(usage, flush));
        let (files, files_ms) = level(files(usage, flush));
        Self {
            memory,
            disk,
            medium: medium.max(files),
            delay_ms: memory_ms.max(disk_ms).max(medium_ms).max(files_ms),
        }
    }

    /// The greatest of them.
    pub fn highest(&self) -> Pressure {
        self.memory.max(self.disk).max(self.medium)
    }
}

/// Refuses a batch after which memory, the store or the medium would have less room than they must; checked
/// before anything of it is logged. `demand` is that of the batch and of those accepted in the same call.
pub(crate) fn check_room(usage: &Usage, flush: FlushNeed, demand: Demand) -> Result<()> {
    check_memory_of(usage, demand.memory_bytes)?;
    let wanted = demand.disk_bytes;
    let flush_bytes = flush.bytes;
    let used = usage.disk_used_bytes;
    let is_hopeless = |gauge: Gauge| wanted.saturating_add(flush_bytes) > gauge.full;
    if disk(usage, flush).is_some_and(is_hopeless) {
        return Err(Error::new(
            ErrorKind::ResourceExhausted,
            format!(
                "the batch needs {wanted} of the {} bytes that the index may take, and {flush_bytes} are kept for \
                 a flush, which would pass 95 % of an empty store; write smaller batches, or open the index \
                 with a larger disk budget",
                usage.disk_allowed_bytes
            ),
        ));
    }
    if disk(usage, flush).is_some_and(|gauge| gauge.lacks(wanted)) {
        return Err(Error::new(
            ErrorKind::ResourceExhausted,
            format!(
                "the index takes {used} of {} bytes in the store, {flush_bytes} are kept for a flush, and \
                 the batch needs {wanted}, which would pass 95 %; flush the index, then remove rows with a \
                 retention rule, or open it with a larger disk budget",
                usage.disk_allowed_bytes
            ),
        ));
    }
    if medium(usage, flush).is_some_and(|gauge| gauge.lacks(wanted)) {
        let free = i128::from(usage.medium_allowed_bytes) - i128::from(used)
            + i128::from(usage.medium_minimum_bytes);
        return Err(Error::new(
            ErrorKind::ResourceExhausted,
            format!(
                "the medium has {} free bytes, {} must stay free, {flush_bytes} are kept for a flush, \
                 and the batch needs {wanted}; free space on the medium, or flush the index, then remove \
                 rows with a retention rule",
                free.max(0),
                usage.medium_minimum_bytes
            ),
        ));
    }
    if files(usage, flush).is_some_and(|gauge| gauge.lacks(demand.files)) {
        return Err(Error::new(
            ErrorKind::ResourceExhausted,
            format!(
                "the medium holds only {} files more, {} are kept for a flush, and the batch needs {}; remove \
                 files from the medium, or merge the index, which leaves fewer of them",
                usage.medium_free_files, flush.files, demand.files
            ),
        ));
    }
    Ok(())
}

/// As [`check_room`], for memory parts alone.
pub(crate) fn check_memory<H: Host>(host: &H, size_bytes: u64) -> Result<()> {
    check_memory_of(&host.usage(), needed_bytes(size_bytes))
}

fn check_memory_of(usage: &Usage, wanted: u64) -> Result<()> {
    if !memory(usage).is_some_and(|gauge| gauge.lacks(wanted)) {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::ResourceExhausted,
        format!(
            "memory parts hold {} of {} bytes, and the batch needs {wanted} more, which would pass 95 %; \
             flush the index, or open it with a larger memory budget",
            usage.memory_used_bytes, usage.memory_allowed_bytes
        ),
    ))
}

/// Bytes that the output of a merge may have which nobody asked for: none from the level `severe` on, no more
/// than that merge may take without reaching it, and no larger part than can be rewritten later.
pub(crate) fn merge_bytes(usage: &Usage, flush: FlushNeed) -> u64 {
    if Levels::of(usage, flush).highest() >= Pressure::Severe {
        return 0;
    }
    let gauges = [disk(usage, flush), medium(usage, flush)];
    let room = gauges.into_iter().flatten().map(|gauge| {
        let room = gauge.severe.saturating_sub(gauge.taken);
        room - room / 5
    });
    let allowed = usage.disk_allowed_bytes.min(usage.medium_allowed_bytes);
    let largest = match allowed {
        u64::MAX => u64::MAX,
        allowed => allowed / PART_SHARE,
    };
    room.min().unwrap_or(u64::MAX).min(largest)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn usage() -> Usage {
        Usage {
            memory_used_bytes: 0,
            memory_allowed_bytes: u64::MAX,
            disk_used_bytes: 0,
            disk_allowed_bytes: u64::MAX,
            medium_allowed_bytes: u64::MAX,
            medium_minimum_bytes: 0,
            medium_free_files: u64::MAX,
        }
    }

    fn bytes(bytes: u64) -> FlushNeed {
        FlushNeed { bytes, files: 0 }
    }

    fn at(memory: u64, disk: u64) -> (Pressure, u32) {
        let usage = Usage {
            memory_used_bytes: memory * MIB,
            memory_allowed_bytes: 1_000 * MIB,
            disk_used_bytes: disk * MIB,
            disk_allowed_bytes: 1_000 * MIB,
            ..usage()
        };
        let levels = Levels::of(&usage, bytes(0));
        (levels.highest(), levels.delay_ms)
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
            disk_used_bytes: u64::MAX / 2,
            ..usage()
        };
        assert_eq!(Levels::of(&usage, bytes(u64::MAX / 4)), Levels::default());
        assert_eq!(merge_bytes(&usage, bytes(0)), u64::MAX);
    }

    #[test]
    fn what_a_flush_will_take_counts_as_taken() {
        let usage = Usage {
            disk_used_bytes: 70 * MIB,
            disk_allowed_bytes: 100 * MIB,
            ..usage()
        };
        let level = |flush| Levels::of(&usage, bytes(flush * MIB)).disk;
        assert_eq!(level(9), Pressure::None);
        assert_eq!(level(10), Pressure::Moderate);
        assert_eq!(level(20), Pressure::Severe);
        assert_eq!(level(25), Pressure::Critical);
    }

    #[test]
    fn levels_of_the_medium_begin_at_distances_from_its_minimum() {
        let level = |room: u64, minimum: u64| {
            let usage = Usage {
                disk_used_bytes: 1_000 * MIB,
                medium_allowed_bytes: (1_000 + room) * MIB,
                medium_minimum_bytes: minimum * MIB,
                ..usage()
            };
            Levels::of(&usage, bytes(0)).medium
        };
        assert_eq!(level(101, 100), Pressure::None);
        assert_eq!(level(100, 100), Pressure::Moderate);
        assert_eq!(level(50, 100), Pressure::Severe);
        assert_eq!(level(0, 100), Pressure::Critical);
        assert_eq!(
            (level(1, 0), level(0, 0)),
            (Pressure::None, Pressure::Critical)
        );
        // There may be less free than the minimum already.
        let usage = Usage {
            disk_used_bytes: 1_000,
            medium_allowed_bytes: 0,
            medium_minimum_bytes: u64::MAX,
            ..usage()
        };
        assert_eq!(Levels::of(&usage, bytes(0)).medium, Pressure::Critical);
    }

    #[test]
    fn files_of_the_medium_are_kept_for_a_flush() {
        let at = |free: u64, columns: u64| {
            let usage = Usage {
                medium_free_files: free,
                ..usage()
            };
            let flush = FlushNeed {
                bytes: 0,
                files: 32,
            };
            let refused = check_room(&usage, flush, Demand::of(0, columns, Form::Folder)).is_err();
            (Levels::of(&usage, flush).medium, refused)
        };
        assert_eq!(at(132, 0), (Pressure::None, false));
        assert_eq!(at(128, 32), (Pressure::Moderate, false));
        assert_eq!(at(64, 10), (Pressure::Severe, false));
        assert_eq!(at(64, 11), (Pressure::Severe, true));
        assert_eq!(at(32, 0), (Pressure::Severe, false));
        assert_eq!(at(31, 0), (Pressure::Critical, true));
        assert_eq!(at(u64::MAX, u64::MAX), (Pressure::None, false));
        // A part in one file needs no file for a column.
        assert_eq!(Demand::of(0, 1_000, Form::File).files, 0);
        let bytes = |form| Demand::of(0, 1_000, form).disk_bytes;
        assert!(bytes(Form::File) < bytes(Form::Folder));
    }

    struct Random(u64);

    impl Random {
        /// Numbers of all magnitudes.
        fn number(&mut self) -> u64 {
            let mut next = || {
                self.0 ^= self.0 << 13;
                self.0 ^= self.0 >> 7;
                self.0 ^= self.0 << 17;
                self.0
            };
            let bits = next() % 65;
            next() & u64::MAX.checked_shr(64 - bits as u32).unwrap_or(0)
        }

        fn near(&mut self, bound: u64) -> u64 {
            match self.number() % 3 {
                0 => self.number(),
                1 => {
                    bound - bound / 20 - (self.number() % (bound / 50 + 1)).min(bound - bound / 20)
                }
                _ => (bound - bound / 20).saturating_sub(self.number() % 100_000),
            }
        }
    }

    #[test]
    fn the_smallest_batch_is_refused_exactly_at_the_level_critical() {
        let mut random = Random(0x9e37_79b9_7f4a_7c15);
        let mut refused = 0;
        for _ in 0..200_000 {
            let (memory, disk, medium) = (random.number(), random.number(), random.number());
            let usage = Usage {
                memory_used_bytes: random.near(memory),
                memory_allowed_bytes: memory,
                disk_used_bytes: random.near(disk.min(medium)),
                disk_allowed_bytes: disk,
                medium_allowed_bytes: medium,
                medium_minimum_bytes: random.number(),
                medium_free_files: random.number(),
            };
            let flush = FlushNeed {
                bytes: random.number() >> 8,
                files: random.number() >> 60,
            };
            let levels = Levels::of(&usage, flush);
            let checked = check_room(&usage, flush, Demand::of(0, 0, Form::Folder));
            assert_eq!(
                checked.is_err(),
                levels.highest() == Pressure::Critical,
                "{usage:?}, {flush:?}: {levels:?}"
            );
            assert!(levels.delay_ms <= 100);
            assert_eq!(levels.delay_ms == 0, levels.highest() == Pressure::None);
            refused += u32::from(checked.is_err());
        }
        assert!((20_000..195_000).contains(&refused), "{refused}");
    }

    #[test]
    fn merges_stay_below_severe_and_small_enough_to_be_rewritten() {
        let at = |used: u64, flush: u64| {
            let usage = Usage {
                disk_used_bytes: used * MIB,
                disk_allowed_bytes: 1_000 * MIB,
                ..usage()
            };
            merge_bytes(&usage, bytes(flush * MIB)) / MIB
        };
        assert_eq!(at(0, 0), 50);
        assert_eq!(at(800, 50), 40);
        assert_eq!((at(850, 50), at(990, 0)), (0, 0));
    }
}
