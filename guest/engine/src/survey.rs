//! Looking for damage in single parts: what is wrong with each, and which rows cannot be read because of it.

use crate::error::Result;
use crate::host::{Host, Medium};
use crate::live::Live;
use crate::loss::Region;
use crate::part::Part;
use crate::part::layout::{MANIFEST, part_name};
use crate::salvage;
use crate::types::{Damage, PartFile};
use crate::verify;
use std::sync::Arc;

/// Most reasons that are told of a part.
const REASONS_MAX: usize = 16;

/// The damaged ones of some parts; see `index.survey`.
pub(crate) fn run<H: Host>(
    host: &Arc<H>,
    live: &Live<H>,
    parts: &[u64],
    pages: bool,
) -> Result<Vec<Damage>> {
    let mut found = Vec::new();
    for number in parts {
        host.check()?;
        found.extend(match live.part(*number) {
            Some(part) => of_part(host, part, pages)?,
            None => of_unreadable(live, *number),
        });
    }
    Ok(found)
}

/// What is wrong with a part; none when nothing is.
fn of_part<H: Host>(host: &Arc<H>, part: &Part<H>, pages: bool) -> Result<Option<Damage>> {
    let Some(mut damage) = findings(&**host, part, pages)? else {
        return Ok(None);
    };
    damage.lost = match part.medium() {
        Medium::Memory => vec![Region::of_part(part)],
        Medium::Durable => salvage::lost(&**host, &as_told(host, part)?)?,
    };
    Ok(Some(damage))
}

/// The same without a look for what can be read all the same.
pub(crate) fn findings<H: Host>(host: &H, part: &Part<H>, pages: bool) -> Result<Option<Damage>> {
    let found = match pages {
        true => verify::part_damage(host, part)?,
        false => verify::part_outline(host, part)?,
    };
    if found.is_empty() {
        return Ok(None);
    }
    let mut damage = Damage {
        part: part.number(),
        files: Vec::new(),
        reasons: Vec::new(),
        lost: Vec::new(),
    };
    for finding in found {
        if let Some(file) = finding.file
            && !damage.files.contains(&file)
        {
            damage.files.push(file);
        }
        if damage.reasons.len() < REASONS_MAX {
            damage.reasons.push(finding.error.message().to_owned());
        }
    }
    Ok(Some(damage))
}

/// The part as its manifest in memory tells of it, without the filters, which may be damaged, and without
/// anything that was read of it before.
pub(crate) fn as_told<H: Host>(host: &Arc<H>, part: &Part<H>) -> Result<Part<H>> {
    let manifest = part.manifest().clone();
    Ok(Part::from_manifest(host, part.number(), part.medium(), manifest)?.without_filters())
}

/// What is known of a part whose manifest cannot be read; none of one that is not in the list.
pub(crate) fn of_unreadable<H: Host>(live: &Live<H>, number: u64) -> Option<Damage> {
    let name = part_name(number);
    let lost = live.unreadable.iter().find(|lost| lost.part == name)?;
    Some(Damage {
        part: number,
        files: vec![MANIFEST.to_owned()],
        reasons: vec![lost.reason.clone()],
        lost: lost.lost.clone(),
    })
}

/// The files of all parts in the store; see `index.part-files`.
pub(crate) fn files<H: Host>(live: &Live<H>) -> Vec<PartFile> {
    let parts = live.parts.iter();
    let durable = parts.filter(|part| part.medium() == Medium::Durable);
    let of_part = |part: &Arc<Part<H>>| -> Vec<PartFile> {
        let files = part.manifest().files.iter();
        files
            .map(|file| PartFile {
                part: part.number(),
                path: format!("{}/{}", part.directory(), file.name),
                size_bytes: file.size_bytes,
                checksum: file.checksum(),
            })
            .collect()
    };
    durable.flat_map(of_part).collect()
}
