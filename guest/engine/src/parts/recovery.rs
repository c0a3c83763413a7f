//! Opening an index: the newest snapshot, its parts, then the log after its position.

use crate::error::{Error, ErrorKind, OrDamage, Result};
use crate::host::{Host, Medium};
use crate::part::Part;
use crate::part::PartList;
use crate::part::dead::PartDead;
use crate::part::facet::Facets;
use crate::part::layout::MEMORY_PARTS;
use crate::part::loss::Quarantined;
use crate::part::manifest::Manifest;
use crate::part::name::StoredName;
use crate::parts::introducer::Introducer;
use crate::parts::quarantine;
use crate::parts::replay::{self, given_up};
use crate::parts::snapshot::{INDEX_OBJECT, Settings, Snapshot};
use crate::parts::takeover::{self, Claim, LogEnd, is_newest};
use crate::seal::unseal;
use crate::types::Region;
use crate::types::{DamagedFile, Mode};
use sidx_log::Term;
use std::sync::Arc;

/// How often a reader begins again because a writer replaced what it was opening.
const READ_ATTEMPTS: usize = 32;
/// How often it looks again before it believes an error with which nothing was replaced: parts and segments
/// of the log go without a new epoch too.
const READ_FAILURES: usize = 3;

/// The state of a freshly opened index.
pub(crate) struct Recovered<H: Host> {
    pub(crate) live: Arc<PartList<H>>,
    pub(crate) introducer: Introducer<H>,
    /// Files of its parts that are not as they were written, as far as that can be seen without reading them.
    pub(crate) damaged: Vec<DamagedFile>,
}

/// Opens the index as `mode` says.
pub(crate) fn open<H: Host>(host: &Arc<H>, facets: &Facets<H>, mode: Mode) -> Result<Recovered<H>> {
    read_settings(&**host, facets, mode)?;
    match mode {
        Mode::Read => open_to_read(host, facets),
        Mode::Write | Mode::Create => open_to_write(host, facets),
    }
}

/// Takes the index over and recovers. Where the medium has no room for that, the index is opened as a
/// reader does it, and taken over with the first change.
fn open_to_write<H: Host>(host: &Arc<H>, facets: &Facets<H>) -> Result<Recovered<H>> {
    match takeover::run(&**host) {
        Ok(claim) => {
            recover(host, facets, &claim).or_else(|error| {
                let term = claim.snapshot.term;
                // Nobody was answered.
                let _ = takeover::close_newest(&**host, term, LogEnd::Ended);
                match error.kind() {
                    ErrorKind::ResourceExhausted => open_pending(host, facets),
                    _ => Err(takeover::explained(&**host, term, error)),
                }
            })
        }
        Err(full) if full.kind() == ErrorKind::ResourceExhausted => open_pending(host, facets),
        Err(error) => Err(error),
    }
}

/// Nothing is changed, and nothing removed.
fn open_pending<H: Host>(host: &Arc<H>, facets: &Facets<H>) -> Result<Recovered<H>> {
    forget_replayed(&**host, 0)?;
    open_newest(
        host,
        &PartList::empty(facets.clone()),
        true,
        0,
        |snapshot| {
            let term = takeover::pending_term(&**host, snapshot)?;
            Ok(Introducer::pending(snapshot, term))
        },
    )
}

/// What a crash left is removed, what has no manifest is set aside, the log is replayed.
fn recover<H: Host>(host: &Arc<H>, facets: &Facets<H>, claim: &Claim) -> Result<Recovered<H>> {
    let snapshot = &claim.snapshot;
    let mut introducer = Introducer::of_claim(claim);
    introducer.know_borrowed(&**host, snapshot)?;
    let OpenedParts {
        parts,
        lost,
        damaged,
    } = open_parts(host, snapshot, true, &PartList::empty(facets.clone()))?;
    let mut live = first_list(host, facets, snapshot, introducer.term(), parts, Vec::new());
    if !lost.is_empty() {
        let all = [live.quarantined.clone(), lost].concat();
        introducer.publish_quarantine(host, &mut live, all)?;
    }
    // Before anything is removed: a crash may have kept the damaged parts from being moved, or a reader in
    // another process that still reads them where they are.
    if !live.quarantined.is_empty() {
        match host.find_readers()?.need_before(live.epoch) {
            true => introducer.inherit_damaged(&**host, &live)?,
            false => quarantine::set_aside(&**host, &live.quarantined)?,
        }
    }
    introducer.tidy(&**host, &live)?;
    // A power loss may have taken entries that were only handed to the operating system but whose
    // rows a flush has made durable: the log must go on behind the snapshot's position, never below.
    introducer.give_up_log(&**host, live.epoch, None)?;
    introducer.place_again(host, &mut live)?;
    replay::run(host, &mut introducer, &mut live, true)?;
    Ok(Recovered {
        live,
        introducer,
        damaged,
    })
}

