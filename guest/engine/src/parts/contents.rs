//! Everything durable that makes up an index: what a backup copies.

use crate::error::{Error, Result};
use crate::host::{Host, Medium};
use crate::part::PartList;
use crate::parts::introducer::Introducer;
use crate::parts::snapshot::{INDEX_OBJECT, Snapshot};
use crate::seal::seal;
use crate::types::Contents;

/// The durable contents of a part list; see `index.contents`. Reads `index.json` and nothing else.
pub(crate) fn of<H: Host>(
    host: &H,
    live: &PartList<H>,
    introducer: &Introducer,
) -> Result<Contents> {
    let settings = host
        .get_object(INDEX_OBJECT)?
        .ok_or_else(|| Error::corrupt(format!("{INDEX_OBJECT} is gone; repair the index")))?;
    let log_position = introducer.log_position();
    // Written anew: in the store the snapshot may have made way for a newer one.
    let snapshot = introducer.snapshot(live.epoch, &live.parts, log_position, &live.quarantined);
    let objects = vec![
        (Snapshot::name(live.epoch), seal(&snapshot)?),
        (INDEX_OBJECT.to_owned(), settings.bytes),
    ];
    let parts = live.parts.iter();
    let files = parts
        .filter(|part| part.medium() == Medium::Durable)
        .flat_map(|part| part.paths())
        .collect();
    Ok(Contents {
        objects,
        files,
        log_position,
    })
}
