//! Writes a part: blocks in order, then the indexes over them, then the manifest.

use super::block::{Block, BlockNumber, Ordinal, PayloadPiece};
use super::column::{Longest, TagColumn};
use super::dictionary::{DictionaryEntry, first_slice};
use super::draft::Draft;
use super::extent::{ExtentText, append_page};
use super::facet::{FacetPlace, FacetWriters, FacetWritten, NewRows};
use super::frame::{FrameEntry, FrameNumber, write_directory, write_frames};
use super::layout::{
    DATA, FRAME_BYTES, FileKind, KEYS, META, PAYLOAD_PAGE_BYTES, PRIMARY, tag_file_numbers,
    tag_file_stem,
};
use super::limits::{LimitsText, union};
use super::manifest::{ColumnEntry, Manifest, TagEntry};
use super::name::PartName;
use super::summary::Summary;
use super::tag::{TagPage, put_page};
use crate::error::{Error, Result};
use crate::host::{Extent, Host, PageSource, Piece};
use sidx_columns::ColumnType;
use sidx_kernels::ValueRange;
use std::collections::BTreeMap;

/// Where the values of a block come from: rows of older parts.
pub(crate) struct Values {
    pub(crate) payloads: PageSource,
    /// One source per tag column.
    pub(crate) tags: Vec<PageSource>,
}

/// A part under construction. Dropping it leaves files that no snapshot names.
pub(crate) struct PartWriter<'h, H: Host> {
    host: &'h H,
    name: PartName,
    draft: Draft<'h, H>,
    keys: H::NewFile,
    data: H::NewFile,
    primary: H::NewFile,
    tags: Vec<TagWriter<H>>,
    facets: FacetWriters<'h, H>,
    /// Records of the blocks of the current frame, and what `meta.bin` will say of it.
    frame: Vec<u8>,
    open_frame: Option<FrameEntry>,
    frames: Vec<FrameEntry>,
    blocks: u32,
    rows: u64,
    series: u64,
    last_series: Option<u64>,
    raw_bytes: u64,
}

impl<'h, H: Host> PartWriter<'h, H> {
    /// Starts a part. `columns` are distinct and ascending.
    pub(crate) fn new(
        host: &'h H,
        name: PartName,
        columns: &[TagColumn],
        facets: FacetWriters<'h, H>,
    ) -> Result<Self> {
        let draft = Draft::new(host, name)?;
        let mut tags: Vec<TagWriter<H>> = Vec::new();
        for column in columns {
            match tags.last_mut() {
                Some(tag) if tag.name == column.name => tag.add(column.kind),
                _ => tags.push(TagWriter::new(column)),
            }
        }
        let numbers = tag_file_numbers(tags.iter().map(|tag| tag.name.as_str()));
        for (tag, number) in tags.iter_mut().zip(numbers) {
            tag.number = number;
        }
        Ok(Self {
            keys: draft.section(KEYS, FileKind::Keys)?,
            data: draft.section(DATA, FileKind::Data)?,
            primary: draft.section(PRIMARY, FileKind::Primary)?,
            host,
            name,
            draft,
            tags,
            facets,
            frame: Vec::new(),
            open_frame: None,
            frames: Vec::new(),
            blocks: 0,
            rows: 0,
            series: 0,
            last_series: None,
            raw_bytes: 0,
        })
    }

    /// Lets the pages of a column (its place among those given to `new`) share a dictionary, if that pays.
    /// `pages` hold the values of all rows to come. Before the first block.
    pub(crate) fn share(&mut self, column: usize, pages: &[u32]) -> Result<()> {
        let columns = self.tags.iter_mut().flat_map(|tag| &mut tag.columns);
        if let Some(state) = columns.into_iter().nth(column) {
            state.dictionary = self.host.new_dictionary(state.kind, pages)?;
        }
        Ok(())
    }

