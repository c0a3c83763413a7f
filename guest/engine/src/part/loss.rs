//! What was lost: parts that were set aside because they were damaged, and which rows they may have held.

use super::Part;
use super::frame::FrameEntry;
use super::name::label_of;
use super::reader::OpenBlock;
use crate::types::Region;
use crate::{error::Result, host::Host};
use serde::{Deserialize, Serialize};

/// Something that was set aside, as the snapshot remembers it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Quarantined {
    /// Name of the part, or `log`.
    pub(crate) part: String,
    pub(crate) reason: String,
    /// Where rows are missing; nowhere when all of them could be saved.
    #[serde(default = "everywhere")]
    pub(crate) lost: Vec<Region>,
}

impl Quarantined {
    /// As reports have it.
    pub(crate) fn labelled(&self) -> Self {
        Self {
            part: label_of(&self.part),
            ..self.clone()
        }
    }
}

/// Most regions that are told of one part: a snapshot holds those of all parts that were set aside.
const REGIONS_MAX: usize = 1_024;

/// The same regions, neighbours among them taken together when they are very many.
pub(crate) fn gathered(regions: Vec<Region>) -> Vec<Region> {
    let together = regions.len().div_ceil(REGIONS_MAX).max(1);
    if together == 1 {
        return regions;
    }
    let union = |regions: &[Region]| regions.iter().cloned().reduce(Region::with);
    regions.chunks(together).filter_map(union).collect()
}

fn everywhere() -> Vec<Region> {
    vec![Region::everywhere(None)]
}

impl Region {
    /// All rows of a part, as far as its metadata can be read.
    pub(crate) fn of_part<H: Host>(part: &Part<H>) -> Self {
        let summary = part.summary();
        let ends = || -> Result<(u64, u64)> {
            let frames = part.read_frames()?;
            let first = frames.iter().map(|frame| frame.first_series).min();
            let last = frames.iter().map(|frame| frame.last_series).max();
            Ok((first.unwrap_or(0), last.unwrap_or(u64::MAX)))
        };
        let (first_series, last_series) = ends().unwrap_or((0, u64::MAX));
        Self {
            first_series,
            last_series,
            min_key: summary.min_key,
            max_key: summary.max_key,
            rows: Some(summary.rows),
        }
    }

    /// All rows of a frame.
    pub(crate) fn of_frame(frame: &FrameEntry) -> Self {
        Self {
            first_series: frame.first_series,
            last_series: frame.last_series,
            min_key: frame.min_key,
            max_key: frame.max_key,
            rows: Some(frame.rows),
        }
    }

    /// Rows `start..end` of a block.
    pub(crate) fn of_rows(open: &OpenBlock, start: u32, end: u32) -> Self {
        let touched = || {
            let runs = open.block.runs.iter();
            runs.filter(|run| run.start < end && start < run.end)
        };
        let block = &open.block;
        Self {
            first_series: touched()
                .next()
                .map_or(block.first_series(), |run| run.series),
            last_series: touched()
                .next_back()
                .map_or(block.last_series(), |run| run.series),
            min_key: touched()
                .map(|run| run.first_key)
                .min()
                .unwrap_or(block.min_key),
            max_key: touched()
                .map(|run| run.last_key)
                .max()
                .unwrap_or(block.max_key),
            rows: Some(u64::from(end.saturating_sub(start))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_older_snapshot_does_not_tell_may_be_anywhere() {
        let text = r#"{"part":"000000000000000a","reason":"gone"}"#;
        let quarantined: Quarantined = serde_json::from_str(text).unwrap();
        assert_eq!(quarantined.lost, [Region::everywhere(None)]);
    }

    #[test]
    fn very_many_regions_are_told_as_fewer_that_hold_them() {
        let region = |at: u64| Region {
            first_series: at,
            last_series: at,
            min_key: at as i64,
            max_key: at as i64,
            rows: Some(1),
        };
        let few: Vec<Region> = (0..REGIONS_MAX as u64).map(region).collect();
        assert_eq!(gathered(few.clone()), few);
        let many = gathered((0..100_000).map(region).collect());
        assert!(many.len() <= REGIONS_MAX, "{} regions", many.len());
        assert_eq!(
            many.iter().filter_map(|region| region.rows).sum::<u64>(),
            100_000
        );
        assert_eq!((many[0].min_key, many[0].first_series), (0, 0));
        assert_eq!(many.last().unwrap().max_key, 99_999);
    }
}
