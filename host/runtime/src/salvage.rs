//! Salvage of an open index: what can be read of damaged parts is put in their place.

use serde::Serialize;
use sidx_engine::Region;

use crate::damage::part_name;
use crate::error::{ErrorKind, Result};
use crate::open::Open;
use crate::session::CallLimits;
use crate::work::Operation;

/// What a salvage did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SalvageReport {
    /// One for each damaged part; none when nothing was damaged.
    pub parts: Vec<SalvagedPart>,
}

impl SalvageReport {
    /// Whether every row could be read.
    #[must_use]
    pub fn is_without_loss(&self) -> bool {
        self.parts.iter().all(|part| part.lost.is_empty())
    }
}

/// A damaged part that made way for what could be read of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SalvagedPart {
    /// Its name, by which it lies in the quarantine of the index once no reader needs it any more.
    pub part: String,
    /// The part in its place; none when nothing could be read.
    pub output: Option<String>,
    /// Rows that could be read whole.
    pub saved_rows: u64,
    /// Rows that could not.
    pub lost_rows: u64,
    /// Where they were: queries that may want them fail with `corrupt`, unless they take a partial result.
    pub lost: Vec<Region>,
    /// Labels of some series are lost, though not their rows.
    pub lost_labels: bool,
    /// What was wrong.
    pub reasons: Vec<String>,
}

/// Salvages every part that is known to be damaged. The caller holds the right to merge.
pub(crate) fn run(index: &Open, limits: &CallLimits) -> Result<SalvageReport> {
    let damages = &index.shared().damages;
    let mut report = SalvageReport::default();
    loop {
        let before = report.parts.len();
        let mut refused = None;
        for part in damages.numbers() {
            limits.check()?;
            match of_part(index, limits, part, &mut report) {
                // Maybe what it needs to know is in another damaged part.
                Err(error) if error.kind() == ErrorKind::InvalidArgument => refused = Some(error),
                salvaged => salvaged?,
            }
        }
        match refused {
            None => return Ok(report),
            Some(error) if report.parts.len() == before => return Err(error),
            Some(_) => {}
        }
    }
}

fn of_part(index: &Open, limits: &CallLimits, part: u64, report: &mut SalvageReport) -> Result<()> {
    let damages = &index.shared().damages;
    if !is_damaged(index, limits, part)? {
        return Ok(());
    }
    let mut task = index.work().begin(Operation::Salvage);
    let salvaged = index.writer().salvage(part, limits.clone(), &task);
    task.end(salvaged.as_ref().map(drop));
    if let Some(salvaged) = salvaged? {
        damages.forget([part]);
        let outcome = &salvaged.outcome;
        report.parts.push(SalvagedPart {
            part: part_name(part),
            output: (outcome.rows > 0).then(|| part_name(outcome.job.output)),
            saved_rows: outcome.rows,
            lost_rows: outcome.dropped_rows,
            lost: salvaged.damage.lost,
            lost_labels: salvaged.lost_labels,
            reasons: salvaged.damage.reasons,
        });
    }
    Ok(())
}

/// Looks once more: what a single query met may have been a fault on the way.
fn is_damaged(index: &Open, limits: &CallLimits, part: u64) -> Result<bool> {
    let damages = &index.shared().damages;
    let mut lease = index.pool().lease(limits.clone())?;
    let found = lease.instance()?.survey(&[part], true)?;
    let is_damaged = !found.is_empty();
    if !is_damaged {
        damages.forget([part]);
    }
    for damage in found {
        damages.note(damage);
    }
    Ok(is_damaged)
}
