//! A query in key order that several instances share: the keys are cut where samples of them say that about
//! as many rows lie between any two cuts, and each stretch is a query of its own.

use super::cursor::Cursor;
use super::explain::Explain;
use super::missing::Missing;
use super::open::QueryBlock;
use super::plan::{BoundFilter, Plan};
use super::projection::Projection;
use super::share::{STRIPE_ROWS, Stripes, likely_rows};
use crate::error::Result;
use crate::host::Host;
use crate::live::Live;
use crate::types::{QuerySpec, Rows, Share, Sharing};
use std::collections::VecDeque;
use std::ops::Bound;
use std::sync::Arc;

/// Blocks whose keys are looked at to cut evenly.
const SAMPLED_BLOCKS: u64 = 16;
/// One key of so many is a sample.
const SAMPLED_ROWS: usize = 16;
/// Rows of a stretch, in stripes: opening all blocks again for the next should not cost much in comparison.
const STRETCH_ROWS: u64 = 2 * STRIPE_ROWS;

/// Most stretches of a share: each begins with looking at all metadata.
const STRETCHES_PER_SHARE: u64 = 8;

/// One share: every n-th stretch of keys.
pub(crate) struct Stretches<H: Host> {
    host: Arc<H>,
    live: Arc<Live<H>>,
    spec: QuerySpec,
    filter: Option<Arc<BoundFilter<H>>>,
    projection: Arc<Projection>,
    /// Stretches still to come: number, least and greatest key.
    left: VecDeque<(u32, i64, i64)>,
    current: Option<(u32, Box<Cursor<H>>)>,
    /// What the stretches before found missing.
    missing: Missing,
    explain: Explain,
}

impl<H: Host> Stretches<H> {
    /// Cuts the keys; every instance comes to the same cuts.
    pub(crate) fn start(
        host: &Arc<H>,
        live: &Arc<Live<H>>,
        mut plan: Plan<H>,
        projection: Arc<Projection>,
        share: Share,
    ) -> Result<Self> {
        host.check()?;
        Stripes::of(&plan.spec)?;
        plan.spec.sharing = Sharing::Whole;
        let descending = plan.spec.descending;
        let mut missing = Missing::of(&plan)?;
        let most = u64::from(share.of) * STRETCHES_PER_SHARE;
        let mut stretches = stretches(plan.low, plan.high, cuts(host, &plan, &mut missing, most)?);
        if descending {
            stretches.reverse();
        }
        let numbered = (0u32..).zip(stretches);
        let mine = numbered.filter(|(number, _)| number % share.of == share.number);
        Ok(Self {
            host: Arc::clone(host),
            live: Arc::clone(live),
            spec: plan.spec,
            filter: plan.filter,
            projection,
            left: mine
                .map(|(number, (low, high))| (number, low, high))
                .collect(),
            current: None,
            missing,
            explain: Explain {
                epoch: live.epoch,
                version: live.version,
                ..Default::default()
            },
        })
    }

    /// The first rows; none when nothing matches.
    pub(crate) fn first(&mut self, max_rows: u32) -> Result<Rows<H::Columns>> {
        let mut rows = self.next(max_rows)?.unwrap_or_default();
        rows.partial |= self.missing.any();
        Ok(rows)
    }

    /// `cursor.next`
    pub(crate) fn next(&mut self, max_rows: u32) -> Result<Option<Rows<H::Columns>>> {
        if max_rows == 0 {
            return Ok(None);
        }
        let rows = self.batch(max_rows);
        if rows.is_err() {
            self.left.clear();
            self.current = None;
        }
        rows
    }

    fn batch(&mut self, max_rows: u32) -> Result<Option<Rows<H::Columns>>> {
        loop {
            if let Some((stripe, cursor)) = &mut self.current {
                if let Some(mut rows) = cursor.next(max_rows)? {
                    rows.stripe = *stripe;
                    rows.partial |= self.missing.any();
                    return Ok(Some(rows));
                }
                self.explain.add(&cursor.told());
                self.missing.join(cursor.missing_places());
                self.current = None;
            }
            let Some((stripe, low, high)) = self.left.pop_front() else {
                return Ok(None);
            };
            let spec = QuerySpec {
                low: Bound::Included(low),
                high: Bound::Included(high),
                ..self.spec.clone()
            };
            let plan = Plan::new(&self.live, spec, self.filter.clone());
            let cursor = Cursor::start(&self.host, plan, Arc::clone(&self.projection))?;
            self.current = Some((stripe, Box::new(cursor)));
        }
    }

    /// Whether no row is left. May say no when the last row was just returned.
    pub(crate) fn is_complete(&self) -> bool {
        self.left.is_empty() && self.current.is_none()
    }

