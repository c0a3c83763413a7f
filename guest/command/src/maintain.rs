//! `sidx flush`, `sidx merge`, `sidx retain`, `sidx backup` and `sidx branch`: one JSON line says what was
//! done.

use serde_json::{Value, json};
use sidx_engine::Retention;
use sidx_engine::expression::Template;

use crate::arguments::{
    BackupArguments, BranchArguments, FlushArguments, MergeArguments, ReportFormat, RetainArguments,
};
use crate::console::Console;
use crate::database::{self, DamagedPart, Database, Index, Merged};
use crate::exit::{Code, Failure};
use crate::inspect::report;
use crate::moment::Moment;
use crate::place::{IndexOf, Place};

/// Runs `sidx flush`.
pub(crate) fn flush(
    arguments: &FlushArguments,
    database: &impl Database,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    let FlushArguments { target, room, wait } = arguments;
    let place = Place::of(database, target)?.with_room(*room).waiting(*wait);
    maintain(&place, console, "flush", Index::flush)
}

/// Runs `sidx merge`. Rows in memory take part.
pub(crate) fn merge(
    arguments: &MergeArguments,
    database: &impl Database,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    let MergeArguments {
        target, room, wait, ..
    } = arguments;
    let place = Place::of(database, target)?.with_room(*room).waiting(*wait);
    maintain(&place, console, "merge", |index| {
        if arguments.all {
            return index.merge_all();
        }
        let flushed = index.flush()?;
        let merged = index.merge()?;
        // The flush wrote too, and the merges that follow it may have met the damage.
        Ok(Merged {
            rows: merged.rows.saturating_add(flushed.rows),
            bytes_written: merged.bytes_written.saturating_add(flushed.bytes_written),
            left_out: merged.left_out.max(flushed.left_out),
            ..merged
        })
    })
}

/// The first parameter of a filter, if it has any; what else is wrong with it is for others to tell.
fn parameter_of(filter: &str) -> Option<String> {
    let filter = Template::parse(filter).ok()?;
    filter.parameters().first().cloned()
}

/// Runs `sidx retain`.
pub(crate) fn retain(
    arguments: &RetainArguments,
    database: &impl Database,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    let started = Moment::now();
    if let Some(name) = arguments.filter.as_deref().and_then(parameter_of) {
        let message = format!("--where: a retention takes no parameters, such as ${name}");
        return Err(Failure::usage(message, "write the value in its place"));
    }
    let place = Place::of(database, &arguments.target)?.waiting(arguments.wait);
    let rule = Retention {
        drop_where: arguments.filter.clone(),
        drop_below: arguments.below,
    };
    let format = report::format(arguments.format, console, ReportFormat::Ndjson);
    if arguments.dry_run {
        return preview(&place, rule, format, started, console);
    }
    let index = place.open()?;
    let before = extent(&index)?;
    let done = index.retain(rule)?;
    let after = extent(&index)?;
    index.close()?;
    let line = json!({
        "command": "retain",
        "dropped_rows": done.dropped_rows,
        "parts_dropped": done.dropped_parts,
        "parts_written": done.parts,
        "rows_written": done.rows,
        "bytes_written": done.bytes_written,
        "before": before,
        "after": after,
        "elapsed_ms": started.elapsed_ms(),
    });
    report::print(&line, None, format, console)
}

/// Tells what a retention would do. Takes no lock.
fn preview<D: Database>(
    place: &Place<'_, D>,
    rule: Retention,
    format: ReportFormat,
    started: Moment,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    let preview = place.read()?.preview_retention(rule)?;
    let line = json!({
        "command": "retain",
        "dry_run": true,
        "rows": preview.rows,
        "dropped_rows": preview.dropped_rows,
        "dropped_bytes": preview.dropped_bytes,
        "parts_dropped": preview.parts_dropped,
        "parts_rewritten": preview.parts_rewritten,
        "parts_untouched": preview.parts_untouched,
        "rows_rewritten": preview.rows_rewritten,
        "memory_rows": preview.memory_rows,
        "memory_dropped_rows": preview.memory_dropped_rows,
        "unreadable": preview.unreadable,
        "elapsed_ms": started.elapsed_ms(),
    });
    report::print(&line, None, format, console)?;
    if preview.unreadable.is_empty() {
        Ok(())
    } else {
        Err(Failure::Reported(Code::Corrupt))
    }
}

