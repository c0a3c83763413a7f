//! Which columns a query returns, and gathering them for its rows.

use super::block::QueryBlock;
use crate::error::Result;
use crate::host::{ABSENT, Host, PageSource, RowKeys};
use crate::part::PartList;
use crate::part::arrival;
use crate::part::column::PAYLOAD;
use crate::part::list::{PerPart, Rank};
use crate::part::totals;
use crate::part::{ColumnPlace, Part, TagColumn};
use crate::types::{Projection as Wanted, QuerySpec};
use std::sync::Arc;

/// The columns of a result: the same for every batch of rows.
pub(crate) struct Projection {
    pub(super) payload: bool,
    pub(super) columns: Vec<TagColumn>,
    /// Per part of the list: where it keeps the columns, none where it lacks one.
    places: PerPart<Vec<Option<ColumnPlace>>>,
}

impl Projection {
    /// Resolves the wanted tags against the types that the parts know. A tag with several types yields a
    /// column of each.
    pub(crate) fn new<H: Host>(spec: &QuerySpec, live: &PartList<H>) -> Self {
        let known = totals::columns(&live.parts);
        let columns = match &spec.projection {
            Wanted::All => { known.into_iter().cloned() }
                .filter(|column| arrival::is_tag(&column.name))
                .collect(),
            Wanted::Only(names) => names
                .iter()
                .filter(|name| arrival::is_tag(name))
                .flat_map(|name| known.iter().filter(move |column| column.name == *name))
                .map(|column| (*column).clone())
                .collect(),
        };
        Self::placed(spec.payload, columns, live)
    }

    fn placed<H: Host>(payload: bool, columns: Vec<TagColumn>, live: &PartList<H>) -> Self {
        let places = |part: &Arc<Part<H>>| {
            let columns = columns.iter();
            columns
                .map(|column| part.place_of(&column.name, column.kind))
                .collect()
        };
        Self {
            places: live.parts.iter().map(places).collect(),
            payload,
            columns,
        }
    }

    /// Whether payloads are returned.
    pub(crate) fn payload(&self) -> bool {
        self.payload
    }

    /// The tag columns.
    pub(crate) fn columns(&self) -> &[TagColumn] {
        &self.columns
    }

    /// Where a part keeps a column.
    pub(crate) fn place(&self, rank: Rank, column: usize) -> Option<ColumnPlace> {
        self.places.get(rank)?.get(column).copied().flatten()
    }

    pub(crate) fn is_empty(&self) -> bool {
        !self.payload && self.columns.is_empty()
    }

    /// The names of the tag columns.
    pub(crate) fn names(&self) -> Vec<String> {
        self.columns
            .iter()
            .map(|column| column.name.clone())
            .collect()
    }

    /// Gathers the columns of rows, given as (block of the query, row in the block), with their keys.
    pub(crate) fn gather<H: Host>(
        &self,
        host: &H,
        live: &PartList<H>,
        blocks: &mut [Option<QueryBlock>],
        picked: &[(usize, u32)],
        keys: RowKeys,
    ) -> Result<H::Columns> {
        let mut sources = Vec::with_capacity(self.columns.len() + 1);
        if self.payload {
            sources.push(payload_source(blocks, picked));
        }
        for (block, _) in picked {
            self.look_up(live, blocks.get_mut(*block).and_then(Option::as_mut))?;
        }
        for (index, column) in self.columns.iter().enumerate() {
            let page = |(block, _): &(usize, u32)| {
                let block = blocks.get(*block).and_then(Option::as_ref);
                let projected = block.and_then(|block| block.projected.as_ref());
                projected
                    .and_then(|pages| pages.get(index))
                    .copied()
                    .unwrap_or(ABSENT)
            };
            sources.push(PageSource {
                kind: column.kind,
                pages: picked.iter().map(page).collect(),
                rows: picked.iter().map(|(_, row)| *row).collect(),
            });
        }
        host.gather(&PageSource::all(&sources), Some(keys))
    }

    /// Finds the pages of the columns in a block, once.
    pub(crate) fn look_up<H: Host>(
        &self,
        live: &PartList<H>,
        block: Option<&mut QueryBlock>,
    ) -> Result<()> {
        let Some(block) = block.filter(|block| block.projected.is_none()) else {
            return Ok(());
        };
        let Some(part) = live.get(block.rank) else {
            return Ok(());
        };
        let mut pages = Vec::with_capacity(self.columns.len());
        for column in 0..self.columns.len() {
            let place = self.place(block.rank, column);
            pages.push(part.page_of(&block.frame, block.block, place)?);
        }
        block.projected = Some(pages);
        Ok(())
    }
}

/// Where the payloads of rows lie.
pub(crate) fn payload_source(
    blocks: &mut [Option<QueryBlock>],
    picked: &[(usize, u32)],
) -> PageSource {
    let mut source = PageSource {
        kind: PAYLOAD,
        pages: Vec::with_capacity(picked.len()),
        rows: Vec::with_capacity(picked.len()),
    };
    for (block, row) in picked {
        let (page, row) = match blocks.get_mut(*block).and_then(Option::as_mut) {
            Some(block) => match block.frame.block(block.block) {
                Some(open) => open.payload_of(*row, &mut block.near_payload),
                None => (ABSENT, 0),
            },
            None => (ABSENT, 0),
        };
        source.pages.push(page);
        source.rows.push(row);
    }
    source
}
