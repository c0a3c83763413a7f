//! Repair: makes an index of what a damaged one still holds. Nothing is thrown away: what is damaged
//! goes to `quarantine/`, and queries that touch what was lost fail until the loss is accepted.

use crate::error::{Error, ErrorKind, Result};
use crate::host::{Host, Medium, SalvagedLog};
use crate::ordered::batch::read_header;
use crate::part::Part;
use crate::part::PartList;
use crate::part::layout::{PARTS, QUARANTINE, part_directory, part_name, part_number};
use crate::part::loss::Quarantined;
use crate::parts::introducer::Introducer;
use crate::parts::quarantine;
use crate::parts::recovery::{new_settings, remove_unnamed};
use crate::parts::replay::Replay;
use crate::parts::salvage;
use crate::parts::snapshot::{INDEX_OBJECT, Settings, Snapshot};
use crate::parts::verify;
use crate::seal::unseal;
use crate::types::Region;
use serde::Serialize;
use std::sync::Arc;

/// Name of the log among the parts that were set aside.
const LOG: &str = "log";

/// The report of `index.repair`.
#[derive(Default, Serialize)]
struct Report {
    /// Nothing was damaged, and nothing was changed but an accepted loss.
    ok: bool,
    /// What was damaged, in words.
    damage: Vec<Finding>,
    /// Rows of damaged parts that are in new ones.
    saved_rows: u64,
    /// Where rows were lost, by this repair or before, and the loss is not accepted.
    lost: Vec<Loss>,
    /// What queries no longer fail for.
    accepted: Vec<Loss>,
    rows: u64,
    epoch: u64,
}

/// A region in which rows may be missing.
#[derive(Serialize)]
struct Loss {
    part: String,
    #[serde(flatten)]
    region: Region,
    /// Of the series, where it is one and its label is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<String>,
    reason: String,
}

#[derive(Serialize)]
struct Finding {
    what: String,
    problem: String,
    /// What was done about it.
    action: &'static str,
}

/// Repairs the index; see `index.repair`.
pub(crate) fn run<H: Host>(host: &Arc<H>, accept_loss: bool) -> Result<String> {
    let mut report = Report::default();
    repair_settings(&**host, &mut report)?;
    let Basis {
        snapshot,
        log,
        missing_rows,
    } = basis(host, &mut report)?;
    remove_unborn(&**host, &snapshot)?;
    let mut introducer = Introducer::new(&snapshot);
    // Parts that are replaced here leave the list as well, and what is published first does not say so.
    introducer.know_garbage(false);
    let mut quarantined = snapshot.quarantined.clone();
    let mut parts = Vec::new();
    for number in snapshot.part_numbers()? {
        let checked = check_part(host, number, &mut introducer, &mut report)?;
        parts.extend(checked.part);
        quarantined.extend(checked.lost);
    }
    let log_end = host.log_end()?;
    let lost_entries = lost_of_log(&log, introducer.log_position(), log_end, &mut report);
    let lost_entries = lost_entries.or(missing_rows);
    let mut live = Arc::new(PartList {
        version: 1,
        epoch: snapshot.epoch,
        parts,
        quarantined: snapshot.quarantined.clone(),
        unreadable: Vec::new(),
    });
    if !report.damage.is_empty() {
        introducer.publish_quarantine(host, &mut live, quarantined)?;
        quarantine::set_aside(&**host, &live.quarantined)?;
        introducer.clean_parts(&**host, &live);
        remove_unnamed(&**host, &mut introducer, &live)?;
        repair_log(host, &mut introducer, &mut live, &log, lost_entries)?;
    }
    if accept_loss && !live.quarantined.is_empty() {
        // What a salvage has left in its place for readers: nothing would know of it any more.
        quarantine::set_aside(&**host, &live.quarantined)?;
        report.accepted = losses(&live);
        introducer.publish_quarantine(host, &mut live, Vec::new())?;
        introducer.clean_parts(&**host, &live);
    }
    report.lost = losses(&live);
    report.epoch = live.epoch;
    report.rows = live.parts.iter().map(|part| part.manifest().rows).sum();
    report.ok = report.damage.is_empty();
    serde_json::to_string(&report).map_err(|error| {
        let text = format!("cannot write the report: {error}");
        Error::new(ErrorKind::Other, text)
    })
}

