//! Parts in memory: one file, which holds the pages of all blocks and, behind them, a record of what they
//! are in place of a manifest. A batch becomes such a part in a handful of calls, where a part in the store
//! has three sections per tag. It is never stored, so its record needs no version.

use super::block::{Block, BlockNumber, BlockPlace, Ordinal, PayloadPiece};
use super::column::{Longest, PartColumn, TagColumn};
use super::extent::ExtentRecord;
use super::facet::{FacetPlace, FacetWriters, NewRows};
use super::footer;
use super::frame::{FrameEntry, FrameNumber};
use super::limits::union;
use super::name::PartName;
use super::order::{FrameOrder, RunOrder};
use super::reader::{Frame, OpenBlock, OpenTagPage, Opened, Part, PartFacet, RowFiles, TagFrame};
use super::summary::Summary;
use super::tag::{TagPage, put_page, read_page};
use crate::error::{Error, Result};
use crate::host::{ABSENT, Extent, FileSummary, Host, Medium, Piece};
use crate::wire::{self, Reader, Sequence};
use serde::{Deserialize, Serialize};
use sidx_columns::ColumnType;
use sidx_kernels::ValueRange;
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

/// Bytes from the end of the file that are read at first; most records are shorter.
const FIRST_READ_BYTES: u32 = 4 << 10;

/// What is known of a part in memory besides its number.
#[derive(Clone, Debug, Default, PartialEq)]
struct Record {
    ids: (u64, u64),
    longest: Longest,
    /// The roots of each facet that has any, by its name.
    facets: Vec<(String, Vec<Extent>)>,
    columns: Vec<TagColumn>,
    blocks: Vec<Block>,
    /// The pages of each block, one per column.
    pages: Vec<Option<TagPage>>,
}

/// What a record begins with; its blocks and their pages follow.
#[derive(Serialize, Deserialize)]
struct Front<F, C> {
    ids: (u64, u64),
    longest_payload_bytes: u32,
    longest_tag_bytes: u32,
    facets: F,
    columns: C,
    blocks: usize,
}

/// What a record has of a facet.
#[derive(Serialize, Deserialize)]
struct FacetRecord<'a> {
    name: &'a str,
    roots: Vec<ExtentRecord>,
}

/// What a record has of a column.
#[derive(Serialize, Deserialize)]
struct ColumnRecord<'a> {
    name: &'a str,
    kind: u8,
}

/// A part in memory under construction.
pub(crate) struct MemoryPartWriter<'h, H: Host> {
    host: &'h Arc<H>,
    name: PartName,
    file: H::NewFile,
    facets: FacetWriters<'h, H>,
    record: Record,
    rows: u64,
}

impl<'h, H: Host> MemoryPartWriter<'h, H> {
    /// Starts part `number`. `columns` are distinct and ascending.
    pub(crate) fn new(
        host: &'h Arc<H>,
        number: u64,
        columns: Vec<TagColumn>,
        facets: FacetWriters<'h, H>,
    ) -> Result<Self> {
        let name = PartName::in_memory(number);
        Ok(Self {
            file: host.create_file(&name.path(Medium::Memory), Medium::Memory)?,
            host,
            name,
            facets,
            record: Record {
                columns,
                ..Record::default()
            },
            rows: 0,
        })
    }

    /// The file that pages of the next block are written to.
    pub(crate) fn file(&self) -> &H::NewFile {
        &self.file
    }

