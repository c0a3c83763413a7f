//! What a part says of its tags: pages, filters and shared dictionaries, read when they are first asked for.

use super::{Frame, OpenTagPage, Part, TagFrame};
use crate::error::{Error, Result};
use crate::host::{ABSENT, Extent, Host};
use crate::part::block::BlockPlace;
use crate::part::dictionary::read_list;
use crate::part::frame::read_directory;
use crate::part::layout::FileKind;
use crate::part::manifest::TagEntry;
use crate::part::tag::read_page;
use crate::part::{ColumnPlace, TagColumn};
use crate::wire::Reader;
use std::sync::OnceLock;

pub(in crate::part) struct TagFiles {
    pub(super) data: u32,
    /// Opened when the first filter is met; parts in memory have none.
    pub(super) filters: OnceLock<u32>,
    pub(super) meta: u32,
    directory: Vec<Option<Extent>>,
    /// The page of the dictionary of each column that has one.
    dictionaries: Vec<Option<u32>>,
    /// The pages of its postings, read when they are first asked for.
    postings: Vec<OnceLock<Vec<u32>>>,
}

/// The shared dictionary of a column: its page, and those of its postings, if it has any.
pub(crate) struct Shared<'a> {
    pub(crate) dictionary: u32,
    pub(crate) postings: &'a [u32],
}

