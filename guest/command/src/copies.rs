//! `sidx copy`: indexes to a store of any kind, one after the other, a JSON line for each.

use serde_json::{Value, json};
use sidx_engine::ErrorKind;

use crate::arguments::CopyArguments;
use crate::console::Console;
use crate::database::{Database, Index as _, Store as _};
use crate::exit::{Code, Failure};
use crate::moment::Moment;
use crate::place::{Place, existing_store};

/// Runs `sidx copy`. Takes no lock of what is copied: a writer may be at work.
pub(crate) fn run(
    arguments: &CopyArguments,
    database: &impl Database,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    let CopyArguments {
        source,
        dest,
        index,
        to,
    } = arguments;
    if let Some(name) = index {
        return copy(
            database,
            (source, name),
            (dest, to.as_ref().unwrap_or(name)),
            console,
        );
    }
    let names = existing_store(database, source)?.index_names()?;
    // What is wrong with it is told before anything is done.
    Place::new(database, dest, "")?;
    if names.is_empty() {
        let text = format!("there is no index in {source}: nothing was copied");
        return Err(Failure::new(Code::NotFound, text, "check SRC-STORE"));
    }
    for name in names {
        match copy(database, (source, &name), (dest, &name), console) {
            // Dropped meanwhile, or a folder that is no index.
            Err(failure)
                if failure.code() == Some(Code::NotFound) && is_gone(database, source, &name)? => {}
            copied => copied?,
        }
    }
    Ok(())
}

fn is_gone(database: &impl Database, store: &str, name: &str) -> Result<bool, Failure> {
    let read = existing_store(database, store)?.read(name);
    Ok(read
        .err()
        .is_some_and(|error| error.kind() == ErrorKind::NotFound))
}

/// Copies an index, and says so at once.
fn copy<D: Database>(
    database: &D,
    (source, name): (&str, &str),
    (dest, to): (&str, &str),
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    let started = Moment::now();
    let place = Place::new(database, dest, to)?;
    let index = Place::new(database, source, name)?.read()?;
    let report = place.receive_compared(&index)?;
    let stats = index.stats()?;
    let set_aside = stats.get("quarantined").and_then(Value::as_array);
    let line = json!({
        "command": "copy",
        "index": name,
        "to": to,
        "already_there": report.already_there,
        "files": report.files,
        "kept_files": report.kept_files,
        "kept_bytes": report.kept_bytes,
        "copied_bytes": report.copied_bytes,
        "log_entries": report.log_entries,
        "quarantined": set_aside.map_or(0, Vec::len),
        "elapsed_ms": started.elapsed_ms(),
    });
    let printed = writeln!(console.out, "{line}").and_then(|()| console.out.flush());
    printed.map_err(Failure::output)
}
