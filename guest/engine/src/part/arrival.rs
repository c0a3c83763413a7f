//! Arrival numbers of rows as a column, for indexes whose rows are named from elsewhere or die: the element
//! ids, which a part otherwise knows the range of only. It is a column of ints like that of a tag, under the
//! name that no tag has, so that writing, merging, checking and repairing it is what is done with any.

use super::block::Ordinal;
use super::{Part, TagColumn};
use crate::error::{Error, Result};
use crate::host::{ABSENT, Host, PageSource, Selection};
use sidx_columns::{ColumnType, ValueType, Values};
use sidx_kernels::{Step, Test};

/// Names of tags have 1 to 255 bytes.
const NAME: &str = "";

const KIND: ColumnType = ColumnType {
    value: ValueType::Int,
    array: false,
};

/// Most arrival numbers that one filter looks for.
const LOOK_UP_MAX: usize = 16 << 10;

/// The column.
pub(crate) fn column() -> TagColumn {
    TagColumn {
        name: NAME.to_owned(),
        kind: KIND,
    }
}

/// Whether a column is that of a tag, which callers see.
pub(crate) fn is_tag(name: &str) -> bool {
    name != NAME
}

/// An arrival number as the column has it. No index comes to half of them.
pub(crate) fn value(arrival: u64) -> i64 {
    arrival.cast_signed()
}

/// The arrival numbers of some rows of a part that keeps them, in the order of the rows.
pub(crate) fn of<H: Host>(host: &H, part: &Part<H>, rows: &[Ordinal]) -> Result<Vec<u64>> {
    let place = part.place_of(NAME, KIND);
    let mut source = PageSource {
        kind: KIND,
        pages: Vec::with_capacity(rows.len()),
        rows: Vec::with_capacity(rows.len()),
    };
    for row in rows {
        let (frame, block, row) = part.row(*row)?;
        source.pages.push(part.page_of(&frame, block, place)?);
        source.rows.push(row);
    }
    let columns = host.gather(&[source.source()], None)?;
    let read = host.read_column(&columns, 0)?;
    match read.values() {
        Values::Int(values) if read.present_count() == rows.len() => {
            Ok(values.iter().map(|value| value.cast_unsigned()).collect())
        }
        _ => Err(Error::corrupt(format!(
            "{}: some rows have no arrival number",
            part.path()
        ))),
    }
}

/// The rows of a part that have some of these arrival numbers, which ascend: ordinals, ascending. Limits
/// leave blocks out that have none; of the others the column is read.
pub(crate) fn find<H: Host>(host: &H, part: &Part<H>, arrivals: &[u64]) -> Result<Vec<Ordinal>> {
    let summary = part.summary();
    let from = arrivals.partition_point(|arrival| *arrival < summary.first_id);
    let end = arrivals.partition_point(|arrival| *arrival <= summary.last_id);
    let mut found = Vec::new();
    for arrivals in { arrivals.get(from..end).unwrap_or_default() }.chunks(LOOK_UP_MAX) {
        found.extend(find_some(host, part, arrivals)?);
    }
    found.sort_unstable();
    Ok(found)
}

fn find_some<H: Host>(host: &H, part: &Part<H>, arrivals: &[u64]) -> Result<Vec<Ordinal>> {
    let wanted: Vec<i64> = arrivals.iter().copied().map(value).collect();
    let (Some(low), Some(high)) = (wanted.first().copied(), wanted.last().copied()) else {
        return Ok(Vec::new());
    };
    let Some(place) = part.place_of(NAME, KIND) else {
        return Err(Error::corrupt(format!(
            "{}: it keeps no arrival numbers",
            part.path()
        )));
    };
    let filter = host.compile_filter(vec![Step::Leaf {
        slot: 0,
        elements: false,
        test: Test::IntSet(wanted.clone()),
    }])?;
    let mut found = Vec::new();
    for entry in part.frames()? {
        host.check()?;
        let frame = part.frame(entry.number)?;
        let pages = part.tag_frame(&frame, place.tag)?;
        for open in &frame.blocks {
            let page = pages.page(open.place, place.column);
            let may_have = |page: &&super::reader::OpenTagPage| match page.page.limits {
                sidx_kernels::ValueRange::Int { min, max } => {
                    let from = wanted.partition_point(|value| *value < min);
                    wanted.get(from).is_some_and(|value| *value <= max)
                }
                _ => low <= high,
            };
            let Some(page) = page.filter(may_have) else {
                continue;
            };
            let selection = Selection {
                key_pages: vec![open.keys],
                slots: 1,
                slot_pages: vec![page.handle],
                span_counts: vec![open.block.runs.len() as u32],
                spans: { open.block.runs.iter() }
                    .flat_map(|run| [run.start, run.end])
                    .collect(),
                low: i64::MIN,
                high: i64::MAX,
                resume_keys: vec![0],
                resume_rows: vec![ABSENT],
                cap: open.block.rows,
                ..Selection::default()
            };
            let selected = host.select(Some(&filter), &selection.request())?;
            found.extend(selected.rows.iter().map(|row| open.block.ordinal(*row)));
        }
    }
    Ok(found)
}
