//! Repair: makes an index of what a damaged one still holds. Nothing is thrown away: what is damaged
//! goes to `quarantine/`, and queries that touch what was lost fail until the loss is accepted.

mod basis;

use self::basis::{Basis, LostEntries};
use crate::error::{Error, ErrorKind, OrDamage, Result};
use crate::host::{Host, Medium, SalvagedLog};
use crate::ordered::labels;
use crate::part::Part;
use crate::part::PartList;
use crate::part::dead::PartDead;
use crate::part::facet::Facets;
use crate::part::layout::{PARTS, QUARANTINE, part_label};
use crate::part::loss::Quarantined;
use crate::part::manifest::Manifest;
use crate::part::name::{PartName, label_of};
use crate::parts::introducer::Introducer;
use crate::parts::quarantine;
use crate::parts::recovery::first_list;
use crate::parts::replay::Replay;
use crate::parts::salvage;
use crate::parts::snapshot::{INDEX_OBJECT, Settings, Snapshot};
use crate::parts::takeover::{self, LogEnd};
use crate::parts::verify;
use crate::seal::unseal;
use crate::types::Region;
use serde::Serialize;
use sidx_log::Term;
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
pub(crate) fn run<H: Host>(host: &Arc<H>, facets: &Facets<H>, accept_loss: bool) -> Result<String> {
    if let Ok(Some(newest)) = Snapshot::newest(&**host) {
        newest.check_lives()?;
    }
    let mut report = Report::default();
    repair_settings(&**host, facets, &mut report)?;
    let basis = Basis::find(host, facets, &mut report)?;
    let accepts = accept_loss && !basis.snapshot.quarantined.is_empty();
    if report.damage.is_empty() && !accepts {
        // A sound index stays as it is, also on a medium without any room.
        if let Some(live) = basis.sound_parts(host, facets)? {
            return report.finish(&live);
        }
    }
    let term = takeover::next_term(&**host, &basis.snapshot)?;
    let mended = mend(host, facets, &basis, (term, accept_loss), report);
    // Nothing more is asked of this writer.
    let log = match mended.is_ok() {
        true => LogEnd::Ended,
        false => LogEnd::Failed,
    };
    let _ = takeover::close_newest(&**host, term, log);
    mended.map_err(|error| takeover::explained(&**host, term, error))
}

/// Takes the index over, and brings what can be read of it into order.
fn mend<H: Host>(
    host: &Arc<H>,
    facets: &Facets<H>,
    basis: &Basis,
    (term, accept_loss): (Term, bool),
    mut report: Report,
) -> Result<String> {
    let overtaken = || {
        let text = "another writer has taken the index over meanwhile; close it, then repair again";
        Error::new(ErrorKind::Conflict, text)
    };
    let claimed = takeover::claim_without_log(&**host, &basis.snapshot, term)?;
    let snapshot = claimed.ok_or_else(overtaken)?;
    let log = host.salvage_log(basis.log_needed_from, Some(term))?;
    if !takeover::is_newest(&**host, snapshot.epoch)? {
        return Err(overtaken());
    }
    let mut introducer = Introducer::new(&snapshot);
    introducer.know_borrowed(&**host, &snapshot)?;
    // Parts that are replaced here leave the list as well, and what is published first does not say so.
    introducer.know_garbage(false);
    let CheckedParts {
        parts,
        quarantined,
        replaced,
    } = check_parts(host, facets, &snapshot, &mut introducer, &mut report)?;
    let log_end = host.log_end()?;
    let lost_entries = lost_of_log(&log, introducer.log_position(), log_end, &mut report);
    let lost_entries = lost_entries.or_else(|| basis.missing_rows.clone());
    let mut live = first_list(host, facets, &snapshot, term, parts, Vec::new());
    let damaged = check_deaths(&live, &mut report)?;
    let is_lost = facets.keep_arrivals() && basis.log_needed_from.is_none();
    if is_lost {
        let (problem, action) = (
            "the snapshot that named them is gone",
            "found out again from the rows of all parts; what facets count begins anew",
        );
        report.found("dead rows", problem, action);
    }
    if is_lost || !replaced.is_empty() || !damaged.is_empty() {
        let unreadable: Vec<u64> = damaged.iter().map(|(part, _)| *part).collect();
        introducer.repair_deaths(host, &mut live, &replaced, (&unreadable, is_lost))?;
    }
    if !report.damage.is_empty() {
        // No snapshot lists files with dead rows that were set aside, so nothing else would keep these.
        let damaged: Vec<Quarantined> = damaged.into_iter().flat_map(|(_, files)| files).collect();
        put_aside(&**host, &mut introducer, &live, &damaged)?;
        introducer.publish_quarantine(host, &mut live, quarantined)?;
        if !is_needed(&**host, live.epoch)? {
            quarantine::set_aside(&**host, &live.quarantined)?;
        }
        introducer.clean_parts(&**host, &live);
        introducer.remove_unnamed(&**host, &live)?;
        repair_log(host, &mut introducer, &mut live, &log, lost_entries)?;
    }
    if accept_loss && !live.quarantined.is_empty() {
        // What a salvage has left in its place for readers: nothing would know of it any more.
        put_aside(&**host, &mut introducer, &live, &live.quarantined)?;
        introducer.remove_unnamed(&**host, &live)?;
        report.accepted = losses(&live);
        introducer.publish_quarantine(host, &mut live, Vec::new())?;
        introducer.clean_parts(&**host, &live);
    }
    report.finish(&live)
}

