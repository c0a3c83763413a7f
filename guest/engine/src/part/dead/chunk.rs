//! The dead rows of 64 blocks: a file with a page for each block that has any, on which the dead rows are the
//! ones with a value, and behind them a record of the pages. It is never changed; another takes its place.

use super::super::block::{BlockNumber, Ordinal};
use super::super::extent::ExtentRecord;
use super::super::footer::{self, Kind};
use super::super::layout::{BLOCK_ROWS, PARTS, gone};
use super::super::name::DeadName;
use crate::error::{Error, Result};
use crate::host::{Codec, Extent, Host, Medium};
use crate::wire::{self, Reader, Sequence};
use sidx_columns::{Bitmap, Column, ColumnType, ValueType, Values};
use sidx_kernels::{Page, encode_unfiltered};
use sidx_log::checksum::crc32c;
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

/// Blocks of one file.
pub(crate) const CHUNK_BLOCKS: u32 = 64;
/// Most rows of one file.
pub(crate) const CHUNK_ROWS: u64 = CHUNK_BLOCKS as u64 * BLOCK_ROWS as u64;
/// Bytes from the end of the file that are read at first: more than its record has.
const FIRST_READ_BYTES: u32 = 4 << 10;
/// Version of the record.
const VERSION: u8 = 1;

/// The type of the pages: only which rows have a value matters.
pub(crate) const KIND: ColumnType = ColumnType {
    value: ValueType::Bool,
    array: false,
};

/// What a list of parts says of a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ChunkFile {
    /// Which blocks it is about: the chunks of a part are numbered from 0.
    pub(crate) number: u32,
    pub(crate) name: DeadName,
    pub(crate) medium: Medium,
    /// Dead rows in it, at least 1.
    pub(crate) rows: u64,
    pub(crate) size_bytes: u64,
    /// CRC32C of the file.
    pub(crate) checksum: u32,
}

/// The dead rows of some blocks, by block.
pub(crate) type Bitmaps = BTreeMap<BlockNumber, Bitmap>;

/// A chunk as one instance sees it, opened when it is first asked.
pub(crate) struct DeadChunk<H: Host> {
    host: Arc<H>,
    pub(crate) file: ChunkFile,
    opened: OnceLock<Opened>,
}

struct Opened {
    file: u32,
    blocks: Vec<DeadBlock>,
}

/// A block with dead rows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DeadBlock {
    pub(crate) number: BlockNumber,
    /// How many of its rows are dead.
    pub(crate) rows: u32,
    /// The handle of the page.
    pub(crate) page: u32,
}

/// The chunk of a block.
pub(crate) fn chunk_of(block: BlockNumber) -> u32 {
    block.get() / CHUNK_BLOCKS
}

impl<H: Host> DeadChunk<H> {
    pub(crate) fn new(host: &Arc<H>, file: ChunkFile) -> Self {
        Self {
            host: Arc::clone(host),
            file,
            opened: OnceLock::new(),
        }
    }

    /// Writes a chunk. One in the store is on the medium on return, under a name that is made durable by
    /// whoever names it.
    pub(crate) fn write(
        host: &Arc<H>,
        (number, name, medium): (u32, DeadName, Medium),
        bitmaps: &Bitmaps,
    ) -> Result<Self> {
        let path = name.path(medium);
        let file = host.create_file(&path, medium)?;
        let mut records = Vec::with_capacity(bitmaps.len());
        let mut rows = 0u64;
        for (block, bitmap) in bitmaps {
            let dead = bitmap.count() as u32;
            let page = encode(bitmap)?;
            let extents = host.append(&file, &page, &[page.len() as u32], Codec::None)?;
            let extent = extents.first().copied();
            let extent = extent.ok_or_else(|| Error::corrupt("the host returned no extent"))?;
            records.push((block.get(), dead, extent));
            rows += u64::from(dead);
        }
        let record = write_record(&records);
        footer::append(&**host, &file, Kind::DeadRows, record)?;
        let summary = host.finish(file)?;
        Ok(Self::new(
            host,
            ChunkFile {
                number,
                name,
                medium,
                rows,
                size_bytes: summary.size_bytes,
                checksum: summary.checksum,
            },
        ))
    }

    /// Its path, for messages and for the host.
    pub(crate) fn path(&self) -> String {
        self.file.name.path(self.file.medium)
    }

