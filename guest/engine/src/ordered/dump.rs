//! Every physical row of every part, a block at a time, in stored order.

use crate::error::{Error, Result};
use crate::host::{Host, PageSource, RowKeys};
use crate::part::Part;
use crate::part::PartList;
use crate::part::arrival;
use crate::part::block::BlockPlace;
use crate::part::column::PAYLOAD;
use crate::part::frame::FrameNumber;
use crate::part::list::Rank;
use crate::part::reader::{Frame, OpenBlock};
use crate::types::{Dumped, RowContent, Rows};
use std::sync::Arc;

/// Goes through the parts that were live when it was made.
pub struct DumpCursor<H: Host> {
    host: Arc<H>,
    live: Arc<PartList<H>>,
    part: Rank,
    frame: FrameNumber,
    block: BlockPlace,
}

impl<H: Host> DumpCursor<H> {
    pub(crate) fn new(host: &Arc<H>, live: &Arc<PartList<H>>) -> Self {
        Self {
            host: Arc::clone(host),
            live: Arc::clone(live),
            part: Rank::FIRST,
            frame: FrameNumber::FIRST,
            block: BlockPlace::FIRST,
        }
    }

    /// The next block; none at the end.
    ///
    /// # Errors
    /// Everything that reading may bring; the cursor then stays where it is.
    #[allow(
        clippy::should_implement_trait,
        reason = "named as in WIT; it can fail and go on"
    )]
    pub fn next(&mut self) -> Result<Option<Dumped<H::Columns>>> {
        while let Some(part) = self.live.get(self.part) {
            if part.frame_entry(self.frame)?.is_none() {
                self.part = self.part.next();
                (self.frame, self.block) = (FrameNumber::FIRST, BlockPlace::FIRST);
                continue;
            }
            let frame = part.frame(self.frame)?;
            let Some(open) = frame.block(self.block) else {
                (self.frame, self.block) = (self.frame.next(), BlockPlace::FIRST);
                continue;
            };
            let BlockRows { keys, mut sources } = read_block(&*self.host, part, &frame, open)?;
            let names = part.columns().iter().map(|entry| entry.column.name.clone());
            let names: Vec<String> = names.collect();
            let mut is_told = [true]
                .into_iter()
                .chain(names.iter().map(|name| arrival::is_tag(name)));
            sources.retain(|_| is_told.next().unwrap_or(true));
            let columns = self.host.gather(&PageSource::all(&sources), Some(keys))?;
            let names = names.into_iter().filter(|name| arrival::is_tag(name));
            let rows = Rows {
                content: RowContent::Held(columns),
                names: Some(names.collect()),
                ..Rows::default()
            };
            self.block = self.block.next();
            return Ok(Some(Dumped {
                part: part.label(),
                block: open.number.get(),
                first_row: open.block.first_row.get(),
                rows,
            }));
        }
        Ok(None)
    }
}

/// The rows of a block.
pub(crate) struct BlockRows {
    pub(crate) keys: RowKeys,
    /// The payload and all columns of the part, to be gathered.
    pub(crate) sources: Vec<PageSource>,
}

/// Reads the keys of all rows of a block, and finds all their columns.
pub(crate) fn read_block<H: Host>(
    host: &H,
    part: &Part<H>,
    frame: &Frame,
    open: &OpenBlock,
) -> Result<BlockRows> {
    host.check()?;
    let rows = open.block.rows;
    let keys = host.keys(open.keys, 0, rows)?;
    if keys.len() != rows as usize {
        return Err(Error::corrupt(format!(
            "{} keys for {rows} rows",
            keys.len()
        )));
    }
    let runs = open.block.runs.iter();
    let series = runs
        .flat_map(|run| (run.start..run.end).map(|_| run.series))
        .collect();
    let mut near = 0;
    let (pages, page_rows) = (0..rows).map(|row| open.payload_of(row, &mut near)).unzip();
    let mut sources = vec![PageSource {
        kind: PAYLOAD,
        pages,
        rows: page_rows,
    }];
    for entry in part.columns() {
        let column = &entry.column;
        let place = part.place_of(&column.name, column.kind);
        let page = part.page_of(frame, open.place, place)?;
        let pages = vec![page; rows as usize];
        sources.push(PageSource {
            kind: column.kind,
            pages,
            rows: (0..rows).collect(),
        });
    }
    let keys = RowKeys { keys, series };
    Ok(BlockRows { keys, sources })
}