    /// Takes a block whose pages were written: keys, payloads, and one for each column. `source` is as for
    /// [`PartWriter::block`](super::PartWriter::block).
    pub(crate) fn block(
        &mut self,
        series: &[u64],
        keys: &[i64],
        pieces: Vec<Piece>,
        source: &dyn Fn(usize) -> Option<(usize, Ordinal)>,
    ) -> Result<()> {
        let rows = keys.len() as u32;
        let (found, wanted) = (pieces.len(), self.record.columns.len() + 2);
        let mut pieces = pieces.into_iter();
        let (true, Some(key_piece), Some(payloads)) =
            (found == wanted, pieces.next(), pieces.next())
        else {
            return Err(Error::corrupt(format!(
                "the host wrote {found} pages of a block, {wanted} were asked for"
            )));
        };
        let runs = Block::runs_of(series, keys);
        let (min_key, max_key) = Block::key_range(&runs);
        self.record.blocks.push(Block {
            first_row: Ordinal(self.rows),
            rows,
            runs,
            min_key,
            max_key,
            keys: key_piece.extent,
            payloads: vec![PayloadPiece {
                start: 0,
                end: rows,
                extent: payloads.extent,
            }],
        });
        self.record.pages.extend(pieces.map(TagPage::of));
        let new = NewRows {
            first: Ordinal(self.rows),
            series,
            keys,
            source,
        };
        self.facets.block(FacetPlace::Memory(&self.file), &new)?;
        self.rows += u64::from(rows);
        Ok(())
    }

    /// Completes the part and opens it.
    pub(crate) fn finish(mut self, ids: (u64, u64), longest: Longest) -> Result<Part<H>> {
        self.record.drop_empty_columns();
        self.record.ids = ids;
        self.record.longest = longest;
        let mut facets = BTreeMap::new();
        for written in self.facets.finish(FacetPlace::Memory(&self.file))? {
            let (name, made) = (written.name.name.to_owned(), written.made);
            if !made.roots.is_empty() {
                self.record.facets.push((name.clone(), made.roots.clone()));
                facets.insert(name, PartFacet::known(made.roots, made.state));
            }
        }
        footer::append(
            &**self.host,
            &self.file,
            footer::Kind::Part,
            self.record.write(),
        )?;
        let FileSummary { size_bytes, .. } = self.host.finish(self.file)?;
        Part::in_memory(self.host, self.name, size_bytes, self.record, facets)
    }
}

impl Record {
    fn write(&self) -> Vec<u8> {
        let front = Front {
            ids: self.ids,
            longest_payload_bytes: self.longest.payload_bytes,
            longest_tag_bytes: self.longest.tag_bytes,
            facets: Sequence(self.facets.iter().map(|(name, roots)| FacetRecord {
                name,
                roots: roots.iter().copied().map(ExtentRecord::from).collect(),
            })),
            columns: Sequence(self.columns.iter().map(|column| ColumnRecord {
                name: &column.name,
                kind: column.kind.code(),
            })),
            blocks: self.blocks.len(),
        };
        let mut out = Vec::with_capacity(256 + self.blocks.len() * 256);
        wire::append(&front, &mut out);
        self.blocks.iter().for_each(|block| block.write(&mut out));
        for page in &self.pages {
            put_page(page.as_ref(), &mut out);
        }
        out
    }

    fn read(bytes: &[u8]) -> Result<Self> {
        let mut reader = Reader::new(bytes, "record of a part in memory");
        let front: Front<Vec<FacetRecord<'_>>, Vec<ColumnRecord<'_>>> = reader.read()?;
        let mut columns = Vec::with_capacity(front.columns.len());
        for ColumnRecord { name, kind } in front.columns {
            let kind =
                ColumnType::from_code(kind).ok_or_else(|| reader.fault("unknown column type"))?;
            let name = name.to_owned();
            columns.push(TagColumn { name, kind });
        }
        let mut record = Self {
            ids: front.ids,
            longest: Longest {
                payload_bytes: front.longest_payload_bytes,
                tag_bytes: front.longest_tag_bytes,
            },
            facets: { front.facets.into_iter() }
                .map(|FacetRecord { name, roots }| {
                    let roots = roots.into_iter().map(Extent::from);
                    (name.to_owned(), roots.collect())
                })
                .collect(),
            columns,
            ..Self::default()
        };
        let mut rows = 0u64;
        for _ in 0..front.blocks {
            let block = Block::read(&mut reader, Ordinal(rows))?;
            rows += u64::from(block.rows);
            record.blocks.push(block);
        }
        for block in &record.blocks {
            for column in &record.columns {
                record
                    .pages
                    .push(read_page(&mut reader, column.kind, block.rows)?);
            }
        }
        reader.finish()?;
        let ascend = |pair: &[TagColumn]| matches!(pair, [one, two] if one < two);
        if !record.columns.windows(2).all(ascend) {
            return Err(reader.fault("columns out of order"));
        }
        Ok(record)
    }

