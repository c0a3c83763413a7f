//! Opening an index: the newest snapshot, its parts, then the log after its position.

use crate::error::{Error, ErrorKind, Result};
use crate::host::{Host, Medium};
use crate::part::Part;
use crate::part::PartList;
use crate::part::layout::{MANIFEST, PARTS, part_directory, part_name, part_number};
use crate::part::loss::Quarantined;
use crate::parts::introducer::Introducer;
use crate::parts::quarantine;
use crate::parts::replay;
use crate::parts::snapshot::{INDEX_OBJECT, Settings, Snapshot};
use crate::seal::{seal, unseal};
use crate::types::Region;
use crate::types::{DamagedFile, Mode};
use std::sync::Arc;

/// How often a reader begins again because a writer replaced what it was opening.
const READ_ATTEMPTS: usize = 32;

/// The state of a freshly opened index.
pub(crate) struct Recovered<H: Host> {
    pub(crate) live: Arc<PartList<H>>,
    pub(crate) introducer: Introducer,
    /// Files of its parts that are not as they were written, as far as that can be seen without reading them.
    pub(crate) damaged: Vec<DamagedFile>,
}

/// Opens the index as `mode` says.
pub(crate) fn open<H: Host>(host: &Arc<H>, mode: Mode) -> Result<Recovered<H>> {
    read_settings(&**host, mode)?;
    match mode {
        Mode::Read => open_to_read(host),
        Mode::Write | Mode::Create => open_to_write(host),
    }
}