/// What is lost of a part list, region by region.
fn losses<H: Host>(live: &PartList<H>) -> Vec<Loss> {
    let label = |region: &Region| {
        let is_one = region.first_series == region.last_series;
        let parts = live.parts.iter().filter(|_| is_one);
        // A label that cannot be read is not worth failing for.
        let mut found =
            parts.filter_map(|part| part.labels().ok()?.get(&region.first_series).cloned());
        found.next()
    };
    let mut losses = Vec::new();
    for lost in &live.quarantined {
        losses.extend(lost.lost.iter().map(|region| Loss {
            part: lost.part.clone(),
            region: region.clone(),
            label: label(region),
            reason: lost.reason.clone(),
        }));
    }
    losses
}

impl Report {
    fn found(&mut self, what: impl Into<String>, problem: impl ToString, action: &'static str) {
        self.damage.push(Finding {
            what: what.into(),
            problem: problem.to_string(),
            action,
        });
    }
}

/// Writes `index.json` anew when it is gone or unreadable. Its being there, or anything else of an index,
/// shows that there is one to repair.
fn repair_settings<H: Host>(host: &H, report: &mut Report) -> Result<()> {
    let object = host.get_object(INDEX_OBJECT)?;
    let problem = match &object {
        None => {
            let is_index = !Snapshot::epochs(host)?.is_empty()
                || !host.list_files(PARTS, Medium::Durable)?.is_empty();
            if !is_index {
                let text = "the index does not exist: there is nothing to repair";
                return Err(Error::new(ErrorKind::NotFound, text));
            }
            Error::new(ErrorKind::NotFound, "it is gone")
        }
        Some(object) => match unseal::<Settings>(&object.bytes, INDEX_OBJECT) {
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == ErrorKind::UnsupportedVersion => return Err(error),
            Err(error) => error,
        },
    };
    match &object {
        None => host.put_object_if_absent(INDEX_OBJECT, &new_settings()?)?,
        Some(object) => {
            quarantine::keep(host, INDEX_OBJECT, &object.bytes)?;
            host.sync_files(QUARANTINE)?;
            host.swap_object(INDEX_OBJECT, &object.version, &new_settings()?)?
        }
    };
    report.found(INDEX_OBJECT, problem, "written anew");
    Ok(())
}

/// What a repair goes out from.
struct Basis {
    snapshot: Snapshot,
    log: SalvagedLog,
    /// Rows that neither the parts nor the log have, where that can be seen.
    missing_rows: Option<LostEntries>,
}

/// Entries of the log that no part holds and nobody can read.
struct LostEntries {
    reason: String,
    /// How many rows at most, where that is known.
    rows: Option<u64>,
}

/// The newest snapshot, or one that is made up from the parts and the log when that cannot be read. An
/// older one would not do: its parts are gone.
fn basis<H: Host>(host: &Arc<H>, report: &mut Report) -> Result<Basis> {
    let problem = match Snapshot::newest(&**host) {
        Ok(Some(snapshot)) => {
            let log = host.salvage_log(Some(snapshot.log_position))?;
            return Ok(Basis {
                snapshot,
                log,
                missing_rows: None,
            });
        }
        Ok(None) => Error::new(ErrorKind::NotFound, "there is no snapshot"),
        Err(error) if error.kind() == ErrorKind::Corrupt => error,
        Err(error) => return Err(error),
    };
    let epoch = Snapshot::epochs(&**host)?.pop().unwrap_or_default();
    let name = Snapshot::name(epoch);
    if let Some(object) = host.get_object(&name)? {
        quarantine::keep(&**host, &name, &object.bytes)?;
        host.sync_files(QUARANTINE)?;
    }
    report.found(
        name,
        problem,
        "made up from the parts that are there and the log",
    );
    let mut snapshot = made_up(host, epoch)?;
    let log = host.salvage_log(None)?;
    let missing_rows = find_log_position(&**host, &mut snapshot, &log)?;
    Ok(Basis {
        snapshot,
        log,
        missing_rows,
    })
}

