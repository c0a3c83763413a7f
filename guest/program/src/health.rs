//! How an open index is, as `stats` tells it.

use serde_json::{Map, Value, json};
use sidx_command::database::Result;
use sidx_engine::Pressure;

use crate::bindings::index::{self, Subject};
use crate::bindings::session;
use crate::error::of_engine;
use crate::jobs;
use crate::opened::{Opened, parse_report};
use crate::served::{MEMORY_BYTES, PAGE_CACHE_BYTES};

/// Where damaged parts are set aside, and the ending of the notes beside them.
const QUARANTINE: &str = "quarantine";
const REASON: &str = ".reason";
/// Level 0 holds parts below this size; each further level is four times as large, since merges take at
/// least four parts of similar size.
const FIRST_LEVEL_BYTES: u64 = 1 << 20;
const LEVEL_FACTOR: u64 = 4;

/// Counters and sizes.
pub(crate) fn stats(index: &Opened) -> Result<Value> {
    let describe = |subject| index::describe(subject).map_err(of_engine);
    let parts = parse_report(&describe(Subject::Parts)?)?;
    let mut report = parse_report(&describe(Subject::Stats)?)?;
    if let Some(report) = report.as_object_mut() {
        let health = of(index)?;
        let cache = health.get("page_cache").cloned().unwrap_or_default();
        report.insert("page_cache".into(), cache);
        report.insert("levels".into(), levels(&parts));
        report.insert("health".into(), Value::Object(health));
    }
    Ok(report)
}

fn of(index: &Opened) -> Result<Map<String, Value>> {
    let state = session::describe().map_err(of_engine)?;
    let (levels, usage) = jobs::levels(index);
    let mut damages = index.damages.borrow_mut();
    damages.note_met();
    let set_aside = index.place().list(QUARANTINE).unwrap_or_default();
    let set_aside = set_aside.into_iter().filter(|name| !name.ends_with(REASON));
    let medium = state.medium.as_ref();
    let report = json!({
        "index": index.name(),
        "read_only": index.is_read_only(),
        "reads_unprotected": session::pinned() == session::Pin::Impossible,
        "durability": "sync",
        "pressure": name(levels.highest()),
        "memory": budget(usage.memory_used_bytes, MEMORY_BYTES, levels.memory),
        "disk": budget(state.used_bytes, usage.disk_allowed_bytes, levels.disk),
        "medium": {
            "free_bytes": medium.map(|medium| medium.free_bytes),
            "free_files": medium.and_then(|medium| medium.free_files),
            "minimum_bytes": medium.map(|medium| medium.minimum_bytes),
            "level": name(levels.medium),
        },
        "flush_bytes": index.flush_need().bytes,
        "log_backlog_bytes": state.log_backlog_bytes,
        "page_cache": {
            "hits": state.cache_hits,
            "misses": state.cache_misses,
            "pages": state.cached_pages,
            "bytes": state.cached_bytes,
            "capacity_bytes": PAGE_CACHE_BYTES,
        },
        // One instance does everything.
        "instances": { "free": 0, "idle": 0, "idle_memory_bytes": 0 },
        "running": [],
        "counters": counters(&state),
        "quarantined": set_aside.collect::<Vec<String>>(),
        "damaged": damages.list(),
        "scrub": {
            "running": false,
            "checked_parts": 0,
            "parts": 0,
            "bytes": 0,
            "found": 0,
            "passes": 0,
            "last_finished_unix_ms": null,
        },
        "merge_pause_ms": null,
        "last_errors": [],
    });
    Ok(match report {
        Value::Object(report) => report,
        _ => Map::new(),
    })
}

/// What was done since the index was opened. Commands ask before they do anything else with it, so that what
/// is not counted is nothing.
fn counters(state: &session::State) -> Value {
    json!({
        "batches": 0,
        "rows": 0,
        "batches_failed": 0,
        "log_appends": state.log_appends,
        "log_batches": state.log_entries,
        "log_syncs": state.log_syncs,
        "bytes_written": state.written_bytes,
        "flushes": 0,
        "flushed_rows": 0,
        "merges": 0,
        "merged_rows": 0,
        "dropped_rows": 0,
        "dropped_parts": 0,
        "jobs_failed": 0,
        "queries": {
            "completed": 0,
            "closed_early": 0,
            "cancelled": 0,
            "deadline_exceeded": 0,
            "limit_exceeded": 0,
            "refused": 0,
            "failed": 0,
        },
    })
}

fn budget(used: u64, allowed: u64, level: Pressure) -> Value {
    json!({
        "used_bytes": used,
        "allowed_bytes": (allowed < u64::MAX).then_some(allowed),
        "level": name(level),
    })
}

fn name(pressure: Pressure) -> &'static str {
    match pressure {
        Pressure::None => "none",
        Pressure::Moderate => "moderate",
        Pressure::Severe => "severe",
        Pressure::Critical => "critical",
    }
}

/// File parts by size, smallest first, up to the last level that has any.
fn levels(parts: &Value) -> Value {
    let mut levels: Vec<(u64, u64, u64)> = Vec::new();
    for part in parts.as_array().map(Vec::as_slice).unwrap_or_default() {
        let number = |name: &str| part.get(name).and_then(Value::as_u64).unwrap_or(0);
        if part.get("medium").is_none_or(|medium| medium != "file") {
            continue;
        }
        let at = level_of(number("size_bytes"));
        if levels.len() <= at {
            levels.resize(at + 1, (0, 0, 0));
        }
        if let Some((parts, rows, bytes)) = levels.get_mut(at) {
            *parts += 1;
            *rows += number("rows");
            *bytes += number("size_bytes");
        }
    }
    let mut below = FIRST_LEVEL_BYTES;
    let reports = levels.iter().enumerate().map(|(at, (parts, rows, bytes))| {
        let report = json!({
            "level": at,
            "below_bytes": below,
            "parts": parts,
            "rows": rows,
            "bytes": bytes,
        });
        below = below.saturating_mul(LEVEL_FACTOR);
        report
    });
    reports.collect()
}

fn level_of(bytes: u64) -> usize {
    let (mut below, mut level) = (FIRST_LEVEL_BYTES, 0);
    while bytes >= below && below < u64::MAX {
        below = below.saturating_mul(LEVEL_FACTOR);
        level += 1;
    }
    level
}
