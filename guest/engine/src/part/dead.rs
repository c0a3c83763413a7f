//! Rows that died: those of a part that younger rows replaced, which no query returns any more and merges
//! leave out. The part itself never changes.
//!
//! They are a column that no file of the part has. Each block with dead rows has a page on which they are the
//! rows with a value; a query tests it as it tests a tag, and all that metadata tells of a tag, it tells of
//! dead rows. The pages of 64 blocks lie in a [chunk](chunk::DeadChunk), which another replaces when more of
//! its rows die.
//!
//! Of each part a list has two sets. *Stored* are the rows that died by entries of the log before the
//! position of the snapshot, which names their files: these a merge may leave out, as nothing brings them
//! back. *Now* are those that died since, too: their files are in memory, and after a crash the log is
//! replayed.

pub(crate) mod chunk;
mod deaths;
pub(crate) mod record;

pub(crate) use self::deaths::Deaths;

use self::chunk::{Bitmaps, ChunkFile, DeadBlock, DeadChunk, chunk_of, ordinals};
use super::Part;
use super::block::{BlockNumber, Ordinal};
use super::layout::part_label;
use super::name::DeadName;
use crate::error::{Error, Result};
use crate::host::{Host, Medium};
use sidx_columns::Bitmap;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What a chunk takes beside its pages, and the page of a block, at most.
const CHUNK_BYTES: u64 = 1 << 10;
const BLOCK_BYTES: u64 = 1 << 10 | 128;

/// Dead rows of a part, as chunks in the order of its blocks.
pub(crate) struct DeadRows<H: Host>(Vec<Arc<DeadChunk<H>>>);

