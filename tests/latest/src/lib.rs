//! A facet that exists for tests, and needs what real ones need: of rows with equal payloads only the latest
//! lives, as of documents with equal ids.
//!
//! Of each part it keeps the hashes of the payloads with the ordinals of their rows, in pages of
//! [`Entry`]s by hash. The roots are one page that lists them, a [`Directory`]. A batch asks them which
//! older rows have a payload that it brings again: these die by it. A merge translates ordinals and reads no
//! payload; a salvage makes new hashes of the rows that were saved. The counter in the snapshot is that of
//! rows that died.
//!
//! Nothing of the engine knows of it: it is handed over with [`Set`].

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sidx_columns::{Column, Values};
use sidx_engine::facet::{
    Facet, FacetIntake, FacetMade, FacetName, FacetPart, FacetSet, FacetTarget, FacetWriter,
    LiveParts, NewBatch, NewRows, Origin,
};
use sidx_engine::host::{Extent, Host};
use sidx_engine::{Error, FileKind, Ordinal, Result};
use xxhash_rust::xxh3::xxh3_64;

/// Entries of one page.
const PAGE_ENTRIES: usize = 1_000;

const NAME: FacetName = FacetName {
    name: "latest",
    section: "latest.bin",
    kind: FileKind::Facet,
};

/// The facets of an engine with this one.
pub struct Set;

impl FacetSet for Set {
    fn facets<H: Host>() -> Vec<Box<dyn Facet<H>>> {
        vec![Box::new(Latest)]
    }
}

/// The facet.
struct Latest;

/// The hash of a payload, and a row that has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Entry {
    hash: u64,
    row: u64,
}

/// A page of entries: the first of its hashes, and where it lies.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct PageEntry {
    first_hash: u64,
    offset: u64,
    stored_bytes: u32,
    raw_bytes: u32,
    checksum: u32,
    codec: u32,
}

/// The pages, by first hash.
type Directory = Vec<PageEntry>;

impl PageEntry {
    fn extent(&self) -> Extent {
        Extent {
            offset: self.offset,
            stored_bytes: self.stored_bytes,
            raw_bytes: self.raw_bytes,
            checksum: self.checksum,
            codec: self.codec,
        }
    }
}

fn corrupt(text: impl Into<String>) -> Error {
    Error::corrupt(text)
}

fn decode<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T> {
    postcard::from_bytes(bytes).map_err(|cause| corrupt(format!("a page of hashes: {cause}")))
}

fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>> {
    postcard::to_allocvec(value).map_err(|cause| Error::invalid(cause.to_string()))
}

/// The payloads of a column, each with its row in it.
fn payloads(column: &Column) -> Result<impl Iterator<Item = &[u8]>> {
    match column.values() {
        Values::Bytes(values) => Ok((0..column.rows()).filter_map(|row| values.get(row))),
        _ => Err(corrupt("payloads that are no bytes")),
    }
}

/// What an instance keeps of a part.
struct Kept(Directory);

/// The directory of a part.
fn directory<'a, H: Host>(part: &FacetPart<'a, H>) -> Result<&'a Directory> {
    let kept: &Kept = part.state(|| {
        let [root] = part.roots() else {
            return Err(corrupt(format!("{}: it has no hashes", part.path())));
        };
        let read = part.read(&[*root])?.pop();
        let bytes = read.unwrap_or_else(|| Err(corrupt("no page")))?;
        decode(&bytes).map(Kept)
    })?;
    Ok(&kept.0)
}

/// All entries of a part, by hash.
fn entries<H: Host>(part: &FacetPart<'_, H>) -> Result<Vec<Entry>> {
    let pages: Vec<Extent> = directory(part)?.iter().map(PageEntry::extent).collect();
    let mut entries: Vec<Entry> = Vec::new();
    for page in part.read(&pages)? {
        let page: Vec<Entry> = decode(&page?)?;
        entries.extend(page);
    }
    Ok(entries)
}

