//! A filter expression bound to a part list: compiled once, with its columns looked up per part.

use crate::error::Result;
use crate::expression::{Expression, Literal, parse};
use crate::filter::{ColumnFacts, Facts, Filter, Verdict};
use crate::host::{ABSENT, Host};
use crate::part::arrival;
use crate::part::block::BlockPlace;
use crate::part::dictionary::Slices;
use crate::part::reader::{Frame, TagFrame};
use crate::part::{ColumnPlace, Part};
use sidx_columns::ColumnType;
use sidx_kernels::{Step, Test};
use std::sync::Arc;

/// Slices beyond which looking at each costs more than the blocks that they could spare.
const SLICES_MAX: usize = 1 << 18;

/// A compiled filter and what its leaves need.
pub(crate) struct Predicate<H: Host> {
    filter: Filter,
    compiled: H::Filter,
}

/// Where a part keeps the columns of the slots; `None` for columns that it lacks.
pub(crate) type Places = Vec<Option<ColumnPlace>>;

/// Metadata of the slots' columns in one frame.
pub(crate) struct SlotFrames<'f> {
    frames: Vec<Option<(&'f TagFrame, usize)>>,
}

impl<H: Host> Predicate<H> {
    /// Parses and compiles `text` for the types that the parts know.
    pub(crate) fn parse(host: &H, text: &str, parts: &[Arc<Part<H>>]) -> Result<Self> {
        Self::bind(host, &parse(text)?, parts)
    }

    /// Compiles a filter for the types that the parts know.
    pub(crate) fn bind(host: &H, filter: &Expression, parts: &[Arc<Part<H>>]) -> Result<Self> {
        check_patterns(host, filter.patterns())?;
        let mut kinds = |name: &str| -> Vec<ColumnType> {
            let columns = parts.iter().flat_map(|part| part.columns());
            let mut kinds: Vec<ColumnType> = columns
                .filter(|entry| entry.column.name == name && arrival::is_tag(name))
                .map(|entry| entry.column.kind)
                .collect();
            kinds.sort_unstable();
            kinds.dedup();
            kinds
        };
        let filter = Filter::plan(filter, &mut kinds);
        let compiled = host
            .compile_filter(filter.steps())
            .map_err(|error| error.at("filter"))?;
        Ok(Self { filter, compiled })
    }

    pub(crate) fn compiled(&self) -> &H::Filter {
        &self.compiled
    }

    pub(crate) fn slots(&self) -> u32 {
        self.filter.slots().len() as u32
    }

    pub(crate) fn places(&self, part: &Part<H>) -> Places {
        let slots = self.filter.slots().iter();
        slots
            .map(|slot| part.place_of(&slot.name, slot.kind))
            .collect()
    }

    /// What the manifest says of all rows of a part.
    pub(crate) fn judge_part(&self, part: &Part<H>) -> Verdict {
        self.filter.judge(&PartFacts {
            part,
            filter: &self.filter,
            excluded: &[],
        })
    }

    /// The slices of a part outside of which no row passes, as the postings of its shared dictionaries have
    /// it; none when they leave the question open. Costs one call per list of values that is looked for.
    pub(crate) fn slices(
        &self,
        host: &H,
        part: &Part<H>,
        places: &Places,
    ) -> Result<Option<Slices>> {
        let mut found: Vec<Option<Vec<u32>>> = Vec::new();
        for probe in self.filter.probes() {
            let place = places.get(probe.slot).copied().flatten();
            let shared = match place.filter(|_| !probe.values.is_empty()) {
                Some(place) => part.shared(place)?,
                None => None,
            };
            found.push(match shared.filter(|shared| !shared.postings.is_empty()) {
                Some(shared) => {
                    let values: Vec<&[u8]> = probe.values.iter().map(Vec::as_slice).collect();
                    Some(host.find_slices(shared.dictionary, shared.postings, &values)?)
                }
                None => None,
            });
        }
        let verdict = |excluded: &[bool]| {
            self.filter.judge(&PartFacts {
                part,
                filter: &self.filter,
                excluded,
            })
        };
        let nowhere: Vec<bool> = found.iter().map(Option::is_some).collect();
        let listed: usize = found.iter().flatten().map(Vec::len).sum();
        if listed > SLICES_MAX || !matches!(verdict(&nowhere), Verdict::Nothing) {
            return Ok(None);
        }
        let mut slices: Vec<u32> = found.iter().flatten().flatten().copied().collect();
        slices.sort_unstable();
        slices.dedup();
        if found.len() > 1 {
            slices.retain(|slice| {
                let without = |list: &Option<Vec<u32>>| {
                    let list = list.as_ref();
                    list.is_some_and(|list| list.binary_search(slice).is_err())
                };
                let excluded: Vec<bool> = found.iter().map(without).collect();
                !matches!(verdict(&excluded), Verdict::Nothing)
            });
        }
        Ok(Some(Slices::new(slices)))
    }