impl<H: Host> Clone for DeadRows<H> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<H: Host> Default for DeadRows<H> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<H: Host> DeadRows<H> {
    /// Those that files have, in the order of their numbers; known ones are shared.
    pub(crate) fn of_files(
        host: &Arc<H>,
        files: &[ChunkFile],
        known: Option<&PartDead<H>>,
    ) -> Self {
        let known = known.iter().flat_map(|known| known.chunks());
        let known: BTreeMap<DeadName, _> = known.map(|chunk| (chunk.file.name, chunk)).collect();
        let of_file = |file: &ChunkFile| {
            let found = known.get(&file.name).filter(|chunk| chunk.file == *file);
            found.map_or_else(
                || Arc::new(DeadChunk::new(host, *file)),
                |chunk| Arc::clone(chunk),
            )
        };
        Self(files.iter().map(of_file).collect())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many.
    pub(crate) fn rows(&self) -> u64 {
        let rows = self.0.iter().map(|chunk| chunk.file.rows);
        rows.fold(0, u64::saturating_add)
    }

    pub(crate) fn chunks(&self) -> impl Iterator<Item = &Arc<DeadChunk<H>>> {
        self.0.iter()
    }

    pub(crate) fn files(&self) -> impl ExactSizeIterator<Item = ChunkFile> + Clone {
        self.0.iter().map(|chunk| chunk.file)
    }

    fn chunk(&self, number: u32) -> Option<&Arc<DeadChunk<H>>> {
        let found = { &self.0 }.binary_search_by_key(&number, |chunk| chunk.file.number);
        found.ok().and_then(|at| self.0.get(at))
    }

    /// What is dead of a block; none where nothing is.
    pub(crate) fn block(&self, number: BlockNumber) -> Result<Option<&DeadBlock>> {
        match self.chunk(chunk_of(number)) {
            Some(chunk) => chunk.block(number),
            None => Ok(None),
        }
    }

    /// Which rows of a block are dead; none where none is.
    pub(crate) fn bitmap(&self, number: BlockNumber) -> Result<Option<Bitmap>> {
        let Some(chunk) = self.chunk(chunk_of(number)) else {
            return Ok(None);
        };
        chunk
            .block(number)?
            .map(|block| chunk.bitmap(block))
            .transpose()
    }

    /// All of them, ascending; `part` is the part that they are of.
    pub(crate) fn ordinals(&self, part: &Part<H>) -> Result<Vec<Ordinal>> {
        let mut found = Vec::new();
        for chunk in &self.0 {
            for (number, bitmap) in chunk.bitmaps()? {
                let first = first_row(part, number, &bitmap)?;
                found.extend(ordinals(first, &bitmap));
            }
        }
        Ok(found)
    }

    /// Those of some rows of `part` that are not among these.
    pub(crate) fn others(&self, part: &Part<H>, rows: Vec<Ordinal>) -> Result<Vec<Ordinal>> {
        if self.is_empty() || rows.is_empty() {
            return Ok(rows);
        }
        let mut others = Vec::with_capacity(rows.len());
        let mut known: Option<(BlockNumber, Option<Bitmap>)> = None;
        for row in rows {
            let (frame, place, within) = part.row(row)?;
            let Some(open) = frame.block(place) else {
                continue;
            };
            if known
                .as_ref()
                .is_none_or(|(number, _)| *number != open.number)
            {
                known = Some((open.number, self.bitmap(open.number)?));
            }
            let dead = known.as_ref().and_then(|(_, bitmap)| bitmap.as_ref());
            if !dead.is_some_and(|dead| dead.get(within as usize)) {
                others.push(row);
            }
        }
        Ok(others)
    }

    /// Those of `part`, ascending, that are not among some stored earlier.
    pub(crate) fn ordinals_beyond(&self, part: &Part<H>, earlier: &Self) -> Result<Vec<Ordinal>> {
        let mut found = Vec::new();
        for chunk in &self.0 {
            let before = earlier.chunk(chunk.file.number);
            if before.is_some_and(|before| before.file == chunk.file) {
                continue;
            }
            for (number, mut bitmap) in chunk.bitmaps()? {
                let first = first_row(part, number, &bitmap)?;
                if let Some(mut known) = earlier.bitmap(number)? {
                    if known.len() != bitmap.len() {
                        return Err(misfit(part, number));
                    }
                    known.invert();
                    bitmap.and_with(&known);
                }
                found.extend(ordinals(first, &bitmap));
            }
        }
        Ok(found)
    }

    /// What the files take that [`with`](Self::with) would make, at most: their bytes, and how many there
    /// are. Reads all that it would read.
    pub(crate) fn cost(&self, part: &Part<H>, dead: &[Ordinal]) -> Result<(u64, u64)> {
        let mut blocks: BTreeMap<u32, BTreeSet<BlockNumber>> = BTreeMap::new();
        for row in dead {
            let (frame, place, _) = part.row(*row)?;
            if let Some(open) = frame.block(place) {
                let chunk = blocks.entry(chunk_of(open.number)).or_default();
                chunk.insert(open.number);
            }
        }
        let mut bytes = 0;
        for (number, blocks) in &blocks {
            bytes += CHUNK_BYTES + BLOCK_BYTES * blocks.len() as u64;
            if let Some(old) = self.chunk(*number) {
                old.bitmaps()?;
                bytes += old.file.size_bytes;
            }
        }
        Ok((bytes, blocks.len() as u64))
    }

    /// These rows of `part`, ascending, and those of `dead`, written as new chunks under `name`s as far as
    /// anything is new.
    pub(crate) fn with(
        &self,
        host: &Arc<H>,
        part: &Part<H>,
        dead: &[Ordinal],
        medium: Medium,
        mut name: impl FnMut() -> DeadName,
    ) -> Result<Self> {
        let mut added: BTreeMap<u32, Bitmaps> = BTreeMap::new();
        for row in dead {
            let (frame, place, within) = part.row(*row)?;
            let Some(open) = frame.block(place) else {
                continue;
            };
            let chunk = added.entry(chunk_of(open.number)).or_default();
            let rows = open.block.rows as usize;
            let bitmap = chunk.entry(open.number);
            bitmap
                .or_insert_with(|| Bitmap::zeros(rows))
                .set(within as usize);
        }
        let mut chunks: BTreeMap<u32, Arc<DeadChunk<H>>> = BTreeMap::new();
        for chunk in &self.0 {
            chunks.insert(chunk.file.number, Arc::clone(chunk));
        }
        for (number, mut bitmaps) in added {
            if let Some(old) = chunks.get(&number) {
                for (block, bitmap) in old.bitmaps()? {
                    match bitmaps.get_mut(&block) {
                        Some(new) if new.len() == bitmap.len() => new.or_with(&bitmap),
                        Some(_) => return Err(misfit(part, block)),
                        None => drop(bitmaps.insert(block, bitmap)),
                    }
                }
            }
            let chunk = DeadChunk::write(host, (number, name(), medium), &bitmaps)?;
            chunks.insert(number, Arc::new(chunk));
        }
        Ok(Self(chunks.into_values().collect()))
    }

    /// These, but that the chunks in which `rows` of `part` are have all that is dead `now` except `later`,
    /// which ascend; written as new chunks under `name`s. What these have of such a chunk is not read.
    pub(crate) fn renewed(
        &self,
        host: &Arc<H>,
        part: &Part<H>,
        (rows, now, later): (&[Ordinal], &Self, &[Ordinal]),
        mut name: impl FnMut() -> DeadName,
    ) -> Result<Self> {
        let mut added = BTreeSet::new();
        for row in rows {
            let (frame, place, _) = part.row(*row)?;
            added.extend(frame.block(place).map(|open| chunk_of(open.number)));
        }
        let mut without: BTreeMap<BlockNumber, Vec<u32>> = BTreeMap::new();
        for row in later {
            let (frame, place, within) = part.row(*row)?;
            if let Some(open) = frame.block(place) {
                without.entry(open.number).or_default().push(within);
            }
        }
        let kept = { self.0.iter() }.filter(|chunk| !added.contains(&chunk.file.number));
        let mut chunks: Vec<_> = kept.cloned().collect();
        for number in added {
            let chunk = now.chunk(number).ok_or_else(|| {
                let text = "rows that died are not among those that are dead";
                Error::corrupt(text).at(part.path())
            })?;
            let mut bitmaps = chunk.bitmaps()?;
            for (block, bitmap) in &mut bitmaps {
                let rows = without.get(block).into_iter().flatten();
                rows.for_each(|row| bitmap.clear(*row as usize));
            }
            bitmaps.retain(|_, bitmap| bitmap.count() > 0);
            if !bitmaps.is_empty() {
                let name = (number, name(), Medium::Durable);
                chunks.push(Arc::new(DeadChunk::write(host, name, &bitmaps)?));
            }
        }
        chunks.sort_unstable_by_key(|chunk| chunk.file.number);
        Ok(Self(chunks))
    }

    /// Those of some chunks of these, and of the other chunks those of `others`.
    fn choose(&self, others: &Self, is_own: impl Fn(u32) -> bool) -> Self {
        let own = self.0.iter().filter(|chunk| is_own(chunk.file.number));
        let rest = { others.0.iter() }.filter(|chunk| !is_own(chunk.file.number));
        let mut chunks: Vec<_> = own.chain(rest).cloned().collect();
        chunks.sort_unstable_by_key(|chunk| chunk.file.number);
        Self(chunks)
    }
}

/// The rows that are dead of a block of a part.
pub(crate) fn rows_of<H: Host>(
    part: &Part<H>,
    number: BlockNumber,
    dead: &Bitmap,
) -> Result<Vec<Ordinal>> {
    Ok(ordinals(first_row(part, number, dead)?, dead).collect())
}

/// The ordinal of the first row of a block, which must be as long as what is known of its dead rows.
fn first_row<H: Host>(part: &Part<H>, number: BlockNumber, dead: &Bitmap) -> Result<Ordinal> {
    let frames = part.frames()?;
    let after = frames.partition_point(|entry| entry.first_block <= number);
    let entry = after.checked_sub(1).and_then(|at| frames.get(at));
    let entry = entry.ok_or_else(|| misfit(part, number))?;
    let frame = part.frame(entry.number)?;
    let open = frame.numbered(number);
    let open = open.filter(|open| open.block.rows as usize == dead.len());
    open.map(|open| open.block.first_row)
        .ok_or_else(|| misfit(part, number))
}

fn misfit<H: Host>(part: &Part<H>, block: BlockNumber) -> Error {
    Error::corrupt(format!(
        "{}: what is known of dead rows of block {block} does not fit it",
        part.path()
    ))
}

/// What is dead of a part: as the snapshot has it, and as it is now.
pub(crate) struct PartDead<H: Host> {
    pub(crate) stored: DeadRows<H>,
    pub(crate) now: DeadRows<H>,
    /// Arrival numbers of rows that died, and of which damage of the part, or of a file with its dead rows,
    /// keeps from being known where they are: as long as there are any, nobody reads its rows.
    pub(crate) unplaced: Vec<u64>,
}

impl<H: Host> Clone for PartDead<H> {
    fn clone(&self) -> Self {
        Self {
            stored: self.stored.clone(),
            now: self.now.clone(),
            unplaced: self.unplaced.clone(),
        }
    }
}

impl<H: Host> Default for PartDead<H> {
    fn default() -> Self {
        Self {
            stored: DeadRows::default(),
            now: DeadRows::default(),
            unplaced: Vec::new(),
        }
    }
}

impl<H: Host> PartDead<H> {
    /// The same rows stored and now.
    pub(crate) fn of_stored(stored: DeadRows<H>) -> Self {
        Self {
            now: stored.clone(),
            stored,
            unplaced: Vec::new(),
        }
    }

