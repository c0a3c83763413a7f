//! Checking a whole index: every file, page and cross-reference of every part. The log is the host's.

mod part;
mod tags;

use self::part::Finding;
use crate::error::{Error, ErrorKind, OrDamage, Result};
use crate::host::{Host, Medium};
use crate::part::Part;
use crate::part::PartList;
use crate::part::dead::PartDead;
use crate::part::dead::chunk::DeadChunk;
use crate::part::facet::Facets;
use crate::part::name::label_of;
use crate::parts::takeover;
use crate::types;
use serde::Serialize;
use std::sync::Arc;

/// Most reasons that are told of a part.
const REASONS_MAX: usize = 16;

/// The report of `index.verify`.
#[derive(Serialize)]
struct Report {
    ok: bool,
    epoch: u64,
    parts: u64,
    memory_parts: u64,
    #[serde(flatten)]
    seen: Seen,
    damage: Vec<Damage>,
}

/// What was checked.
#[derive(Default, Serialize)]
pub(crate) struct Seen {
    files: u64,
    blocks: u64,
    rows: u64,
}

#[derive(Serialize)]
struct Damage {
    part: String,
    what: String,
}

/// Checks every live part. Damage is in the report; an error means that the check could not go on.
pub(crate) fn report<H: Host>(host: &Arc<H>, live: &PartList<H>) -> Result<String> {
    let mut damage = Vec::new();
    for lost in &live.unreadable {
        damage.push(Damage {
            part: label_of(&lost.part),
            what: lost.reason.clone(),
        });
    }
    for lost in &live.quarantined {
        let regions: Vec<String> = lost.lost.iter().map(ToString::to_string).collect();
        let lost_rows = match regions.is_empty() {
            true => "no rows are lost".to_owned(),
            false => format!("lost: {}", regions.join("; ")),
        };
        damage.push(Damage {
            part: label_of(&lost.part),
            what: format!("set aside: {}; {lost_rows}", lost.reason),
        });
    }
    let mut seen = Seen::default();
    let of = |medium| {
        live.parts
            .iter()
            .filter(move |part| part.medium() == medium)
    };
    let mut last_id = None;
    for part in &live.parts {
        let mut found: Vec<String> = part::damage(&**host, &live.facets, part, &mut seen)?
            .into_iter()
            .map(|finding| finding.error.message().to_owned())
            .collect();
        let dead = live.deaths.of(part.number());
        found.extend(
            dead_damage(part, dead, &mut seen)?
                .into_iter()
                .map(|finding| finding.error.message().to_owned()),
        );
        if last_id.is_some_and(|last| last >= part.summary().first_id) {
            found.push("its element ids are not above those of the part before it".to_owned());
        }
        last_id = Some(part.summary().last_id);
        damage.extend(found.into_iter().map(|what| Damage {
            part: part.label(),
            what,
        }));
    }
    if !damage.is_empty() {
        takeover::check_not_gone(&**host, live)?;
    }
    let report = Report {
        ok: damage.is_empty(),
        epoch: live.epoch,
        parts: of(Medium::Durable).count() as u64,
        memory_parts: of(Medium::Memory).count() as u64,
        seen,
        damage,
    };
    serde_json::to_string(&report).map_err(|error| {
        let text = format!("cannot write the report: {error}");
        Error::new(ErrorKind::Other, text)
    })
}

/// What is wrong with a part, without a look for what can be read all the same; none when nothing is. With
/// `pages` all content is read, else the sizes of files are compared.
pub(crate) fn findings<H: Host>(
    host: &H,
    live: &PartList<H>,
    part: &Part<H>,
    pages: bool,
) -> Result<Option<types::Damage>> {
    let dead = live.deaths.of(part.number());
    let found = match pages {
        true => {
            let mut found = part_damage(host, &live.facets, part)?;
            found.extend(dead_damage(part, dead, &mut Seen::default())?);
            found
        }
        false => {
            let mut found = part::outline(host, part)?;
            found.extend(dead_outline(dead)?);
            found
        }
    };
    if found.is_empty() {
        return Ok(None);
    }
    let mut damage = types::Damage {
        part: part.number(),
        files: Vec::new(),
        reasons: Vec::new(),
        lost: Vec::new(),
    };
    for finding in found {
        if let Some(file) = finding.file
            && !damage.files.contains(&file)
        {
            damage.files.push(file);
        }
        if damage.reasons.len() < REASONS_MAX {
            damage.reasons.push(finding.error.message().to_owned());
        }
    }
    Ok(Some(damage))
}

/// What is wrong with what is known of the dead rows of a part.
pub(crate) fn dead_damage<H: Host>(
    part: &Part<H>,
    dead: Option<&PartDead<H>>,
    seen: &mut Seen,
) -> Result<Vec<Finding>> {
    let mut damage = Vec::new();
    let Some(dead) = dead else {
        return Ok(damage);
    };
    if let Err(error) = dead.check_placed(part.number()) {
        damage.push(Finding { file: None, error });
    }
    for chunk in dead.stored.chunks() {
        seen.files += 1;
        note(&mut damage, chunk, chunk.check())?;
    }
    for rows in [&dead.stored, &dead.now] {
        let found = rows.ordinals(part).or_damage()?;
        let count = rows.rows();
        match found {
            Ok(found) if found.len() as u64 == count => {}
            Ok(found) => damage.push(Finding {
                file: None,
                error: Error::corrupt(format!("{} rows are dead of {count}", found.len())),
            }),
            // Told above where a file is not as it was written.
            Err(error) if damage.is_empty() => damage.push(Finding { file: None, error }),
            Err(_) => {}
        }
    }
    Ok(damage)
}

/// The same as far as the sizes of files tell.
fn dead_outline<H: Host>(dead: Option<&PartDead<H>>) -> Result<Vec<Finding>> {
    let mut damage = Vec::new();
    for chunk in dead.iter().flat_map(|dead| dead.stored.chunks()) {
        note(&mut damage, chunk, chunk.check_size())?;
    }
    Ok(damage)
}

fn note<H: Host>(
    damage: &mut Vec<Finding>,
    chunk: &DeadChunk<H>,
    checked: Result<()>,
) -> Result<()> {
    if let Err(error) = checked.or_damage()? {
        let file = Some(chunk.file.name.to_string());
        damage.push(Finding { file, error });
    }
    Ok(())
}

/// Everything that is wrong with a part; nothing for a sound one.
pub(crate) fn part_damage<H: Host>(
    host: &H,
    facets: &Facets<H>,
    part: &Part<H>,
) -> Result<Vec<Finding>> {
    part::damage(host, facets, part, &mut Seen::default())
}
