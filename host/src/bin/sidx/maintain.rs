//! `sidx flush`, `sidx merge` and `sidx backup`: one JSON line says what was done.

use std::time::Instant;

use serde_json::{Value, json};
use sidx_host::{Index, Merged};

use crate::arguments::{BackupArguments, FlushArguments, MergeArguments, RoomArguments, Target};
use crate::console::Console;
use crate::exit::Failure;
use crate::place::Place;

/// Runs `sidx flush`.
pub(crate) fn flush(arguments: &FlushArguments, console: &mut Console<'_>) -> Result<(), Failure> {
    let FlushArguments { target, room } = arguments;
    maintain(target, *room, console, "flush", Index::flush)
}

/// Runs `sidx merge`. Rows in memory take part.
pub(crate) fn merge(arguments: &MergeArguments, console: &mut Console<'_>) -> Result<(), Failure> {
    let MergeArguments { target, room, .. } = arguments;
    maintain(target, *room, console, "merge", |index| {
        if arguments.all {
            return index.merge_all();
        }
        index.flush()?;
        index.merge()
    })
}

/// Runs `sidx backup`. Takes no lock: a writer may be at work.
pub(crate) fn backup(
    arguments: &BackupArguments,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    let started = Instant::now();
    let index = Place::of(&arguments.target)?.read()?;
    let name = &arguments.target.index;
    let report = Place::new(&arguments.dest, name)?.receive(&index)?;
    let line = json!({
        "command": "backup",
        "files": report.files,
        "linked_files": report.linked_files,
        "copied_bytes": report.copied_bytes,
        "log_entries": report.log_entries,
        "elapsed_ms": elapsed_ms(started),
    });
    writeln!(console.out, "{line}").map_err(Failure::output)
}

fn elapsed_ms(started: Instant) -> u64 {
    u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// The size of an index at one moment.
fn extent(index: &Index) -> Result<Value, Failure> {
    let parts = index.parts()?;
    let parts = parts.as_array().map(Vec::as_slice).unwrap_or_default();
    let sum = |name: &str| {
        parts
            .iter()
            .filter_map(|part| part.get(name)?.as_u64())
            .sum::<u64>()
    };
    let in_memory = |part: &&Value| part.get("medium").is_some_and(|medium| medium == "memory");
    let memory_parts = parts.iter().filter(in_memory).count();
    Ok(json!({
        "parts": parts.len() - memory_parts,
        "memory_parts": memory_parts,
        "rows": sum("rows"),
        "bytes": sum("size_bytes"),
    }))
}

fn maintain(
    target: &Target,
    room: RoomArguments,
    console: &mut Console<'_>,
    name: &str,
    work: impl FnOnce(&Index) -> sidx_host::Result<Merged>,
) -> Result<(), Failure> {
    let started = Instant::now();
    let index = Place::of(target)?.with_room(room).open()?;
    let before = extent(&index)?;
    let made = work(&index)?;
    let after = extent(&index)?;
    index.close()?;
    let line = json!({
        "command": name,
        "before": before,
        "after": after,
        "rows_written": made.rows,
        "bytes_written": made.bytes_written,
        "elapsed_ms": elapsed_ms(started),
    });
    writeln!(console.out, "{line}").map_err(Failure::output)
}
