//! A filter bound to a part list, and what came out about it since. Nothing of this depends on the rest of a
//! query, and all of it on what never changes, so the next queries with the same filter need not find it
//! again.

use super::explain::Explain;
use crate::error::{OrDamage, Result};
use crate::expression::{Expression, parse};
use crate::filter::Verdict;
use crate::host::{ABSENT, Host};
use crate::ordered::predicate::{Judged, Places, Predicate};
use crate::part::block::BlockPlace;
use crate::part::dictionary::Slices;
use crate::part::list::{PerPart, Rank};
use crate::part::reader::Frame;
use crate::part::{Part, PartList};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};

/// A filter, compiled, with what is known of each part of a list.
pub(crate) struct BoundFilter<H: Host> {
    pub(crate) predicate: Predicate<H>,
    parts: PerPart<FilteredPart<H>>,
}

/// What is known of a part.
struct FilteredPart<H: Host> {
    places: Places<H>,
    /// What its manifest says.
    verdict: Verdict,
    /// What postings say, looked up when the part is first read.
    slices: OnceLock<Option<Slices>>,
    /// Its frames, each from when it is first read.
    frames: OnceLock<Vec<OnceLock<JudgedFrame>>>,
}

/// What limits and membership filters say of the blocks of a frame, a byte for each, as far as it was asked.
pub(super) struct JudgedFrame(Vec<AtomicU8>);

impl<H: Host> BoundFilter<H> {
    pub(crate) fn parse(host: &H, live: &PartList<H>, text: &str) -> Result<Arc<Self>> {
        Self::bind(host, live, Some(&parse(text)?))
    }

    /// What rows that are not dead pass; none where no row is dead.
    pub(crate) fn of_live_rows(host: &H, live: &PartList<H>) -> Result<Option<Arc<Self>>> {
        match live.deaths.is_empty() {
            true => Ok(None),
            false => Self::bind(host, live, None).map(Some),
        }
    }

    pub(crate) fn bind(
        host: &H,
        live: &PartList<H>,
        filter: Option<&Expression>,
    ) -> Result<Arc<Self>> {
        let predicate = Predicate::bind(host, filter, live)?;
        let parts = live.parts.iter().map(|part| FilteredPart {
            places: predicate.places(part),
            verdict: predicate.judge_part(part),
            slices: OnceLock::new(),
            frames: OnceLock::new(),
        });
        Ok(Arc::new(Self {
            parts: parts.collect(),
            predicate,
        }))
    }

    /// Whether the manifest of a part proves that no row passes.
    pub(super) fn excludes_part(&self, rank: Rank) -> bool {
        let known = self.parts.get(rank);
        known.is_some_and(|known| matches!(known.verdict, Verdict::Nothing))
    }

    /// The slices of a part outside of which nothing can pass; none when that is not known. Damaged postings
    /// spare nothing, and cost nothing else: the rows are read from other pages.
    pub(super) fn slices(&self, host: &H, rank: Rank, part: &Part<H>) -> Result<Option<&Slices>> {
        let Some(known) = self.parts.get(rank) else {
            return Ok(None);
        };
        if known.slices.get().is_none() {
            let found = self.predicate.slices(host, part, &known.places);
            let _ = known.slices.set(found.or_damage()?.unwrap_or(None));
        }
        Ok(known.slices.get().and_then(Option::as_ref))
    }

    /// What is known of a frame after these of its blocks were judged; none where nothing can be known.
    pub(super) fn judged(
        &self,
        host: &H,
        rank: Rank,
        part: &Part<H>,
        frame: &Frame,
        blocks: impl Iterator<Item = BlockPlace>,
    ) -> Result<Option<&JudgedFrame>> {
        let Some(known) = self.parts.get(rank) else {
            return Ok(None);
        };
        let frames = match known.frames.get() {
            Some(frames) => frames,
            None => {
                let count = part.frames()?.len();
                let empty = || (0..count).map(|_| OnceLock::new()).collect();
                known.frames.get_or_init(empty)
            }
        };
        let Some(judged) = frames.get(frame.number.index()) else {
            return Ok(None);
        };
        let judged = judged.get_or_init(|| JudgedFrame::new(frame.blocks.len()));
        let new: Vec<BlockPlace> = blocks
            .filter(|block| judged.get(*block).is_none())
            .collect();
        if !new.is_empty() {
            let slots = self.predicate.slot_frames(part, &known.places, frame)?;
            let found = self.predicate.judge_blocks(host, &slots, frame, &new)?;
            for (block, found) in new.into_iter().zip(found) {
                judged.set(block, found);
            }
        }
        Ok(Some(judged))
    }

    /// Appends the pages of the slots for a block.
    pub(super) fn append_slot_pages(
        &self,
        rank: Rank,
        part: &Part<H>,
        frame: &Frame,
        block: BlockPlace,
        out: &mut Vec<u32>,
    ) -> Result<()> {
        if let Some(known) = self.parts.get(rank) {
            for place in &known.places {
                out.push(match place {
                    Some(place) => place.page(part, frame, block)?,
                    None => ABSENT,
                });
            }
        }
        Ok(())
    }
}

impl JudgedFrame {
    const UNKNOWN: u8 = 0;
    const NOTHING_BY_LIMITS: u8 = 1;
    const NOTHING_BY_FILTER: u8 = 2;
    const SOME: u8 = 3;
    const EVERYTHING: u8 = 4;

    fn new(blocks: usize) -> Self {
        Self((0..blocks).map(|_| AtomicU8::new(Self::UNKNOWN)).collect())
    }

    fn set(&self, block: BlockPlace, judged: Judged) {
        let code = match judged.verdict {
            Verdict::Nothing if judged.by_filter => Self::NOTHING_BY_FILTER,
            Verdict::Nothing => Self::NOTHING_BY_LIMITS,
            Verdict::Some => Self::SOME,
            Verdict::Everything => Self::EVERYTHING,
        };
        if let Some(known) = self.0.get(block.index()) {
            known.store(code, Ordering::Relaxed);
        }
    }

    fn get(&self, block: BlockPlace) -> Option<u8> {
        let known = self.0.get(block.index())?.load(Ordering::Relaxed);
        (known != Self::UNKNOWN).then_some(known)
    }

    /// Whether rows of a block may pass, and then whether all do; counts why not.
    pub(super) fn passes(&self, block: BlockPlace, explain: &mut Explain) -> Option<Passing> {
        match self.get(block) {
            Some(Self::NOTHING_BY_FILTER) => explain.blocks.dropped_by_filter += 1,
            Some(Self::NOTHING_BY_LIMITS) => explain.blocks.dropped_by_tag_range += 1,
            Some(Self::EVERYTHING) => return Some(Passing::All),
            _ => return Some(Passing::Some),
        }
        None
    }
}

/// Which rows of a block pass a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Passing {
    /// Those that are yet to be looked for.
    Some,
    /// Limits prove that all do.
    All,
}
