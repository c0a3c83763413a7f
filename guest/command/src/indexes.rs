//! `sidx indexes` and `sidx drop`: which indexes a store holds, and the end of one.

use std::io::{self, BufRead};

use serde_json::{Value, json};
use sidx_engine::ErrorKind;

use crate::arguments::{DropArguments, IndexesArguments, ReportFormat, Target};
use crate::console::Console;
use crate::database::{self, Database, Index, Store};
use crate::exit::{Code, Failure};
use crate::inspect::report;
use crate::moment::Moment;
use crate::output::number::counted;
use crate::place::{Place, existing_store};

/// Lists the indexes. One that cannot be opened is listed with its error, which gives the exit code in the
/// end: that of damage, if any is damaged.
pub(crate) fn list(
    arguments: &IndexesArguments,
    database: &impl Database,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    let store = existing_store(database, &arguments.store)?;
    let mut lines = Vec::new();
    let mut failures = Vec::new();
    for name in store.index_names()? {
        match described(&store, &name) {
            Ok(line) => lines.push(line),
            // Dropped meanwhile, or a folder that is no index.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => {
                lines.push(json!({
                    "index": name,
                    "error_kind": error.kind().name(),
                    "error": error.message(),
                }));
                failures.push(Code::of(error.kind()));
            }
        }
    }
    let format = report::format(arguments.format, console, ReportFormat::Ndjson);
    if lines.is_empty() {
        let store = &arguments.store;
        let text = format!("{store} holds no index; `sidx ingest` makes one");
        // Of the list there is no line then, and the name may be mistyped.
        let told = match format {
            ReportFormat::Table => writeln!(console.out, "{text}"),
            _ => writeln!(console.err, "sidx: warning: {text}"),
        };
        return told.map_err(Failure::output);
    }
    report::print(&Value::from(lines), None, format, console)?;
    let damaged = failures.iter().copied().find(|code| *code == Code::Corrupt);
    match damaged.or(failures.first().copied()) {
        Some(code) => Err(Failure::Reported(code)),
        None => Ok(()),
    }
}

/// What the list tells of an index. A writer may be at work.
fn described(store: &impl Store, name: &str) -> database::Result<Value> {
    let stats = store.read(name)?.stats()?;
    let of = |name: &str| stats.get(name).cloned().unwrap_or_default();
    let quarantined = stats.get("quarantined").and_then(Value::as_array);
    Ok(json!({
        "index": name,
        "kind": of("kind"),
        "rows": of("rows"),
        "bytes": stats.pointer("/health/disk/used_bytes"),
        "epoch": of("epoch"),
        "parts": of("parts"),
        "memory_parts": of("memory_parts"),
        "quarantined": quarantined.map_or(0, Vec::len),
    }))
}

/// Removes an index after it was confirmed.
pub(crate) fn drop(
    arguments: &DropArguments,
    database: &impl Database,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    let Target { store, index: name } = &arguments.target;
    let is_asked = console.in_is_terminal && console.err_is_terminal;
    if !arguments.yes && !is_asked {
        return Err(Failure::usage(
            format!("nobody can be asked whether to drop index {name:?}: nothing was removed"),
            "--yes drops it without asking",
        ));
    }
    let place = Place::of(database, &arguments.target)?.waiting(arguments.wait);
    let rows = match rows_of(place.read()) {
        // Maybe a removal broke off, whose rest goes now; the library says what else there may be.
        Err(failure) if arguments.yes && failure.code() == Some(Code::NotFound) => None,
        rows => rows?,
    };
    if !arguments.yes && !is_confirmed(name, store, rows, console)? {
        return Err(Failure::new(
            Code::Stopped,
            format!("that is not the name of the index: nothing was removed from {store}"),
            "",
        ));
    }
    let started = Moment::now();
    let bytes = place.remove()?;
    let line = json!({
        "command": "drop",
        "index": name,
        "rows": rows,
        "bytes": bytes,
        "elapsed_ms": started.elapsed_ms(),
    });
    writeln!(console.out, "{line}").map_err(Failure::output)
}

/// The rows of an index, none when it is damaged or otherwise cannot be opened: it may be dropped all the
/// same.
fn rows_of<I: Index>(opened: Result<I, Failure>) -> Result<Option<u64>, Failure> {
    let counted = |index: I| -> database::Result<Option<u64>> {
        Ok(index.stats()?.get("rows").and_then(Value::as_u64))
    };
    match opened {
        Ok(index) => Ok(counted(index).unwrap_or(None)),
        Err(failure) if failure.code() == Some(Code::NotFound) => Err(failure),
        Err(_) => Ok(None),
    }
}

/// Asks for the name of the index.
fn is_confirmed(
    name: &str,
    store: &str,
    rows: Option<u64>,
    console: &mut Console<'_>,
) -> Result<bool, Failure> {
    let rows = rows.map_or(String::from("that cannot be opened"), |rows| {
        format!("of {}", counted(rows, "row"))
    });
    let asked = write!(
        console.err,
        "Index {name} {rows} in {store} will be gone for good. Type its name to drop it: "
    );
    asked
        .and_then(|()| console.err.flush())
        .map_err(Failure::output)?;
    let mut answer = String::new();
    let read = io::stdin().lock().read_line(&mut answer);
    read.map_err(|error| {
        let text = format!("the answer cannot be read: {error}; nothing was removed");
        Failure::new(Code::Other, text, "--yes drops it without asking")
    })?;
    Ok(answer.trim() == name)
}
