//! Salvage: a new part with every row of a damaged one that can be read whole, key, payload and all
//! tags. A row of which anything is unreadable is lost rather than changed.

use crate::error::{Error, OrDamage, Result};
use crate::host::{Host, PageSource};
use crate::part::PartList;
use crate::part::TagColumn;
use crate::part::block::BlockPlace;
use crate::part::column::PAYLOAD;
use crate::part::facet::{FacetPart, FacetWriters, Facets, Origin};
use crate::part::loss::gathered;
use crate::part::name::PartName;
use crate::part::readable::{complement, readable_rows};
use crate::part::reader::{Frame, OpenBlock};
use crate::part::summary::Summary;
use crate::part::{Part, PartWriter, Values};
use crate::parts::verify;
use crate::types::Region;
use crate::types::{self, Job, Outcome};
use std::sync::Arc;

/// Does a job that salvages its one input: writes the output next to it and changes nothing else.
pub(crate) fn do_job<H: Host>(
    host: &Arc<H>,
    live: &PartList<H>,
    job: &Job,
) -> Result<types::Salvaged> {
    let [number] = job.inputs.as_slice() else {
        let text = format!("job {} is no salvage: it has not one input", job.id);
        return Err(Error::invalid(text));
    };
    let done = |rows, bytes_written, damage, lost_labels| types::Salvaged {
        outcome: Outcome {
            job: job.clone(),
            rows,
            dropped_rows: job.rows.saturating_sub(rows),
            bytes_written,
        },
        damage,
        lost_labels,
    };
    if let Some(mut damage) = live.unreadable_damage(*number) {
        damage.lost = vec![Region::everywhere(Some(job.rows))];
        return Ok(done(0, 0, damage, true));
    }
    let part = live.input(job.id, *number)?;
    let damage = verify::findings(&**host, live, part, true)?;
    let Some(mut damage) = damage else {
        let text = format!("{} is not damaged any more", part.path());
        return Err(Error::invalid(text));
    };
    let salvaged = run(
        &**host,
        &live.facets,
        &part.as_told()?,
        live.new_name(&**host, job.output),
    )?;
    damage.lost = salvaged.lost;
    let output = salvaged.output.as_ref();
    Ok(done(
        output.map_or(0, |output| output.rows),
        output.map_or(0, |output| output.size_bytes),
        damage,
        salvaged.is_lossy,
    ))
}

/// What came of it.
pub(crate) struct Salvaged {
    /// The new part; none when no row could be saved.
    pub(crate) output: Option<Summary>,
    pub(crate) lost: Vec<Region>,
    /// Something of a facet is lost, such as labels of series, though not the rows.
    pub(crate) is_lossy: bool,
}

/// Writes what can be read of a part as part `output`, in its order and with its range of element ids.
pub(crate) fn run<H: Host>(
    host: &H,
    facets: &Facets<H>,
    part: &Part<H>,
    output: PartName,
) -> Result<Salvaged> {
    walk(host, part, Some((output, facets)))?.finish()
}

/// Where rows of a part cannot be read: what a salvage would lose. Writes nothing.
pub(crate) fn lost<H: Host>(host: &H, part: &Part<H>) -> Result<Vec<Region>> {
    Ok(walk(host, part, None)?.lost)
}

fn walk<'a, H: Host>(
    host: &'a H,
    part: &'a Part<H>,
    output: Option<(PartName, &'a Facets<H>)>,
) -> Result<Salvage<'a, H>> {
    let mut salvage = Salvage {
        host,
        part,
        output,
        columns: part
            .columns()
            .iter()
            .map(|entry| entry.column.clone())
            .collect(),
        writer: None,
        last: None,
        lost: Vec::new(),
    };
    match part.frames().or_damage()?.ok() {
        None => salvage.lost.push(Region::of_part(part)),
        Some(frames) => {
            for entry in frames {
                match part.frame(entry.number).or_damage()?.ok() {
                    Some(frame) => salvage.frame(&frame)?,
                    None => salvage.lost.push(Region::of_frame(entry)),
                }
            }
        }
    }
    salvage.lost = gathered(salvage.lost);
    Ok(salvage)
}

struct Salvage<'a, H: Host> {
    host: &'a H,
    part: &'a Part<H>,
    /// None when nothing is written.
    output: Option<(PartName, &'a Facets<H>)>,
    columns: Vec<TagColumn>,
    /// Begun with the first row that can be saved.
    writer: Option<PartWriter<'a, H>>,
    /// The last row that was saved.
    last: Option<(u64, i64)>,
    lost: Vec<Region>,
}