/// Reads beside a writer, in this process or another, that may replace and remove at any moment. Once
/// the pin is set and the snapshot is still there, its parts stay; the log may still move on, and then
/// there is a newer snapshot to begin with.
fn open_to_read<H: Host>(host: &Arc<H>, facets: &Facets<H>) -> Result<Recovered<H>> {
    open_again(host, &PartList::empty(facets.clone()), 0)
}

/// The same for who reads a list already: parts that it has are not opened anew, and what is replayed gets
/// numbers that nothing in memory had, as it may still be read.
pub(crate) fn open_again<H: Host>(
    host: &Arc<H>,
    known: &PartList<H>,
    first_number: u64,
) -> Result<Recovered<H>> {
    open_newest(host, known, false, first_number, |snapshot| {
        host.pin_epoch(snapshot.epoch)?;
        Ok(Introducer::new(snapshot).numbering_from(first_number))
    })
}

fn open_newest<H: Host>(
    host: &Arc<H>,
    known: &PartList<H>,
    to_write: bool,
    first_number: u64,
    begin: impl Fn(&Snapshot) -> Result<Introducer<H>>,
) -> Result<Recovered<H>> {
    let (mut attempt, mut failures) = (1, 0);
    loop {
        if attempt > 1 {
            forget_replayed(&**host, first_number)?;
        }
        let snapshot = Snapshot::current(&**host)?;
        let introducer = begin(&snapshot)?;
        // Looked for once, at the end: a snapshot that is the newest then was so since it was pinned.
        let is_newest = || is_newest(&**host, snapshot.epoch);
        let recovered = host
            .open_log(snapshot.log_position, snapshot.awaited())
            .map_err(given_up)
            .and_then(|()| read_snapshot(host, known, &snapshot, introducer, to_write));
        let is_whole = recovered
            .as_ref()
            .is_ok_and(|found| found.damaged.is_empty());
        // Whoever took over meanwhile may have left out entries that are in the list.
        let is_newest = is_newest()?;
        if is_newest && (is_whole || failures == READ_FAILURES) {
            return recovered;
        }
        if attempt == READ_ATTEMPTS {
            // Who reads a list already goes on with that, and may not take an older one for the newest.
            return match known.version > 0 && !is_newest {
                true => Err(never_newest()),
                false => recovered,
            };
        }
        failures += usize::from(!is_whole);
        attempt += 1;
    }
}

fn never_newest() -> Error {
    let text = "writers publish a snapshot again and again before it can be read; try again";
    Error::new(ErrorKind::Conflict, text)
}

/// Removes what an attempt before has made of the log, which has numbers from one on.
pub(crate) fn forget_replayed<H: Host>(host: &H, first_number: u64) -> Result<()> {
    for name in host.list_files(MEMORY_PARTS, Medium::Memory)? {
        if StoredName::parse(&name).is_some_and(|name| name.number() < first_number) {
            continue;
        }
        host.remove_files(&format!("{MEMORY_PARTS}/{name}"), Medium::Memory)?;
    }
    Ok(())
}

fn read_snapshot<H: Host>(
    host: &Arc<H>,
    known: &PartList<H>,
    snapshot: &Snapshot,
    mut introducer: Introducer<H>,
    to_write: bool,
) -> Result<Recovered<H>> {
    introducer.know_borrowed(&**host, snapshot)?;
    let OpenedParts {
        parts,
        lost,
        damaged,
    } = open_parts(host, snapshot, to_write, known)?;
    let mut live = first_list(
        host,
        &known.facets,
        snapshot,
        introducer.term(),
        parts,
        lost,
    );
    introducer.place_again(host, &mut live)?;
    replay::run(host, &mut introducer, &mut live, false)?;
    Ok(Recovered {
        live,
        introducer,
        damaged,
    })
}

