//! `sidx query`

use std::ops::Bound;

use serde_json::Value;
use sidx_engine::ErrorKind;

use crate::arguments::{OrderName, QueryArguments, RowFormat};
use crate::console::Console;
use crate::database::{Cursor, Database, Error, Index, Order, Query};
use crate::exit::{Code, Failure};
use crate::output::{self, Page, RowWriter, Shape};
use crate::place::Place;

/// `--select`
#[derive(Clone, Debug, PartialEq, Eq)]
enum Selection {
    All,
    Named(Vec<String>),
}

/// Runs the command.
pub(crate) fn run(
    arguments: &QueryArguments,
    database: &impl Database,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    let selection = selection(&arguments.select)?;
    let filter = arguments.filter.text()?;
    arguments.filter.check_parameters(filter.as_deref())?;
    let index = Place::of(database, &arguments.target)?.read()?;
    let query = asked(arguments, filter.as_deref(), &selection);
    if arguments.count {
        return count(&query, &index, console);
    }
    let format = arguments.format.unwrap_or(if console.out_is_terminal {
        RowFormat::Table
    } else {
        RowFormat::Ndjson
    });
    let shape = shape(arguments, &selection, format, &index)?;
    let mut cursor = index.query(&query).map_err(refused)?;
    let mut writer = output::writer(format, shape);
    let printed = print(&mut cursor, writer.as_mut(), console);
    // Rows that came before a failure are printed; the exit code says that they are not all.
    let finished = match &printed {
        Err(Failure::ReaderGone) => Ok(()),
        _ => writer
            .finish(printed.is_ok(), console.out)
            .and_then(|()| console.out.flush()),
    };
    if arguments.explain
        && let Ok(report) = cursor.explain()
    {
        // Telling is a courtesy: the rows are out, and a closed stderr is no reason to fail.
        let _ = writeln!(console.err, "{report}");
    }
    printed.and(finished.map_err(Failure::output))?;
    tell_missing(&cursor.missing()?, console)
}

/// `--count`
fn count(query: &Query<'_>, index: &impl Index, console: &mut Console<'_>) -> Result<(), Failure> {
    let counted = index.count(query).map_err(refused)?;
    writeln!(console.out, "{}", counted.rows).map_err(Failure::output)?;
    match counted.partial {
        true => Err(partial(
            "the count is partial: rows of the query are lost or cannot be read",
        )),
        false => Ok(()),
    }
}

fn print(
    cursor: &mut impl Cursor,
    writer: &mut dyn RowWriter,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    while let Some(rows) = cursor.next()? {
        let page = Page::new(&rows)?;
        writer.write(&page, console.out).map_err(Failure::output)?;
    }
    Ok(())
}

/// A partial result never looks whole: what it lacks is told, and the exit code is that of damage.
fn tell_missing(missing: &[String], console: &mut Console<'_>) -> Result<(), Failure> {
    if missing.is_empty() {
        return Ok(());
    }
    for place in missing {
        let _ = writeln!(console.err, "sidx: missing: {place}");
    }
    let message = format!("the result is partial: {} damaged place(s)", missing.len());
    Err(partial(message))
}

fn partial(message: impl Into<String>) -> Failure {
    let next = "`sidx repair` saves what can be saved; with `--accept-loss` queries go on without the rest";
    Failure::new(Code::Corrupt, message, next)
}

fn asked<'q>(
    arguments: &'q QueryArguments,
    filter: Option<&'q str>,
    selection: &'q Selection,
) -> Query<'q> {
    let everything = (Bound::Unbounded, Bound::Unbounded);
    Query {
        series: &arguments.series,
        series_ids: &arguments.series_id,
        keys: arguments
            .keys
            .map_or(everything, |keys| (keys.low, keys.high)),
        filter,
        parameters: &arguments.filter.parameters,
        order: match arguments.order {
            OrderName::Asc => Order::Ascending,
            OrderName::Desc => Order::Descending,
            OrderName::Any => Order::Any,
        },
        limit: arguments.limit,
        select: match selection {
            Selection::All => None,
            Selection::Named(names) => Some(names),
        },
        payload: !arguments.no_payload,
        distinct_payload: arguments.distinct_payload,
        timeout: arguments.timeout,
        allow_partial: arguments.allow_partial,
        max_rows: arguments.max_rows,
        memory_bytes: arguments.memory,
        threads: arguments.threads,
        timed: arguments.explain,
    }
}

/// Why a query did not begin.
fn refused(error: Error) -> Failure {
    let wrong = error.kind() == ErrorKind::InvalidArgument;
    let failure = Failure::from(error);
    if wrong {
        failure.with_next("see `sidx query --help`")
    } else {
        failure
    }
}

fn selection(names: &[String]) -> Result<Selection, Failure> {
    match names {
        [name] if name == "all" => Ok(Selection::All),
        [name] if name == "none" => Ok(Selection::Named(Vec::new())),
        names => {
            for (at, name) in names.iter().enumerate() {
                if name.is_empty() || names.iter().take(at).any(|earlier| earlier == name) {
                    let message = format!("--select: the tag {name:?} is empty or named twice");
                    return Err(Failure::usage(message, "name each tag once: --select a,b"));
                }
            }
            Ok(Selection::Named(names.to_vec()))
        }
    }
}

/// What the rows will have. Formats with a header need all tag names before the first row.
fn shape(
    arguments: &QueryArguments,
    selection: &Selection,
    format: RowFormat,
    index: &impl Index,
) -> Result<Shape, Failure> {
    let (tags, with_tags) = match selection {
        Selection::Named(names) => (names.clone(), !names.is_empty()),
        Selection::All if format == RowFormat::Ndjson => (Vec::new(), true),
        Selection::All => (tag_names(index)?, true),
    };
    Ok(Shape {
        tags,
        with_tags,
        with_payload: !arguments.no_payload,
    })
}

/// Every tag that the index has, in the order in which rows have them.
fn tag_names(index: &impl Index) -> Result<Vec<String>, Failure> {
    let stats = index.stats()?;
    let tags = stats.get("tags").and_then(Value::as_object);
    Ok(tags
        .map(|tags| tags.keys().cloned().collect())
        .unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selections() {
        let select = |names: &[&str]| {
            selection(
                &names
                    .iter()
                    .map(|name| String::from(*name))
                    .collect::<Vec<_>>(),
            )
        };
        assert_eq!(select(&["all"]), Ok(Selection::All));
        assert_eq!(select(&["none"]), Ok(Selection::Named(vec![])));
        assert_eq!(
            select(&["b", "a"]),
            Ok(Selection::Named(vec!["b".into(), "a".into()]))
        );
        assert!(select(&["a", "a"]).is_err());
        assert!(select(&["a", ""]).is_err());
    }
}