    /// `cursor.missing`
    pub(crate) fn missing(&self) -> Vec<String> {
        let mut missing = self.missing.clone();
        if let Some((_, cursor)) = &self.current {
            missing.join(cursor.missing_places());
        }
        missing.told()
    }

    /// `cursor.explain`
    pub(crate) fn explain(&self) -> String {
        let mut explain = self.explain.clone();
        if let Some((_, cursor)) = &self.current {
            explain.add(&cursor.told());
        }
        explain.json()
    }
}

/// Stretches between cuts, each of which begins one.
fn stretches(low: i64, high: i64, cuts: Vec<i64>) -> Vec<(i64, i64)> {
    let mut stretches = Vec::with_capacity(cuts.len() + 1);
    let mut from = low;
    for cut in cuts {
        if cut > from && cut <= high {
            stretches.push((from, cut - 1));
            from = cut;
        }
    }
    if from <= high {
        stretches.push((from, high));
    }
    stretches
}

/// The key page and rows of each block that may hold wanted rows, and how many of those there are about.
type Surveyed = (Vec<(u32, u32)>, u64);

fn survey<H: Host>(host: &Arc<H>, plan: &Plan<H>, missing: &mut Missing) -> Result<Surveyed> {
    let mut ignored = Explain::default();
    let (mut blocks, mut wanted) = (Vec::new(), 0);
    for (rank, part) in plan.live.parts.iter().enumerate() {
        if !plan.wants_part(rank, &mut ignored) {
            continue;
        }
        let Some(frames) = missing.tolerate(part.frames())? else {
            continue;
        };
        for (index, entry) in frames.iter().enumerate() {
            if !plan.wants_frame(entry, &mut ignored) {
                continue;
            }
            let candidates = part.frame(index).and_then(|frame| {
                let found = plan.candidates(&**host, rank, &frame, index, &mut ignored)?;
                Ok((frame, found))
            });
            let Some((frame, candidates)) = missing.tolerate(candidates)? else {
                continue;
            };
            for candidate in candidates {
                let block = QueryBlock::new(rank, Arc::clone(&frame), index, candidate, None);
                if let Some(open) = block.open_block() {
                    blocks.push((open.keys, open.block.rows));
                    wanted += likely_rows(plan, &block);
                }
            }
        }
    }
    Ok((blocks, wanted))
}

/// Keys, ascending, that cut the wanted rows into at most `most` stretches of about as many rows.
fn cuts<H: Host>(
    host: &Arc<H>,
    plan: &Plan<H>,
    missing: &mut Missing,
    most: u64,
) -> Result<Vec<i64>> {
    let (blocks, wanted) = survey(host, plan, missing)?;
    let total: u64 = blocks.iter().map(|(_, rows)| u64::from(*rows)).sum();
    let mut samples = Vec::new();
    let (mut seen, mut next) = (0, 0);
    for (page, rows) in blocks {
        seen += u64::from(rows);
        if seen * SAMPLED_BLOCKS < next * total {
            continue;
        }
        next = seen * SAMPLED_BLOCKS / total.max(1) + 1;
        if let Some(keys) = missing.tolerate(host.keys(page, 0, rows))? {
            // Of small blocks at least one key.
            let keys = keys.into_iter().step_by(SAMPLED_ROWS);
            samples.extend(keys.filter(|key| (plan.low..=plan.high).contains(key)));
        }
    }
    samples.sort_unstable();
    Ok(quantiles(&samples, (wanted / STRETCH_ROWS).min(most)))
}

/// Values that cut ascending samples into `count` stretches.
fn quantiles(samples: &[i64], count: u64) -> Vec<i64> {
    let mut cuts: Vec<i64> = (1..count)
        .filter_map(|number| {
            let at = samples.len() as u64 * number / count;
            samples.get(at as usize).copied()
        })
        .collect();
    cuts.dedup();
    cuts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_cover_every_key_once() {
        for (low, high, cuts) in [
            (i64::MIN, i64::MAX, vec![i64::MIN, -5, 0, i64::MAX]),
            (0, 10, vec![-3, 0, 4, 10, 11]),
            (0, 0, vec![0]),
            (3, 2, vec![3]),
        ] {
            let found = stretches(low, high, cuts);
            let mut expected = i128::from(low);
            for (from, to) in &found {
                assert!(i128::from(*from) == expected && from <= to, "{found:?}");
                expected = i128::from(*to) + 1;
            }
            assert!(low > high || expected == i128::from(high) + 1, "{found:?}");
        }
    }

    #[test]
    fn cuts_follow_the_samples() {
        let samples: Vec<i64> = (0..1_000).collect();
        assert_eq!(quantiles(&samples, 4), [250, 500, 750]);
        assert_eq!(quantiles(&[7; 100], 4), [7]);
        assert!(quantiles(&[], 4).is_empty() && quantiles(&samples, 0).is_empty());
    }
}
