//! How an open index is: what it uses, what it does, what went wrong.

mod levels;

use serde::{Serialize, Serializer};
use serde_json::Value;
use sidx_engine::{Durability, Pressure};

use crate::damage::DamagedPart;
use crate::open::Open;
use crate::page_cache::CacheStats;
use crate::pool::InstanceHealth;
use crate::work::{Counters, Failure, RunningWork, ScrubHealth};

pub(crate) use self::levels::levels;

/// Where damaged parts are set aside, and the ending of the notes beside them.
const QUARANTINE: &str = "quarantine";
const REASON: &str = ".reason";

/// A budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Budget {
    /// Bytes in use.
    pub used_bytes: u64,
    /// Bytes that may be used; none without a limit.
    pub allowed_bytes: Option<u64>,
    /// How near the two are, what is kept for a flush included.
    #[serde(serialize_with = "pressure")]
    pub level: Pressure,
}

/// The medium below the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct MediumHealth {
    /// Bytes that may still be written to it; none where the store cannot tell.
    pub free_bytes: Option<u64>,
    /// Files that may still be made on it; none where their number has no bound of its own, or the store
    /// cannot tell.
    pub free_files: Option<u64>,
    /// Bytes that stay free; none where the store cannot tell.
    pub minimum_bytes: Option<u64>,
    /// How near the two are, what is kept for a flush included.
    #[serde(serialize_with = "pressure")]
    pub level: Pressure,
}

impl Budget {
    fn new(used: u64, allowed: u64, level: Pressure) -> Self {
        Self {
            used_bytes: used,
            allowed_bytes: (allowed < u64::MAX).then_some(allowed),
            level,
        }
    }
}

/// The page cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CacheHealth {
    /// Accesses that found their page, since the index was opened.
    pub hits: u64,
    /// Accesses that had to load it.
    pub misses: u64,
    /// Pages held.
    pub pages: u64,
    /// Bytes charged for them.
    pub bytes: u64,
    /// Bytes that may be charged.
    pub capacity_bytes: u64,
}

impl From<CacheStats> for CacheHealth {
    fn from(stats: CacheStats) -> Self {
        let CacheStats {
            hits,
            misses,
            pages,
            bytes,
            capacity_bytes,
        } = stats;
        Self {
            hits,
            misses,
            pages,
            bytes,
            capacity_bytes,
        }
    }
}

/// An open index at one moment. Every count begins when the index is opened by this process. What each
/// field means, and what to do about it, is in `docs/operations.md`.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Health {
    /// Name of the index.
    pub index: String,
    /// Whether it was opened for reading, and takes no writes.
    pub read_only: bool,
    /// Whether a writer may remove what is read here: it was opened read-only, in a place where nothing can
    /// be written, because of its medium, its owner, or because the medium is full.
    pub reads_unprotected: bool,
    /// What a write without a durability of its own asks for.
    #[serde(serialize_with = "durability")]
    pub durability: Durability,
    /// The greatest of the levels of memory, disk and medium: `critical` while writes are refused.
    #[serde(serialize_with = "pressure")]
    pub pressure: Pressure,
    /// Rows in memory, against `memory_bytes`.
    pub memory: Budget,
    /// The index in its store, against `disk_bytes`.
    pub disk: Budget,
    /// The medium below the store, against `min_free_bytes`.
    pub medium: MediumHealth,
    /// Bytes kept for a flush of everything in memory, on disk and medium.
    pub flush_bytes: u64,
    /// Bytes of the log that are in no file part yet: what the next opening would replay.
    pub log_backlog_bytes: u64,
    /// The page cache.
    pub page_cache: CacheHealth,
    /// Instances of the engine.
    pub instances: InstanceHealth,
    /// What is being done, oldest first.
    pub running: Vec<RunningWork>,
    /// What was done.
    pub counters: Counters,
    /// Names of damaged parts that were set aside.
    pub quarantined: Vec<String>,
    /// Parts that are known to be damaged and are still in the list.
    pub damaged: Vec<DamagedPart>,
    /// How far scrubs are.
    pub scrub: ScrubHealth,
    /// How long merges that begin by themselves still pause after failures, in milliseconds; none when they
    /// do not.
    pub merge_pause_ms: Option<u64>,
    /// The last 16 failures, oldest first, without bad arguments and cancellations.
    pub last_errors: Vec<Failure>,
}

fn pressure<S: Serializer>(pressure: &Pressure, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(match pressure {
        Pressure::None => "none",
        Pressure::Moderate => "moderate",
        Pressure::Severe => "severe",
        Pressure::Critical => "critical",
    })
}

fn durability<S: Serializer>(durability: &Durability, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(match durability {
        Durability::Sync => "sync",
        Durability::Os => "os",
        Durability::None => "none",
    })
}

impl Health {
    /// Asks everything that can tell at once: no instance, no page, nothing that a write, flush or
    /// merge holds while it works.
    pub(crate) fn of(index: &Open) -> Self {
        let (settings, shared) = (index.settings(), index.shared());
        let (levels, medium) = shared.levels();
        let (memory, disk) = (&shared.memory, &shared.disk);
        let set_aside = shared.storage.list(QUARANTINE).unwrap_or_default();
        let pause = index.backoff().left();
        Self {
            index: index.name().to_owned(),
            read_only: index.is_read_only(),
            reads_unprotected: shared.pinned.is_impossible(),
            durability: settings.durability,
            pressure: levels.highest(),
            memory: Budget::new(memory.used(), memory.allowed(), levels.memory),
            disk: Budget::new(disk.used(), disk.allowed(), levels.disk),
            medium: MediumHealth {
                free_bytes: medium.map(|medium| medium.free_bytes),
                free_files: medium.and_then(|medium| medium.free_files),
                minimum_bytes: medium.map(|medium| medium.minimum_bytes),
                level: levels.medium,
            },
            flush_bytes: disk.flush_need().bytes,
            log_backlog_bytes: shared.log.backlog_bytes(),
            page_cache: shared.cache.stats().into(),
            instances: index.pool().health(),
            running: shared.work.running(),
            counters: Counters {
                bytes_written: shared.disk.written(),
                ..shared.work.counters()
            },
            quarantined: set_aside
                .into_iter()
                .filter(|name| !name.ends_with(REASON))
                .collect(),
            damaged: shared.damages.list(),
            scrub: shared.scrubs.health(),
            merge_pause_ms: (!pause.is_zero())
                .then(|| u64::try_from(pause.as_millis()).unwrap_or(u64::MAX)),
            last_errors: shared.work.failures(),
        }
    }

    /// The same as JSON.
    pub(crate) fn to_json(&self) -> Value {
        serde_json::to_value(self).unwrap_or(Value::Null)
    }
}
