//! Looking for damage in single parts: what is wrong with each, and which rows cannot be read because of it.

use crate::error::Result;
use crate::host::{Form, Host, Medium};
use crate::part::Part;
use crate::part::PartList;
use crate::part::manifest::FileEntry;
use crate::parts::salvage;
use crate::parts::takeover;
use crate::parts::verify;
use crate::types::Region;
use crate::types::{Damage, PartFile, PartSection};
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
            Some(part) => of_part(host, live, part, pages)?,
            None => live.unreadable_damage(*number),
        });
    }
    if !found.is_empty() {
        takeover::check_not_gone(&**host, live)?;
    }
    Ok(found)
}

/// What is wrong with a part; none when nothing is.
fn of_part<H: Host>(
    host: &Arc<H>,
    live: &PartList<H>,
    part: &Part<H>,
    pages: bool,
) -> Result<Option<Damage>> {
    let Some(mut damage) = verify::findings(&**host, live, part, pages)? else {
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
        let Ok(manifest) = part.manifest() else {
            return Vec::new();
        };
        let of_file = |file: &FileEntry| {
            let (path, section) = match part.name().form {
                Form::Folder => (part.path_of(&file.name), None),
                Form::File => {
                    let (name, chunks) = (file.name.clone(), file.chunks());
                    (part.path().to_owned(), Some(PartSection { name, chunks }))
                }
            };
            PartFile {
                part: part.number(),
                path,
                section,
                size_bytes: file.size_bytes,
                checksum: file.checksum(),
            }
        };
        let dead = live.deaths.of(part.number());
        let dead = dead.iter().flat_map(|dead| dead.stored.chunks());
        let dead = dead.map(|chunk| PartFile {
            part: part.number(),
            path: chunk.path(),
            section: None,
            size_bytes: chunk.file.size_bytes,
            checksum: chunk.file.checksum,
        });
        manifest.files.iter().map(of_file).chain(dead).collect()
    };
    durable.flat_map(of_part).collect()
}
