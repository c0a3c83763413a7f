//! An opened part: its summary, its frames, and on demand the metadata of blocks and tags.

mod facets;
mod sections;
mod tags;

use super::block::{Block, BlockNumber, BlockPlace, Ordinal};
use super::column::{ColumnPlace, PartColumn};
use super::extent::ExtentText;
use super::frame::{FrameEntry, FrameNumber, read_frames};
use super::layout::{DATA, FileKind, KEYS, META, PRIMARY, part_label};
use super::manifest::Manifest;
use super::name::PartName;
use super::order::{FrameOrder, RunOrder, RunPlace};
use super::summary::Summary;
use super::tag::TagPage;
use crate::error::{Error, Result};
use crate::host::{ABSENT, Extent, Host, Medium};
use crate::wire::Reader;
use sidx_columns::ColumnType;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

pub use facets::FacetState;
pub(in crate::part) use facets::PartFacet;
pub(crate) use tags::Shared;
use tags::TagFiles;

/// A part as one instance sees it. Cheap to hold; file and page handles are given back on drop.
pub(crate) struct Part<H: Host> {
    host: Arc<H>,
    name: PartName,
    medium: Medium,
    /// The folder or file that it is.
    path: String,
    summary: Summary,
    /// Where its sections lie, and what is in them. None of a part in memory, whose pages are known from
    /// the start.
    manifest: Option<Manifest>,
    /// Per tag name: its place among the tags, and its types.
    tag_names: BTreeMap<String, (usize, Vec<ColumnType>)>,
    opened: OnceLock<Opened>,
    /// What it has of each facet, by its name.
    facets: BTreeMap<String, PartFacet>,
    /// Whether membership filters are looked at; without them nothing is dropped too early.
    uses_filters: bool,
}

/// What is read from storage when a part is first used.
pub(super) struct Opened {
    pub(super) rows: OnceLock<RowFiles>,
    pub(super) frames: Vec<FrameEntry>,
    pub(super) blocks: Vec<OnceLock<Arc<Frame>>>,
    pub(super) tags: Vec<OnceLock<TagFiles>>,
    pub(super) order: FrameOrder,
}

/// The sections that hold rows. Those of a part in memory are its file.
pub(super) struct RowFiles {
    pub(super) primary: u32,
    pub(super) keys: u32,
    pub(super) data: u32,
}

/// The blocks of one frame with their page handles.
pub(crate) struct Frame {
    pub(crate) number: FrameNumber,
    pub(crate) blocks: Vec<OpenBlock>,
    /// Per tag of the part: pages of each block's columns.
    pub(super) tags: Vec<OnceLock<TagFrame>>,
    pub(super) order: RunOrder,
}

/// A block and the handles of its pages.
pub(crate) struct OpenBlock {
    pub(crate) number: BlockNumber,
    pub(crate) place: BlockPlace,
    pub(crate) block: Block,
    pub(crate) keys: u32,
    /// Handle of the first payload page; the others follow.
    pub(crate) payloads: u32,
}

/// One tag's metadata of one frame: `columns` entries per block.
pub(crate) struct TagFrame {
    pub(super) columns: usize,
    pub(super) pages: Vec<Option<OpenTagPage>>,
}

/// A tag page and its handles.
pub(crate) struct OpenTagPage {
    pub(crate) page: TagPage,
    pub(crate) handle: u32,
    /// [`ABSENT`] when the page has no filter.
    pub(crate) filter: u32,
}

impl Frame {
    pub(crate) fn block(&self, place: BlockPlace) -> Option<&OpenBlock> {
        self.blocks.get(place.index())
    }

    /// The numbers of its blocks.
    pub(crate) fn block_numbers(&self) -> Range<BlockNumber> {
        let first = self
            .blocks
            .first()
            .map_or(BlockNumber::FIRST, |open| open.number);
        first..first.plus(self.blocks.len() as u32)
    }

    /// The block with a number, if it is in this frame.
    pub(crate) fn numbered(&self, number: BlockNumber) -> Option<&OpenBlock> {
        let place = number.0.checked_sub(self.block_numbers().start.0)?;
        self.block(BlockPlace(place))
    }