    /// What the record says of the part as a whole; `size_bytes` is the size of its file.
    fn summary(&self, size_bytes: u64) -> Summary {
        let raw = |extent: &Extent| u64::from(extent.raw_bytes);
        let blocks = self.blocks.iter();
        let raw_bytes: u64 = blocks
            .clone()
            .map(|block| {
                let payloads = block.payloads.iter().map(|piece| raw(&piece.extent));
                raw(&block.keys) + payloads.sum::<u64>()
            })
            .sum();
        let tag_bytes: u64 = self
            .pages
            .iter()
            .flatten()
            .map(|page| raw(&page.extent))
            .sum();
        Summary {
            rows: blocks.clone().map(|block| u64::from(block.rows)).sum(),
            blocks: self.blocks.len() as u32,
            series: self.series(),
            min_key: blocks
                .clone()
                .map(|block| block.min_key)
                .min()
                .unwrap_or(i64::MAX),
            max_key: blocks.map(|block| block.max_key).max().unwrap_or(i64::MIN),
            first_id: self.ids.0,
            last_id: self.ids.1,
            longest: self.longest,
            raw_bytes: raw_bytes + tag_bytes,
            size_bytes,
            columns: self.part_columns(),
        }
    }

    /// Forgets columns without any value, so that nobody looks for them.
    fn drop_empty_columns(&mut self) {
        let count = self.columns.len();
        let is_used = |at: usize| {
            self.pages
                .iter()
                .skip(at)
                .step_by(count)
                .any(Option::is_some)
        };
        let used: Vec<bool> = (0..count).map(is_used).collect();
        if used.iter().all(|used| *used) {
            return;
        }
        let mut of_page = used.iter().cycle();
        self.pages
            .retain(|_| of_page.next().copied().unwrap_or(true));
        let mut of_column = used.iter();
        self.columns
            .retain(|_| of_column.next().copied().unwrap_or(true));
    }

    /// Distinct series.
    fn series(&self) -> u64 {
        let (mut count, mut last) = (0, None);
        for block in &self.blocks {
            let repeated = last == Some(block.first_series());
            count += block.runs.len() as u64 - u64::from(repeated);
            last = Some(block.last_series());
        }
        count
    }

    /// What is known of each column.
    fn part_columns(&self) -> Vec<PartColumn> {
        let describe = |(at, column): (usize, &TagColumn)| {
            let pages = self.pages.iter().skip(at).step_by(self.columns.len());
            let (mut present, mut limits) = (0, ValueRange::None);
            for page in pages.flatten() {
                present += u64::from(page.present);
                limits = union(&limits, &page.limits);
            }
            PartColumn {
                column: column.clone(),
                present,
                limits,
            }
        };
        self.columns.iter().enumerate().map(describe).collect()
    }

    /// All pages in the order of their handles: block by block keys, payloads, columns.
    fn extents(&self) -> Vec<Extent> {
        let mut extents = Vec::with_capacity(self.blocks.len() * (2 + self.columns.len()));
        let mut pages = self.pages.iter();
        for block in &self.blocks {
            extents.push(block.keys);
            extents.extend(block.payloads.iter().map(|piece| piece.extent));
            let pages = pages.by_ref().take(self.columns.len());
            extents.extend(pages.flatten().map(|page| page.extent));
        }
        extents
    }
}

