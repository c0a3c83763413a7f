//! What came of a job, checked before it becomes part of the index. Another instance did the work, and one
//! that works wrongly must not cost rows.

use crate::error::{Error, ErrorKind, Result};
use crate::host::{Host, Medium};
use crate::part::Part;
use crate::part::PartList;
use crate::types::{Job, Outcome};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The part that a job made, if any. The instance that made it is not relied on for the numbers: what it
/// left out without being told to would be lost.
pub(crate) fn open_output<H: Host>(
    host: &Arc<H>,
    live: &PartList<H>,
    outcome: &Outcome,
) -> Result<Option<Arc<Part<H>>>> {
    let job = &outcome.job;
    let dropped = outcome.dropped_rows;
    // Those that may be left out because they are dead.
    let dead = live.deaths.stored_rows(&job.inputs);
    if dropped > dead && job.rule.is_empty() {
        let text = format!(
            "job {}: {dropped} rows were dropped without a rule, {dead} are dead",
            job.id
        );
        return Err(Error::invalid(text));
    }
    // Two instances came to the number, each by itself; rows may have died in between.
    let died = live.deaths.rows_of(&job.inputs);
    if let Some(counted) = job.dropped_rows
        && !(counted..=counted.saturating_add(died)).contains(&dropped)
    {
        let text = format!(
            "job {}: {dropped} rows were dropped, {counted} had been counted",
            job.id
        );
        return Err(Error::invalid(text));
    }
    open_salvaged(host, live, outcome)
}

/// The same for a salvage, which drops what cannot be read.
pub(crate) fn open_salvaged<H: Host>(
    host: &Arc<H>,
    live: &PartList<H>,
    outcome: &Outcome,
) -> Result<Option<Arc<Part<H>>>> {
    let Outcome {
        job,
        rows,
        dropped_rows,
        ..
    } = outcome;
    let refused = |what: String| Error::invalid(format!("job {}: {what}", job.id));
    let inputs = job.inputs.iter().filter_map(|input| live.part(*input));
    let given: u64 = inputs.map(|part| part.summary().rows).sum();
    if rows.checked_add(*dropped_rows) != Some(given) {
        let text = format!("{rows} rows were kept and {dropped_rows} dropped of {given}");
        return Err(refused(text));
    }
    if *rows == 0 {
        return Ok(None);
    }
    let part =
        Part::open(host, live.new_name(&**host, job.output), Medium::Durable).map_err(|error| {
            match error.kind() {
                ErrorKind::Corrupt | ErrorKind::NotFound => {
                    refused(format!("its output cannot be opened: {error}"))
                }
                _ => error,
            }
        })?;
    let found = part.summary().rows;
    if found != *rows {
        return Err(refused(format!("its output has {found} rows, not {rows}")));
    }
    Ok(Some(Arc::new(part)))
}

/// The part list with the output of a job in place of its inputs.
pub(crate) fn replaced<H: Host>(
    live: &PartList<H>,
    job: &Job,
    output: Option<Arc<Part<H>>>,
) -> Result<Vec<Arc<Part<H>>>> {
    let lost = || Error::invalid(format!("job {} lost its inputs", job.id));
    let inputs: BTreeSet<u64> = job.inputs.iter().copied().collect();
    let is_input = |part: &Arc<Part<H>>| inputs.contains(&part.number());
    let at = live.parts.iter().position(is_input).ok_or_else(lost)?;
    let end = at + job.inputs.len();
    let mut parts = live.parts.clone();
    parts.retain(|part| !is_input(part));
    if parts.len() + inputs.len() != live.parts.len() {
        return Err(lost());
    }
    if let Some(output) = output {
        // Only neighbours have one: equal keys would change their order.
        if !live
            .parts
            .get(at..end)
            .is_some_and(|parts| parts.iter().all(is_input))
        {
            let text = format!("job {} merges parts that are not neighbours", job.id);
            return Err(Error::invalid(text));
        }
        parts.insert(at, output);
    }
    Ok(parts)
}