impl<H: Host> Salvage<'_, H> {
    fn frame(&mut self, frame: &Frame) -> Result<()> {
        for open in &frame.blocks {
            self.host.check()?;
            let spans = match self.pages(frame, open.place).or_damage()?.ok() {
                None => Vec::new(),
                Some(mut pages) => {
                    pages.push(open.keys);
                    readable_rows(self.host, open, &pages, true)?.spans
                }
            };
            let rows: Vec<u32> = spans
                .chunks_exact(2)
                .filter_map(|span| Some(*span.first()?..*span.last()?))
                .flatten()
                .collect();
            let saved = !rows.is_empty() && self.block(frame, open, &rows)?;
            let gaps = match saved {
                true => complement(&spans, open.block.rows),
                false => vec![(0, open.block.rows)],
            };
            let gaps = gaps.into_iter();
            self.lost
                .extend(gaps.map(|(start, end)| Region::of_rows(open, start, end)));
        }
        Ok(())
    }

    /// The pages of a block's tags, in the order of the columns.
    fn pages(&self, frame: &Frame, block: BlockPlace) -> Result<Vec<u32>> {
        let page = |column: &TagColumn| {
            let place = self.part.place_of(&column.name, column.kind);
            self.part.page_of(frame, block, place)
        };
        self.columns.iter().map(page).collect()
    }

    /// Writes rows of a block; false when they turn out not to be what they should.
    fn block(&mut self, frame: &Frame, open: &OpenBlock, rows: &[u32]) -> Result<bool> {
        let all_keys = self.host.keys(open.keys, 0, open.block.rows).or_damage()?;
        let Ok(all_keys) = all_keys else {
            return Ok(false);
        };
        let mut near = 0;
        let series: Vec<u64> = rows
            .iter()
            .map(|row| open.block.series_of(*row, &mut near))
            .collect();
        let keys: Vec<i64> = rows
            .iter()
            .filter_map(|row| all_keys.get(*row as usize).copied())
            .collect();
        if keys.len() != rows.len() || !self.follow(&series, &keys) {
            return Ok(false);
        }
        let mut near = 0;
        let (pages, page_rows) = rows
            .iter()
            .map(|row| open.payload_of(*row, &mut near))
            .unzip();
        let payloads = PageSource {
            kind: PAYLOAD,
            pages,
            rows: page_rows,
        };
        let tag_pages = self.pages(frame, open.place)?;
        let source = |(page, column): (u32, &TagColumn)| PageSource {
            kind: column.kind,
            pages: vec![page; rows.len()],
            rows: rows.to_vec(),
        };
        let tags: Vec<PageSource> = tag_pages
            .into_iter()
            .zip(&self.columns)
            .map(source)
            .collect();
        // Pages may pass their checksum and still not be what the block says: better known before any
        // of it is written.
        let sources: Vec<PageSource> = [payloads.clone()].into_iter().chain(tags.clone()).collect();
        if self
            .host
            .gather(&PageSource::all(&sources), None)
            .or_damage()?
            .is_err()
        {
            return Ok(false);
        }
        if let Some((name, facets)) = self.output {
            let writer = match &mut self.writer {
                Some(writer) => writer,
                None => {
                    let (host, columns) = (self.host, &self.columns);
                    let origin = |facet| Origin::Salvage(FacetPart::new(self.part, facet));
                    let facets = FacetWriters::begin(host, facets, origin)?;
                    let writer = PartWriter::new(host, name, columns, facets)?;
                    self.writer.insert(writer)
                }
            };
            let source = |row: usize| Some((0, open.block.ordinal(*rows.get(row)?)));
            writer.block(&series, &keys, &Values { payloads, tags }, &source)?;
        }
        self.last = series.last().copied().zip(keys.last().copied());
        Ok(true)
    }

    /// Whether rows ascend, and come after all that were saved before.
    fn follow(&self, series: &[u64], keys: &[i64]) -> bool {
        let positions = || series.iter().zip(keys).map(|(series, key)| (*series, *key));
        let ascend = positions().zip(positions().skip(1)).all(|(a, b)| a <= b);
        ascend
            && self
                .last
                .is_none_or(|last| positions().next() >= Some(last))
    }

    fn finish(self) -> Result<Salvaged> {
        let old = self.part.summary();
        let ids = (old.first_id, old.last_id);
        let finished = match self.writer {
            Some(writer) => Some(writer.finish(ids, old.longest)?),
            None => None,
        };
        Ok(Salvaged {
            is_lossy: finished.as_ref().is_some_and(|made| made.is_lossy),
            output: finished.map(|made| made.summary),
            lost: self.lost,
        })
    }
}
