//! Looking for damage in single parts: what is wrong with each, and which rows cannot be read because of it.

use crate::error::Result;
use crate::host::{Host, Medium};
use crate::part::Part;
use crate::part::PartList;
use crate::parts::salvage;
use crate::parts::takeover;
use crate::parts::verify;
use crate::types::Region;
use crate::types::{Damage, PartFile};
use std::sync::Arc;

/// The damaged ones of some parts; see `index.survey`.
pub(crate) fn run<H: Host>(
    host: &Arc<H>,
    live: &PartList<H>,
    parts: &[u64],
    pages: bool,
) -> Result<Vec<Damage>> {
    let mut found = Vec::new();
    for number in parts {
        host.check()?;
        found.extend(match live.part(*number) {
            Some(part) => of_part(host, part, pages)?,
            None => live.unreadable_damage(*number),
        });
    }
    if !found.is_empty() {
        takeover::check_not_overtaken(&**host, live.term)?;
    }
    Ok(found)
}

/// What is wrong with a part; none when nothing is.
fn of_part<H: Host>(host: &Arc<H>, part: &Part<H>, pages: bool) -> Result<Option<Damage>> {
    let Some(mut damage) = verify::findings(&**host, part, pages)? else {
        return Ok(None);
    };
    damage.lost = match part.medium() {
        Medium::Memory => vec![Region::of_part(part)],
        Medium::Durable => salvage::lost(&**host, &part.as_told()?)?,
    };
    Ok(Some(damage))
}

/// The files of all parts in the store; see `index.part-files`.
pub(crate) fn files<H: Host>(live: &PartList<H>) -> Vec<PartFile> {
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
