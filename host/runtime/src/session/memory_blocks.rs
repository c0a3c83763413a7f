//! Blocks of parts in memory: a batch on its way in, and several small blocks put together.

use std::sync::Arc;

use sidx_columns::{Column, ColumnType, MAX_ROWS, ValueType, Values};
use sidx_engine::host::{ABSENT, BlockSource, Piece};
use sidx_engine::{Error, ErrorKind, Result};
use sidx_kernels::{Page, Source};

use super::cached_page::{CachedPage, Purpose};
use super::columns::Columns;
use super::gather::MAX_GATHERED_BYTES;
use super::new_file::NewFile;
use super::{Session, column_error, kernel_error};

/// What `scan.fold-block` is given, with the lists wherever they are.
#[derive(Clone, Copy)]
pub(crate) struct BlockLists<'a> {
    pub(crate) kinds: &'a [ColumnType],
    pub(crate) pages: &'a [u32],
    pub(crate) blocks: &'a [u32],
    pub(crate) rows: &'a [u32],
}

impl<'a> From<&'a BlockSource> for BlockLists<'a> {
    fn from(source: &'a BlockSource) -> Self {
        Self {
            kinds: &source.kinds,
            pages: &source.pages,
            blocks: &source.blocks,
            rows: &source.rows,
        }
    }
}

impl Session {
    /// `scan.write-block`, with the lists wherever they are.
    pub(crate) fn write_block_lists(
        &self,
        target: &NewFile,
        keys: &[i64],
        from: &Columns,
        columns: &[u32],
        rows: &[u32],
    ) -> Result<Vec<Piece>> {
        let _crossing = self.activity.crossing();
        self.check_call()?;
        self.check_build("scan.write-block")?;
        check_lengths(keys.len(), rows.len())?;
        let mut pieces = Vec::with_capacity(columns.len() + 1);
        pieces.push(self.append_keys(target, keys)?);
        let whole = rows.len() == from.rows() as usize;
        let in_order = whole && (0u32..).zip(rows).all(|(at, row)| at == *row);
        for column in columns {
            self.check_call()?;
            let column = from.get(*column)?;
            pieces.push(if in_order {
                self.append_plain(target, column)?
            } else {
                self.append_plain(target, &column.take(rows).map_err(column_error)?)?
            });
        }
        Ok(pieces)
    }

    /// `scan.fold-block`, with the lists wherever they are.
    pub(crate) fn fold_block_lists(
        &self,
        target: &NewFile,
        keys: &[i64],
        source: BlockLists<'_>,
    ) -> Result<Vec<Piece>> {
        let _crossing = self.activity.crossing();
        self.check_call()?;
        self.check_build("scan.fold-block")?;
        check_lengths(keys.len(), source.rows.len())?;
        check_lengths(keys.len(), source.blocks.len())?;
        let (windows, order) = Windows::of(source)?;
        let mut pieces = Vec::with_capacity(source.kinds.len() + 1);
        pieces.push(self.append_keys(target, keys)?);
        for (kind, pages) in source
            .kinds
            .iter()
            .zip(source.pages.chunks(windows.count()))
        {
            self.check_call()?;
            let joined = self.join(*kind, pages, &windows)?;
            let taken = joined.take(&order).map_err(column_error)?;
            pieces.push(self.append_plain(target, &taken)?);
        }
        Ok(pieces)
    }

    /// The wanted rows of one column, block by block.
    fn join(&self, kind: ColumnType, pages: &[u32], windows: &Windows) -> Result<Column> {
        let opened = self.open_pages(pages)?;
        let opened = opened
            .iter()
            .map(|page| page.as_ref().map(|page| page.column()).transpose())
            .collect::<Result<Vec<Option<&Page>>>>()?;
        let mut by_row = Vec::with_capacity(windows.rows.len());
        for (page, (first, end)) in opened.iter().zip(&windows.ranges) {
            let count = end.saturating_sub(*first) as usize;
            by_row.resize(by_row.len() + count, *page);
        }
        let request = Source {
            pages: &by_row,
            rows: &windows.rows,
        };
        sidx_kernels::gather(kind, request).map_err(kernel_error)
    }

    fn open_pages(&self, pages: &[u32]) -> Result<Vec<Option<Arc<CachedPage>>>> {
        let handles = self.handles.lock();
        let mut bytes = 0u64;
        let open = |page: &u32| {
            if *page == ABSENT {
                return Ok(None);
            }
            bytes += u64::from(handles.page(*page)?.place.extent.raw_bytes);
            if bytes > MAX_GATHERED_BYTES {
                let text =
                    format!("a column of the blocks passes {MAX_GATHERED_BYTES} bytes; fold fewer");
                return Err(Error::new(ErrorKind::LimitExceeded, text));
            }
            self.page(&handles, *page, Purpose::Column).map(Some)
        };
        pages.iter().map(open).collect()
    }

    fn append_keys(&self, target: &NewFile, keys: &[i64]) -> Result<Piece> {
        let kind = ColumnType::scalar(ValueType::Int);
        let values = Values::Int(keys.to_vec());
        let column = Column::new(kind, keys.len(), None, None, values).map_err(column_error)?;
        self.activity.wrote_rows(keys.len() as u64);
        self.append_plain(target, &column)
    }

    fn append_plain(&self, target: &NewFile, column: &Column) -> Result<Piece> {
        let (extent, stats) = target.append_plain(column)?;
        self.activity.wrote(u64::from(extent.stored_bytes));
        Ok(Piece {
            rows: stats.rows,
            present: stats.present,
            extent,
            filter: None,
            limits: stats.range,
        })
    }
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
    fn of(source: BlockLists<'_>) -> Result<(Self, Vec<u32>)> {
        let columns = source.kinds.len();
        let count = source.pages.len() / columns.max(1);
        if columns == 0 || count == 0 || count * columns != source.pages.len() {
            let pages = source.pages.len();
            let text =
                format!("{pages} pages are not the same number for each of {columns} columns");
            return Err(Error::invalid(text));
        }
        let mut ranges = vec![(u32::MAX, 0u32); count];
        for (block, row) in source.blocks.iter().zip(source.rows) {
            let range = ranges.get_mut(*block as usize).ok_or_else(|| {
                Error::invalid(format!("block {block} does not exist, there are {count}"))
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
            return Err(Error::invalid(text));
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

fn check_lengths(keys: usize, rows: usize) -> Result<()> {
    if keys == rows {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "{keys} keys are given for {rows} rows"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_the_rows_between_the_first_and_the_last_that_is_wanted() {
        let kinds = [ColumnType::scalar(ValueType::Int)];
        let lists = |blocks, rows| BlockLists {
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
        let uneven = BlockLists {
            kinds: &[kinds[0]; 2],
            ..lists(&[0], &[0])
        };
        assert!(Windows::of(uneven).is_err());
    }
}