    /// A block of it; none where no row of the block is dead.
    pub(crate) fn block(&self, number: BlockNumber) -> Result<Option<&DeadBlock>> {
        let blocks = self.blocks()?;
        let found = blocks.binary_search_by_key(&number, |block| block.number);
        Ok(found.ok().and_then(|at| blocks.get(at)))
    }

    /// The blocks with dead rows, ascending.
    pub(crate) fn blocks(&self) -> Result<&[DeadBlock]> {
        if let Some(opened) = self.opened.get() {
            return Ok(&opened.blocks);
        }
        let opened = self.open().map_err(|error| error.at(self.path()))?;
        Ok(&self.opened.get_or_init(|| opened).blocks)
    }

    fn open(&self) -> Result<Opened> {
        let host = &*self.host;
        let file = host.open_file(&self.path()).map_err(gone)?;
        let blocks = self.register(file);
        if blocks.is_err() {
            host.close_file(file);
        }
        let blocks = blocks?;
        Ok(Opened { file, blocks })
    }

    fn register(&self, file: u32) -> Result<Vec<DeadBlock>> {
        let host = &*self.host;
        let (size_bytes, record) = footer::read(host, file, Kind::DeadRows, FIRST_READ_BYTES)?;
        let records = read_record(&record, self.file.number)?;
        let rows: u64 = records.iter().map(|it| u64::from(it.1)).sum();
        if (size_bytes, rows) != (self.file.size_bytes, self.file.rows) {
            return Err(Error::corrupt(format!(
                "{rows} dead rows in {size_bytes} bytes, the snapshot says {} in {}",
                self.file.rows, self.file.size_bytes
            )));
        }
        let extents: Vec<Extent> = records.iter().map(|it| it.2).collect();
        let first = host.register_pages(file, &extents)?;
        let block = |((block, rows, _), page): (&BlockRecord, u32)| DeadBlock {
            number: BlockNumber(*block),
            rows: *rows,
            page,
        };
        Ok(records.iter().zip(first..).map(block).collect())
    }

    /// Which rows of a block of it are dead.
    pub(crate) fn bitmap(&self, block: &DeadBlock) -> Result<Bitmap> {
        let at = |error: Error| error.at(format_args!("{}, block {}", self.path(), block.number));
        let bytes = self.host.load_page(block.page).map_err(at)?;
        let page =
            Page::open(bytes.into()).map_err(|cause| at(Error::corrupt(cause.to_string())))?;
        if page.present() != block.rows {
            return Err(at(Error::corrupt(format!(
                "{} rows are dead, the record says {}",
                page.present(),
                block.rows
            ))));
        }
        Ok(page.present_rows())
    }

    /// All of them.
    pub(crate) fn bitmaps(&self) -> Result<Bitmaps> {
        let blocks = self.blocks()?.iter();
        blocks
            .map(|block| Ok((block.number, self.bitmap(block)?)))
            .collect()
    }

    /// Compares the size of the file with what the snapshot says of it.
    pub(crate) fn check_size(&self) -> Result<()> {
        let host = &*self.host;
        let file = host.open_file(&self.path()).map_err(gone)?;
        let found = host.file_size(file);
        host.close_file(file);
        let (size, told) = (found?, self.file.size_bytes);
        match size == told {
            true => Ok(()),
            false => Err(Error::corrupt(format!(
                "{}: {size} bytes, the snapshot says {told}",
                self.path()
            ))),
        }
    }

    /// Compares the file with what the snapshot says of it.
    pub(crate) fn check(&self) -> Result<()> {
        let host = &*self.host;
        let file = host.open_file(&self.path()).map_err(gone)?;
        let found = host
            .file_size(file)
            .and_then(|size| Ok((size, host.file_checksum(file)?)));
        host.close_file(file);
        let (size, checksum) = found?;
        if (size, checksum) != (self.file.size_bytes, self.file.checksum) {
            return Err(Error::corrupt(format!(
                "{}: {size} bytes with CRC32C {checksum:08x}, the snapshot says {} and {:08x}",
                self.path(),
                self.file.size_bytes,
                self.file.checksum
            )));
        }
        Ok(())
    }
}

impl<H: Host> Drop for DeadChunk<H> {
    fn drop(&mut self) {
        if let Some(opened) = self.opened.get() {
            self.host.close_file(opened.file);
        }
    }
}