/// Runs `sidx backup`. Takes no lock: a writer may be at work.
pub(crate) fn backup(
    arguments: &BackupArguments,
    database: &impl Database,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    let started = Moment::now();
    let index = Place::of(database, &arguments.target)?.read()?;
    let name = &arguments.target.index;
    let report = Place::new(database, &arguments.dest, name)?.receive(&index)?;
    let line = json!({
        "command": "backup",
        "files": report.files,
        "linked_files": report.linked_files,
        "copied_bytes": report.copied_bytes,
        "log_entries": report.log_entries,
        "missing_files": report.missing_files,
        "elapsed_ms": started.elapsed_ms(),
    });
    writeln!(console.out, "{line}").map_err(Failure::output)?;
    let parts = set_aside(&index)?;
    if report.missing_files == 0 && parts == 0 {
        return Ok(());
    }
    let missing = report.missing_files;
    Err(Failure::new(
        Code::Corrupt,
        format!("{missing} missing files and {parts} damaged parts are not in the copy"),
        "everything else is; `sidx verify` names them, `sidx repair` saves what can be saved",
    ))
}

/// Runs `sidx branch`. Takes no lock of the index: a writer may be at work.
pub(crate) fn branch(
    arguments: &BranchArguments,
    database: &impl Database,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    let started = Moment::now();
    let report = Place::of(database, &arguments.target)?.branch(&arguments.to)?;
    let line = json!({
        "command": "branch",
        "index": arguments.to,
        "epoch": report.epoch,
        "shared_files": report.shared_files,
        "log_entries": report.log_entries,
        "elapsed_ms": started.elapsed_ms(),
    });
    writeln!(console.out, "{line}").map_err(Failure::output)
}

/// The size of an index at one moment.
fn extent(index: &impl Index) -> Result<Value, Failure> {
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

fn maintain<D: Database>(
    place: &Place<'_, D>,
    console: &mut Console<'_>,
    name: &str,
    work: impl FnOnce(&IndexOf<D>) -> database::Result<Merged>,
) -> Result<(), Failure> {
    let started = Moment::now();
    let index = place.open()?;
    let before = extent(&index)?;
    let made = work(&index)?;
    let after = extent(&index)?;
    let damaged = match made.left_out {
        0 => Vec::new(),
        _ => index.damaged(),
    };
    let set_aside = set_aside(&index)?;
    index.close()?;
    let line = json!({
        "command": name,
        "before": before,
        "after": after,
        "rows_written": made.rows,
        "bytes_written": made.bytes_written,
        "left_out": made.left_out,
        "elapsed_ms": started.elapsed_ms(),
    });
    writeln!(console.out, "{line}").map_err(Failure::output)?;
    if set_aside > 0 {
        let text = "rows of damaged parts that were set aside are missing, and queries that touch them fail";
        let advice = "`sidx verify` names them, `sidx repair` saves what can be saved";
        writeln!(console.err, "sidx: warning: {text}; {advice}").map_err(Failure::output)?;
    }
    tell(&damaged, console)
}

/// How many parts are set aside as damaged: found by an opening, or by a repair whose loss is not accepted.
fn set_aside(index: &impl Index) -> Result<usize, Failure> {
    let stats = index.stats()?;
    let parts = stats.get("quarantined").and_then(Value::as_array);
    Ok(parts.map_or(0, Vec::len))
}

/// Names the parts that were left as they are. The others are done by then.
fn tell(damaged: &[DamagedPart], console: &mut Console<'_>) -> Result<(), Failure> {
    for part in damaged {
        let DamagedPart { part, reason } = part;
        let text = format!(
            "part {part} is damaged and was left as it is: {reason}; everything else was done; `sidx repair` saves \
             what can be read of it"
        );
        // The exit code tells it too.
        let _ = Failure::new(Code::Corrupt, text, "").report(console.err);
    }
    match damaged {
        [] => Ok(()),
        _ => Err(Failure::Reported(Code::Corrupt)),
    }
}