impl<H: Host> Part<H> {
    /// Opens a part that another instance wrote.
    pub(super) fn open_in_memory(host: &Arc<H>, name: PartName) -> Result<Self> {
        let path = name.path(Medium::Memory);
        let file = host.open_file(&path)?;
        let read = footer::read(&**host, file, footer::Kind::Part, FIRST_READ_BYTES);
        host.close_file(file);
        let (size_bytes, record) = read
            .and_then(|(size_bytes, bytes)| Ok((size_bytes, Record::read(&bytes)?)))
            .map_err(|error| error.at(&path))?;
        if record.blocks.is_empty() {
            return Err(Error::corrupt(format!("{path}: it has no rows")));
        }
        let facets = record.facets.iter();
        let facets = facets.map(|(name, roots)| (name.clone(), PartFacet::new(roots.clone())));
        let facets = facets.collect();
        Self::in_memory(host, name, size_bytes, record, facets)
    }

    /// The part that a record is about. Nothing of it is left to be read but pages.
    fn in_memory(
        host: &Arc<H>,
        name: PartName,
        size_bytes: u64,
        record: Record,
        facets: BTreeMap<String, PartFacet>,
    ) -> Result<Self> {
        let summary = record.summary(size_bytes);
        let part = Self::new(host, (name, Medium::Memory), summary, facets);
        let opened = record.open(&**host, part.path(), part.summary())?;
        part.know_content(opened);
        Ok(part)
    }
}

impl Record {
    /// Gives the pages handles. One frame holds all blocks.
    fn open<H: Host>(self, host: &H, path: &str, summary: &Summary) -> Result<Opened> {
        let file = host.open_file(path)?;
        let first = match host.register_pages(file, &self.extents()) {
            Ok(first) => first,
            Err(error) => {
                host.close_file(file);
                return Err(error);
            }
        };
        let entry = self.frame_entry();
        let tag_of = tag_of_columns(&self.columns);
        let mut tag_frames: Vec<TagFrame> = summary
            .tags()
            .map(|columns| TagFrame {
                columns: columns.len(),
                pages: Vec::with_capacity(columns.len() * self.blocks.len()),
            })
            .collect();
        let mut blocks = Vec::with_capacity(self.blocks.len());
        let (mut handle, mut pages) = (first, self.pages.into_iter());
        for (at, block) in (0u32..).zip(self.blocks) {
            let (keys, payloads) = (handle, handle + 1);
            handle = payloads + block.payloads.len() as u32;
            for tag in &tag_of {
                let open = pages.next().flatten().map(|page| {
                    handle += 1;
                    OpenTagPage {
                        page,
                        handle: handle - 1,
                        filter: ABSENT,
                    }
                });
                if let Some(frame) = tag_frames.get_mut(*tag) {
                    frame.pages.push(open);
                }
            }
            blocks.push(OpenBlock {
                number: BlockNumber(at),
                place: BlockPlace(at),
                block,
                keys,
                payloads,
            });
        }
        let frame = Frame {
            number: entry.number,
            blocks,
            tags: tag_frames.into_iter().map(OnceLock::from).collect(),
            order: RunOrder::default(),
        };
        Ok(Opened {
            rows: OnceLock::from(RowFiles {
                primary: file,
                keys: file,
                data: file,
            }),
            frames: vec![entry],
            blocks: vec![OnceLock::from(Arc::new(frame))],
            // Their pages are known, so that nobody asks for the files.
            tags: Vec::new(),
            order: FrameOrder::default(),
        })
    }