    /// Appends a block of rows that follow all earlier ones in (series, key, element id). `source` says of
    /// each which row of which origin it is.
    pub(crate) fn block(
        &mut self,
        series: &[u64],
        keys: &[i64],
        values: &Values,
        source: &dyn Fn(usize) -> Option<(usize, Ordinal)>,
    ) -> Result<()> {
        let runs = Block::runs_of(series, keys);
        let (min_key, max_key) = Block::key_range(&runs);
        let key_piece = self.host.encode_ints(&self.keys, keys)?;
        let payloads = self.host.encode_pages(
            &self.data,
            None,
            values.payloads.source(),
            PAYLOAD_PAGE_BYTES,
        )?;
        self.raw_bytes += u64::from(key_piece.extent.raw_bytes);
        self.raw_bytes += payloads
            .iter()
            .map(|piece| u64::from(piece.extent.raw_bytes))
            .sum::<u64>();
        let block = Block {
            first_row: Ordinal(self.rows),
            rows: keys.len() as u32,
            runs,
            min_key,
            max_key,
            keys: key_piece.extent,
            payloads: payload_pieces(&payloads),
        };
        self.tag_pages(values)?;
        let rows = NewRows {
            first: block.first_row,
            series,
            keys,
            source,
        };
        self.facets.block(FacetPlace::Store(&self.draft), &rows)?;
        self.record(&block)
    }

    /// Encodes every tag column of a block.
    fn tag_pages(&mut self, values: &Values) -> Result<()> {
        let mut column = 0;
        for tag in &mut self.tags {
            for index in 0..tag.columns.len() {
                let source = values.tags.get(column).filter(|source| has_page(source));
                let piece = match source {
                    None => Vec::new(),
                    Some(source) => {
                        let first_slice = first_slice(BlockNumber(self.blocks));
                        tag.rewrite(self.host, &self.draft, index, source, first_slice)?
                    }
                };
                let page = piece.into_iter().next().and_then(TagPage::of);
                self.raw_bytes += page
                    .as_ref()
                    .map_or(0, |page| u64::from(page.extent.raw_bytes));
                tag.record(index, page);
                column += 1;
            }
        }
        Ok(())
    }

    /// Adds the record of a block to the current frame.
    fn record(&mut self, block: &Block) -> Result<()> {
        let last = self.frames.last();
        let frame = self.open_frame.get_or_insert(FrameEntry {
            number: last.map_or(FrameNumber::FIRST, |last| last.number.next()),
            first_block: BlockNumber(self.blocks),
            blocks: 0,
            first_row: Ordinal(self.rows),
            rows: 0,
            min_key: i64::MAX,
            max_key: i64::MIN,
            first_series: block.first_series(),
            last_series: 0,
            extent: Extent::default(),
        });
        frame.blocks += 1;
        frame.rows += u64::from(block.rows);
        frame.min_key = frame.min_key.min(block.min_key);
        frame.max_key = frame.max_key.max(block.max_key);
        frame.last_series = block.last_series();
        block.write(&mut self.frame);
        let repeated = self.last_series == Some(block.first_series());
        self.series += block.runs.len() as u64 - u64::from(repeated);
        self.last_series = Some(block.last_series());
        self.blocks += 1;
        self.rows += u64::from(block.rows);
        if self.frame.len() >= FRAME_BYTES {
            self.cut_frame()
        } else {
            Ok(())
        }
    }

    fn cut_frame(&mut self) -> Result<()> {
        let Some(mut entry) = self.open_frame.take() else {
            return Ok(());
        };
        entry.extent = append_page(self.host, &self.primary, &self.frame)?;
        self.frame.clear();
        self.frames.push(entry);
        for tag in &mut self.tags {
            tag.cut_frame(self.host)?;
        }
        Ok(())
    }

