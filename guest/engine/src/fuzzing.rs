//! What the fuzz targets of this crate do with hostile bytes. A panic here is a finding.
//!
//! The targets in `fuzz/` call these functions with the bytes that libFuzzer makes up; the tests
//! below replay the kept ones on every run. What a decoder accepts is encoded and decoded again, and
//! must be the same.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a panic here is a finding"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;
use sidx_columns::{ColumnType, ValueType};
use sidx_kernels::{Program, ProgramError, ValueRange};
use sidx_log::checksum::crc32c;

use crate::expression::{Literal, Template, parse, parse_literal};
use crate::filter::{ColumnFacts, Facts, Filter, Verdict};
use crate::ordered::batch::{Checked, Logged, read_header, write_header};
use crate::ordered::labels::{Labels, page as labels, series_id};
use crate::part::block::{Block, Ordinal};
use crate::part::dead::chunk::{read_record, write_record};
use crate::part::frame::{read_directory, read_frames, write_directory, write_frames};
use crate::part::limits::LimitsText;
use crate::part::list::PartNames;
use crate::part::manifest::Manifest;
use crate::part::name::PartName;
use crate::part::tag::{put_page, read_page};
use crate::parts::snapshot::{Settings, Snapshot};
use crate::seal::{seal, unseal};
use crate::wire::{self, Reader};

/// The body of a sealed document, with or without its seal: one that is wrong hides all behind it.
fn body<T: DeserializeOwned + Serialize + PartialEq + Debug>(data: &[u8]) -> Option<T> {
    let sealed = unseal::<T>(data, "document").ok();
    let body = sealed.or_else(|| serde_json::from_slice(data).ok())?;
    let again: T = unseal(&seal(&body, &[]).unwrap(), "document").expect("sealed just now");
    assert_eq!(again, body);
    Some(body)
}

/// A part's manifest.
pub fn manifest(data: &[u8]) {
    let Some(manifest) = body::<Manifest>(data) else {
        return;
    };
    let _ = manifest.check(PartName::parse(&manifest.part).unwrap_or(PartName::in_memory(0)));
    let _ = manifest.size_bytes();
    for column in manifest.tags.iter().flat_map(|tag| &tag.columns) {
        let _ = column.kind();
        let range = column.limits.range();
        let text = LimitsText::from(&range).range();
        assert!(same_range(&range, &text), "{range:?} became {text:?}");
    }
}

/// Equal, with a NaN equal to itself.
fn same_range(one: &ValueRange, other: &ValueRange) -> bool {
    one == other || format!("{one:?}") == format!("{other:?}")
}

/// A snapshot, or the settings of the index.
pub fn snapshot(data: &[u8]) {
    let _ = body::<Settings>(data);
    if let Some(snapshot) = body::<Snapshot>(data) {
        let _ = snapshot.check(snapshot.epoch);
        let _ = snapshot.part_names();
    }
}

/// The index of the frames of a part.
pub fn frames(data: &[u8]) {
    if let Ok(frames) = read_frames(data) {
        assert_eq!(read_frames(&write_frames(&frames)).unwrap(), frames);
    }
}

/// Block records, one behind the other.
pub fn blocks(data: &[u8]) {
    let mut reader = Reader::new(data, "block");
    let mut first_row = Ordinal::FIRST;
    while !reader.is_empty() {
        let Ok(block) = Block::read(&mut reader, first_row) else {
            return;
        };
        let mut bytes = Vec::new();
        block.write(&mut bytes);
        let mut again = Reader::new(&bytes, "block");
        assert_eq!(Block::read(&mut again, first_row).unwrap(), block);
        again.finish().unwrap();
        let mut near = 0;
        for run in &block.runs {
            assert_eq!(block.series_of(run.start, &mut near), run.series);
            assert_eq!(block.series_of(run.end - 1, &mut near), run.series);
        }
        assert!(block.first_series() <= block.last_series());
        first_row = first_row.plus(u64::from(block.rows));
    }
}

/// Tag metadata: with an odd first byte the directory, else records of a column of the type and rows
/// that the next bytes say.
pub fn tags(data: &[u8]) {
    let [mode, rest @ ..] = data else {
        return;
    };
    if mode & 1 == 1 {
        if let Ok(extents) = read_directory(rest, usize::from(mode >> 1)) {
            let bytes = write_directory(&extents);
            assert_eq!(read_directory(&bytes, extents.len()).unwrap(), extents);
        }
        return;
    }
    let [kind, rows, records @ ..] = rest else {
        return;
    };
    let Some(kind) = ColumnType::from_code(*kind) else {
        return;
    };
    let rows = u32::from(*rows);
    let mut reader = Reader::new(records, "tag");
    while !reader.is_empty() {
        let Ok(page) = read_page(&mut reader, kind, rows) else {
            return;
        };
        let mut bytes = Vec::new();
        put_page(page.as_ref(), &mut bytes);
        let mut again = Reader::new(&bytes, "tag");
        let page_again = read_page(&mut again, kind, rows).unwrap();
        again.finish().unwrap();
        // Compared as bytes: limits of floats may be NaN in damaged metadata.
        let mut bytes_again = Vec::new();
        put_page(page_again.as_ref(), &mut bytes_again);
        assert_eq!(bytes, bytes_again);
    }
}