/// The rows of a part whose payloads have a hash.
fn find<H: Host>(part: &FacetPart<'_, H>, hash: u64) -> Result<Vec<Ordinal>> {
    let directory = directory(part)?;
    // A hash may begin in the page before the first that begins with it.
    let first = directory.partition_point(|page| page.first_hash < hash);
    let first = first.saturating_sub(1);
    let pages = directory.iter().skip(first);
    let pages = pages.take_while(|page| page.first_hash <= hash);
    let pages: Vec<Extent> = pages.map(PageEntry::extent).collect();
    let mut found = Vec::new();
    for page in part.read(&pages)? {
        let page: Vec<Entry> = decode(&page?)?;
        let from = page.partition_point(|entry| entry.hash < hash);
        let same = page
            .iter()
            .skip(from)
            .take_while(|entry| entry.hash == hash);
        found.extend(same.map(|entry| Ordinal::new(entry.row)));
    }
    Ok(found)
}

impl<H: Host> Facet<H> for Latest {
    fn name(&self) -> FacetName {
        NAME
    }

    fn writer<'a>(
        &self,
        host: &'a H,
        origin: Origin<'a, H>,
    ) -> Result<Box<dyn FacetWriter<H> + 'a>> {
        let source = match origin {
            Origin::Batch(batch) => {
                let column = host.read_column(batch.columns, 0)?;
                Source::Hashes(payloads(&column)?.map(xxh3_64).collect())
            }
            Origin::Merge { inputs, .. } => {
                let mut hashes = Vec::with_capacity(inputs.len());
                for part in &inputs {
                    let mut by_row = vec![None; part.rows() as usize];
                    for entry in entries(part)? {
                        if let Some(hash) = by_row.get_mut(entry.row as usize) {
                            *hash = Some(entry.hash);
                        }
                    }
                    hashes.push(by_row);
                }
                Source::Inputs(hashes)
            }
            Origin::Salvage(part) => Source::Rows(part),
        };
        Ok(Box::new(Writer {
            source,
            entries: Vec::new(),
        }))
    }

    fn check(&self, host: &H, part: &FacetPart<'_, H>) -> Result<()> {
        let mut found = entries(part)?;
        if !found.is_sorted() {
            return Err(corrupt("hashes out of order"));
        }
        found.sort_unstable_by_key(|entry| entry.row);
        if found.len() as u64 != part.rows() {
            return Err(corrupt(format!(
                "{} hashes of {} rows",
                found.len(),
                part.rows()
            )));
        }
        for some in found.chunks(PAGE_ENTRIES) {
            let rows: Vec<Ordinal> = some.iter().map(|entry| Ordinal::new(entry.row)).collect();
            let column = part.payloads(host, &rows)?;
            let hashes = payloads(&column)?.map(xxh3_64);
            if !hashes.eq(some.iter().map(|entry| entry.hash)) {
                return Err(corrupt("a hash is not that of the payload of its row"));
            }
        }
        Ok(())
    }

    fn intake(&self) -> Box<dyn FacetIntake<H>> {
        Box::new(Incoming::default())
    }

    fn keeps_arrivals(&self) -> bool {
        true
    }

    fn find_dead(&self, host: &H, live: &LiveParts<'_, H>) -> Result<Option<Vec<u64>>> {
        let (mut latest, mut dead) = (BTreeMap::<Vec<u8>, u64>::new(), Vec::new());
        for part in live.parts() {
            let rows: Vec<Ordinal> = (0..part.rows()).map(Ordinal::new).collect();
            for some in rows.chunks(PAGE_ENTRIES) {
                let arrivals = live.arrivals(host, &part, some)?;
                let column = part.payloads(host, some)?;
                for (payload, arrival) in payloads(&column)?.zip(arrivals) {
                    if let Some(known) = latest.insert(payload.to_vec(), arrival) {
                        dead.push(known.min(arrival));
                        latest.insert(payload.to_vec(), known.max(arrival));
                    }
                }
            }
        }
        Ok(Some(dead))
    }
}

/// Where the hashes of rows come from.
enum Source<'a, H: Host> {
    /// Those of a batch, as they arrived.
    Hashes(Vec<u64>),
    /// Those of the rows of each input.
    Inputs(Vec<Vec<Option<u64>>>),
    /// Of payloads that are read.
    Rows(FacetPart<'a, H>),
}

