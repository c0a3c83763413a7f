//! Checking the tags of a part: what metadata, limits and filters say of the values that are there.

use crate::error::{Error, Result};
use crate::host::{ABSENT, Host};
use crate::part::arrival::is_tag;
use crate::part::block::BlockNumber;
use crate::part::dictionary::slice_of;
use crate::part::limits::union;
use crate::part::reader::{Frame, OpenBlock, OpenTagPage, Shared};
use crate::part::{ColumnPlace, Part};
use sidx_columns::{Column, Values};
use sidx_kernels::postings::{PAGE_ENTRIES, SEGMENT_SLICES, pages_per_segment, read_slices};
use sidx_kernels::{ColumnStats, Membership, Page, PageError, SharedDictionary, ValueRange, hash};

/// Sums up the columns of a part while its blocks are checked.
pub(super) struct TagCheck<'a, H: Host> {
    part: &'a Part<H>,
    /// Rows with a value, and limits, of each column so far.
    found: Vec<(u64, ValueRange)>,
    /// The shared dictionary of each column that has one, read when its first value comes.
    shared: Vec<Option<SharedCheck>>,
}

/// A shared dictionary with its postings.
struct SharedCheck {
    dictionary: SharedDictionary,
    lists: Vec<Page>,
}

/// No value of a tag is longer than the manifest says.
fn check_lengths<H: Host>(part: &Part<H>, name: &str, values: &Column) -> Result<()> {
    let longest = values.max_value_bytes() as u64;
    if longest <= u64::from(part.summary().longest.tag_bytes) {
        return Ok(());
    }
    Err(Error::corrupt(format!(
        "tag {name:?} has a value of {longest} bytes, more than the manifest says"
    )))
}

/// Each row has its arrival number, one of those of the part.
fn check_arrivals<H: Host>(part: &Part<H>, values: &Column) -> Result<()> {
    let summary = part.summary();
    let own = summary.first_id..=summary.last_id;
    let Values::Int(found) = values.values() else {
        return Err(Error::corrupt("arrival numbers are no numbers"));
    };
    let are_own = found.iter().all(|it| own.contains(&it.cast_unsigned()));
    match are_own && values.present_count() == values.rows() {
        true => Ok(()),
        false => Err(Error::corrupt(format!(
            "some rows have no arrival number, or one outside of {} to {}",
            summary.first_id, summary.last_id
        ))),
    }
}

impl<'a, H: Host> TagCheck<'a, H> {
    pub(super) fn new(part: &'a Part<H>) -> Self {
        let found = part.columns().iter().map(|_| (0, ValueRange::None));
        Self {
            part,
            found: found.collect(),
            shared: part.columns().iter().map(|_| None).collect(),
        }
    }

    /// Compares the values of a block, read with all columns, with its metadata.
    pub(super) fn block(
        &mut self,
        host: &H,
        frame: &Frame,
        open: &OpenBlock,
        columns: &H::Columns,
    ) -> Result<()> {
        let entries = self.part.columns().iter().zip(&mut self.found);
        let entries = entries.zip(&mut self.shared);
        for (((entry, (present, limits)), shared), place) in entries.zip(1u32..) {
            let name = &entry.column.name;
            let values = host.read_column(columns, place)?;
            let stats = ColumnStats::of(&values);
            let column = self.part.place_of(name, entry.column.kind);
            let page = match column {
                Some(place) => {
                    let pages = self.part.tag_frame(frame, place.tag)?;
                    pages.page(open.place, place.column)
                }
                None => None,
            };
            check_page(host, page, &values, &stats)
                .and_then(|()| check_shared(host, self.part, column, shared, &values, open.number))
                .map_err(|error| error.at(format_args!("tag {name:?}")))?;
            // Numbers of arrival have 8 bytes each, of which the bound of the tags says nothing.
            match is_tag(name) {
                true => check_lengths(self.part, name, &values)?,
                false => check_arrivals(self.part, &values)?,
            }
            *present += u64::from(stats.present);
            *limits = union(limits, &stats.range);
        }
        Ok(())
    }

    /// Compares the sums with the manifest.
    pub(super) fn finish(self) -> Result<()> {
        for (entry, (present, limits)) in self.part.columns().iter().zip(self.found) {
            if entry.present != present || entry.limits != limits {
                return Err(Error::corrupt(format!(
                    "tag {:?}: {present} rows have values within {limits:?}, the manifest says {} \
                     within {:?}",
                    entry.column.name, entry.present, entry.limits
                )));
            }
        }
        Ok(())
    }
}

