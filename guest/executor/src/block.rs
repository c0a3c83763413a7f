//! Blocks of parts in memory: a batch on its way in, and several small blocks put together.

use sidx_columns::MAX_ROWS;
use sidx_columns::{Column, ColumnType};

use crate::ABSENT;
use crate::columns::Columns;
use crate::encode;
use crate::error::Error;
use crate::gather::MAX_GATHERED_BYTES;
use crate::page::Purpose;
use crate::pages::{self, Pages};
use crate::sink::PageSink;
use crate::stored::Piece;

/// Blocks in memory that are put together; see `scan.block-source`.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// Type of each column.
    pub kinds: &'a [ColumnType],
    /// Page of each column in each block, column by column; [`ABSENT`] where a block lacks it.
    pub pages: &'a [u32],
    /// Number of the block that each row comes from.
    pub blocks: &'a [u32],
    /// Row in that block.
    pub rows: &'a [u32],
}

/// Writes a block from keys and rows of columns: a page of the keys, then one for each of `columns`, which
/// are positions in `from`. `check` says when the call must stop.
pub fn write<S: PageSink>(
    target: &S,
    keys: &[i64],
    from: &Columns,
    columns: &[u32],
    rows: &[u32],
    check: impl Fn() -> Result<(), S::Error>,
) -> Result<Vec<Piece>, S::Error> {
    check_lengths(keys.len(), rows.len())?;
    let mut pieces = Vec::with_capacity(columns.len() + 1);
    pieces.push(append_keys(target, keys)?);
    let whole = rows.len() == from.rows() as usize;
    let in_order = whole && (0u32..).zip(rows).all(|(at, row)| at == *row);
    for column in columns {
        check()?;
        let column = from.get(*column)?;
        pieces.push(if in_order {
            append(target, column)?
        } else {
            append(target, &column.take(rows).map_err(Error::from)?)?
        });
    }
    Ok(pieces)
}

/// Writes a block from keys and rows of other blocks.
pub fn fold<P, S>(
    pages: &P,
    target: &S,
    keys: &[i64],
    source: Source<'_>,
) -> Result<Vec<Piece>, P::Error>
where
    P: Pages,
    S: PageSink<Error = P::Error>,
{
    check_lengths(keys.len(), source.rows.len())?;
    check_lengths(keys.len(), source.blocks.len())?;
    let (windows, order) = Windows::of(source)?;
    let mut pieces = Vec::with_capacity(source.kinds.len() + 1);
    pieces.push(append_keys(target, keys)?);
    let handles = source.pages.chunks(windows.count());
    for (kind, handles) in source.kinds.iter().zip(handles) {
        pages.check()?;
        let joined = join(pages, *kind, handles, &windows)?;
        let taken = joined.take(&order).map_err(Error::from)?;
        pieces.push(append(target, &taken)?);
    }
    Ok(pieces)
}

/// The wanted rows of one column, block by block.
fn join<P: Pages>(
    pages: &P,
    kind: ColumnType,
    handles: &[u32],
    windows: &Windows,
) -> Result<Column, P::Error> {
    let held = open(pages, handles)?;
    let mut by_row = Vec::with_capacity(windows.rows.len());
    for (page, (first, end)) in pages::columns(&held)?.iter().zip(&windows.ranges) {
        let count = end.saturating_sub(*first) as usize;
        by_row.resize(by_row.len() + count, *page);
    }
    let request = sidx_kernels::Source {
        pages: &by_row,
        rows: &windows.rows,
    };
    Ok(sidx_kernels::gather(kind, request).map_err(Error::from)?)
}

fn open<P: Pages>(pages: &P, handles: &[u32]) -> Result<Vec<Option<P::Page>>, P::Error> {
    let mut bytes = 0u64;
    let open = |handle: &u32| {
        if *handle == ABSENT {
            return Ok(None);
        }
        bytes += u64::from(pages.place(*handle)?.raw_bytes);
        if bytes > MAX_GATHERED_BYTES {
            let text =
                format!("a column of the blocks passes {MAX_GATHERED_BYTES} bytes; fold fewer");
            return Err(Error::Limit(text).into());
        }
        pages.page(*handle, Purpose::Column).map(Some)
    };
    handles.iter().map(open).collect()
}