struct Writer<'a, H: Host> {
    source: Source<'a, H>,
    entries: Vec<Entry>,
}

impl<H: Host> FacetWriter<H> for Writer<'_, H> {
    fn block(&mut self, target: &FacetTarget<'_, H>, rows: &NewRows<'_>) -> Result<()> {
        let unknown = || Error::invalid("a row that is none of its input");
        let from = (0..rows.keys.len()).map(|row| rows.source(row).ok_or_else(unknown));
        let from = from.collect::<Result<Vec<_>>>()?;
        let read: Vec<u64> = match &self.source {
            Source::Rows(part) => {
                let rows: Vec<Ordinal> = from.iter().map(|(_, row)| *row).collect();
                let column = part.payloads(target.host(), &rows)?;
                payloads(&column)?.map(xxh3_64).collect()
            }
            _ => Vec::new(),
        };
        for (row, (input, from)) in from.into_iter().enumerate() {
            let hash = match &self.source {
                Source::Hashes(hashes) => hashes.get(from.get() as usize).copied(),
                Source::Inputs(inputs) => {
                    let hashes = inputs.get(input);
                    hashes.and_then(|hashes| hashes.get(from.get() as usize).copied().flatten())
                }
                Source::Rows(_) => read.get(row).copied(),
            };
            self.entries.push(Entry {
                hash: hash.ok_or_else(unknown)?,
                row: rows.first.plus(row as u64).get(),
            });
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>, target: &FacetTarget<'_, H>) -> Result<FacetMade> {
        self.entries.sort_unstable();
        let mut directory = Directory::new();
        for entries in self.entries.chunks(PAGE_ENTRIES) {
            let extent = target.append(&encode(&entries)?)?;
            directory.push(PageEntry {
                first_hash: entries.first().map_or(0, |entry| entry.hash),
                offset: extent.offset,
                stored_bytes: extent.stored_bytes,
                raw_bytes: extent.raw_bytes,
                checksum: extent.checksum,
                codec: extent.codec,
            });
        }
        Ok(FacetMade {
            roots: vec![target.append(&encode(&directory)?)?],
            state: Some(Box::new(Kept(directory))),
            is_lossy: false,
        })
    }
}

/// The payloads of batches that are in no part yet, each with its latest row.
#[derive(Default)]
struct Incoming {
    kept: BTreeMap<Vec<u8>, u64>,
    /// Those of the batch that was looked at last.
    new: BTreeMap<Vec<u8>, u64>,
}

impl<H: Host> FacetIntake<H> for Incoming {
    fn accept(
        &mut self,
        host: &H,
        live: &LiveParts<'_, H>,
        batch: &NewBatch<'_, H>,
    ) -> Result<Vec<u64>> {
        let column = host.read_column(batch.columns, 0)?;
        self.new.clear();
        let mut died = Vec::new();
        for (payload, arrival) in payloads(&column)?.zip(batch.first_arrival..) {
            let known = self.new.get(payload).or_else(|| self.kept.get(payload));
            match known {
                Some(before) => died.push(*before),
                None => died.extend(older(host, live, payload)?),
            }
            self.new.insert(payload.to_vec(), arrival);
        }
        Ok(died)
    }

    fn keep(&mut self) {
        self.kept.append(&mut self.new);
    }

    fn added(&mut self) {
        self.kept.clear();
    }

    fn forget(&mut self) {
        self.kept.clear();
    }

    fn counts(&self, _rows: u64, died: u64) -> u64 {
        died
    }
}

/// The arrival numbers of the rows in parts that have a payload and live.
fn older<H: Host>(host: &H, live: &LiveParts<'_, H>, payload: &[u8]) -> Result<Vec<u64>> {
    let mut found = Vec::new();
    for part in live.parts() {
        let rows = live.alive(&part, find(&part, xxh3_64(payload))?)?;
        if rows.is_empty() {
            continue;
        }
        let column = part.payloads(host, &rows)?;
        let same = payloads(&column)?
            .zip(&rows)
            .filter(|(other, _)| *other == payload);
        let same: Vec<Ordinal> = same.map(|(_, row)| *row).collect();
        found.extend(live.arrivals(host, &part, &same)?);
    }
    Ok(found)
}
