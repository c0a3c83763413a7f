//! Parts and counters as JSON, for people and for monitoring. Reads no pages.

use crate::error::{Error, ErrorKind, Result};
use crate::host::{Host, Medium};
use crate::part::Part;
use crate::part::PartList;
use crate::part::loss::Quarantined;
use crate::part::manifest::TagEntry;
use crate::parts::introducer::Introducer;
use serde::Serialize;
use std::collections::BTreeMap;

/// What kind of index this is.
const KIND: &str = "ordered";

#[derive(Serialize)]
struct PartReport<'a> {
    part: String,
    medium: &'static str,
    rows: u64,
    blocks: u32,
    series: u64,
    min_key: i64,
    max_key: i64,
    first_id: u64,
    last_id: u64,
    size_bytes: u64,
    raw_bytes: u64,
    tags: &'a [TagEntry],
}

impl<'a> PartReport<'a> {
    fn of<H: Host>(part: &'a Part<H>) -> Self {
        let manifest = part.manifest();
        Self {
            part: part.label(),
            medium: medium_name(part.medium()),
            rows: manifest.rows,
            blocks: manifest.blocks,
            series: manifest.series,
            min_key: manifest.min_key,
            max_key: manifest.max_key,
            first_id: manifest.first_id,
            last_id: manifest.last_id,
            size_bytes: manifest.size_bytes(),
            raw_bytes: manifest.raw_bytes,
            tags: &manifest.tags,
        }
    }
}

#[derive(Serialize)]
struct StatsReport<'a> {
    kind: &'static str,
    epoch: u64,
    version: u64,
    parts: u64,
    memory_parts: u64,
    rows: u64,
    rows_in_memory: u64,
    blocks: u64,
    size_bytes: u64,
    raw_bytes: u64,
    memory_part_bytes: u64,
    min_key: Option<i64>,
    max_key: Option<i64>,
    next_element_id: Option<u64>,
    log_position: Option<u64>,
    log_end: u64,
    /// Types of each tag, over all parts.
    tags: BTreeMap<&'a str, Vec<String>>,
    quarantined: Vec<Quarantined>,
    refuses_writes: Option<String>,
}

fn medium_name(medium: Medium) -> &'static str {
    match medium {
        Medium::Memory => "memory",
        Medium::Durable => "file",
    }
}

fn json<T: Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|error| {
        Error::new(
            ErrorKind::Other,
            format!("cannot write the report: {error}"),
        )
    })
}

/// One entry per part, in order of age.
pub(crate) fn parts<H: Host>(live: &PartList<H>) -> Result<String> {
    let reports: Vec<PartReport<'_>> = live.parts.iter().map(|part| PartReport::of(part)).collect();
    json(&reports)
}

/// Counters and sizes of the index.
pub(crate) fn stats<H: Host>(
    host: &H,
    live: &PartList<H>,
    introducer: Option<&Introducer>,
) -> Result<String> {
    let of = |medium: Medium| {
        live.parts
            .iter()
            .filter(move |part| part.medium() == medium)
    };
    let files = || of(Medium::Durable).map(|part| part.manifest());
    let all = || live.parts.iter().map(|part| part.manifest());
    let mut tags: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for column in live.parts.iter().flat_map(|part| part.columns()) {
        let kinds = tags.entry(&column.column.name).or_default();
        let kind = column.column.kind.to_string();
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    json(&StatsReport {
        kind: KIND,
        epoch: live.epoch,
        version: live.version,
        parts: of(Medium::Durable).count() as u64,
        memory_parts: of(Medium::Memory).count() as u64,
        rows: all().map(|manifest| manifest.rows).sum(),
        rows_in_memory: of(Medium::Memory).map(|part| part.manifest().rows).sum(),
        blocks: all().map(|manifest| u64::from(manifest.blocks)).sum(),
        size_bytes: files().map(|manifest| manifest.size_bytes()).sum(),
        raw_bytes: files().map(|manifest| manifest.raw_bytes).sum(),
        memory_part_bytes: live.memory_bytes(),
        min_key: all().map(|manifest| manifest.min_key).min(),
        max_key: all().map(|manifest| manifest.max_key).max(),
        next_element_id: introducer.map(Introducer::next_id),
        log_position: introducer.map(Introducer::log_position),
        log_end: host.log_end()?,
        tags,
        quarantined: live.quarantined.iter().map(Quarantined::labelled).collect(),
        refuses_writes: introducer.and_then(Introducer::poisoned),
    })
}