    fn frame_entry(&self) -> FrameEntry {
        let blocks = self.blocks.iter();
        FrameEntry {
            number: FrameNumber::FIRST,
            first_block: BlockNumber::FIRST,
            blocks: self.blocks.len() as u32,
            first_row: Ordinal::FIRST,
            rows: blocks.clone().map(|block| u64::from(block.rows)).sum(),
            min_key: blocks
                .clone()
                .map(|block| block.min_key)
                .min()
                .unwrap_or(i64::MAX),
            max_key: blocks.map(|block| block.max_key).max().unwrap_or(i64::MIN),
            first_series: self.blocks.first().map_or(u64::MAX, Block::first_series),
            last_series: self.blocks.last().map_or(0, Block::last_series),
            extent: Extent::default(),
        }
    }
}

/// For each column the number of its tag.
fn tag_of_columns(columns: &[TagColumn]) -> Vec<usize> {
    let names = columns.chunk_by(|one, two| one.name == two.name);
    let repeat = |(tag, columns): (usize, &[TagColumn])| std::iter::repeat_n(tag, columns.len());
    names.enumerate().flat_map(repeat).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use sidx_columns::ValueType;

    fn sample() -> Record {
        let extent = Extent {
            offset: 3,
            stored_bytes: 4,
            raw_bytes: 4,
            checksum: 9,
            codec: 0,
        };
        let block = |first_row, series: &[u64]| {
            let keys: Vec<i64> = (0..series.len() as i64).collect();
            let runs = Block::runs_of(series, &keys);
            let (min_key, max_key) = Block::key_range(&runs);
            Block {
                first_row: Ordinal(first_row),
                rows: series.len() as u32,
                runs,
                min_key,
                max_key,
                keys: extent,
                payloads: vec![PayloadPiece {
                    start: 0,
                    end: series.len() as u32,
                    extent,
                }],
            }
        };
        let page = TagPage {
            present: 1,
            extent,
            filter: None,
            limits: ValueRange::Int { min: -1, max: 7 },
        };
        let column = |name: &str, value| TagColumn {
            name: name.to_owned(),
            kind: ColumnType::scalar(value),
        };
        Record {
            ids: (10, 14),
            longest: Longest {
                payload_bytes: 5,
                tag_bytes: 6,
            },
            facets: vec![("ordered".to_owned(), vec![extent])],
            columns: vec![
                column("a", ValueType::String),
                column("a", ValueType::Int),
                column("b", ValueType::Int),
            ],
            blocks: vec![block(0, &[1, 1, 2]), block(3, &[2, 5])],
            pages: vec![None, Some(page.clone()), None, None, None, Some(page)],
        }
    }

    #[test]
    fn records_return() {
        let record = sample();
        let bytes = record.write();
        assert_eq!(Record::read(&bytes).unwrap(), record);
        for cut in 0..bytes.len() {
            assert!(Record::read(&bytes[..cut]).is_err());
        }
        for damaged in wire::with_huge_numbers(&bytes) {
            let _ = Record::read(&damaged);
        }
    }

    #[test]
    fn columns_without_values_are_forgotten() {
        let mut record = sample();
        record.drop_empty_columns();
        let names: Vec<_> = record
            .columns
            .iter()
            .map(|it| (it.name.as_str(), it.kind))
            .collect();
        let int = ColumnType::scalar(ValueType::Int);
        assert_eq!(names, [("a", int), ("b", int)]);
        let used: Vec<bool> = record.pages.iter().map(Option::is_some).collect();
        assert_eq!(used, [true, false, false, true]);
    }

    #[test]
    fn a_summary_says_what_the_record_does() {
        let summary = sample().summary(99);
        assert_eq!((summary.rows, summary.blocks, summary.series), (5, 2, 3));
        assert_eq!((summary.min_key, summary.max_key), (0, 2));
        assert_eq!(summary.size_bytes, 99);
        let tags: Vec<_> = summary
            .tags()
            .map(|columns| (columns[0].column.name.as_str(), columns.len()))
            .collect();
        assert_eq!(tags, [("a", 2), ("b", 1)]);
        assert_eq!(tag_of_columns(&sample().columns), [0, 0, 1]);
    }
}
