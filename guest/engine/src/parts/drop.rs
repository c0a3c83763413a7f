//! The end of an index: a snapshot that says so, which is the last one for ever.
//!
//! Who drops an index takes it over first, so that no writer before it acknowledges anything any more, and
//! publishes that snapshot as the next epoch, put if absent. This one step decides: whoever opens the index
//! later finds it gone. Who took it over in between is faster, and has it back. The name of that epoch stays,
//! with those of the fences; everything else goes when nobody reads it.

use crate::branch::BranchPin;
use crate::error::{Error, ErrorKind, Result};
use crate::host::{Host, Medium};
use crate::part::layout::{PARTS, QUARANTINE};
use crate::part::name::StoredName;
use crate::parts::fences::Fences;
use crate::parts::snapshot::Snapshot;
use crate::parts::superseded::Superseded;
use crate::parts::takeover::{self, LogEnd, is_newest};
use sidx_log::Term;
use std::collections::{BTreeMap, BTreeSet};

/// How often the last epoch is published again because a writer was faster.
const ATTEMPTS: usize = 16;

/// Publishes the last snapshot. False when that was done before. A damaged index is dropped like any other,
/// but for one that a newer program wrote.
pub(crate) fn run<H: Host>(host: &H) -> Result<bool> {
    let mut is_log_damaged = false;
    for _ in 0..ATTEMPTS {
        // Found out anew each time: what could not be read may only just have been made.
        let mut is_unreadable = false;
        let before = match Snapshot::newest(host) {
            Ok(Some(snapshot)) if snapshot.dropped => return Ok(false),
            Ok(Some(snapshot)) => snapshot,
            Err(error) if error.kind() != ErrorKind::Corrupt => return Err(error),
            Ok(None) | Err(_) => {
                let before = unreadable(host)?;
                // Maybe it was just being made.
                if matches!(Snapshot::newest(host), Ok(Some(_))) {
                    continue;
                }
                is_unreadable = true;
                before
            }
        };
        let term = takeover::next_term(host, &before)?;
        let is_damaged = is_unreadable || std::mem::take(&mut is_log_damaged);
        if is_damaged {
            // What stands for it from here on has less. No branch can begin with one that is damaged.
            check_branches(host)?;
        }
        let claimed = match is_damaged {
            true => claim_damaged(host, &before, term),
            false => takeover::claim_to_drop(host, &before, term)
                .and_then(|claim| claim.map_or(Ok(None), |claim| takeover::end_log(host, claim)))
                .map(|claim| claim.map(|claim| claim.snapshot)),
        };
        let claim = match claimed {
            // What is damaged of the log need not be read any more.
            Err(error) if error.kind() == ErrorKind::Corrupt && !is_damaged => {
                is_log_damaged = true;
                continue;
            }
            claimed => claimed?,
        };
        if let Some(claim) = claim
            && drop_claimed(host, &claim)?
        {
            return Ok(true);
        }
    }
    Err(Error::new(
        ErrorKind::Conflict,
        "other writers open the index again and again; close them, then drop it again",
    ))
}

/// As [`takeover::claim`], whatever the log is like; nothing of it is kept.
fn claim_damaged<H: Host>(host: &H, before: &Snapshot, term: Term) -> Result<Option<Snapshot>> {
    let Some(claim) = takeover::claim_to_drop(host, before, term)? else {
        return Ok(None);
    };
    let end = || -> Result<bool> {
        host.salvage_log(None, Some(term))?;
        // Nothing is removed of whoever took the index over meanwhile.
        if !is_newest(host, claim.epoch)? {
            return Ok(false);
        }
        let end = host.log_end()?;
        host.drop_log_before(end, end)?;
        Ok(true)
    };
    match end() {
        Ok(is_writer) => Ok(is_writer.then_some(claim)),
        Err(error) if is_overtaken(&error) => Ok(None),
        Err(error) => {
            // Nothing was acknowledged.
            let _ = takeover::close(host, claim.epoch, term, LogEnd::Failed);
            Err(error)
        }
    }
}

/// Whether an error of the log is that others are at work on it.
fn is_overtaken(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Conflict | ErrorKind::NotFound)
}

/// The last step, by who has taken the index over. False when another writer was faster.
fn drop_claimed<H: Host>(host: &H, claim: &Snapshot) -> Result<bool> {
    // Whoever has pinned the index for a branch, and looked whether it is about to be dropped before it was,
    // is among them.
    if let Err(error) = check_branches(host) {
        let _ = takeover::close(host, claim.epoch, claim.term, LogEnd::Ended);
        return Err(error);
    }
    let last = Snapshot {
        epoch: claim.epoch + 1,
        dropping: false,
        dropped: true,
        // Nothing is asked of whoever drops an index.
        closed: true,
        unsealed: false,
        parts: Vec::new(),
        since: Vec::new(),
        left: None,
        dead: Vec::new(),
        counters: BTreeMap::new(),
        quarantined: Vec::new(),
        borrows: Vec::new(),
        ..claim.clone()
    };
    match last.publish(host) {
        Err(error) if error.kind() == ErrorKind::Conflict => Ok(false),
        published => {
            if published.is_err() {
                // Nothing was acknowledged.
                let _ = takeover::close(host, claim.epoch, claim.term, LogEnd::Ended);
            }
            published.map(|()| true)
        }
    }
}

/// `conflict` when branches share parts of the index.
fn check_branches<H: Host>(host: &H) -> Result<()> {
    let pins = BranchPin::among(&host.list_objects("")?);
    let name = |pin: &BranchPin| pin.place.split('/').next().unwrap_or_default().to_owned();
    let names: BTreeSet<String> = pins.iter().map(name).collect();
    if names.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = names.into_iter().collect();
    let text = format!(
        "branches share its parts, so nothing was dropped: drop {} first, or merge all parts of each, after which \
         it shares none",
        names.join(", ")
    );
    Err(Error::new(ErrorKind::Conflict, text))
}

/// What stands for the newest snapshot of an index of which none can be read: of the highest epoch, and of
/// a term that is not below any that shows. No name of an epoch is known to be free of sleepers then, and
/// all that are taken stay.
fn unreadable<H: Host>(host: &H) -> Result<Snapshot> {
    let mut term = host.salvage_log(None, None)?.term;
    for entry in host.list_files(PARTS, Medium::Durable)? {
        term = StoredName::parse(&entry).map_or(term, |name| term.max(name.term()));
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
    if readers.need_before(last.epoch) {
        return Ok(false);
    }
    // Before anything that needs room.
    for entry in host.list_files(PARTS, Medium::Durable)? {
        host.remove_files(&format!("{PARTS}/{entry}"), Medium::Durable)?;
    }
    // Its seals stay, for the same reason as fences do. What is damaged of it goes to the quarantine first.
    let term = takeover::next_term(host, &last)?;
    let salvaged = host.salvage_log(None, Some(term));
    let end = |_| {
        host.log_end()
            .and_then(|end| host.drop_log_before(end, end))
    };
    match salvaged.and_then(end) {
        // Another one clears it too, or did.
        Err(error) if is_overtaken(&error) => {}
        given_up => given_up?,
    }
    for entry in host.list_files(QUARANTINE, Medium::Durable)? {
        host.remove_files(&format!("{QUARANTINE}/{entry}"), Medium::Durable)?;
    }
    Ok(true)
}
