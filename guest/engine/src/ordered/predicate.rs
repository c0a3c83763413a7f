//! A filter expression bound to a part list: compiled once, with its columns looked up per part.

use crate::error::Result;
use crate::expression::{Expression, Literal, parse};
use crate::filter::{ColumnFacts, Facts, Filter, Verdict};
use crate::host::{ABSENT, Host};
use crate::part::arrival;
use crate::part::block::BlockPlace;
use crate::part::dead::chunk::DeadBlock;
use crate::part::dead::{Deaths, PartDead};
use crate::part::dictionary::Slices;
use crate::part::reader::{Frame, OpenTagPage, TagFrame};
use crate::part::{ColumnPlace, Part, PartList};
use sidx_columns::ColumnType;
use sidx_kernels::{Step, Test, ValueRange};
use std::sync::Arc;

/// Slices beyond which looking at each costs more than the blocks that they could spare.
const SLICES_MAX: usize = 1 << 18;

/// A compiled filter and what its leaves need.
pub(crate) struct Predicate<H: Host> {
    filter: Filter,
    compiled: H::Filter,
    /// The rows that do not pass because they are dead, where that is tested.
    deaths: Deaths<H>,
}

/// Where a part keeps what the slots are about; `None` where it has nothing of it.
pub(crate) type Places<H> = Vec<Option<SlotPlace<H>>>;

/// Where a part keeps what a slot is about.
#[derive(Clone)]
pub(crate) enum SlotPlace<H: Host> {
    Column(ColumnPlace),
    /// Of the part with a number.
    Dead(u64, PartDead<H>),
}

/// Metadata of what the slots are about in one frame.
pub(crate) struct SlotFrames<'f> {
    frames: Vec<Option<SlotFrame<'f>>>,
}

enum SlotFrame<'f> {
    Column(&'f TagFrame, usize),
    /// For each block.
    Dead(Vec<Option<DeadBlock>>),
}

impl<H: Host> SlotPlace<H> {
    /// The page of a block; [`ABSENT`] where no row of it has a value.
    pub(crate) fn page(&self, part: &Part<H>, frame: &Frame, block: BlockPlace) -> Result<u32> {
        match self {
            Self::Column(place) => part.page_of(frame, block, Some(*place)),
            Self::Dead(number, dead) => {
                dead.check_placed(*number)?;
                match frame.block(block) {
                    Some(open) => {
                        let found = dead.now.block(open.number)?;
                        Ok(found.map_or(ABSENT, |dead| dead.page))
                    }
                    None => Ok(ABSENT),
                }
            }
        }
    }

    fn frame<'f>(&self, part: &Part<H>, frame: &'f Frame) -> Result<SlotFrame<'f>> {
        Ok(match self {
            Self::Column(place) => {
                SlotFrame::Column(part.tag_frame(frame, place.tag)?, place.column)
            }
            Self::Dead(number, dead) => {
                dead.check_placed(*number)?;
                let blocks = frame.blocks.iter();
                let dead = blocks.map(|open| Ok(dead.now.block(open.number)?.copied()));
                SlotFrame::Dead(dead.collect::<Result<_>>()?)
            }
        })
    }
}

impl<H: Host> Predicate<H> {
    /// Parses and compiles `text` for the types that the parts know. Dead rows pass as others do.
    pub(crate) fn parse(host: &H, text: &str, parts: &[Arc<Part<H>>]) -> Result<Self> {
        Self::of(
            host,
            Self::plan(host, &parse(text)?, parts)?,
            Deaths::default(),
        )
    }

    /// Compiles a filter for the types that the parts of a list know, and for those of their rows that are
    /// not dead; none is one that all of these pass.
    pub(crate) fn bind(host: &H, filter: Option<&Expression>, live: &PartList<H>) -> Result<Self> {
        let filter = match filter {
            Some(filter) => Self::plan(host, filter, &live.parts)?,
            None => Filter::everything(),
        };
        let filter = match live.deaths.is_empty() {
            true => filter,
            false => filter.of_live_rows(),
        };
        Self::of(host, filter, live.deaths.clone())
    }

    fn of(host: &H, filter: Filter, deaths: Deaths<H>) -> Result<Self> {
        let compiled = host
            .compile_filter(filter.steps())
            .map_err(|error| error.at("filter"))?;
        Ok(Self {
            filter,
            compiled,
            deaths,
        })
    }

    fn plan(host: &H, filter: &Expression, parts: &[Arc<Part<H>>]) -> Result<Filter> {
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
        Ok(Filter::plan(filter, &mut kinds))
    }

    pub(crate) fn compiled(&self) -> &H::Filter {
        &self.compiled
    }

