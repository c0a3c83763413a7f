//! The end of an index: a snapshot that says so, which is the last one for ever.
//!
//! Who drops an index takes it over first, so that no writer before it acknowledges anything any more, and
//! publishes that snapshot as the next epoch, put if absent. This one step decides: whoever opens the index
//! later finds it gone. Who took it over in between is faster, and has it back. The name of that epoch stays,
//! with those of the fences; everything else goes when nobody reads it.

use crate::error::{Error, ErrorKind, Result};
use crate::host::{Host, Medium};
use crate::part::layout::{PARTS, QUARANTINE};
use crate::part::name::PartName;
use crate::parts::fences::Fences;
use crate::parts::snapshot::Snapshot;
use crate::parts::superseded::Superseded;
use crate::parts::takeover::{self, is_newest};
use sidx_log::Term;

/// How often the last epoch is published again because a writer was faster.
const ATTEMPTS: usize = 16;

/// Publishes the last snapshot. False when that was done before. A damaged index is dropped like any other,
/// but for one that a newer program wrote.
pub(crate) fn run<H: Host>(host: &H) -> Result<bool> {
    for _ in 0..ATTEMPTS {
        let (before, is_readable) = match Snapshot::newest(host) {
            Ok(Some(snapshot)) if snapshot.dropped => return Ok(false),
            Ok(Some(snapshot)) => (snapshot, true),
            Err(error) if error.kind() != ErrorKind::Corrupt => return Err(error),
            Ok(None) | Err(_) => {
                let before = unreadable(host)?;
                // Maybe it was just being made.
                if matches!(Snapshot::newest(host), Ok(Some(_))) {
                    continue;
                }
                (before, false)
            }
        };
        let term = takeover::next_term(host, &before)?;
        let Some(claim) = takeover::claim_without_log(host, &before, term)? else {
            continue;
        };
        let position = is_readable.then_some(claim.log_position);
        let ended = end_log(host, position, term, claim.unsealed);
        let dropped = ended.and_then(|_| drop_claimed(host, &claim));
        match dropped {
            Ok(true) => return Ok(true),
            Ok(false) => {}
            Err(error) => {
                // Nothing was acknowledged.
                let _ = takeover::close(host, claim.epoch, term, false);
                return Err(error);
            }
        }
    }
    Err(Error::new(
        ErrorKind::Conflict,
        "other writers open the index again and again; close them, then drop it again",
    ))
}

/// Ends the log of the writers before, from a position on where one is known: what is damaged of it need
/// not be read any more. False when another one does that at the same time, or did: who is the writer shows
/// in the epochs.
fn end_log<H: Host>(host: &H, position: Option<u64>, term: Term, seals: bool) -> Result<bool> {
    let is_overtaken =
        |error: &Error| matches!(error.kind(), ErrorKind::Conflict | ErrorKind::NotFound);
    if let Some(position) = position {
        match host.take_over_log(position, term, seals) {
            Err(error) if error.kind() == ErrorKind::Corrupt => {}
            Err(error) if is_overtaken(&error) => return Ok(false),
            ended => return ended.map(|_| true),
        }
    }
    let salvaged = host.salvage_log(None, Some(term));
    match salvaged.and_then(|_| host.drop_log_before(host.log_end()?)) {
        Err(error) if is_overtaken(&error) => Ok(false),
        ended => ended.map(|()| true),
    }
}

/// The last step. False when another writer was faster.
fn drop_claimed<H: Host>(host: &H, claim: &Snapshot) -> Result<bool> {
    if !is_newest(host, claim.epoch)? {
        return Ok(false);
    }
    let last = Snapshot {
        epoch: claim.epoch + 1,
        dropped: true,
        // Nothing is asked of whoever drops an index.
        closed: true,
        unsealed: false,
        parts: Vec::new(),
        since: Vec::new(),
        left: None,
        quarantined: Vec::new(),
        ..claim.clone()
    };
    match last.publish(host) {
        Err(error) if error.kind() == ErrorKind::Conflict => Ok(false),
        published => published.map(|()| true),
    }
}

/// What stands for the newest snapshot of an index of which none can be read: of the highest epoch, and of
/// a term that is not below any that shows. No name of an epoch is known to be free of sleepers then, and
/// all that are taken stay.
fn unreadable<H: Host>(host: &H) -> Result<Snapshot> {
    let mut term = host.salvage_log(None, None)?.term;
    for entry in host.list_files(PARTS, Medium::Durable)? {
        term = PartName::parse(&entry).map_or(term, |name| term.max(name.term));
    }
    let epochs = Snapshot::epochs(host)?;
    for epoch in &epochs {
        term = term.max(Snapshot::term_of(host, *epoch)?);
    }
    Ok(Snapshot {
        epoch: epochs.last().copied().unwrap_or_default(),
        term,
        fences: epochs.into_iter().collect::<Fences>(),
        unsealed: true,
        ..Snapshot::default()
    })
}

/// Removes what is left of an index that was dropped. False while somebody reads it, in any process: then
/// everything stays but older snapshots, with which nobody may begin any more. `invalid-argument` for an
/// index that was not dropped.
pub(crate) fn clear<H: Host>(host: &H) -> Result<bool> {
    let last = Snapshot::newest(host)?.filter(|snapshot| snapshot.dropped);
    let Some(last) = last else {
        return Err(Error::invalid("the index was not dropped"));
    };
    Superseded::default().remove_before(host, last.epoch, &last.fences)?;
    // Asked after the snapshots are gone, so that nobody can begin with one meanwhile.
    let readers = host.find_readers()?;
    if readers.epochs.iter().any(|epoch| *epoch < last.epoch) {
        return Ok(false);
    }
    // Before anything that needs room.
    for entry in host.list_files(PARTS, Medium::Durable)? {
        host.remove_files(&format!("{PARTS}/{entry}"), Medium::Durable)?;
    }
    // Its seals stay, for the same reason as fences do. What is damaged of it goes to the quarantine first.
    let term = takeover::next_term(host, &last)?;
    if end_log(host, Some(last.log_position), term, false)? {
        host.drop_log_before(host.log_end()?)?;
    }
    for entry in host.list_files(QUARANTINE, Medium::Durable)? {
        host.remove_files(&format!("{QUARANTINE}/{entry}"), Medium::Durable)?;
    }
    Ok(true)
}
