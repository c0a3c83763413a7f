//! What the fuzz targets of the readers do with hostile input. A panic here is a finding.
//!
//! The targets in `fuzz/` call these functions; the test below replays the kept inputs on every run.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a panic here is a finding"
)]

use std::io::Cursor;
use std::path::Path;

use sidx_columns::{ColumnType, ValueType};

use super::csv::CsvReader;
use super::driver::{Driver, InTurn};
use super::mapping::{Mapping, PayloadSource, SeriesSource, TagSource};
use super::ndjson::NdjsonReader;
use super::reader::{Advance, Kept, RowReader};
use super::rows::Rows;
use super::source::Source;
use crate::database::Pieces;
use crate::exit::Failure;

/// Lines of JSON. The first byte chooses the mapping.
pub fn ndjson(data: &[u8]) {
    let Some((choice, input)) = data.split_first() else {
        return;
    };
    let mapping = mapping(*choice, choice & 1 == 0);
    if let Ok(source) = source(input) {
        check(&mut NdjsonReader::new(source, mapping), input);
    }
}

/// CSV. The first byte chooses the mapping.
pub fn csv(data: &[u8]) {
    let Some((choice, input)) = data.split_first() else {
        return;
    };
    let mapping = mapping(*choice, false);
    if let Ok(source) = source(input)
        && let Ok(mut reader) = CsvReader::new(source, &mapping)
    {
        check(&mut reader, input);
    }
}

fn source(input: &[u8]) -> Result<Source, Failure> {
    let input = InTurn.input(Box::new(Cursor::new(input.to_vec()))).unwrap();
    Source::new(Box::new(input), None, Path::new("-"))
}

/// The standard shape, or fields by their own names, each of a type of its own.
fn mapping(choice: u8, standard: bool) -> Mapping {
    let field = |name: &str| name.to_owned();
    let tags = [
        "a",
        "b:int",
        "c:float",
        "d:bool",
        "e:timestamp",
        "f:bytes",
        "g:string[]",
        "h:int[]",
    ];
    Mapping {
        series: match choice & 2 {
            0 => SeriesSource::Label(field("series")),
            _ => SeriesSource::Id(field("series")),
        },
        key: field("key"),
        key_mapped: !standard,
        tags: match standard {
            true => TagSource::Object,
            false => {
                let known = tags.iter().take(usize::from(choice >> 4));
                TagSource::Fields(known.map(|tag| tag.parse().unwrap()).collect())
            }
        },
        payload: match choice & 4 {
            0 => PayloadSource::Row,
            _ if standard => PayloadSource::Field(field("payload")),
            _ => PayloadSource::None,
        },
        strict: standard,
        skip_missing_key: choice & 8 != 0,
        nulls: vec![field("NA")],
    }
}

/// Reads to the end or the first bad record, as a load does, and takes what was good as a batch.
fn check(reader: &mut dyn RowReader, input: &[u8]) {
    let mut rows = Rows::new();
    let (mut kept, mut records, mut last_line) = (0, 0u64, 0);
    let lines = input.iter().filter(|byte| **byte == b'\n').count() as u64 + 2;
    // In CSV a lone carriage return ends a record, and with it a line.
    let returns = input.iter().filter(|byte| **byte == b'\r').count() as u64;
    while let Ok(Advance::Record(_)) = reader.advance(None) {
        records += 1;
        assert!(records <= lines + returns, "more records than lines");
        let line = reader.line();
        let is_there = line > last_line && line <= lines + returns;
        assert!(is_there, "line {line} after {last_line}");
        last_line = line;
        match reader.append(&mut rows) {
            Ok(Kept::Row) => kept += 1,
            Ok(Kept::Skipped) => {}
            Err(problem) => {
                rows.discard();
                let _ = problem.at_line(reader.line());
                break;
            }
        }
    }
    assert_eq!(rows.kept(), kept);
    let pieces: Pieces = rows.take().expect("columns within their limits");
    assert_eq!(pieces.keys.len(), kept);
    assert_eq!(pieces.series.len(), kept);
    assert_eq!(pieces.payloads.kind(), ColumnType::scalar(ValueType::Bytes));
    assert_eq!(pieces.payloads.present_count(), kept);
    for column in [&pieces.payloads]
        .into_iter()
        .chain(pieces.tags.iter().map(|(_, column)| column))
    {
        assert_eq!(column.rows(), kept, "columns that belong together");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Target = (&'static str, fn(&[u8]));

    const TARGETS: [Target; 2] = [("ndjson", ndjson), ("csv", csv)];

    /// What the fuzzer found worth keeping, and every crash there ever was.
    #[test]
    fn kept_inputs_pass() {
        let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
        for (target, run) in TARGETS {
            let mut inputs = 0;
            for entry in std::fs::read_dir(corpora.join(target)).expect(target) {
                run(&std::fs::read(entry.unwrap().path()).unwrap());
                inputs += 1;
            }
            assert!(inputs > 0, "{target} has no inputs");
        }
    }
}
