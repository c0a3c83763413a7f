//! Checking a part: its files against the manifest, its rows against everything that is said of them.

use super::Seen;
use super::tags::TagCheck;
use crate::error::{Error, OrDamage, Result};
use crate::host::{Host, Medium, PageSource, RowKeys};
use crate::ordered::dump::{BlockRows, read_block};
use crate::part::Part;
use crate::part::facet::{FacetPart, Facets};
use crate::part::layout::MANIFEST;
use crate::part::manifest::{FileEntry, Manifest};
use crate::part::reader::OpenBlock;

/// Something that is wrong with a part.
pub(crate) struct Finding {
    /// The file, where it is known to be one that is not as it was written.
    pub(crate) file: Option<String>,
    pub(crate) error: Error,
}

/// Everything that is wrong with a part. Errors that are not about its bytes end the check.
pub(super) fn damage<H: Host>(
    host: &H,
    facets: &Facets<H>,
    part: &Part<H>,
    seen: &mut Seen,
) -> Result<Vec<Finding>> {
    let mut damage = Vec::new();
    if part.medium() == Medium::Memory {
        // One file without checksums of its own: what can be compared are its pages.
        seen.files += 1;
    } else {
        for file in &part.manifest()?.files {
            host.check()?;
            seen.files += 1;
            note(&mut damage, Some(&file.name), check_file(host, part, file))?;
        }
        seen.files += 1;
        note(&mut damage, Some(MANIFEST), check_manifest(host, part))?;
    }
    for facet in facets.iter() {
        let name = facet.name();
        let checked = facet.check(host, &FacetPart::new(part, name));
        let named = checked.map_err(|error| error.at(format_args!("facet {:?}", name.name)));
        note(&mut damage, None, named)?;
    }
    note(&mut damage, None, check_content(host, part, seen))?;
    Ok(damage)
}

/// What is wrong with a part as far as its manifest and the sizes of its files tell. Reads no content.
pub(super) fn outline<H: Host>(host: &H, part: &Part<H>) -> Result<Vec<Finding>> {
    let mut damage = Vec::new();
    if part.medium() == Medium::Durable {
        note(&mut damage, Some(MANIFEST), check_manifest(host, part))?;
        for file in &part.manifest()?.files {
            host.check()?;
            note(&mut damage, Some(&file.name), part.check_size(file))?;
        }
    }
    Ok(damage)
}

/// Keeps damage and passes other errors on.
fn note(damage: &mut Vec<Finding>, file: Option<&str>, result: Result<()>) -> Result<()> {
    if let Err(error) = result.or_damage()? {
        let file = file.map(str::to_owned);
        damage.push(Finding { file, error });
    }
    Ok(())
}

fn check_manifest<H: Host>(host: &H, part: &Part<H>) -> Result<()> {
    let manifest = Manifest::read(host, part.name())?;
    match manifest == *part.manifest()? {
        true => Ok(()),
        false => Err(Error::corrupt(format!(
            "{} changed since the part was opened",
            part.path_of(MANIFEST)
        ))),
    }
}

fn check_file<H: Host>(host: &H, part: &Part<H>, file: &FileEntry) -> Result<()> {
    let path = part.path_of(&file.name);
    let handle = part.open_unchecked(file)?;
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

/// Reads every page and compares counts, orders, ranges and filters.
fn check_content<H: Host>(host: &H, part: &Part<H>, seen: &mut Seen) -> Result<()> {
    let (mut rows, mut blocks, mut series) = (0u64, 0u64, 0u64);
    let mut last: Option<(u64, i64)> = None;
    let mut tags = TagCheck::new(part);
    for entry in part.frames()? {
        let number = entry.number;
        let frame = part.frame(number)?;
        let mut frame_keys = (i64::MAX, i64::MIN);
        let ends = (
            frame.blocks.first().map(|open| open.block.first_series()),
            frame.blocks.last().map(|open| open.block.last_series()),
        );
        if ends != (Some(entry.first_series), Some(entry.last_series)) {
            let text = format!("frame {number}: its series are not those of its blocks");
            return Err(Error::corrupt(text));
        }
        for open in &frame.blocks {
            let BlockRows { keys, sources } = read_block(host, part, &frame, open)?;
            let RowKeys {
                keys,
                series: row_series,
            } = keys;
            let columns = host.gather(&PageSource::all(&sources), None)?;
            let at = |error: Error| error.at(format_args!("block {}", open.number));
            series += new_series(&row_series, last);
            check_order(&row_series, &keys, &mut last, open).map_err(at)?;
            check_payloads(host, part, &columns).map_err(at)?;
            tags.block(host, &frame, open, &columns).map_err(at)?;
            frame_keys.0 = frame_keys.0.min(open.block.min_key);
            frame_keys.1 = frame_keys.1.max(open.block.max_key);
            rows += keys.len() as u64;
            blocks += 1;
        }
        if frame_keys != (entry.min_key, entry.max_key) {
            let text = format!("frame {number}: its key range is not that of its blocks");
            return Err(Error::corrupt(text));
        }
    }
    seen.rows += rows;
    seen.blocks += blocks;
    tags.finish()?;
    let summary = part.summary();
    if (rows, series) != (summary.rows, summary.series) {
        return Err(Error::corrupt(format!(
            "{rows} rows of {series} series, the manifest says {} of {}",
            summary.rows, summary.series
        )));
    }
    check_key_range(part)
}

fn check_key_range<H: Host>(part: &Part<H>) -> Result<()> {
    let summary = part.summary();
    let frames = part.frames()?.iter();
    let found = (
        frames.clone().map(|frame| frame.min_key).min(),
        frames.map(|frame| frame.max_key).max(),
    );
    if found == (Some(summary.min_key), Some(summary.max_key)) {
        return Ok(());
    }
    Err(Error::corrupt(format!(
        "{}: its key range is not that of its blocks",
        part.path()
    )))
}

/// How many series begin in a block, after the last row before it.
fn new_series(series: &[u64], last: Option<(u64, i64)>) -> u64 {
    let runs = series.chunk_by(|one, other| one == other).count() as u64;
    let goes_on = last.is_some_and(|(last, _)| series.first() == Some(&last));
    runs - u64::from(goes_on)
}

/// Payloads are present everywhere and no longer than the manifest says.
fn check_payloads<H: Host>(host: &H, part: &Part<H>, columns: &H::Columns) -> Result<()> {
    let payloads = host.read_column(columns, 0)?;
    if payloads.present_count() != payloads.rows() {
        return Err(Error::corrupt("some payloads are absent"));
    }
    let longest = payloads.max_value_bytes() as u64;
    let allowed = u64::from(part.summary().longest.payload_bytes);
    if longest <= allowed {
        return Ok(());
    }
    Err(Error::corrupt(format!(
        "a payload of {longest} bytes, the manifest says at most {allowed}"
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
