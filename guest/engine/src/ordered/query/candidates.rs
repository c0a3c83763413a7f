//! Runs that may hold the first rows of a query, with the blocks and frames they lie in: what one `top` call
//! tells the host.

use super::plan::Sieve;
use crate::host::TopRequest;
use crate::part::Run;
use crate::part::block::{BlockNumber, BlockPlace};
use crate::part::list::Rank;
use crate::part::reader::{Frame, OpenBlock};
use std::sync::Arc;

/// Most runs to send in one call; more are for the heap.
pub(super) const RUNS_MAX: usize = 64 << 10;

/// Room for one request after the other.
#[derive(Default)]
pub(crate) struct Candidates {
    /// How many runs to send of a query for the first rows of all series, ascending and descending, as came
    /// of the last one: the next may be alike.
    pub(super) ahead: [usize; 2],
    pub(super) runs: Vec<DueRun>,
    pub(super) blocks: Vec<FoundBlock>,
    pub(super) frames: FoundFrames,
    pub(super) sieve: Sieve,
    pub(super) request: TopRequest,
}

/// A run that may hold wanted rows.
#[derive(Clone, Copy)]
pub(super) struct DueRun {
    /// The first key that it could contribute, and its series; inverted for descending order.
    pub(super) due: (i64, u64),
    /// Position in the blocks.
    pub(super) block: u32,
    pub(super) start: u32,
    pub(super) end: u32,
    pub(super) first_key: i64,
    pub(super) last_key: i64,
}

/// A block of such runs.
#[derive(Clone, Copy)]
pub(super) struct FoundBlock {
    /// By its part, then by its number in the part.
    pub(super) age: (Rank, BlockNumber),
    pub(super) frame: FoundPlace,
    /// Where it is in the frame.
    pub(super) block: BlockPlace,
    pub(super) tested: bool,
}

/// Where a frame is among the found ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FoundPlace(u32);

/// The frames of such blocks.
#[derive(Default)]
pub(super) struct FoundFrames(Vec<FoundFrame>);

impl FoundFrames {
    pub(super) fn get(&self, place: FoundPlace) -> Option<&FoundFrame> {
        self.0.get(place.0 as usize)
    }
}

/// A frame of such blocks; keeps its blocks alive for as long as they are asked for.
pub(super) struct FoundFrame {
    pub(super) frame: Arc<Frame>,
    pub(super) rank: Rank,
}

impl Candidates {
    /// Forgets the last request, and keeps its room.
    pub(super) fn clear(&mut self) {
        self.runs.clear();
        self.blocks.clear();
        self.frames.0.clear();
        self.request.clear();
    }

    pub(super) fn add_frame(&mut self, frame: Arc<Frame>, rank: Rank) -> FoundPlace {
        let place = FoundPlace(self.frames.0.len() as u32);
        self.frames.0.push(FoundFrame { frame, rank });
        place
    }

    /// Adds a block of a frame that was added.
    pub(super) fn add_block(&mut self, frame: FoundPlace, open: &OpenBlock, tested: bool) {
        let rank = self
            .frames
            .get(frame)
            .map_or(Rank::FIRST, |found| found.rank);
        self.blocks.push(FoundBlock {
            age: (rank, open.number),
            frame,
            block: open.place,
            tested,
        });
    }

    /// Adds a run of the block that was added last.
    pub(super) fn add_run(&mut self, due: (i64, u64), run: &Run) {
        self.add_piece(due, run, run.start, run.end);
    }

    /// Adds the rows `start..end` of a run, all of whose keys are wanted: the ends of the run are not theirs.
    pub(super) fn add_piece(&mut self, due: (i64, u64), run: &Run, start: u32, end: u32) {
        self.runs.push(DueRun {
            due,
            block: self.blocks.len().saturating_sub(1) as u32,
            start,
            end,
            first_key: run.first_key,
            last_key: run.last_key,
        });
    }

    /// Brings the blocks into the order of age, each once, as ties between equal keys and series want it.
    pub(super) fn put_blocks_in_order(&mut self) {
        if self.blocks.is_sorted_by(|a, b| a.age < b.age) {
            return;
        }
        let old = std::mem::take(&mut self.blocks);
        self.blocks.extend_from_slice(&old);
        self.blocks.sort_unstable_by_key(|block| block.age);
        self.blocks.dedup_by_key(|block| block.age);
        for run in &mut self.runs {
            if let Some(block) = old.get(run.block as usize) {
                let at = self.blocks.partition_point(|other| other.age < block.age);
                run.block = at as u32;
            }
        }
    }
}