/// The list that an opening begins with; parts are made under a term from now on.
pub(crate) fn first_list<H: Host>(
    host: &Arc<H>,
    facets: &Facets<H>,
    snapshot: &Snapshot,
    term: Term,
    parts: Vec<Arc<Part<H>>>,
    lost: Vec<Quarantined>,
) -> Arc<PartList<H>> {
    Arc::new(PartList {
        facets: facets.clone(),
        version: 1,
        epoch: snapshot.epoch,
        term,
        deaths: {
            let mut deaths = snapshot.deaths(host);
            deaths.keep(&parts);
            deaths
        },
        parts,
        quarantined: [snapshot.quarantined.clone(), lost].concat(),
        unreadable: Vec::new(),
    })
}

/// Checks that the index exists and that its format is known; creates it where that is asked for.
fn read_settings<H: Host>(host: &H, facets: &Facets<H>, mode: Mode) -> Result<()> {
    if let Some(object) = host.get_object(INDEX_OBJECT)? {
        let settings: Settings = unseal(&object.bytes, INDEX_OBJECT)?;
        return settings.check(facets);
    }
    if mode != Mode::Create {
        return Err(Error::new(
            ErrorKind::NotFound,
            "the index does not exist; create it by writing to it",
        ));
    }
    if let Ok(Some(newest)) = Snapshot::newest(host) {
        newest.check_lives()?;
    }
    Snapshot::publish_first(host)?;
    match host.put_object_if_absent(INDEX_OBJECT, &Settings::new(facets).sealed()?) {
        // Another creator was first.
        Err(error) if error.kind() != ErrorKind::Conflict => Err(error),
        _ => Ok(()),
    }
}

/// The parts of a snapshot.
struct OpenedParts<H: Host> {
    /// Those whose manifest can be read.
    parts: Vec<Arc<Part<H>>>,
    /// The others, with what is lost with them.
    lost: Vec<Quarantined>,
    /// What is wrong with any of them.
    damaged: Vec<DamagedFile>,
}

/// Opens the parts of a snapshot. One with a damaged file stays in the list, as one does that is damaged
/// while it is open: queries that do not need the file are answered, jobs go around it, and a repair or a
/// salvage can still save its rows. Without a manifest nothing can be read of a part. Those that are known
/// are as they were.
fn open_parts<H: Host>(
    host: &Arc<H>,
    snapshot: &Snapshot,
    to_write: bool,
    known: &PartList<H>,
) -> Result<OpenedParts<H>> {
    let mut opened = OpenedParts {
        parts: Vec::new(),
        lost: Vec::new(),
        damaged: Vec::new(),
    };
    let deaths = snapshot.deaths(host);
    for name in snapshot.part_names()? {
        if let Some(part) = known.stored(name) {
            opened.parts.push(Arc::clone(part));
            continue;
        }
        match Part::open(host, name, Medium::Durable) {
            Ok(part) => {
                opened.damaged.extend(part.damaged_files()?);
                opened.damaged.extend(damaged_dead(deaths.of(name.number))?);
                opened.parts.push(Arc::new(part));
            }
            Err(error) if error.kind().is_damage() && !refuses(to_write, error.kind()) => {
                opened.damaged.push(DamagedFile {
                    path: Manifest::path(name),
                    reason: error.to_string(),
                    left_out: true,
                });
                opened.lost.push(Quarantined {
                    part: name.to_string(),
                    reason: error.to_string(),
                    lost: vec![Region::everywhere(None)],
                });
            }
            Err(error) => return Err(error),
        }
    }
    Ok(opened)
}

/// The files with the dead rows of a part that are not there, or have another size than the snapshot says.
fn damaged_dead<H: Host>(dead: Option<&PartDead<H>>) -> Result<Vec<DamagedFile>> {
    let mut damaged = Vec::new();
    for chunk in dead.iter().flat_map(|dead| dead.stored.chunks()) {
        if let Err(error) = chunk.check_size().or_damage()? {
            damaged.push(DamagedFile {
                path: chunk.path(),
                reason: error.to_string(),
                left_out: false,
            });
        }
    }
    Ok(damaged)
}

/// A part of a newer format is no damage to be set aside: opening for writing says to upgrade.
fn refuses(to_write: bool, kind: ErrorKind) -> bool {
    to_write && kind == ErrorKind::UnsupportedVersion
}