    /// Completes the part; on return it is whole and survives a power loss. `ids` are the least and
    /// greatest element id, `longest` bounds of the lengths of payloads and tags.
    pub(crate) fn finish(mut self, ids: (u64, u64), longest: Longest) -> Result<Finished> {
        self.cut_frame()?;
        let (host, mut draft) = (self.host, self.draft);
        // What is large comes first: in one file the metadata lies together at its end.
        for (name, section) in [(DATA, self.data), (KEYS, self.keys)] {
            draft.finish_section(name.to_owned(), section)?;
        }
        let mut tags = Vec::new();
        let mut tag_metadata = Vec::new();
        for tag in self.tags {
            if let Some((entry, metadata)) = tag.finish(host, &mut draft)? {
                tag_metadata.push((format!("{}.tm", entry.stem()), metadata));
                tags.push(entry);
            }
        }
        let (mut facets, mut is_lossy) = (BTreeMap::new(), false);
        for FacetWritten {
            name,
            made,
            section,
        } in self.facets.finish(FacetPlace::Store(&draft))?
        {
            is_lossy |= made.is_lossy;
            if let Some(section) = section {
                draft.finish_section(name.section.to_owned(), section)?;
                let roots = made.roots.into_iter().map(ExtentText::from);
                facets.insert(name.name.to_owned(), roots.collect());
            }
        }
        for (name, section) in tag_metadata {
            draft.finish_section(name, section)?;
        }
        draft.finish_section(PRIMARY.to_owned(), self.primary)?;
        let meta_section = draft.section(META, FileKind::Meta)?;
        let meta = append_page(host, &meta_section, &write_frames(&self.frames))?;
        draft.finish_section(META.to_owned(), meta_section)?;
        let bound = |pick: fn(&FrameEntry) -> i64| self.frames.iter().map(pick);
        let manifest = draft.finish(|files| Manifest {
            part: self.name.to_string(),
            rows: self.rows,
            blocks: self.blocks,
            series: self.series,
            min_key: bound(|frame| frame.min_key).min().unwrap_or(i64::MAX),
            max_key: bound(|frame| frame.max_key).max().unwrap_or(i64::MIN),
            first_id: ids.0,
            last_id: ids.1,
            longest_payload_bytes: longest.payload_bytes,
            longest_tag_bytes: longest.tag_bytes,
            raw_bytes: self.raw_bytes,
            meta: meta.into(),
            facets,
            labels: Vec::new(),
            tags,
            files,
        })?;
        Ok(Finished {
            summary: manifest.summary()?,
            is_lossy,
        })
    }
}

/// A part that was written.
pub(crate) struct Finished {
    pub(crate) summary: Summary,
    /// Something of a facet could not be read where its rows come from, and is lost.
    pub(crate) is_lossy: bool,
}

/// The sections and records of one tag.
struct TagWriter<H: Host> {
    name: String,
    /// In the names of its files.
    number: u32,
    columns: Vec<TagColumnState<H>>,
    data: Option<H::NewFile>,
    meta: Option<H::NewFile>,
    filters: Option<H::NewFile>,
    /// Records of the current frame; kept only when any block of it has the tag.
    frame: Vec<u8>,
    frame_has_page: bool,
    frames: Vec<Option<Extent>>,
}

struct TagColumnState<H: Host> {
    kind: ColumnType,
    present: u64,
    limits: ValueRange,
    /// What its pages share.
    dictionary: Option<H::NewDictionary>,
}

impl<H: Host> TagWriter<H> {
    fn new(column: &TagColumn) -> Self {
        let mut tag = Self {
            name: column.name.clone(),
            number: 0,
            columns: Vec::new(),
            data: None,
            meta: None,
            filters: None,
            frame: Vec::new(),
            frame_has_page: false,
            frames: Vec::new(),
        };
        tag.add(column.kind);
        tag
    }

    fn add(&mut self, kind: ColumnType) {
        self.columns.push(TagColumnState {
            kind,
            present: 0,
            limits: ValueRange::None,
            dictionary: None,
        });
    }

