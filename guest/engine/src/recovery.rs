//! Opening an index: the newest snapshot, its parts, then the log after its position.

use crate::batch::read_header;
use crate::error::{Error, ErrorKind, Result};
use crate::host::{Codec, Host, Medium};
use crate::introducer::Introducer;
use crate::live::Live;
use crate::part::Part;
use crate::part::layout::{PARTS, QUARANTINE, part_directory, part_name, part_number};
use crate::sealed::{seal, unseal};
use crate::snapshot::{INDEX_OBJECT, Quarantined, Settings, Snapshot};
use crate::types::Mode;
use std::sync::Arc;

/// The state of a freshly opened index.
pub(crate) struct Recovered<H: Host> {
    pub(crate) live: Arc<Live<H>>,
    pub(crate) introducer: Introducer,
}

/// Opens the index as `mode` says.
pub(crate) fn open<H: Host>(host: &Arc<H>, mode: Mode) -> Result<Recovered<H>> {
    read_settings(&**host, mode)?;
    let (snapshot, parts, lost) = open_parts(host, mode)?;
    let mut introducer = Introducer::new(&snapshot);
    let mut live = Arc::new(Live {
        version: 1,
        epoch: snapshot.epoch,
        parts,
        quarantined: snapshot.quarantined.clone(),
    });
    if mode == Mode::Read {
        if !lost.is_empty() {
            let mut quarantined = live.quarantined.clone();
            quarantined.extend(lost);
            let (parts, epoch) = (live.parts.clone(), live.epoch);
            live = Arc::new(Live {
                version: 1,
                epoch,
                parts,
                quarantined,
            });
        }
    } else {
        if !lost.is_empty() {
            quarantine(&**host, &lost)?;
            introducer.publish_quarantine(host, &mut live, lost)?;
        }
        remove_unnamed(&**host, &live)?;
        Snapshot::remove_before(&**host, live.epoch)?;
        // A power loss may have taken entries that were only handed to the operating system but whose
        // rows a flush has made durable: the log must go on behind the snapshot's position, never below.
        host.drop_log_before(introducer.log_position())?;
    }
    replay(host, &mut introducer, &mut live, mode != Mode::Read)?;
    Ok(Recovered { live, introducer })
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
    let created_by = concat!("sidx ", env!("CARGO_PKG_VERSION")).to_owned();
    host.put_object_if_absent(INDEX_OBJECT, &seal(&Settings { created_by })?)?;
    Ok(())
}

type OpenedParts<H> = (Snapshot, Vec<Arc<Part<H>>>, Vec<Quarantined>);

/// Reads the newest snapshot and opens its parts; damaged ones are returned by name. A reader beside a
/// writer may see parts vanish: it then starts over with the snapshot that took their place.
fn open_parts<H: Host>(host: &Arc<H>, mode: Mode) -> Result<OpenedParts<H>> {
    let mut snapshot = Snapshot::newest(&**host)?.unwrap_or_default();
    loop {
        let (mut parts, mut lost) = (Vec::new(), Vec::new());
        for number in snapshot.part_numbers()? {
            let opened = Part::open(host, number, Medium::Durable)
                .and_then(|part| part.check_files().map(|()| part));
            match opened {
                Ok(part) => parts.push(Arc::new(part)),
                Err(error) if is_damage(error.kind()) && !refuses(mode, error.kind()) => {
                    lost.push(Quarantined {
                        part: part_name(number),
                        reason: error.to_string(),
                    });
                }
                Err(error) => return Err(error),
            }
        }
        if mode == Mode::Read && !lost.is_empty() {
            let newest = Snapshot::newest(&**host)?.unwrap_or_default();
            if newest.epoch > snapshot.epoch {
                snapshot = newest;
                continue;
            }
        }
        return Ok((snapshot, parts, lost));
    }
}

/// A part of a newer format is no damage to be set aside: opening for writing says to upgrade.
fn refuses(mode: Mode, kind: ErrorKind) -> bool {
    mode != Mode::Read && kind == ErrorKind::UnsupportedVersion
}

/// Whether an error is about the bytes of a part, not about reaching them.
pub(crate) fn is_damage(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::Corrupt | ErrorKind::NotFound | ErrorKind::UnsupportedVersion
    )
}

/// Moves damaged parts aside, untouched, and writes the reason beside each.
fn quarantine<H: Host>(host: &H, lost: &[Quarantined]) -> Result<()> {
    let known = host.list_files(QUARANTINE, Medium::Durable)?;
    for part in lost {
        let from = format!("{PARTS}/{}", part.part);
        let to = format!("{QUARANTINE}/{}", part.part);
        match host.rename_files(&from, &to) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let note = format!("{}\n", part.reason);
        let path = format!("{to}.reason");
        // After a crash in here the part is gone from its place; the first reason is the true one.
        if known.contains(&format!("{}.reason", part.part)) {
            continue;
        }
        host.remove_files(&path, Medium::Durable)?;
        let file = host.create_file(&path, Medium::Durable)?;
        host.append(&file, note.as_bytes(), &[note.len() as u32], Codec::None)?;
        host.finish(file)?;
    }
    host.sync_files(QUARANTINE)
}

/// Removes part directories that the snapshot does not name: what a crash left of flushes and merges.
/// Names that no part can have are not ours and stay.
fn remove_unnamed<H: Host>(host: &H, live: &Live<H>) -> Result<()> {
    for name in host.list_files(PARTS, Medium::Durable)? {
        if let Some(number) = part_number(&name)
            && live.part(number).is_none()
        {
            host.remove_files(&part_directory(number, Medium::Durable), Medium::Durable)?;
        }
    }
    Ok(())
}

/// Adds what the log holds beyond the snapshot, as memory parts.
fn replay<H: Host>(
    host: &Arc<H>,
    introducer: &mut Introducer,
    live: &mut Arc<Live<H>>,
    may_flush: bool,
) -> Result<()> {
    let mut position = introducer.log_position();
    while let Some(entry) = host.read_log(position)? {
        let place = format!("log entry at {position}");
        let (first_id, batch) =
            read_header(&entry.header, entry.columns).map_err(|error| error.at(&place))?;
        introducer
            .replay(host, live, first_id, batch, entry.next_position, may_flush)
            .map_err(|error| error.at(&place))?;
        position = entry.next_position;
    }
    Ok(())
}
