//! `sidx parts`, `stats`, `verify`, `repair` and `dump`: what an index is made of, and what of it is whole.

mod report;

use serde_json::Value;

use crate::arguments::{
    DumpArguments, DumpFormat, InspectArguments, RepairArguments, ReportFormat,
};
use crate::console::Console;
use crate::exit::{Code, Failure};
use crate::output::{self, Page, Shape};
use crate::place::Place;

/// Lists the parts.
pub(crate) fn parts(
    arguments: &InspectArguments,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    let parts = Place::of(&arguments.target)?.read()?.parts()?;
    let format = format(arguments.format, console, ReportFormat::Ndjson);
    print(&parts, format, console)
}

/// Prints counts and sizes.
pub(crate) fn stats(
    arguments: &InspectArguments,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    let stats = Place::of(&arguments.target)?.read()?.stats()?;
    let format = format(arguments.format, console, ReportFormat::Json);
    print(&stats, format, console)
}

/// Checks everything; damage gives an exit code of its own.
pub(crate) fn verify(
    arguments: &InspectArguments,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    let report = Place::of(&arguments.target)?.read()?.verify()?;
    let format = format(arguments.format, console, ReportFormat::Json);
    print(&report, format, console)?;
    if report::is_sound(&report) {
        Ok(())
    } else {
        Err(Failure::Reported(Code::Corrupt))
    }
}

/// Saves what can be saved; a loss that is not accepted gives an exit code of its own.
pub(crate) fn repair(
    arguments: &RepairArguments,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    let report = Place::of(&arguments.target)?.repair(arguments.accept_loss)?;
    let format = format(arguments.format, console, ReportFormat::Json);
    print(&report, format, console)?;
    if report::is_without_loss(&report) {
        Ok(())
    } else {
        Err(Failure::Reported(Code::Corrupt))
    }
}

/// Prints every physical row.
pub(crate) fn dump(arguments: &DumpArguments, console: &mut Console<'_>) -> Result<(), Failure> {
    let DumpFormat::Ndjson = arguments.format;
    let index = Place::of(&arguments.target)?.read()?;
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

pub(crate) fn format(
    asked: Option<ReportFormat>,
    console: &Console<'_>,
    elsewhere: ReportFormat,
) -> ReportFormat {
    let usual = if console.out_is_terminal {
        ReportFormat::Table
    } else {
        elsewhere
    };
    asked.unwrap_or(usual)
}

pub(crate) fn print(
    report: &Value,
    format: ReportFormat,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    match format {
        ReportFormat::Table => report::table(report, console.out),
        ReportFormat::Ndjson => report::lines(report, console.out),
        ReportFormat::Json => report::document(report, console.out),
    }
    .map_err(Failure::output)
}