/// Recovers: what a crash left is removed, what has no manifest is set aside, the log is replayed.
fn open_to_write<H: Host>(host: &Arc<H>) -> Result<Recovered<H>> {
    let snapshot = Snapshot::current(&**host)?;
    let OpenedParts {
        parts,
        lost,
        damaged,
    } = open_parts(host, &snapshot, true)?;
    let mut introducer = Introducer::new(&snapshot);
    let mut live = first_list(&snapshot, parts, Vec::new());
    if !lost.is_empty() {
        let all = [live.quarantined.clone(), lost].concat();
        introducer.publish_quarantine(host, &mut live, all)?;
    }
    // Before anything is removed: a crash may have kept the damaged parts from being moved, or a reader in
    // another process that still reads them where they are.
    let readers = host.find_readers()?;
    match readers.epochs.iter().any(|epoch| *epoch < live.epoch) {
        true => introducer.inherit_damaged(&**host, &live)?,
        false => quarantine::set_aside(&**host, &live.quarantined)?,
    }
    introducer.clean(&**host, &live);
    remove_unnamed(&**host, &mut introducer, &live)?;
    // A power loss may have taken entries that were only handed to the operating system but whose
    // rows a flush has made durable: the log must go on behind the snapshot's position, never below.
    host.drop_log_before(introducer.log_position())?;
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
fn open_to_read<H: Host>(host: &Arc<H>) -> Result<Recovered<H>> {
    let mut attempt = 1;
    loop {
        let snapshot = Snapshot::current(&**host)?;
        host.pin_epoch(snapshot.epoch)?;
        let is_newest = || -> Result<bool> {
            let newest = Snapshot::epochs(&**host)?.pop().unwrap_or_default();
            Ok(newest == snapshot.epoch)
        };
        if !is_newest()? && attempt < READ_ATTEMPTS {
            attempt += 1;
            continue;
        }
        let recovered = read_snapshot(host, &snapshot);
        let is_whole = match &recovered {
            Ok(recovered) => recovered.damaged.is_empty(),
            Err(_) => false,
        };
        if is_whole || attempt == READ_ATTEMPTS || is_newest()? {
            return recovered;
        }
        attempt += 1;
    }
}

fn read_snapshot<H: Host>(host: &Arc<H>, snapshot: &Snapshot) -> Result<Recovered<H>> {
    let OpenedParts {
        parts,
        lost,
        damaged,
    } = open_parts(host, snapshot, false)?;
    let mut introducer = Introducer::new(snapshot);
    let mut live = first_list(snapshot, parts, lost);
    replay::run(host, &mut introducer, &mut live, false)?;
    Ok(Recovered {
        live,
        introducer,
        damaged,
    })
}

fn first_list<H: Host>(
    snapshot: &Snapshot,
    parts: Vec<Arc<Part<H>>>,
    lost: Vec<Quarantined>,
) -> Arc<PartList<H>> {
    Arc::new(PartList {
        version: 1,
        epoch: snapshot.epoch,
        parts,
        quarantined: [snapshot.quarantined.clone(), lost].concat(),
        unreadable: Vec::new(),
    })
}

/// Checks that the index exists and that its format is known; creates it where that is asked for.
fn read_settings<H: Host>(host: &H, mode: Mode) -> Result<()> {
    if let Some(object) = host.get_object(INDEX_OBJECT)? {
        return unseal::<Settings>(&object.bytes, INDEX_OBJECT).map(|_| ());
    }
    if mode != Mode::Create {
        return Err(Error::new(
            ErrorKind::NotFound,
            "the index does not exist; create it by writing to it",
        ));
    }
    Snapshot::publish_first(host)?;
    host.put_object_if_absent(INDEX_OBJECT, &new_settings()?)?;
    Ok(())
}

/// The content of a new `index.json`.
pub(crate) fn new_settings() -> Result<Vec<u8>> {
    let created_by = concat!("sidx ", env!("CARGO_PKG_VERSION")).to_owned();
    seal(&Settings { created_by })
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
/// salvage can still save its rows. Without a manifest nothing can be read of a part.
fn open_parts<H: Host>(
    host: &Arc<H>,
    snapshot: &Snapshot,
    to_write: bool,
) -> Result<OpenedParts<H>> {
    let mut opened = OpenedParts {
        parts: Vec::new(),
        lost: Vec::new(),
        damaged: Vec::new(),
    };
    for number in snapshot.part_numbers()? {
        match Part::open(host, number, Medium::Durable) {
            Ok(part) => {
                opened.damaged.extend(part.damaged_files()?);
                opened.parts.push(Arc::new(part));
            }
            Err(error) if error.kind().is_damage() && !refuses(to_write, error.kind()) => {
                opened.damaged.push(DamagedFile {
                    path: format!("{}/{MANIFEST}", part_directory(number, Medium::Durable)),
                    reason: error.to_string(),
                    left_out: true,
                });
                opened.lost.push(Quarantined {
                    part: part_name(number),
                    reason: error.to_string(),
                    lost: vec![Region::everywhere(None)],
                });
            }
            Err(error) => return Err(error),
        }
    }
    Ok(opened)
}

/// A part of a newer format is no damage to be set aside: opening for writing says to upgrade.
fn refuses(to_write: bool, kind: ErrorKind) -> bool {
    to_write && kind == ErrorKind::UnsupportedVersion
}

/// Removes part directories that the snapshot does not name: what a crash left of flushes and merges,
/// and what no reader needs any more. Names that no part can have are not ours and stay.
pub(crate) fn remove_unnamed<H: Host>(
    host: &H,
    introducer: &mut Introducer,
    live: &PartList<H>,
) -> Result<()> {
    introducer.remove_obsolete(host);
    let readers = host.find_readers()?;
    let is_read = readers.epochs.iter().any(|epoch| *epoch < live.epoch);
    for name in host.list_files(PARTS, Medium::Durable)? {
        let Some(number) = part_number(&name) else {
            continue;
        };
        let waits_for_quarantine = |lost: &Quarantined| lost.part == name;
        if live.part(number).is_some()
            || introducer.is_garbage(number)
            || live.quarantined.iter().any(waits_for_quarantine)
        {
            continue;
        }
        // A part that some snapshot named has a number that was given by then. Others never were live,
        // and their numbers will be given again.
        let may_be_named = !introducer.knows_garbage() && number < introducer.next_part();
        if is_read && may_be_named {
            introducer.inherit(number, live.epoch);
        } else {
            host.remove_files(&part_directory(number, Medium::Durable), Medium::Durable)?;
        }
    }
    introducer.know_garbage(true);
    Ok(())
}