/// Whether branches, or readers in any process, have pinned an epoch before one. What they may read stays
/// where it is: they can read what is not damaged of it. It goes to the quarantine when they are gone.
fn is_needed<H: Host>(host: &H, epoch: u64) -> Result<bool> {
    Ok(host.find_readers()?.need_before(epoch))
}

/// Moves to the quarantine what no snapshot will name as set aside, or leaves it while somebody needs it.
fn put_aside<H: Host>(
    host: &H,
    introducer: &mut Introducer<H>,
    live: &PartList<H>,
    lost: &[Quarantined],
) -> Result<()> {
    match is_needed(host, live.epoch)? {
        true => introducer.leave(lost, live.epoch),
        false => quarantine::move_aside(host, lost)?,
    }
    Ok(())
}

/// What is lost of a part list, region by region.
fn losses<H: Host>(live: &PartList<H>) -> Vec<Loss> {
    let label = |region: &Region| {
        let is_one = region.first_series == region.last_series;
        let parts = live.parts.iter().filter(|_| is_one);
        // A label that cannot be read is not worth failing for.
        let mut found =
            parts.filter_map(|part| labels::of(part).ok()?.get(&region.first_series).cloned());
        found.next()
    };
    let mut losses = Vec::new();
    for lost in &live.quarantined {
        losses.extend(lost.lost.iter().map(|region| Loss {
            part: label_of(&lost.part),
            region: region.clone(),
            label: label(region),
            reason: lost.reason.clone(),
        }));
    }
    losses
}

impl Report {
    /// The report as text.
    fn finish<H: Host>(mut self, live: &PartList<H>) -> Result<String> {
        self.lost = losses(live);
        self.epoch = live.epoch;
        self.rows = live.parts.iter().map(|part| part.summary().rows).sum();
        self.ok = self.damage.is_empty();
        serde_json::to_string(&self).map_err(|error| {
            let text = format!("cannot write the report: {error}");
            Error::new(ErrorKind::Other, text)
        })
    }

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
fn repair_settings<H: Host>(host: &H, facets: &Facets<H>, report: &mut Report) -> Result<()> {
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
            Ok(settings) => return settings.check(facets),
            Err(error) if error.kind() == ErrorKind::UnsupportedVersion => return Err(error),
            Err(error) => error,
        },
    };
    check_facets(host, facets)?;
    let settings = Settings::new(facets).sealed()?;
    match &object {
        None => host.put_object_if_absent(INDEX_OBJECT, &settings)?,
        Some(object) => {
            quarantine::keep(host, INDEX_OBJECT, &object.bytes)?;
            host.sync_files(QUARANTINE)?;
            host.swap_object(INDEX_OBJECT, &object.version, &settings)?
        }
    };
    report.found(INDEX_OBJECT, problem, "written anew");
    Ok(())
}

/// Refuses an index whose parts have facets that this program does not: it would be told that it has none.
fn check_facets<H: Host>(host: &H, facets: &Facets<H>) -> Result<()> {
    for entry in host.list_files(PARTS, Medium::Durable)? {
        let Some(name) = PartName::parse(&entry) else {
            continue;
        };
        let Ok(manifest) = Manifest::read(host, name).or_damage()? else {
            continue;
        };
        let is_known = |found: &&String| facets.iter().any(|it| it.name().name == **found);
        if let Some(unknown) = manifest.facets.keys().find(|found| !is_known(found)) {
            let text = format!(
                "part {}: it has the facet {unknown:?}, which this program does not know; repair the index \
                 with the program that made it",
                part_label(name.number)
            );
            return Err(Error::new(ErrorKind::UnsupportedVersion, text));
        }
    }
    Ok(())
}

/// A part that may stay or be replaced, and what is lost.
struct CheckedPart<H: Host> {
    part: Option<Arc<Part<H>>>,
    lost: Option<Quarantined>,
    /// The damaged part that it takes the place of.
    old: Option<Part<H>>,
}