    fn is_empty(&self) -> bool {
        self.stored.is_empty() && self.now.is_empty() && self.unplaced.is_empty()
    }

    /// All chunks, those twice that are the same stored and now.
    pub(crate) fn chunks(&self) -> impl Iterator<Item = &Arc<DeadChunk<H>>> {
        self.stored.0.iter().chain(&self.now.0)
    }

    /// How many rows are dead now.
    pub(crate) fn rows(&self) -> u64 {
        self.now.rows().saturating_add(self.unplaced.len() as u64)
    }

    /// Notes rows that died without its being known where they are.
    pub(crate) fn unplace(&mut self, arrivals: impl IntoIterator<Item = u64>) {
        self.unplaced.extend(arrivals);
        self.unplaced.sort_unstable();
        self.unplaced.dedup();
    }

    /// Fails with `corrupt` where it is not known of all dead rows where they are.
    pub(crate) fn check_placed(&self, number: u64) -> Result<()> {
        match self.unplaced.len() {
            0 => Ok(()),
            count => Err(Error::corrupt(format!(
                "{}: {count} rows died, and damage keeps from being known which; salvage it, or repair the index",
                part_label(number)
            ))),
        }
    }

    /// The same with other stored rows, where `later` are the rows that died since, ascending: chunks without
    /// any of them are as they are stored, unless more is known of them.
    pub(crate) fn with_stored(
        &self,
        part: &Part<H>,
        stored: DeadRows<H>,
        later: &[Ordinal],
    ) -> Result<Self> {
        let mut differing = BTreeSet::new();
        for row in later {
            let (frame, place, _) = part.row(*row)?;
            differing.extend(frame.block(place).map(|open| chunk_of(open.number)));
        }
        if !self.unplaced.is_empty() {
            // What is dead now may be all that is left of what was stored.
            let changed = { self.now.0.iter() }.filter(|chunk| {
                let stored = self.stored.chunk(chunk.file.number);
                stored.is_none_or(|stored| stored.file != chunk.file)
            });
            differing.extend(changed.map(|chunk| chunk.file.number));
        }
        let now = self.now.choose(&stored, |chunk| differing.contains(&chunk));
        Ok(Self {
            stored,
            now,
            unplaced: self.unplaced.clone(),
        })
    }
}
