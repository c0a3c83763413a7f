//! In which order the frames of a part and the runs of a frame come due: sorted once per instance, so
//! that a query for the first rows looks at those alone.

use super::block::{Block, BlockPlace};
use super::frame::{FrameEntry, FrameNumber};
use std::sync::OnceLock;

/// Where a run is in its frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RunPlace {
    pub(crate) block: BlockPlace,
    pub(crate) run: u32,
}

/// The runs of a frame by first key and series, and the other way round by last key and series.
#[derive(Default)]
pub(crate) struct RunOrder([OnceLock<Vec<RunPlace>>; 2]);

impl RunOrder {
    /// Of the blocks of the frame, in their order.
    pub(crate) fn get<'b>(
        &self,
        blocks: impl IntoIterator<Item = &'b Block>,
        descending: bool,
    ) -> &[RunPlace] {
        let [ascending, reverse] = &self.0;
        let order = if descending { reverse } else { ascending };
        order.get_or_init(|| {
            let mut placed: Vec<((i64, u64), RunPlace)> = Vec::new();
            for (place, block) in (0u32..).zip(blocks) {
                for (run_place, run) in (0u32..).zip(&block.runs) {
                    let due = match descending {
                        true => (!run.last_key, !run.series),
                        false => (run.first_key, run.series),
                    };
                    let place = RunPlace {
                        block: BlockPlace(place),
                        run: run_place,
                    };
                    placed.push((due, place));
                }
            }
            placed.sort_by_key(|(due, _)| *due);
            placed.into_iter().map(|(_, place)| place).collect()
        })
    }
}

/// The frames of a part by least key and first series, and the other way round by greatest key and last
/// series.
#[derive(Default)]
pub(crate) struct FrameOrder([OnceLock<Vec<FrameNumber>>; 2]);

impl FrameOrder {
    pub(crate) fn get(&self, frames: &[FrameEntry], descending: bool) -> &[FrameNumber] {
        let [ascending, reverse] = &self.0;
        let order = if descending { reverse } else { ascending };
        order.get_or_init(|| {
            let due = |frame: &FrameEntry| match descending {
                true => (!frame.max_key, !frame.last_series, frame.number),
                false => (frame.min_key, frame.first_series, frame.number),
            };
            let mut placed: Vec<(i64, u64, FrameNumber)> = frames.iter().map(due).collect();
            placed.sort_unstable();
            placed.into_iter().map(|(.., number)| number).collect()
        })
    }
}