/// Finds out which entries of the log the parts of a made-up snapshot have absorbed: element ids tell,
/// because a flush takes whole entries, in order. Rows may be missing where the first other entry does
/// not go on with the ids of the parts.
fn find_log_position<H: Host>(
    host: &H,
    snapshot: &mut Snapshot,
    log: &SalvagedLog,
) -> Result<Option<LostEntries>> {
    let log_end = host.log_end()?;
    // Of damaged entries behind the last that can be read nothing is known.
    let last = log.spans.last().map(|(_, end)| *end);
    snapshot.log_position = last.unwrap_or(if log.damage.is_empty() { log_end } else { 0 });
    let expected = snapshot.next_element_id;
    for (start, end) in &log.spans {
        let mut position = *start;
        while position < *end {
            let Some(entry) = host.read_log(position)? else {
                break;
            };
            let (first_id, _) = read_header(&entry.header, entry.columns)?;
            if first_id >= expected {
                snapshot.log_position = position;
                let rows = first_id - expected;
                return Ok((rows > 0).then(|| missing_rows(expected, first_id)));
            }
            position = entry.next_position;
        }
    }
    if snapshot.parts.is_empty() && snapshot.log_position > 0 {
        let reason = "the snapshot is gone, and no part is there, though the log says that rows were flushed";
        return Ok(Some(LostEntries {
            reason: reason.to_owned(),
            rows: None,
        }));
    }
    Ok(None)
}

fn missing_rows(first: u64, end: u64) -> LostEntries {
    LostEntries {
        reason: format!(
            "the snapshot is gone, and neither a part nor the log has the rows with element ids {first} \
             to {}",
            end - 1
        ),
        rows: Some(end - first),
    }
}

/// A snapshot of the parts that are there. Where one covers the element ids of others it was merged from
/// them; of those that overlap the one with most ids is taken, sound ones before damaged ones.
fn made_up<H: Host>(host: &Arc<H>, epoch: u64) -> Result<Snapshot> {
    let (mut found, mut unreadable) = (Vec::new(), Vec::new());
    let mut next_part = 0;
    for directory in [PARTS, QUARANTINE] {
        for name in host.list_files(directory, Medium::Durable)? {
            let Some(number) = part_number(&name) else {
                continue;
            };
            next_part = next_part.max(number + 1);
            if directory != PARTS {
                continue;
            }
            let part = match Part::open(host, number, Medium::Durable) {
                Ok(part) => part,
                // Never finished: its manifest is written last.
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) if error.kind() == ErrorKind::Corrupt => {
                    unreadable.push(number);
                    continue;
                }
                Err(error) => return Err(error),
            };
            let is_sound = verify::part_damage(&**host, &part)?.is_empty();
            let (first, last) = (part.manifest().first_id, part.manifest().last_id);
            found.push((
                !is_sound,
                u64::MAX - (last - first),
                u64::MAX - number,
                first,
                last,
            ));
        }
    }
    found.sort_unstable();
    let mut taken: Vec<(u64, u64, u64)> = Vec::new();
    for (_, _, inverse, first, last) in found {
        let overlaps = |(from, to, _): &(u64, u64, u64)| *from <= last && first <= *to;
        if !taken.iter().any(overlaps) {
            taken.push((first, last, u64::MAX - inverse));
        }
    }
    taken.sort_unstable();
    Ok(Snapshot {
        epoch,
        next_element_id: taken.last().map_or(0, |(_, last, _)| last + 1),
        // Those that nobody can read are named too, so that they are set aside and the loss is told.
        parts: taken
            .into_iter()
            .map(|(_, _, number)| number)
            .chain(unreadable)
            .map(part_name)
            .collect(),
        log_position: 0,
        next_part,
        since: Vec::new(),
        left: None,
        quarantined: Vec::new(),
    })
}

/// Removes what a crash left of parts that never were live: their numbers are given again.
fn remove_unborn<H: Host>(host: &H, snapshot: &Snapshot) -> Result<()> {
    for name in host.list_files(PARTS, Medium::Durable)? {
        if let Some(number) = part_number(&name)
            && number >= snapshot.next_part
        {
            host.remove_files(&part_directory(number, Medium::Durable), Medium::Durable)?;
        }
    }
    Ok(())
}