/// A page of series labels.
pub fn labels(data: &[u8]) {
    let mut read = Labels::new();
    if labels::decode(data, &mut read).is_err() {
        return;
    }
    let mut again = Labels::new();
    for page in labels::encode(&read) {
        labels::decode(&page, &mut again).unwrap();
    }
    assert_eq!(again, read);
}

/// The record of a file with dead rows, under a checksum that fits.
pub fn dead_rows(data: &[u8]) {
    let sealed = [data, &crc32c(data).to_le_bytes()[..]].concat();
    for chunk in 0..4 {
        let Ok(records) = read_record(&sealed, chunk) else {
            continue;
        };
        let again = read_record(&write_record(&records), chunk).unwrap();
        assert_eq!(again, records);
    }
}

/// The header of a log entry.
pub fn log_header(data: &[u8]) {
    let Ok(Logged {
        first_id,
        batch,
        died,
    }) = read_header(data, ())
    else {
        return;
    };
    let labels = batch.labels.iter();
    let checked = Checked {
        labels: labels
            .map(|label| (series_id(label), label.clone()))
            .collect(),
        series: batch.series.clone(),
        keys: batch.keys.clone(),
        columns: (),
        names: batch.names.clone(),
        kinds: Vec::new(),
        longest_payload_bytes: 0,
        longest_tag_bytes: 0,
        size_bytes: 0,
        durability: batch.durability,
    };
    let again = read_header(&write_header(&checked, first_id, &died), ()).unwrap();
    assert_eq!((again.first_id, &again.died), (first_id, &died));
    let again = again.batch;
    assert_eq!(again.series, batch.series);
    assert_eq!(again.keys, batch.keys);
    assert_eq!(again.names, batch.names);
    let set = |labels: Vec<String>| labels.into_iter().collect::<BTreeSet<_>>();
    assert_eq!(set(again.labels), set(batch.labels));
}

/// The bytes that carry a part list to another instance.
pub fn view(data: &[u8]) {
    if let Ok(names) = PartNames::read(data) {
        assert_eq!(PartNames::read(&names.write()).unwrap(), names);
    }
}

/// Some value for a parameter, the same for each name.
fn value(name: &str) -> Literal {
    let bits = series_id(name);
    match bits % 6 {
        0 => Literal::Int(bits.cast_signed()),
        1 => Literal::Float(bits as f64 / 8.0),
        2 => Literal::String(name.repeat(3)),
        3 => Literal::Bool(bits & 8 == 0),
        4 => Literal::Bytes(bits.to_le_bytes().to_vec()),
        _ => Literal::Timestamp(bits.cast_signed() >> 8),
    }
}

/// A filter expression: its text is that of the same tree, and every tree can be planned. Parameters have
/// values of the types that their tests take, or are refused.
pub fn expression(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let _ = parse_literal(text);
    let Ok(template) = Template::parse(text) else {
        assert!(parse(text).is_err(), "a filter is one without parameters");
        return;
    };
    let values: Vec<Literal> = template
        .parameters()
        .iter()
        .map(|name| value(name))
        .collect();
    let Ok(tree) = template.bind(&values) else {
        assert!(!values.is_empty(), "nothing was to be bound");
        return;
    };
    assert_eq!(parse(text).is_ok(), values.is_empty());
    let printed = tree.to_string();
    assert_eq!(
        parse(&printed).expect("printed from a tree"),
        tree,
        "{printed}"
    );
    // Types that depend on the name, so that every combination comes up.
    let mut kinds_of = BTreeMap::new();
    let filter = Filter::plan(&tree, &mut |name| {
        let bits = series_id(name);
        let kinds = (0u32..12).filter(|at| bits >> at & 1 == 1).map(kind);
        kinds_of
            .entry(name.to_owned())
            .or_insert(kinds.collect::<Vec<_>>())
            .clone()
    });
    for slot in filter.slots() {
        assert!(
            kinds_of[&slot.name].contains(&slot.kind),
            "a column that there is not"
        );
    }
    assert!(
        filter
            .probes()
            .iter()
            .all(|probe| probe.slot < filter.slots().len())
    );
    match Program::compile(filter.steps()) {
        Ok(program) => {
            assert!(program.slots() as usize <= filter.slots().len());
            let empty = program.evaluate(&[], 3, None).unwrap();
            let verdict = filter.judge(&Nothing);
            let found = (empty.count(), verdict);
            // Rows without any tag: metadata that knows as much may not say otherwise.
            assert!(found != (0, Verdict::Everything) && found != (3, Verdict::Nothing));
        }
        Err(ProgramError::Regex { .. }) => assert!(!tree.patterns().is_empty()),
        Err(other) => panic!("{printed}: {other}"),
    }
}

/// A block of three rows without tags.
struct Nothing;

impl Facts for Nothing {
    fn rows(&self) -> u64 {
        3
    }

    fn column(&self, _slot: usize) -> Option<ColumnFacts<'_>> {
        None
    }

    fn excluded(&self, _probe: usize) -> bool {
        false
    }
}

fn kind(at: u32) -> ColumnType {
    ColumnType {
        value: ValueType::ALL[at as usize % 6],
        array: at >= 6,
    }
}

/// The number of a varint and what is behind it.
pub fn varint(data: &[u8]) {
    let mut reader = Reader::new(data, "number");
    while let Ok(number) = reader.read::<u64>() {
        let bytes = wire::write(&number);
        let mut again = Reader::new(&bytes, "number");
        assert_eq!(again.read::<u64>().unwrap(), number);
        again.finish().unwrap();
    }
}

#[cfg(test)]
mod tests;
