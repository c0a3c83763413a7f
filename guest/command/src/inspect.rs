//! `sidx parts`, `stats`, `verify`, `repair` and `dump`: what an index is made of, and what of it is whole.

pub(crate) mod report;

use serde_json::Value;

use crate::arguments::{
    DumpArguments, DumpFormat, GcArguments, InspectArguments, RepairArguments, ReportFormat,
};
use crate::console::Console;
use crate::database::{Database, Index};
use crate::exit::{Code, Failure};
use crate::output::number::{counted, size};
use crate::output::{self, Page, Shape};
use crate::place::Place;
use report::{format, print};

/// Lists the parts.
pub(crate) fn parts(
    arguments: &InspectArguments,
    database: &impl Database,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    let parts = Place::of(database, &arguments.target)?.read()?.parts()?;
    let format = format(arguments.format, console, ReportFormat::Ndjson);
    print(&parts, None, format, console)
}

/// Prints counts and sizes.
pub(crate) fn stats(
    arguments: &InspectArguments,
    database: &impl Database,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    let stats = Place::of(database, &arguments.target)?.read()?.stats()?;
    let format = format(arguments.format, console, ReportFormat::Json);
    let gist = stats_gist(&arguments.target.index, &stats);
    print(&stats, Some(gist), format, console)
}

/// Checks everything; damage gives an exit code of its own.
pub(crate) fn verify(
    arguments: &InspectArguments,
    database: &impl Database,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    let report = Place::of(database, &arguments.target)?.read()?.verify()?;
    let format = format(arguments.format, console, ReportFormat::Json);
    let gist = verify_gist(&arguments.target.index, &report);
    print(&report, Some(gist), format, console)?;
    if report::is_sound(&report) {
        Ok(())
    } else {
        Err(Failure::Reported(Code::Corrupt))
    }
}

/// Saves what can be saved; a loss that is not accepted gives an exit code of its own.
pub(crate) fn repair(
    arguments: &RepairArguments,
    database: &impl Database,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    let place = Place::of(database, &arguments.target)?.waiting(arguments.wait);
    let report = place.repair(arguments.accept_loss)?;
    let format = format(arguments.format, console, ReportFormat::Json);
    let gist = repair_gist(&arguments.target.index, &report);
    print(&report, Some(gist), format, console)?;
    if report::is_without_loss(&report) {
        Ok(())
    } else {
        Err(Failure::Reported(Code::Corrupt))
    }
}

/// Tells what nothing needs, or removes it.
pub(crate) fn gc(
    arguments: &GcArguments,
    database: &impl Database,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    let place = Place::of(database, &arguments.target)?.waiting(arguments.wait);
    let report = place.garbage(arguments.apply)?;
    let format = format(arguments.format, console, ReportFormat::Json);
    let gist = gc_gist(arguments, &report);
    print(&report, Some(gist), format, console)
}

/// Prints every physical row.
pub(crate) fn dump(
    arguments: &DumpArguments,
    database: &impl Database,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    let DumpFormat::Ndjson = arguments.format;
    let index = Place::of(database, &arguments.target)?.read()?;
    let shape = Shape {
        tags: Vec::new(),
        with_tags: true,
        with_payload: true,
    };
    for dumped in index.dump()? {
        let dumped = dumped?;
        let page = Page::new(&dumped.rows)?;
        for (row, ordinal) in (0..page.len()).zip(dumped.first_row..) {
            write!(
                console.out,
                "{{\"part\":\"{}\",\"row\":{ordinal},",
                dumped.part
            )
            .and_then(|()| output::write_row(&page, row, &shape, console.out))
            .and_then(|()| console.out.write_all(b"}\n"))
            .map_err(Failure::output)?;
        }
    }
    Ok(())
}

/// A number of a report; 0 where there is none.
fn number(report: &Value, pointer: &str) -> u64 {
    let found = report.pointer(pointer).and_then(Value::as_u64);
    found.unwrap_or(0)
}

fn stats_gist(index: &str, stats: &Value) -> String {
    let number = |pointer| number(stats, pointer);
    let text = |pointer| stats.pointer(pointer).and_then(Value::as_str);
    format!(
        "Index {index}: {} in {} and the log, {} on disk; pressure: {}.",
        counted(number("/rows"), "row"),
        counted(number("/parts"), "part"),
        size(number("/health/disk/used_bytes")),
        text("/health/pressure").unwrap_or("unknown"),
    )
}

fn gc_gist(arguments: &GcArguments, report: &Value) -> String {
    let of = |name| members(report, name);
    let found = [
        counted(of("parts"), "part"),
        counted(of("snapshots"), "snapshot"),
        counted(of("copies"), "interrupted backup"),
        counted(of("dropped"), "dropped place"),
    ];
    let found = format!(
        "{} and {}",
        found.get(..3).unwrap_or_default().join(", "),
        found.get(3).map_or("", String::as_str)
    );
    let index = &arguments.target.index;
    let pins = match of("pinned_epochs") {
        0 => String::new(),
        _ => " Readers or branches keep some of it.".to_owned(),
    };
    match arguments.apply {
        true => match number(report, "/remaining") {
            0 => format!("Index {index}: {found} were removed."),
            left => format!(
                "Index {index}: {found} were removed; {} cannot go yet, as somebody reads or makes them.",
                counted(left, "other")
            ),
        },
        false => format!(
            "Index {index}: {found} are there that the index does not need.{pins} --apply removes what can go."
        ),
    }
}

fn verify_gist(index: &str, report: &Value) -> String {
    let number = |pointer| number(report, pointer);
    let seen = format!(
        "{} in {}, {} and {} were read and compared",
        counted(number("/rows"), "row"),
        counted(number("/parts"), "part"),
        counted(number("/files"), "file"),
        counted(number("/log_entries"), "log record"),
    );
    if report::is_sound(report) {
        return match number("/log_torn_bytes") {
            0 => format!("Index {index} is sound: {seen}."),
            torn => format!(
                "Index {index} is sound: {seen}.\n\
                 The log ends with {} that are no whole entry: what a crash in the midst of a write leaves, or\n\
                 damage of the newest entry. The next opening for writing cuts them off.",
                counted(torn, "byte"),
            ),
        };
    }
    let found = members(report, "damage");
    format!(
        "Index {index} is damaged, see below: {} found; {seen}.\n\
         Queries that do not need what is damaged go on. `sidx repair` saves every row that can be read whole.",
        counted(found, "fault"),
    )
}

fn repair_gist(index: &str, report: &Value) -> String {
    let saved = counted(number(report, "/saved_rows"), "row");
    let lost = members(report, "lost");
    if lost > 0 && report::is_sound(report) {
        return format!(
            "Index {index} opens; nothing new is damaged. Rows may be missing in {}: queries that touch these fail\n\
             until `sidx repair --accept-loss`.",
            counted(lost, "region"),
        );
    }
    if lost > 0 {
        return format!(
            "Index {index} opens, with loss: {saved} of damaged parts saved, rows may be missing in {}.\n\
             Queries that touch these fail until `sidx repair --accept-loss`.",
            counted(lost, "region"),
        );
    }
    let accepted = members(report, "accepted");
    match report::is_sound(report) {
        true if accepted > 0 => format!(
            "Index {index} is sound; the loss in {} was accepted.",
            counted(accepted, "region"),
        ),
        true => format!("Index {index} is sound; nothing was changed."),
        false => format!("Index {index} was repaired: {saved} of damaged parts saved, none lost."),
    }
}

fn members(report: &Value, name: &str) -> u64 {
    let list = report.get(name).and_then(Value::as_array);
    list.map_or(0, |list| list.len() as u64)
}