/// A part that may stay or be replaced, and what is lost.
struct CheckedPart<H: Host> {
    part: Option<Arc<Part<H>>>,
    lost: Option<Quarantined>,
}

fn check_part<H: Host>(
    host: &Arc<H>,
    number: u64,
    introducer: &mut Introducer,
    report: &mut Report,
) -> Result<CheckedPart<H>> {
    let name = part_name(number);
    let part = match Part::open(host, number, Medium::Durable) {
        Ok(part) => part,
        Err(error) if error.kind() == ErrorKind::UnsupportedVersion => return Err(error),
        Err(error) if error.kind().is_damage() => {
            report.found(&name, &error, "set aside; nothing could be saved");
            let lost = Quarantined {
                part: name,
                reason: error.to_string(),
                lost: vec![Region::everywhere(None)],
            };
            return Ok(CheckedPart {
                part: None,
                lost: Some(lost),
            });
        }
        Err(error) => return Err(error),
    };
    let damage = verify::part_damage(&**host, &part)?;
    let Some(first) = damage.first() else {
        let part = Some(Arc::new(part));
        return Ok(CheckedPart { part, lost: None });
    };
    let output = introducer.take_part_number();
    let salvaged = salvage::run(&**host, &part.without_filters(), output)?;
    let saved = salvaged.manifest.map_or(0, |manifest| manifest.rows);
    report.saved_rows += saved;
    let action = match (saved > 0, salvaged.lost.is_empty(), salvaged.lost_labels) {
        (false, ..) => "set aside; nothing could be saved",
        (true, false, _) => "set aside; the rows that can be read are in a new part",
        (true, true, false) => "set aside; all rows are in a new part",
        (true, true, true) => "set aside; all rows are in a new part, some labels are lost",
    };
    for problem in &damage {
        report.found(&name, &problem.error, action);
    }
    let part = match saved {
        0 => None,
        _ => Some(Arc::new(Part::open(host, output, Medium::Durable)?)),
    };
    let lost = Quarantined {
        part: name,
        reason: first.error.to_string(),
        lost: salvaged.lost,
    };
    Ok(CheckedPart {
        part,
        lost: Some(lost),
    })
}

/// What is damaged of the log, and which entries are lost that no part holds.
fn lost_of_log(
    log: &SalvagedLog,
    position: u64,
    log_end: u64,
    report: &mut Report,
) -> Option<LostEntries> {
    let mut expected = position;
    let mut lost = false;
    for (start, end) in &log.spans {
        lost |= *end > position && *start > expected;
        expected = expected.max(*end);
    }
    for problem in &log.damage {
        report.found(
            LOG,
            problem,
            "set aside; the entries that can be read are in a part",
        );
    }
    // Damage behind the last entry that can be read hides an unknown number of them.
    lost |= !log.damage.is_empty() && log_end > expected;
    let reason = || match log.damage.first() {
        Some(problem) => problem.clone(),
        None => format!("entries of the log from position {position} on are gone"),
    };
    lost.then(|| LostEntries {
        reason: reason(),
        rows: None,
    })
}

/// Brings what can be read of the log into a part, and lets the log go on behind it.
fn repair_log<H: Host>(
    host: &Arc<H>,
    introducer: &mut Introducer,
    live: &mut Arc<PartList<H>>,
    log: &SalvagedLog,
    lost_entries: Option<LostEntries>,
) -> Result<()> {
    let from = introducer.log_position();
    let mut replay = Replay::new(host, introducer, live, true);
    for (start, span_end) in &log.spans {
        let mut position = (*start).max(from);
        while position < *span_end {
            let Some(entry) = host.read_log(position)? else {
                break;
            };
            position = entry.next_position;
            replay.add(entry, true)?;
        }
    }
    replay.finish();
    let end = host.log_end()?.max(introducer.log_position());
    introducer.flush(host, live)?;
    introducer.absorb_log(end);
    let mut quarantined = live.quarantined.clone();
    if let Some(LostEntries { reason, rows }) = lost_entries {
        quarantined.push(Quarantined {
            part: LOG.to_owned(),
            reason,
            lost: vec![Region::everywhere(rows)],
        });
    }
    introducer.publish_quarantine(host, live, quarantined)?;
    introducer.clean_parts(&**host, live);
    host.drop_log_before(end)
}
