//! Everything durable that makes up an index: what a backup copies.

use crate::error::{Error, ErrorKind, Result};
use crate::host::{Host, Medium};
use crate::part::PartList;
use crate::parts::introducer::Introducer;
use crate::parts::snapshot::{INDEX_OBJECT, Snapshot};
use crate::parts::takeover;
use crate::types::{BranchContents, Contents};
use sidx_log::Term;

/// What a branch of an index in a place begins with; see `index.branch`. `conflict` when there is a newer
/// epoch, or somebody is about to drop the index.
pub(crate) fn of_branch<H: Host>(
    host: &H,
    live: &PartList<H>,
    introducer: &Introducer<H>,
    place: &str,
) -> Result<BranchContents> {
    let mut contents = of(host, live, introducer)?;
    if !takeover::is_newest(host, live.epoch)? {
        let text = "there is a newer epoch by now; open the index again";
        return Err(Error::new(ErrorKind::Conflict, text));
    }
    let snapshot = introducer.branched(live, place, contents.term)?;
    if let Some(first) = contents.objects.first_mut() {
        *first = (Snapshot::name(snapshot.epoch), snapshot.sealed()?);
    }
    Ok(BranchContents {
        epoch: live.epoch,
        contents,
    })
}

/// The durable contents of a part list; see `index.contents`. Reads `index.json` and nothing else.
pub(crate) fn of<H: Host>(
    host: &H,
    live: &PartList<H>,
    introducer: &Introducer<H>,
) -> Result<Contents> {
    // The log goes on without who was overtaken.
    takeover::check_not_overtaken(host, live.term)?;
    let gone = || {
        let error = Error::corrupt(format!("{INDEX_OBJECT} is gone; repair the index"));
        takeover::explained(host, live.term, error)
    };
    let settings = host.get_object(INDEX_OBJECT)?.ok_or_else(gone)?;
    let log_position = introducer.log_position();
    let term = match introducer.term() {
        // Nothing is written under none.
        Term::NONE => takeover::first_term(host)?,
        term => term,
    };
    // Written anew: in the store the snapshot may have made way for a newer one.
    let snapshot = introducer.copied(live, term);
    let objects = vec![
        (Snapshot::name(live.epoch), snapshot.sealed()?),
        (INDEX_OBJECT.to_owned(), settings.bytes),
    ];
    let parts = live.parts.iter();
    let files = parts
        .filter(|part| part.medium() == Medium::Durable)
        .flat_map(|part| part.paths());
    let dead = live
        .deaths
        .iter()
        .flat_map(|(_, dead)| dead.stored.chunks());
    let files = files.chain(dead.map(|chunk| chunk.path())).collect();
    Ok(Contents {
        objects,
        files,
        log_position,
        term,
    })
}