/// The parts of a snapshot, or what takes their place.
struct CheckedParts<H: Host> {
    parts: Vec<Arc<Part<H>>>,
    /// What was set aside, before and now.
    quarantined: Vec<Quarantined>,
    /// Damaged parts with dead rows, with those and the numbers of what took their places.
    replaced: Vec<(Part<H>, PartDead<H>, u64)>,
}

fn check_parts<H: Host>(
    host: &Arc<H>,
    facets: &Facets<H>,
    snapshot: &Snapshot,
    introducer: &mut Introducer<H>,
    report: &mut Report,
) -> Result<CheckedParts<H>> {
    let mut all = CheckedParts {
        parts: Vec::new(),
        quarantined: snapshot.quarantined.clone(),
        replaced: Vec::new(),
    };
    let deaths = snapshot.deaths(host);
    for name in snapshot.part_names()? {
        let checked = check_part(host, facets, name, introducer, report)?;
        if let (Some(old), Some(part)) = (checked.old, &checked.part)
            && let Some(dead) = deaths.of(old.number())
        {
            all.replaced.push((old, dead.clone(), part.number()));
        }
        all.parts.extend(checked.part);
        all.quarantined.extend(checked.lost);
    }
    Ok(all)
}

fn check_part<H: Host>(
    host: &Arc<H>,
    facets: &Facets<H>,
    name: PartName,
    introducer: &mut Introducer<H>,
    report: &mut Report,
) -> Result<CheckedPart<H>> {
    let label = part_label(name.number);
    let part = match Part::open(host, name, Medium::Durable) {
        Ok(part) => part,
        Err(error) if error.kind() == ErrorKind::UnsupportedVersion => return Err(error),
        Err(error) if error.kind().is_damage() => {
            report.found(&label, &error, "set aside; nothing could be saved");
            let lost = Quarantined {
                part: name.to_string(),
                reason: error.to_string(),
                lost: vec![Region::everywhere(None)],
            };
            return Ok(CheckedPart {
                part: None,
                lost: Some(lost),
                old: None,
            });
        }
        Err(error) => return Err(error),
    };
    let damage = verify::part_damage(&**host, facets, &part)?;
    let Some(first) = damage.first() else {
        return Ok(CheckedPart {
            part: Some(Arc::new(part)),
            lost: None,
            old: None,
        });
    };
    let output = PartName {
        number: introducer.take_part_number(),
        term: introducer.term(),
        // What is saved keeps its form.
        form: name.form,
    };
    let old = part.without_filters();
    let salvaged = salvage::run(&**host, facets, &old, output)?;
    let saved = salvaged.output.map_or(0, |output| output.rows);
    report.saved_rows += saved;
    let action = match (saved > 0, salvaged.lost.is_empty(), salvaged.is_lossy) {
        (false, ..) => "set aside; nothing could be saved",
        (true, false, _) => "set aside; the rows that can be read are in a new part",
        (true, true, false) => "set aside; all rows are in a new part",
        (true, true, true) => "set aside; all rows are in a new part, some labels are lost",
    };
    for problem in &damage {
        report.found(&label, &problem.error, action);
    }
    let part = match saved {
        0 => None,
        _ => Some(Arc::new(Part::open(host, output, Medium::Durable)?)),
    };
    let lost = Quarantined {
        part: name.to_string(),
        reason: first.error.to_string(),
        lost: salvaged.lost,
    };
    Ok(CheckedPart {
        part,
        lost: Some(lost),
        old: Some(old),
    })
}

/// The parts of which it cannot be read which rows are dead, each with the files that are damaged.
fn check_deaths<H: Host>(
    live: &PartList<H>,
    report: &mut Report,
) -> Result<Vec<(u64, Vec<Quarantined>)>> {
    let mut damaged = Vec::new();
    for part in &live.parts {
        let dead = live.deaths.of(part.number());
        let found = verify::dead_damage(part, dead, &mut verify::Seen::default())?;
        let action = "set aside; found out again from the rows of all parts, so that rows may be back whose \
             younger ones are lost";
        let files = found.iter().filter_map(|finding| {
            Some(Quarantined {
                part: finding.file.clone()?,
                reason: finding.error.to_string(),
                lost: Vec::new(),
            })
        });
        let files: Vec<Quarantined> = files.collect();
        for finding in &found {
            report.found(part.label(), &finding.error, action);
        }
        if !found.is_empty() {
            damaged.push((part.number(), files));
        }
    }
    Ok(damaged)
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
    introducer: &mut Introducer<H>,
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
    replay.finish()?;
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
    host.drop_log_before(end, end)
}
