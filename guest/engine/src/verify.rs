//! Checking a whole index: every file, page and cross-reference of every part.

use crate::dump::read_block;
use crate::error::{Error, ErrorKind, Result};
use crate::host::{Host, Medium};
use crate::live::Live;
use crate::part::Part;
use crate::part::layout::MANIFEST;
use crate::part::manifest::{FileEntry, Manifest};
use crate::part::reader::OpenBlock;
use crate::recovery::is_damage;
use serde::Serialize;
use std::sync::Arc;

/// The report of `index.verify`.
#[derive(Serialize)]
struct Report {
    ok: bool,
    epoch: u64,
    parts: u64,
    memory_parts: u64,
    files: u64,
    blocks: u64,
    rows: u64,
    damage: Vec<Damage>,
}

#[derive(Serialize)]
struct Damage {
    part: String,
    what: String,
}

/// Checks every live part. Damage is in the report; an error means that the check could not go on.
pub(crate) fn report<H: Host>(host: &Arc<H>, live: &Live<H>) -> Result<String> {
    let mut report = Report {
        ok: true,
        epoch: live.epoch,
        parts: 0,
        memory_parts: 0,
        files: 0,
        blocks: 0,
        rows: 0,
        damage: Vec::new(),
    };
    for lost in &live.quarantined {
        let what = format!("set aside: {}", lost.reason);
        report.damage.push(Damage {
            part: lost.part.clone(),
            what,
        });
    }
    let mut last_id = None;
    for part in &live.parts {
        match part.medium() {
            Medium::Durable => report.parts += 1,
            Medium::Memory => report.memory_parts += 1,
        }
        check_files(&**host, part, &mut report)?;
        let manifest = part.manifest();
        if last_id.is_some_and(|last| last >= manifest.first_id) {
            let what = "its element ids are not above those of the part before it".to_owned();
            report.damage.push(Damage {
                part: part.name(),
                what,
            });
        }
        last_id = Some(manifest.last_id);
        let checked = check_content(&**host, part, &mut report);
        note(&mut report, part, checked)?;
    }
    report.ok = report.damage.is_empty();
    serde_json::to_string(&report).map_err(|error| {
        Error::new(
            ErrorKind::Other,
            format!("cannot write the report: {error}"),
        )
    })
}

/// Puts damage into the report and passes other errors on.
fn note<H: Host>(report: &mut Report, part: &Part<H>, result: Result<()>) -> Result<()> {
    match result {
        Err(error) if is_damage(error.kind()) => {
            report.damage.push(Damage {
                part: part.name(),
                what: error.message().to_owned(),
            });
            Ok(())
        }
        other => other,
    }
}

/// Compares every file with the size and checksum of the manifest, and the manifest with what was
/// opened.
fn check_files<H: Host>(host: &H, part: &Part<H>, report: &mut Report) -> Result<()> {
    for file in &part.manifest().files {
        host.check()?;
        report.files += 1;
        let checked = check_file(host, part, file);
        note(report, part, checked)?;
    }
    report.files += 1;
    let reread = Manifest::read(host, part.directory(), part.number()).and_then(|manifest| {
        match manifest == *part.manifest() {
            true => Ok(()),
            false => Err(Error::corrupt(format!(
                "{MANIFEST} changed since the part was opened"
            ))),
        }
    });
    note(report, part, reread)
}

fn check_file<H: Host>(host: &H, part: &Part<H>, file: &FileEntry) -> Result<()> {
    let path = format!("{}/{}", part.directory(), file.name);
    let handle = host.open_file(&path)?;
    let found = host
        .file_size(handle)
        .and_then(|size| Ok((size, host.file_checksum(handle)?)));
    host.close_file(handle);
    let (size, checksum) = found?;
    let checksum = format!("{checksum:08x}");
    if size == file.size_bytes && checksum == file.crc32c {
        return Ok(());
    }
    Err(Error::corrupt(format!(
        "{path}: {size} bytes with CRC32C {checksum}, the manifest says {} and {}",
        file.size_bytes, file.crc32c
    )))
}

/// Reads every page and compares counts, orders and ranges.
fn check_content<H: Host>(host: &H, part: &Part<H>, report: &mut Report) -> Result<()> {
    let (mut rows, mut blocks) = (0u64, 0u64);
    let mut last: Option<(u64, i64)> = None;
    for (index, entry) in part.frames()?.iter().enumerate() {
        let frame = part.frame(index)?;
        let mut frame_keys = (i64::MAX, i64::MIN);
        for (block, open) in frame.blocks.iter().enumerate() {
            let read = read_block(host, part, &frame, index, block, open)?;
            check_order(&read.series, &read.keys, &mut last, open)
                .map_err(|error| error.at(format_args!("block {}", open.number)))?;
            frame_keys.0 = frame_keys.0.min(open.block.min_key);
            frame_keys.1 = frame_keys.1.max(open.block.max_key);
            rows += read.keys.len() as u64;
            blocks += 1;
        }
        if frame_keys != (entry.min_key, entry.max_key) {
            return Err(Error::corrupt(format!(
                "frame {index}: its key range is not that of its blocks"
            )));
        }
    }
    report.rows += rows;
    report.blocks += blocks;
    if rows == part.manifest().rows {
        return Ok(());
    }
    Err(Error::corrupt(format!(
        "{rows} rows, the manifest says {}",
        part.manifest().rows
    )))
}

/// Checks that rows ascend by (series, key) and that the runs say what the keys say.
fn check_order(
    series: &[u64],
    keys: &[i64],
    last: &mut Option<(u64, i64)>,
    open: &OpenBlock,
) -> Result<()> {
    for (series, key) in series.iter().zip(keys) {
        if last.is_some_and(|last| last > (*series, *key)) {
            return Err(Error::corrupt(format!(
                "series {series}, key {key} is out of order"
            )));
        }
        *last = Some((*series, *key));
    }
    for run in &open.block.runs {
        let ends = (
            keys.get(run.start as usize),
            keys.get(run.end.saturating_sub(1) as usize),
        );
        if ends != (Some(&run.first_key), Some(&run.last_key)) {
            return Err(Error::corrupt(format!(
                "the run of series {} has other keys",
                run.series
            )));
        }
    }
    Ok(())
}