/// Compares the values of one column of a block with what its page's record says.
fn check_page<H: Host>(
    host: &H,
    page: Option<&OpenTagPage>,
    values: &Column,
    stats: &ColumnStats,
) -> Result<()> {
    let Some(open) = page else {
        return match stats.present {
            0 => Ok(()),
            count => Err(Error::corrupt(format!("{count} values without a page"))),
        };
    };
    if (open.page.present, &open.page.limits) != (stats.present, &stats.range) {
        return Err(Error::corrupt(format!(
            "{} rows have values within {:?}, its metadata says {} within {:?}",
            stats.present, stats.range, open.page.present, open.page.limits
        )));
    }
    if open.filter == ABSENT {
        return Ok(());
    }
    let bytes = host.load_page(open.filter)?;
    let filter = Membership::open(&bytes).map_err(|cause| Error::corrupt(cause.to_string()))?;
    match hashes(values).all(|hash| filter.contains(hash)) {
        true => Ok(()),
        false => Err(Error::corrupt("its filter denies a value that is there")),
    }
}

/// Compares the values of a block with the dictionary and the postings of their column.
fn check_shared<H: Host>(
    host: &H,
    part: &Part<H>,
    place: Option<ColumnPlace>,
    check: &mut Option<SharedCheck>,
    values: &Column,
    block: BlockNumber,
) -> Result<()> {
    let Some(place) = place.filter(|_| values.present_count() > 0) else {
        return Ok(());
    };
    let Some(shared) = part.shared(place)? else {
        return Ok(());
    };
    let check = match check {
        Some(check) => check,
        None => check.insert(SharedCheck::read(host, &shared)?),
    };
    let Values::Bytes(texts) = values.values() else {
        return Err(Error::corrupt("a dictionary of values that have none"));
    };
    for row in (0..values.rows()).filter(|row| values.is_present(*row)) {
        let slice = slice_of(block, row as u32);
        for text in values.element_range(row).filter_map(|at| texts.get(at)) {
            check.value(text, slice)?;
        }
    }
    Ok(())
}

impl SharedCheck {
    fn read<H: Host>(host: &H, shared: &Shared<'_>) -> Result<Self> {
        let corrupt = |cause: PageError| Error::corrupt(cause.to_string());
        let bytes = host.load_page(shared.dictionary)?;
        let dictionary = SharedDictionary::open(bytes.into()).map_err(corrupt)?;
        let mut lists = Vec::with_capacity(shared.postings.len());
        for page in shared.postings {
            lists.push(Page::open(host.load_page(*page)?.into()).map_err(corrupt)?);
        }
        Ok(Self { dictionary, lists })
    }

    /// A value that occurs in a slice.
    fn value(&self, value: &[u8], slice: u32) -> Result<()> {
        let Some(code) = self.dictionary.find(value) else {
            return Err(Error::corrupt("a value is not in the dictionary"));
        };
        if self.lists.is_empty() {
            return Ok(());
        }
        let segment = slice / SEGMENT_SLICES;
        let per_segment = pages_per_segment(self.dictionary.len());
        let place = segment as usize * per_segment + (code / PAGE_ENTRIES) as usize;
        let mut slices = Vec::new();
        if let Some(page) = self.lists.get(place) {
            read_slices(page, code, segment, &mut slices)
                .map_err(|cause| Error::corrupt(cause.to_string()))?;
        }
        match slices.contains(&slice) {
            true => Ok(()),
            false => Err(Error::corrupt("its postings deny a value that is there")),
        }
    }
}

/// Hashes of all values, or elements of arrays.
fn hashes(column: &Column) -> impl Iterator<Item = u64> {
    let slots = column.presence().filter(|_| !column.kind().array);
    let is_live = move |at: &usize| slots.is_none_or(|present| present.get(*at));
    let hash = |at: usize| match column.values() {
        Values::Int(values) => values.get(at).map(|value| hash::of_int(*value)),
        Values::Float(values) => values.get(at).map(|value| hash::of_float(*value)),
        Values::Bool(values) => values.get(at).map(|value| hash::of_bool(*value)),
        Values::Bytes(values) => values.get(at).map(hash::of_bytes),
    };
    (0..column.values().len()).filter(is_live).filter_map(hash)
}