    pub(crate) fn slots(&self) -> u32 {
        self.filter.slot_count() as u32
    }

    pub(crate) fn places(&self, part: &Part<H>) -> Places<H> {
        let columns = self.filter.slots().iter().map(|slot| {
            let place = part.place_of(&slot.name, slot.kind);
            place.map(SlotPlace::Column)
        });
        let dead = (columns.len()..self.filter.slot_count()).map(|_| {
            let dead = self.deaths.of(part.number());
            dead.map(|dead| SlotPlace::Dead(part.number(), dead.clone()))
        });
        columns.chain(dead).collect()
    }

    /// What the manifest says of all rows of a part.
    pub(crate) fn judge_part(&self, part: &Part<H>) -> Verdict {
        self.filter.judge(&PartFacts {
            part,
            predicate: self,
            excluded: &[],
        })
    }

    /// The slices of a part outside of which no row passes, as the postings of its shared dictionaries have
    /// it; none when they leave the question open. Costs one call per list of values that is looked for.
    pub(crate) fn slices(
        &self,
        host: &H,
        part: &Part<H>,
        places: &Places<H>,
    ) -> Result<Option<Slices>> {
        let mut found: Vec<Option<Vec<u32>>> = Vec::new();
        for probe in self.filter.probes() {
            let place = places.get(probe.slot).and_then(Option::as_ref);
            let shared = match place.filter(|_| !probe.values.is_empty()) {
                Some(SlotPlace::Column(place)) => part.shared(*place)?,
                _ => None,
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
                predicate: self,
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
        places: &Places<H>,
        frame: &'f Frame,
    ) -> Result<SlotFrames<'f>> {
        let read = |place: &Option<SlotPlace<H>>| {
            let place = place.as_ref();
            place.map(|place| place.frame(part, frame)).transpose()
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
                let page = block.and_then(|block| slots.column(probe.slot, *block));
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
    fn column(&self, slot: usize, block: BlockPlace) -> Option<&OpenTagPage> {
        match self.frames.get(slot)?.as_ref()? {
            SlotFrame::Column(frame, column) => frame.page(block, *column),
            SlotFrame::Dead(_) => None,
        }
    }

    fn page(&self, slot: usize, block: BlockPlace) -> Option<u32> {
        match self.frames.get(slot)?.as_ref()? {
            SlotFrame::Column(frame, column) => Some(frame.page(block, *column)?.handle),
            SlotFrame::Dead(blocks) => Some((*blocks.get(block.index())?)?.page),
        }
    }

    fn facts(&self, slot: usize, block: BlockPlace) -> Option<ColumnFacts<'_>> {
        match self.frames.get(slot)?.as_ref()? {
            SlotFrame::Column(frame, column) => {
                let page = frame.page(block, *column)?;
                Some(ColumnFacts {
                    present: u64::from(page.page.present),
                    limits: &page.page.limits,
                })
            }
            SlotFrame::Dead(blocks) => {
                (*blocks.get(block.index())?).map(|dead| dead_facts(dead.rows.into()))
            }
        }
    }

    /// Appends the page handle of every slot for a block.
    pub(crate) fn append_pages(&self, block: BlockPlace, out: &mut Vec<u32>) {
        for slot in 0..self.frames.len() {
            out.push(self.page(slot, block).unwrap_or(ABSENT));
        }
    }
}

/// So many rows are dead, and nothing more is known of them.
fn dead_facts(rows: u64) -> ColumnFacts<'static> {
    ColumnFacts {
        present: rows,
        limits: &ValueRange::None,
    }
}

struct PartFacts<'a, H: Host> {
    part: &'a Part<H>,
    predicate: &'a Predicate<H>,
    excluded: &'a [bool],
}

impl<H: Host> Facts for PartFacts<'_, H> {
    fn rows(&self) -> u64 {
        self.part.summary().rows
    }

    fn column(&self, slot: usize) -> Option<ColumnFacts<'_>> {
        let Predicate { filter, deaths, .. } = self.predicate;
        if filter.is_dead(slot) {
            let dead = deaths.of(self.part.number())?;
            // Where it is not known who is dead nothing may follow from how many: more than there are rows is
            // neither all of them nor none.
            return Some(dead_facts(match dead.unplaced.is_empty() {
                true => dead.now.rows(),
                false => u64::MAX,
            }));
        }
        let slot = filter.slots().get(slot)?;
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
        self.slots.facts(slot, self.block)
    }

    fn excluded(&self, probe: usize) -> bool {
        self.excluded.get(probe).copied().unwrap_or(false)
    }
}