    /// In which order the runs come due.
    pub(crate) fn run_order(&self, descending: bool) -> &[RunPlace] {
        let blocks = self.blocks.iter().map(|open| &open.block);
        self.order.get(blocks, descending)
    }
}

impl TagFrame {
    /// The page of a column of the tag in a block of the frame.
    pub(crate) fn page(&self, block: BlockPlace, column: usize) -> Option<&OpenTagPage> {
        self.pages
            .get(block.index() * self.columns + column)?
            .as_ref()
    }
}

impl OpenBlock {
    /// The payload page that holds a row, and the row's number in it.
    pub(crate) fn payload_of(&self, row: u32, near: &mut usize) -> (u32, u32) {
        let inside = |index: usize| {
            self.block
                .payloads
                .get(index)
                .filter(|piece| piece.start <= row && row < piece.end)
        };
        if inside(*near).is_none() {
            *near = self
                .block
                .payloads
                .partition_point(|piece| piece.end <= row);
        }
        match inside(*near) {
            Some(piece) => (self.payloads + *near as u32, row - piece.start),
            None => (ABSENT, 0),
        }
    }
}

impl<H: Host> Part<H> {
    /// Opens a part: reads the manifest, nothing else.
    pub(crate) fn open(host: &Arc<H>, name: PartName, medium: Medium) -> Result<Self> {
        if medium == Medium::Memory {
            return Self::open_in_memory(host, name);
        }
        Self::from_manifest(host, name, Manifest::read(&**host, name)?)
    }

    /// The part of the store that a manifest is about.
    pub(crate) fn from_manifest(host: &Arc<H>, name: PartName, manifest: Manifest) -> Result<Self> {
        let summary = manifest.summary()?;
        let facet = |(name, roots): (&String, &Vec<ExtentText>)| {
            let roots = roots.iter().map(|extent| (*extent).into());
            (name.clone(), PartFacet::new(roots.collect()))
        };
        let facets = manifest.facets.iter().map(facet).collect();
        let mut part = Self::new(host, (name, Medium::Durable), summary, facets);
        part.manifest = Some(manifest);
        Ok(part)
    }

    /// A part of which the summary, and what it has of its facets, are known.
    pub(super) fn new(
        host: &Arc<H>,
        (name, medium): (PartName, Medium),
        summary: Summary,
        facets: BTreeMap<String, PartFacet>,
    ) -> Self {
        let mut tag_names = BTreeMap::new();
        for (index, columns) in summary.tags().enumerate() {
            if let Some(PartColumn { column, .. }) = columns.first() {
                let kinds = columns.iter().map(|entry| entry.column.kind).collect();
                tag_names.insert(column.name.clone(), (index, kinds));
            }
        }
        Self {
            host: Arc::clone(host),
            name,
            medium,
            path: name.path(medium),
            summary,
            manifest: None,
            tag_names,
            opened: OnceLock::new(),
            facets,
            uses_filters: true,
        }
    }

    /// Of a part in memory all is known from the start.
    pub(super) fn know_content(&self, opened: Opened) {
        let _ = self.opened.set(opened);
    }

    /// The part as it can be read when its filters are damaged.
    pub(crate) fn without_filters(mut self) -> Self {
        self.uses_filters = false;
        self
    }

    /// The part of the store as its manifest in memory tells of it, without the filters, which may be
    /// damaged, and without anything that was read of it before.
    pub(crate) fn as_told(&self) -> Result<Self> {
        let manifest = self.manifest()?.clone();
        Ok(Self::from_manifest(&self.host, self.name, manifest)?.without_filters())
    }

    pub(crate) fn number(&self) -> u64 {
        self.name.number
    }

    pub(crate) fn medium(&self) -> Medium {
        self.medium
    }

    pub(crate) fn name(&self) -> PartName {
        self.name
    }

    /// What reports call it.
    pub(crate) fn label(&self) -> String {
        part_label(self.name.number)
    }

    /// What is known of it, however it is stored.
    pub(crate) fn summary(&self) -> &Summary {
        &self.summary
    }

    /// Where what it has in the store lies.
    pub(crate) fn manifest(&self) -> Result<&Manifest> {
        self.manifest
            .as_ref()
            .ok_or_else(|| Error::invalid(format!("{} is not in the store", self.path)))
    }