impl<H: Host> Part<H> {
    /// The metadata of a tag, by its index in the manifest, in a frame.
    pub(crate) fn tag_frame<'f>(&self, frame: &'f Frame, tag: usize) -> Result<&'f TagFrame> {
        let slot = frame.tags.get(tag).ok_or_else(|| self.no_tag(tag))?;
        if let Some(found) = slot.get() {
            return Ok(found);
        }
        let read = self.read_tag_frame(frame, tag).map_err(|error| {
            let mut names = self.tag_names.iter();
            let found = names.find(|(_, (index, _))| *index == tag);
            let name = found.map_or("", |(name, _)| name);
            error.at(format_args!(
                "{}, tag {name:?}, frame {}",
                self.path, frame.number
            ))
        })?;
        Ok(slot.get_or_init(|| read))
    }

    /// The handle of the page of a column in a block of a frame; [`ABSENT`] where the part lacks the column,
    /// or no row of the block has a value.
    pub(crate) fn page_of(
        &self,
        frame: &Frame,
        block: BlockPlace,
        place: Option<ColumnPlace>,
    ) -> Result<u32> {
        let Some(ColumnPlace { tag, column }) = place else {
            return Ok(ABSENT);
        };
        let pages = self.tag_frame(frame, tag)?;
        Ok(pages.page(block, column).map_or(ABSENT, |page| page.handle))
    }

    fn read_tag_frame(&self, frame: &Frame, tag: usize) -> Result<TagFrame> {
        let files = self.tag_files(tag)?;
        let entry = self.tag_entry(tag)?;
        let columns = entry.columns.len();
        let Some(extent) = files.directory.get(frame.number.index()).copied().flatten() else {
            return Ok(TagFrame {
                columns,
                pages: Vec::new(),
            });
        };
        let bytes = self.page_bytes(files.meta, extent)?;
        let mut reader = Reader::new(&bytes, "tag record");
        let mut records =
            Vec::with_capacity(frame.blocks.len().saturating_mul(columns).min(bytes.len()));
        for block in &frame.blocks {
            for column in &entry.columns {
                records.push(read_page(&mut reader, column.kind()?, block.block.rows)?);
            }
        }
        reader.finish()?;
        let filters: Vec<Extent> = records
            .iter()
            .flatten()
            .filter_map(|page| page.filter)
            .collect();
        let mut filter = self.register_filters(tag, files, &filters)?;
        let mut pages: Vec<Option<OpenTagPage>> = Vec::with_capacity(records.len());
        pages.extend(records.into_iter().map(|record| {
            record.map(|page| {
                let has_filter = page.filter.is_some();
                let made = OpenTagPage {
                    page,
                    handle: ABSENT,
                    filter: if has_filter { filter } else { ABSENT },
                };
                filter = filter.saturating_add(u32::from(has_filter));
                made
            })
        }));
        for column in 0..columns {
            let of_column = || (column..).step_by(columns.max(1)).take(frame.blocks.len());
            let extents: Vec<Extent> = of_column()
                .filter_map(|at| Some(pages.get(at)?.as_ref()?.page.extent))
                .collect();
            let mut handle = match files.dictionaries.get(column).copied().flatten() {
                None => self.host.register_pages(files.data, &extents)?,
                Some(dictionary) => {
                    let host = &self.host;
                    host.register_coded_pages(files.data, &extents, dictionary)?
                }
            };
            for at in of_column() {
                if let Some(page) = pages.get_mut(at).and_then(Option::as_mut) {
                    page.handle = handle;
                    handle = handle.saturating_add(1);
                }
            }
        }
        Ok(TagFrame { columns, pages })
    }

    /// Appends the handles of all pages of a column.
    pub(crate) fn append_pages(&self, column: &TagColumn, out: &mut Vec<u32>) -> Result<()> {
        let Some(place) = self.place_of(&column.name, column.kind) else {
            return Ok(());
        };
        for entry in self.frames()? {
            let frame = self.frame(entry.number)?;
            let pages = self.tag_frame(&frame, place.tag)?;
            let blocks = frame.blocks.iter();
            let found = blocks.filter_map(|open| pages.page(open.place, place.column));
            out.extend(found.map(|page| page.handle));
        }
        Ok(())
    }

    /// What the manifest says of a tag.
    fn tag_entry(&self, tag: usize) -> Result<&TagEntry> {
        let entry = self.manifest()?.tags.get(tag);
        entry.ok_or_else(|| self.no_tag(tag))
    }

    fn no_tag(&self, tag: usize) -> Error {
        Error::corrupt(format!("{}: no tag {tag}", self.path))
    }

    fn tag_files(&self, tag: usize) -> Result<&TagFiles> {
        let slot = self.opened()?.tags.get(tag);
        let slot = slot.ok_or_else(|| self.no_tag(tag))?;
        if let Some(files) = slot.get() {
            return Ok(files);
        }
        let entry = self.tag_entry(tag)?;
        let stem = entry.stem();
        let open = |extension: &str, kind| self.open_section(&format!("{stem}.{extension}"), kind);
        let meta = open("tm", FileKind::TagMeta)?;
        let directory = self.page_bytes(meta, entry.directory.into())?;
        let data = open("td", FileKind::TagData)?;
        let mut dictionaries = Vec::with_capacity(entry.columns.len());
        for column in &entry.columns {
            dictionaries.push(match &column.dictionary {
                None => None,
                Some(shared) => Some(self.host.register_pages(data, &[shared.page.into()])?),
            });
        }
        let files = TagFiles {
            data,
            filters: OnceLock::new(),
            meta,
            directory: read_directory(&directory, self.manifest_frames()?)?,
            postings: dictionaries.iter().map(|_| OnceLock::new()).collect(),
            dictionaries,
        };
        Ok(slot.get_or_init(|| files))
    }

    /// The shared dictionary of a column, if it has one.
    pub(crate) fn shared(&self, place: ColumnPlace) -> Result<Option<Shared<'_>>> {
        let ColumnPlace { tag, column } = place;
        let Some(manifest) = &self.manifest else {
            return Ok(None);
        };
        let entry = manifest.tags.get(tag);
        let Some(entry) = entry.and_then(|tag| tag.columns.get(column)?.dictionary) else {
            return Ok(None);
        };
        let files = self.tag_files(tag)?;
        let places = files.dictionaries.get(column).copied().flatten();
        let (Some(dictionary), Some(slot)) = (places, files.postings.get(column)) else {
            return Ok(None);
        };
        if slot.get().is_none() {
            let handles = match entry.postings.filter(|_| self.uses_filters) {
                None => Vec::new(),
                Some(list) => {
                    let bytes = self.page_bytes(files.meta, list.into())?;
                    let extents =
                        read_list(&bytes, entry.entries).map_err(|error| error.at(&self.path))?;
                    let first = self.register_filters(tag, files, &extents)?;
                    (first..).take(extents.len()).collect()
                }
            };
            // Another call may have been first, with the same.
            let _ = slot.set(handles);
        }
        let postings = slot.get().map_or(&[][..], Vec::as_slice);
        Ok(Some(Shared {
            dictionary,
            postings,
        }))
    }

    /// The handle of the first of some filter pages.
    fn register_filters(&self, tag: usize, files: &TagFiles, extents: &[Extent]) -> Result<u32> {
        if extents.is_empty() || !self.uses_filters {
            return Ok(ABSENT);
        }
        let file = match files.filters.get() {
            Some(file) => *file,
            None => {
                let name = format!("{}.tf", self.tag_entry(tag)?.stem());
                let file = self.open_section(&name, FileKind::TagFilter)?;
                *files.filters.get_or_init(|| file)
            }
        };
        self.host.register_pages(file, extents)
    }

    fn manifest_frames(&self) -> Result<usize> {
        Ok(self.frames()?.len())
    }
}