    /// Encodes rows of older parts as a page of a column.
    fn rewrite(
        &mut self,
        host: &H,
        draft: &Draft<'_, H>,
        index: usize,
        source: &PageSource,
        first_slice: u32,
    ) -> Result<Vec<Piece>> {
        self.create_sections(draft)?;
        let (target, filters) = self.open_files()?;
        let dictionary = self
            .columns
            .get(index)
            .and_then(|column| column.dictionary.as_ref());
        match dictionary.zip(filters) {
            Some((dictionary, postings)) => {
                let piece =
                    host.encode_coded(dictionary, target, postings, source.source(), first_slice)?;
                Ok(vec![piece])
            }
            None => host.encode_pages(target, filters, source.source(), u32::MAX),
        }
    }

    /// Creates the sections of values, metadata and filters when they are first asked for.
    fn create_sections(&mut self, draft: &Draft<'_, H>) -> Result<()> {
        if self.data.is_none() {
            let stem = tag_file_stem(&self.name, self.number);
            let make = |extension: &str, kind| draft.section(&format!("{stem}.{extension}"), kind);
            self.meta = Some(make("tm", FileKind::TagMeta)?);
            self.filters = Some(make("tf", FileKind::TagFilter)?);
            self.data = Some(make("td", FileKind::TagData)?);
        }
        Ok(())
    }

    fn open_files(&self) -> Result<(&H::NewFile, Option<&H::NewFile>)> {
        match &self.data {
            Some(data) => Ok((data, self.filters.as_ref())),
            None => Err(Error::invalid("tag file was not created")),
        }
    }

    fn record(&mut self, index: usize, page: Option<TagPage>) {
        put_page(page.as_ref(), &mut self.frame);
        if let (Some(page), Some(column)) = (page, self.columns.get_mut(index)) {
            self.frame_has_page = true;
            column.present += u64::from(page.present);
            column.limits = union(&column.limits, &page.limits);
        }
    }

    fn cut_frame(&mut self, host: &H) -> Result<()> {
        let extent = match &self.meta {
            Some(meta) if self.frame_has_page => Some(append_page(host, meta, &self.frame)?),
            _ => None,
        };
        self.frames.push(extent);
        self.frame.clear();
        self.frame_has_page = false;
        Ok(())
    }

    /// Completes the sections, but for that of the metadata, which goes to the end of the part; a tag
    /// without any value leaves none.
    fn finish(self, host: &H, draft: &mut Draft<'_, H>) -> Result<Option<(TagEntry, H::NewFile)>> {
        let (Some(data), Some(meta), Some(filters)) = (self.data, self.meta, self.filters) else {
            return Ok(None);
        };
        let stem = tag_file_stem(&self.name, self.number);
        if self.columns.iter().all(|column| column.present == 0) {
            for (extension, section) in [("td", data), ("tf", filters), ("tm", meta)] {
                draft.leave_out(format!("{stem}.{extension}"), section)?;
            }
            return Ok(None);
        }
        let mut columns = Vec::with_capacity(self.columns.len());
        for state in self.columns {
            let dictionary = match state.dictionary {
                Some(dictionary) if state.present > 0 => {
                    let finished = host.finish_dictionary(dictionary, &data, &filters)?;
                    Some(DictionaryEntry::write(host, &meta, &finished)?)
                }
                _ => None,
            };
            columns.push(ColumnEntry {
                kind: state.kind.to_string(),
                present: state.present,
                limits: LimitsText::from(&state.limits),
                dictionary,
            });
        }
        let directory = append_page(host, &meta, &write_directory(&self.frames))?;
        draft.finish_section(format!("{stem}.td"), data)?;
        draft.finish_section(format!("{stem}.tf"), filters)?;
        let entry = TagEntry {
            name: self.name,
            number: self.number,
            directory: directory.into(),
            columns,
        };
        Ok(Some((entry, meta)))
    }
}

fn payload_pieces(pieces: &[Piece]) -> Vec<PayloadPiece> {
    let mut start = 0;
    let piece = |piece: &Piece| {
        let end = start + piece.rows;
        let made = PayloadPiece {
            start,
            end,
            extent: piece.extent,
        };
        start = end;
        made
    };
    pieces.iter().map(piece).collect()
}

fn has_page(source: &PageSource) -> bool {
    source.pages.iter().any(|page| *page != crate::host::ABSENT)
}
