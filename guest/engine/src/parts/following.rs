//! A reader that follows a writer in another process: new entries of the log become parts in memory, as
//! they do when an index is opened, and a newer snapshot takes the place of the one that was read. Parts
//! that both have stay open, and whoever reads an older list goes on with it.

use crate::error::Result;
use crate::host::{Host, Medium};
use crate::part::PartList;
use crate::part::layout::MEMORY_PARTS;
use crate::part::name::StoredName;
use crate::parts::introducer::Introducer;
use crate::parts::recovery::{self, Recovered};
use crate::parts::replay;
use crate::parts::snapshot::Snapshot;
use crate::parts::takeover::is_newest;
use crate::types::DamagedFile;
use std::sync::Arc;

/// How far a reader looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// For new entries of the log. A snapshot that took their place is not seen.
    Log,
    /// For a newer snapshot, too. The epoch of the list is pinned again.
    Epochs,
    /// The same after a look that came to nothing: what that may have left in memory goes first.
    Again,
    /// For the newest snapshot, by an introducer that [stands in](stand_in) for another.
    Anew,
}

/// An introducer in place of one that is gone with its instance, to look [anew](Look::Anew) for who reads a
/// list.
pub(crate) fn stand_in<H: Host>(host: &Arc<H>, live: &PartList<H>) -> Result<Introducer<H>> {
    let mut introducer = Introducer::new(&Snapshot::current(&**host)?);
    introducer.know_form(host.part_form());
    let names = host.list_files(MEMORY_PARTS, Medium::Memory)?;
    let names: Vec<StoredName> = { names.iter() }
        .filter_map(|name| StoredName::parse(name))
        .collect();
    introducer.inherit_memory(&names, live);
    Ok(introducer)
}

/// Brings a list up to date. Returns what is damaged of parts that were opened. After an error the list is as
/// it was, and so is what the introducer knows of it; but what is pinned, and how far the log was read, may
/// be otherwise, so that the next look must be [another](Look::Again).
pub(crate) fn run<H: Host>(
    host: &Arc<H>,
    introducer: &mut Introducer<H>,
    live: &mut Arc<PartList<H>>,
    look: Look,
) -> Result<Vec<DamagedFile>> {
    introducer.forget_memory(&**host);
    if matches!(look, Look::Epochs | Look::Again) {
        // Again, where the pin may have been given up.
        host.pin_epoch(live.epoch)?;
    }
    let is_newest = |live: &PartList<H>| match look {
        Look::Log => Ok(true),
        Look::Epochs | Look::Again => is_newest(&**host, live.epoch),
        Look::Anew => Ok(false),
    };
    let first_number = introducer.next_part();
    if look == Look::Again {
        recovery::forget_replayed(&**host, first_number)?;
    }
    let known = introducer.known();
    let mut next = Arc::clone(live);
    let mut bring = || {
        // Whoever took over meanwhile may have left out entries that were read.
        let is_current =
            is_newest(&next)? && read_on(host, introducer, &mut next)? && is_newest(&next)?;
        match is_current {
            true => Ok(Vec::new()),
            false => go_over(host, introducer, &mut next),
        }
    };
    let brought = bring();
    match brought {
        Ok(damaged) => {
            *live = next;
            Ok(damaged)
        }
        Err(error) => {
            drop(next);
            introducer.go_back(known, live);
            recovery::forget_replayed(&**host, first_number)?;
            Err(error)
        }
    }
}

/// Adds what came to the log. False when that must be read anew; nothing has changed then.
fn read_on<H: Host>(
    host: &Arc<H>,
    introducer: &mut Introducer<H>,
    live: &mut Arc<PartList<H>>,
) -> Result<bool> {
    // The log may end elsewhere, where an attempt before had come further, or opened another.
    let position = introducer.read_to();
    if host.log_end()? < position || !host.follow_log()? {
        return Ok(false);
    }
    let first_number = introducer.next_part();
    let known = introducer.known();
    let mut next = Arc::clone(live);
    if let Err(error) = replay::run_from(position, host, introducer, &mut next, false) {
        drop(next);
        introducer.go_back(known, live);
        recovery::forget_replayed(&**host, first_number)?;
        // It may have been given up meanwhile.
        return match error.kind().is_damage() {
            true => Ok(false),
            false => Err(error),
        };
    }
    introducer.fold(host, &mut next);
    *live = next;
    Ok(true)
}

/// Opens the newest snapshot in place of the one that was read.
fn go_over<H: Host>(
    host: &Arc<H>,
    introducer: &mut Introducer<H>,
    live: &mut Arc<PartList<H>>,
) -> Result<Vec<DamagedFile>> {
    let opened = recovery::open_again(host, live, introducer.next_part())?;
    let Recovered {
        live: newest,
        introducer: mut successor,
        damaged,
    } = opened;
    successor.succeed(introducer, live);
    *introducer = successor;
    *live = Arc::new(PartList {
        version: live.version + 1,
        ..PartList::clone(&newest)
    });
    introducer.fold(host, live);
    Ok(damaged)
}
