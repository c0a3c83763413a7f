//! What lies in the store of an index and its newest snapshot does not need: what readers may still read,
//! what a crash left, and what goes next.

use crate::error::{Error, ErrorKind, Result};
use crate::host::{Host, Medium};
use crate::part::PartList;
use crate::part::layout::PARTS;
use crate::part::name::{PartName, StoredName};
use crate::parts::fences::is_tombstone;
use crate::parts::snapshot::Snapshot;
use serde::Serialize;

/// The report.
#[derive(Serialize)]
struct Leftovers {
    parts: Vec<String>,
    snapshots: Vec<String>,
}

/// Looks at the names in the store, and at snapshots that are not the newest. Names that are not ours,
/// names of later writers, and tombstones, which stay for ever, are not among what is left.
pub(crate) fn of<H: Host>(host: &H, live: &PartList<H>) -> Result<String> {
    let mut left = Leftovers {
        parts: Vec::new(),
        snapshots: Vec::new(),
    };
    let dead = live.deaths.files();
    let is_aside = |entry: &str| live.missing().any(|lost| lost.part == entry);
    let of_aside = |number: u64| {
        let aside = live
            .missing()
            .filter_map(|lost| PartName::parse(&lost.part));
        aside.into_iter().any(|part| part.number == number)
    };
    for entry in host.list_files(PARTS, Medium::Durable)? {
        let Some(name) = StoredName::parse(&entry) else {
            continue;
        };
        let is_live = match name {
            StoredName::Part(name) => live.stored(name).is_some(),
            StoredName::Dead(name) => dead.contains_key(&name) || of_aside(name.part),
        };
        if !is_live && !is_aside(&entry) && name.term() <= live.term {
            left.parts.push(entry);
        }
    }
    for epoch in Snapshot::epochs(host)? {
        let name = Snapshot::name(epoch);
        if epoch < live.epoch
            && let Some(object) = host.get_object(&name)?
            && !is_tombstone(&object.bytes)
        {
            left.snapshots.push(name);
        }
    }
    serde_json::to_string(&left).map_err(|error| {
        let text = format!("cannot write the report: {error}");
        Error::new(ErrorKind::Other, text)
    })
}
