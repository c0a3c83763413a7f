//! What a query cannot return: rows that were lost, and rows that turn out to be unreadable.

use super::block::QueryBlock;
use super::plan::Plan;
use super::projection::Projection;
use crate::error::{Error, ErrorKind, OrDamage, Result};
use crate::host::Host;
use crate::part::name::label_of;
use crate::part::readable::{intersection, readable_rows};

/// Most places that are told one by one.
const TOLD_MAX: usize = 100;

/// What is missing of a result, and whether the caller takes one that is not whole.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gaps {
    allowed: bool,
    places: Vec<String>,
    untold: u64,
}

impl Gaps {
    /// What was lost before of the rows that a query wants. `corrupt` when the caller wants all of them: a
    /// short result is never passed off as whole.
    pub(crate) fn of<H: Host>(plan: &Plan<H>) -> Result<Self> {
        let mut missing = Self {
            allowed: plan.manner.allow_partial,
            ..Self::default()
        };
        for lost in plan.live.missing() {
            for region in lost.lost.iter().filter(|region| plan.touches(region)) {
                let part = label_of(&lost.part);
                missing.add(format!("{part}: {} ({region})", lost.reason));
            }
        }
        let Some(first) = missing.places.first() else {
            return Ok(missing);
        };
        if missing.allowed {
            return Ok(missing);
        }
        let places = missing.places.len() as u64 + missing.untold;
        Err(Error::new(
            ErrorKind::Corrupt,
            format!(
                "rows that the query may want were lost with {places} damaged place(s), the first: {first}; \
                 ask for a partial result to get what is left, or repair the index and accept the loss"
            ),
        ))
    }

    /// Whether the query goes on without what it cannot read.
    pub(crate) fn allowed(&self) -> bool {
        self.allowed
    }

    /// Whether anything is missing.
    pub(crate) fn any(&self) -> bool {
        !self.places.is_empty()
    }

    /// Notes damage, and says so by returning none; an error when the result must be whole, or when it is
    /// of another kind.
    pub(crate) fn tolerate<T>(&mut self, result: Result<T>) -> Result<Option<T>> {
        if !self.allowed {
            return result.map(Some);
        }
        match result.or_damage()? {
            Ok(value) => Ok(Some(value)),
            Err(error) => {
                self.add(error.message().to_owned());
                Ok(None)
            }
        }
    }

    /// Notes a damaged place, once.
    pub(crate) fn add(&mut self, place: String) {
        if self.places.contains(&place) {
            return;
        }
        if self.places.len() < TOLD_MAX {
            self.places.push(place);
        } else {
            self.untold += 1;
        }
    }

    /// One text per damaged place.
    pub(crate) fn told(&self) -> Vec<String> {
        let mut told = self.places.clone();
        if self.untold > 0 {
            told.push(format!("and {} more", self.untold));
        }
        told
    }
}

/// Takes the rows that cannot be read whole out of a block that is opened for the first time.
pub(crate) fn keep_readable<H: Host>(
    host: &H,
    plan: &Plan<H>,
    projection: &Projection,
    gaps: &mut Gaps,
    block: &mut QueryBlock,
) -> Result<()> {
    if block.is_checked {
        return Ok(());
    }
    block.is_checked = true;
    let pages = projection.look_up(&plan.live, Some(block));
    let pages = pages.and_then(|()| {
        let mut pages = block.projected.clone().unwrap_or_default();
        plan.append_slot_pages(block.rank, &block.frame, block.block, &mut pages)?;
        Ok(pages)
    });
    let Some(mut pages) = gaps.tolerate(pages)? else {
        block.spans.clear();
        return Ok(());
    };
    let Some(open) = block.frame.block(block.block) else {
        return Ok(());
    };
    pages.push(open.keys);
    let with_payloads = plan.manner.payload || plan.manner.distinct_payload;
    let readable = readable_rows(host, open, &pages, with_payloads)?;
    for damage in readable.damage {
        gaps.add(damage.message().to_owned());
    }
    block.spans = intersection(&block.spans, &readable.spans);
    Ok(())
}