/// The page of a block: a column of booleans that the dead rows have.
fn encode(dead: &Bitmap) -> Result<Vec<u8>> {
    let rows = dead.len();
    let values = Values::Bool(vec![true; rows]);
    let column = Column::new(KIND, rows, Some(dead.clone()), None, values);
    let encoded = column.and_then(|column| encode_unfiltered(&column));
    let encoded = encoded.map_err(|cause| Error::invalid(cause.to_string()))?;
    Ok(encoded.page)
}

/// What is stored of a block: its number, how many of its rows are dead, and their page.
pub(crate) type BlockRecord = (u32, u32, Extent);

pub(crate) fn write_record(records: &[BlockRecord]) -> Vec<u8> {
    let stored = { records.iter() }.map(|it| (it.0, it.1, ExtentRecord::from(it.2)));
    let mut record = wire::write(&(VERSION, Sequence(stored)));
    let checksum = crc32c(&record);
    record.extend_from_slice(&checksum.to_le_bytes());
    record
}

/// Reads what [`write_record`] wrote of the chunk with a number: ascending blocks of it, with dead rows.
pub(crate) fn read_record(bytes: &[u8], number: u32) -> Result<Vec<BlockRecord>> {
    let (bytes, checksum) = bytes.split_last_chunk::<4>().unwrap_or((bytes, &[0; 4]));
    let mut reader = Reader::new(bytes, "record of dead rows");
    if crc32c(bytes) != u32::from_le_bytes(*checksum) {
        return Err(reader.fault("its checksum is that of other bytes"));
    }
    let version: u8 = reader.read()?;
    if version != VERSION {
        return Err(reader.fault(&format!("version {version}")));
    }
    let stored: Vec<(u32, u32, ExtentRecord)> = reader.read()?;
    reader.finish()?;
    let records = stored.into_iter().map(|it| (it.0, it.1, it.2.into()));
    let records: Vec<BlockRecord> = records.collect();
    let mut last = None;
    for (block, rows, _) in &records {
        let fits = *rows > 0 && *rows <= BLOCK_ROWS as u32;
        if block / CHUNK_BLOCKS != number || last >= Some(*block) || !fits {
            return Err(reader.fault(&format!("{rows} dead rows of block {block}")));
        }
        last = Some(*block);
    }
    match records.is_empty() {
        true => Err(reader.fault("no dead rows")),
        false => Ok(records),
    }
}

/// Makes the names of chunks in the store durable.
pub(crate) fn sync<H: Host>(host: &H) -> Result<()> {
    host.sync_files(PARTS)
}

/// The dead rows of a block as ordinals, when its first row has one.
pub(crate) fn ordinals(first: Ordinal, dead: &Bitmap) -> impl Iterator<Item = Ordinal> {
    dead.iter().map(move |row| first.plus(row as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_return() {
        let extent = |offset| Extent {
            offset,
            stored_bytes: 9,
            raw_bytes: 9,
            checksum: 7,
            codec: 0,
        };
        let records = vec![(64, 1, extent(0)), (127, 8_192, extent(9))];
        let bytes = write_record(&records);
        let read = read_record;
        assert_eq!(read(&bytes, 1).unwrap(), records);
        assert!(read(&bytes, 0).is_err() && read(&bytes, 2).is_err());
        for cut in 0..bytes.len() {
            assert!(read(&bytes[..cut], 1).is_err());
        }
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert!(read(&damaged, 1).is_err(), "{at}");
        }
        for damaged in wire::with_huge_numbers(&bytes[..bytes.len() - 4]) {
            let sealed = [&damaged[..], &crc32c(&damaged).to_le_bytes()].concat();
            let _ = read(&sealed, 1);
        }
        for wrong in [
            vec![],
            vec![(64, 0, extent(0))],
            vec![(64, 8_193, extent(0))],
            vec![(65, 1, extent(0)), (65, 1, extent(0))],
        ] {
            assert!(read(&write_record(&wrong), 1).is_err());
        }
    }

    #[test]
    fn pages_return() {
        for rows in [1, 63, 64, 65, 8_192] {
            for step in [1, 2, 7, 8_191] {
                let dead = Bitmap::from_fn(rows, |row| row % step == 0);
                let page = Page::open(encode(&dead).unwrap().into()).unwrap();
                assert_eq!(page.present_rows(), dead);
                assert_eq!(page.present() as usize, dead.count());
            }
        }
    }
}