    /// All tag columns, ascending by name and type.
    pub(crate) fn columns(&self) -> &[PartColumn] {
        &self.summary.columns
    }

    /// The column of a tag in one type.
    pub(crate) fn column(&self, name: &str, kind: ColumnType) -> Option<&PartColumn> {
        self.columns()
            .iter()
            .find(|entry| entry.column.kind == kind && entry.column.name == name)
    }

    /// Where the part keeps a column, if it has it.
    pub(crate) fn place_of(&self, name: &str, kind: ColumnType) -> Option<ColumnPlace> {
        let (tag, kinds) = self.tag_names.get(name)?;
        let column = kinds.iter().position(|found| *found == kind)?;
        Some(ColumnPlace { tag: *tag, column })
    }

    fn opened(&self) -> Result<&Opened> {
        if let Some(opened) = self.opened.get() {
            return Ok(opened);
        }
        let frames = self.read_frames()?;
        let opened = Opened {
            rows: OnceLock::new(),
            blocks: frames.iter().map(|_| OnceLock::new()).collect(),
            tags: self.tag_names.iter().map(|_| OnceLock::new()).collect(),
            order: FrameOrder::default(),
            frames,
        };
        Ok(self.opened.get_or_init(|| opened))
    }

    /// The sections of the rows, opened when the first frame is read: what the frames rule out must not fail
    /// because one of them is gone.
    fn row_files<'o>(&self, opened: &'o Opened) -> Result<&'o RowFiles> {
        if let Some(files) = opened.rows.get() {
            return Ok(files);
        }
        let open = |name, kind, before: &[u32]| {
            self.open_section(name, kind).inspect_err(|_| {
                for file in before {
                    self.host.close_file(*file);
                }
            })
        };
        let primary = open(PRIMARY, FileKind::Primary, &[])?;
        let keys = open(KEYS, FileKind::Keys, &[primary])?;
        let data = open(DATA, FileKind::Data, &[primary, keys])?;
        let files = RowFiles {
            primary,
            keys,
            data,
        };
        Ok(opened.rows.get_or_init(|| files))
    }

    /// Reads what `meta.bin` says, whatever the state of the other files.
    pub(crate) fn read_frames(&self) -> Result<Vec<FrameEntry>> {
        let meta = self.open_section(META, FileKind::Meta)?;
        let frames = self
            .page_bytes(meta, self.manifest()?.meta.into())
            .and_then(|bytes| read_frames(&bytes))
            .map_err(|error| error.at(&self.path));
        self.host.close_file(meta);
        let frames = frames?;
        self.check_frames(&frames)?;
        Ok(frames)
    }

    fn check_frames(&self, frames: &[FrameEntry]) -> Result<()> {
        let (blocks, rows) = frames.last().map_or((0, 0), |last| {
            let blocks = last.block_numbers().end.get();
            (blocks, last.first_row.plus(last.rows).get())
        });
        if blocks == self.summary.blocks && rows == self.summary.rows {
            return Ok(());
        }
        Err(Error::corrupt(format!(
            "{}/{META}: {blocks} blocks and {rows} rows, the manifest says {} and {}",
            self.path, self.summary.blocks, self.summary.rows
        )))
    }

    /// The frames of the part, in order.
    pub(crate) fn frames(&self) -> Result<&[FrameEntry]> {
        Ok(&self.opened()?.frames)
    }

    /// The frames in the order in which they come due.
    pub(crate) fn frame_order(&self, descending: bool) -> Result<&[FrameNumber]> {
        let opened = self.opened()?;
        Ok(opened.order.get(&opened.frames, descending))
    }

    /// What is known of a frame without reading it; none behind the last.
    pub(crate) fn frame_entry(&self, number: FrameNumber) -> Result<Option<&FrameEntry>> {
        Ok(self.frames()?.get(number.index()))
    }

    /// A frame with its blocks; read once per instance.
    pub(crate) fn frame(&self, number: FrameNumber) -> Result<Arc<Frame>> {
        let (opened, index) = (self.opened()?, number.index());
        let (entry, slot) = match (opened.frames.get(index), opened.blocks.get(index)) {
            (Some(entry), Some(slot)) => (entry, slot),
            _ => {
                let path = &self.path;
                return Err(Error::corrupt(format!("{path}: no frame {number}")));
            }
        };
        if let Some(frame) = slot.get() {
            return Ok(Arc::clone(frame));
        }
        let frame = self
            .read_frame(opened, entry)
            .map_err(|error| error.at(format_args!("{}/{PRIMARY}, frame {number}", self.path)))?;
        Ok(Arc::clone(slot.get_or_init(|| Arc::new(frame))))
    }

    fn read_frame(&self, opened: &Opened, entry: &FrameEntry) -> Result<Frame> {
        let files = self.row_files(opened)?;
        let bytes = self.page_bytes(files.primary, entry.extent)?;
        let mut reader = Reader::new(&bytes, "block record");
        let mut records: Vec<Block> = Vec::new();
        let mut first_row = entry.first_row;
        for _ in 0..entry.blocks {
            let block = Block::read(&mut reader, first_row)?;
            if records
                .last()
                .is_some_and(|last| last.last_series() > block.first_series())
            {
                return Err(reader.fault("blocks out of order"));
            }
            first_row = first_row.plus(u64::from(block.rows));
            records.push(block);
        }
        reader.finish()?;
        if first_row != entry.first_row.plus(entry.rows) {
            return Err(reader.fault("the blocks hold another number of rows than meta.bin says"));
        }
        let key_extents: Vec<Extent> = records.iter().map(|block| block.keys).collect();
        let pieces = records.iter().flat_map(|block| &block.payloads);
        let payload_extents: Vec<Extent> = pieces.map(|piece| piece.extent).collect();
        let keys = self.host.register_pages(files.keys, &key_extents)?;
        let mut payloads = self.host.register_pages(files.data, &payload_extents)?;
        let mut blocks = Vec::with_capacity(records.len());
        for (index, block) in (0u32..).zip(records) {
            let count = block.payloads.len() as u32;
            blocks.push(OpenBlock {
                number: entry.first_block.plus(index),
                place: BlockPlace(index),
                block,
                keys: keys + index,
                payloads,
            });
            payloads += count;
        }
        let tags = self.tag_names.iter().map(|_| OnceLock::new()).collect();
        let order = RunOrder::default();
        Ok(Frame {
            number: entry.number,
            blocks,
            tags,
            order,
        })
    }

    /// The frame of a row, its block in it, and the row in that.
    pub(crate) fn row(&self, row: Ordinal) -> Result<(Arc<Frame>, BlockPlace, u32)> {
        let frames = self.frames()?;
        let after = frames.partition_point(|entry| entry.first_row <= row);
        let entry = after.checked_sub(1).and_then(|at| frames.get(at));
        let none = || Error::corrupt(format!("{}: no row {}", self.path, row.get()));
        let frame = self.frame(entry.ok_or_else(none)?.number)?;
        let after = frame
            .blocks
            .partition_point(|open| open.block.first_row <= row);
        let open = after.checked_sub(1).and_then(|at| frame.blocks.get(at));
        let open = open.ok_or_else(none)?;
        let within = u32::try_from(row.get() - open.block.first_row.get()).ok();
        let within = within.filter(|row| *row < open.block.rows);
        let place = open.place;
        Ok((frame, place, within.ok_or_else(none)?))
    }

    fn page_bytes(&self, file: u32, extent: Extent) -> Result<Vec<u8>> {
        let page = self.host.register_pages(file, &[extent])?;
        self.host.load_page(page)
    }
}

impl<H: Host> Drop for Part<H> {
    fn drop(&mut self) {
        let Some(opened) = self.opened.get() else {
            return;
        };
        if let Some(rows) = opened.rows.get() {
            if self.medium == Medium::Memory {
                return self.host.close_file(rows.data);
            }
            for file in [rows.primary, rows.keys, rows.data] {
                self.host.close_file(file);
            }
        }
        for files in opened.tags.iter().filter_map(OnceLock::get) {
            let filters = files.filters.get().copied();
            for file in [files.data, files.meta].into_iter().chain(filters) {
                self.host.close_file(file);
            }
        }
    }
}
