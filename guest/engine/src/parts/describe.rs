//! Parts and counters as JSON, for people and for monitoring. Reads no pages.

use crate::error::{Error, ErrorKind, Result};
use crate::host::{Form, Host, Medium};
use crate::part::Part;
use crate::part::PartList;
use crate::part::arrival;
use crate::part::column::PartColumn;
use crate::part::dictionary::DictionaryEntry;
use crate::part::limits::LimitsText;
use crate::part::loss::Quarantined;
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
    /// How it is stored; missing of parts in memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    form: Option<&'static str>,
    tags: Vec<TagReport<'a>>,
}

#[derive(Serialize)]
struct TagReport<'a> {
    name: &'a str,
    columns: Vec<ColumnReport>,
}

#[derive(Serialize)]
struct ColumnReport {
    kind: String,
    present: u64,
    limits: LimitsText,
    #[serde(skip_serializing_if = "Option::is_none")]
    dictionary: Option<DictionaryEntry>,
}

impl<'a> TagReport<'a> {
    fn of<H: Host>(part: &'a Part<H>) -> Vec<Self> {
        let stored = part.manifest().ok();
        let column = |tag: usize, (place, column): (usize, &PartColumn)| ColumnReport {
            kind: column.column.kind.to_string(),
            present: column.present,
            limits: LimitsText::from(&column.limits),
            dictionary: stored
                .and_then(|summary| summary.tags.get(tag)?.columns.get(place)?.dictionary),
        };
        let tag = |(tag, columns): (usize, &'a [PartColumn])| {
            let name = columns
                .first()
                .map_or("", |first| first.column.name.as_str());
            let columns = columns
                .iter()
                .enumerate()
                .map(|entry| column(tag, entry))
                .collect();
            Self { name, columns }
        };
        let tags = part.summary().tags().enumerate().map(tag);
        tags.filter(|tag| arrival::is_tag(tag.name)).collect()
    }
}

impl<'a> PartReport<'a> {
    fn of<H: Host>(part: &'a Part<H>) -> Self {
        let summary = part.summary();
        Self {
            part: part.label(),
            medium: medium_name(part.medium()),
            rows: summary.rows,
            blocks: summary.blocks,
            series: summary.series,
            min_key: summary.min_key,
            max_key: summary.max_key,
            first_id: summary.first_id,
            last_id: summary.last_id,
            size_bytes: summary.size_bytes,
            raw_bytes: summary.raw_bytes,
            form: form_name(part),
            tags: TagReport::of(part),
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
    /// Rows that others replaced, and that are still in the parts.
    #[serde(skip_serializing_if = "is_none")]
    dead_rows: u64,
    /// What facets count.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    counters: BTreeMap<String, u64>,
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

fn is_none(count: &u64) -> bool {
    *count == 0
}

fn medium_name(medium: Medium) -> &'static str {
    match medium {
        Medium::Memory => "memory",
        Medium::Durable => "file",
    }
}

fn form_name<H: Host>(part: &Part<H>) -> Option<&'static str> {
    match (part.medium(), part.name().form) {
        (Medium::Memory, _) => None,
        (Medium::Durable, Form::Folder) => Some("folder"),
        (Medium::Durable, Form::File) => Some("file"),
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
    introducer: Option<&Introducer<H>>,
) -> Result<String> {
    let of = |medium: Medium| {
        live.parts
            .iter()
            .filter(move |part| part.medium() == medium)
    };
    let files = || of(Medium::Durable).map(|part| part.summary());
    let all = || live.parts.iter().map(|part| part.summary());
    let mut tags: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let columns = live.parts.iter().flat_map(|part| part.columns());
    for column in columns.filter(|column| arrival::is_tag(&column.column.name)) {
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
        rows: all().map(|summary| summary.rows).sum(),
        rows_in_memory: of(Medium::Memory).map(|part| part.summary().rows).sum(),
        dead_rows: live.deaths.rows(),
        counters: introducer.map(Introducer::counters).unwrap_or_default(),
        blocks: all().map(|summary| u64::from(summary.blocks)).sum(),
        size_bytes: files().map(|summary| summary.size_bytes).sum(),
        raw_bytes: files().map(|summary| summary.raw_bytes).sum(),
        memory_part_bytes: live.memory_bytes(),
        min_key: all().map(|summary| summary.min_key).min(),
        max_key: all().map(|summary| summary.max_key).max(),
        next_element_id: introducer.map(Introducer::next_id),
        log_position: introducer.map(Introducer::log_position),
        log_end: host.log_end()?,
        tags,
        quarantined: live.quarantined.iter().map(Quarantined::labelled).collect(),
        refuses_writes: introducer.and_then(Introducer::poisoned),
    })
}