    /// Reads the metadata of the slots' columns in a frame.
    pub(crate) fn slot_frames<'f>(
        &self,
        part: &Part<H>,
        places: &Places,
        frame: &'f Frame,
    ) -> Result<SlotFrames<'f>> {
        let read = |place: &Option<ColumnPlace>| match place {
            Some(place) => Ok(Some((part.tag_frame(frame, place.tag)?, place.column))),
            None => Ok(None),
        };
        Ok(SlotFrames {
            frames: places.iter().map(read).collect::<Result<_>>()?,
        })
    }

    /// What limits and membership filters say of the rows of blocks of a frame. Filters are probed only
    /// for blocks that limits leave open, all of them in one call per leaf.
    pub(crate) fn judge_blocks(
        &self,
        host: &H,
        slots: &SlotFrames<'_>,
        frame: &Frame,
        blocks: &[BlockPlace],
    ) -> Result<Vec<Judged>> {
        let facts = |block: BlockPlace, excluded: &[bool]| {
            let rows = frame
                .block(block)
                .map_or(0, |open| u64::from(open.block.rows));
            self.filter.judge(&BlockFacts {
                slots,
                block,
                rows,
                excluded,
            })
        };
        let mut judged: Vec<Judged> = blocks
            .iter()
            .map(|block| Judged {
                verdict: facts(*block, &[]),
                by_filter: false,
            })
            .collect();
        let probes = self.filter.probes();
        let open: Vec<usize> = judged
            .iter()
            .enumerate()
            .filter_map(|(at, found)| matches!(found.verdict, Verdict::Some).then_some(at))
            .collect();
        if probes.is_empty() || open.is_empty() {
            return Ok(judged);
        }
        let mut excluded = vec![vec![false; probes.len()]; open.len()];
        for (number, probe) in probes.iter().enumerate() {
            let page = |at: &usize| {
                let block = blocks.get(*at);
                let page = block.and_then(|block| slots.page(probe.slot, *block));
                page.map_or(ABSENT, |page| page.filter)
            };
            let pages: Vec<u32> = open.iter().map(page).collect();
            if pages.iter().all(|page| *page == ABSENT) {
                continue;
            }
            let found = host.probe(&pages, &probe.hashes)?;
            for (row, may) in excluded.iter_mut().zip(found) {
                if let Some(cell) = row.get_mut(number) {
                    *cell = may == 0;
                }
            }
        }
        for (at, excluded) in open.into_iter().zip(excluded) {
            if let (Some(found), Some(block)) = (judged.get_mut(at), blocks.get(at)) {
                found.verdict = facts(*block, &excluded);
                found.by_filter = matches!(found.verdict, Verdict::Nothing);
            }
        }
        Ok(judged)
    }
}

/// Compiles every pattern by itself: planning leaves out tests that no column fits, and a bad pattern
/// must be refused all the same.
pub(crate) fn check_patterns<'a, H: Host>(
    host: &H,
    patterns: impl IntoIterator<Item = &'a Literal>,
) -> Result<()> {
    for pattern in patterns {
        let Literal::String(pattern) = pattern else {
            continue;
        };
        let test = Test::Regex(pattern.clone());
        let step = Step::Leaf {
            slot: 0,
            elements: false,
            test,
        };
        host.compile_filter(vec![step])
            .map_err(|error| error.at(format_args!("filter, pattern {pattern:?}")))?;
    }
    Ok(())
}

/// What is known of a block.
pub(crate) struct Judged {
    pub(crate) verdict: Verdict,
    /// A membership filter decided, not limits.
    pub(crate) by_filter: bool,
}

impl SlotFrames<'_> {
    fn page(&self, slot: usize, block: BlockPlace) -> Option<&crate::part::reader::OpenTagPage> {
        let (frame, column) = self.frames.get(slot).copied().flatten()?;
        frame.page(block, column)
    }

    /// Appends the page handle of every slot for a block.
    pub(crate) fn append_pages(&self, block: BlockPlace, out: &mut Vec<u32>) {
        for slot in 0..self.frames.len() {
            out.push(self.page(slot, block).map_or(ABSENT, |page| page.handle));
        }
    }
}

struct PartFacts<'a, H: Host> {
    part: &'a Part<H>,
    filter: &'a Filter,
    excluded: &'a [bool],
}

impl<H: Host> Facts for PartFacts<'_, H> {
    fn rows(&self) -> u64 {
        self.part.summary().rows
    }

    fn column(&self, slot: usize) -> Option<ColumnFacts<'_>> {
        let slot = self.filter.slots().get(slot)?;
        let column = self.part.column(&slot.name, slot.kind)?;
        Some(ColumnFacts {
            present: column.present,
            limits: &column.limits,
        })
    }

    fn excluded(&self, probe: usize) -> bool {
        self.excluded.get(probe).copied().unwrap_or(false)
    }
}

struct BlockFacts<'a> {
    slots: &'a SlotFrames<'a>,
    block: BlockPlace,
    rows: u64,
    excluded: &'a [bool],
}

impl Facts for BlockFacts<'_> {
    fn rows(&self) -> u64 {
        self.rows
    }

    fn column(&self, slot: usize) -> Option<ColumnFacts<'_>> {
        let page = self.slots.page(slot, self.block)?;
        Some(ColumnFacts {
            present: u64::from(page.page.present),
            limits: &page.page.limits,
        })
    }

    fn excluded(&self, probe: usize) -> bool {
        self.excluded.get(probe).copied().unwrap_or(false)
    }
}