fn append_keys<S: PageSink>(target: &S, keys: &[i64]) -> Result<Piece, S::Error> {
    append(target, &encode::ints(keys.to_vec())?)
}

fn append<S: PageSink>(target: &S, column: &Column) -> Result<Piece, S::Error> {
    let (extent, stats) = target.append_plain(column)?;
    Ok(Piece::of(stats, extent, None))
}

/// The rows that are wanted of each block: ranges, because both the blocks and what is made of them are in
/// one order. Rows of a range that are not wanted cost time and nothing else.
struct Windows {
    /// First row and end row of each block.
    ranges: Vec<(u32, u32)>,
    /// The rows of all ranges, one behind the other.
    rows: Vec<u32>,
}

impl Windows {
    /// The ranges, and the place of each wanted row among their rows.
    fn of(source: Source<'_>) -> Result<(Self, Vec<u32>), Error> {
        let columns = source.kinds.len();
        let count = source.pages.len() / columns.max(1);
        if columns == 0 || count == 0 || count * columns != source.pages.len() {
            let pages = source.pages.len();
            let text =
                format!("{pages} pages are not the same number for each of {columns} columns");
            return Err(Error::Request(text));
        }
        let mut ranges = vec![(u32::MAX, 0u32); count];
        for (block, row) in source.blocks.iter().zip(source.rows) {
            let range = ranges.get_mut(*block as usize).ok_or_else(|| {
                Error::Request(format!("block {block} does not exist, there are {count}"))
            })?;
            range.0 = range.0.min(*row);
            range.1 = range.1.max(row.saturating_add(1));
        }
        let total: u64 = ranges
            .iter()
            .map(|(first, end)| u64::from(end.saturating_sub(*first)))
            .sum();
        if total > MAX_ROWS as u64 {
            let text =
                format!("{total} rows of blocks are folded at once, the limit is {MAX_ROWS}");
            return Err(Error::Request(text));
        }
        let mut rows = Vec::with_capacity(total as usize);
        let mut starts = Vec::with_capacity(count);
        for (first, end) in &ranges {
            starts.push((rows.len() as u32).wrapping_sub(*first));
            rows.extend(*first..*end);
        }
        let place = |(block, row): (&u32, &u32)| {
            let start = starts.get(*block as usize).copied().unwrap_or(0);
            start.wrapping_add(*row)
        };
        let order = source.blocks.iter().zip(source.rows).map(place).collect();
        Ok((Self { ranges, rows }, order))
    }

    /// Number of blocks; at least one.
    fn count(&self) -> usize {
        self.ranges.len().max(1)
    }
}

fn check_lengths(keys: usize, rows: usize) -> Result<(), Error> {
    if keys == rows {
        return Ok(());
    }
    Err(Error::Request(format!(
        "{keys} keys are given for {rows} rows"
    )))
}

#[cfg(test)]
mod tests {
    use sidx_columns::ValueType;

    use super::*;

    #[test]
    fn windows_are_the_rows_between_the_first_and_the_last_that_is_wanted() {
        let kinds = [ColumnType::scalar(ValueType::Int)];
        let lists = |blocks, rows| Source {
            kinds: &kinds,
            pages: &[7, 8, 9],
            blocks,
            rows,
        };
        let (windows, order) = Windows::of(lists(&[2, 0, 2, 0], &[5, 1, 6, 0])).unwrap();
        assert_eq!(windows.rows, [0, 1, 5, 6]);
        assert_eq!(order, [2, 1, 3, 0]);
        assert!(Windows::of(lists(&[3], &[0])).is_err());
        assert!(Windows::of(lists(&[0, 0], &[0, u32::MAX])).is_err());
        let uneven = Source {
            kinds: &[kinds[0]; 2],
            ..lists(&[0], &[0])
        };
        assert!(Windows::of(uneven).is_err());
    }
}
