//! Records of `sidx:engine/scan` with their lists where the component has them.

use sidx_columns::ColumnType;
use sidx_engine::Result;
use sidx_engine::host;
use sidx_executor::{block, gather, select, top};
use wasmtime::StoreContextMut;
use wasmtime::component::{ComponentType, Lift, WasmList};

use super::bindings::sidx::engine::scan;
use super::{State, convert};

type Store<'a> = StoreContextMut<'a, State>;

/// `selection` with its lists in the component's memory.
#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct Selection {
    #[component(name = "key-pages")]
    key_pages: WasmList<u32>,
    slots: u32,
    #[component(name = "slot-pages")]
    slot_pages: WasmList<u32>,
    #[component(name = "span-counts")]
    span_counts: WasmList<u32>,
    spans: WasmList<u32>,
    low: i64,
    high: i64,
    order: scan::Order,
    #[component(name = "resume-keys")]
    resume_keys: WasmList<i64>,
    #[component(name = "resume-rows")]
    resume_rows: WasmList<u32>,
    cap: u32,
}

impl Selection {
    pub(super) fn lists<'a>(&self, store: &'a Store<'_>) -> select::Request<'a> {
        select::Request {
            key_pages: self.key_pages.as_le_slice(store),
            slots: self.slots,
            slot_pages: self.slot_pages.as_le_slice(store),
            span_counts: self.span_counts.as_le_slice(store),
            spans: self.spans.as_le_slice(store),
            low: self.low,
            high: self.high,
            order: convert::order(self.order),
            resume_keys: self.resume_keys.as_le_slice(store),
            resume_rows: self.resume_rows.as_le_slice(store),
            cap: self.cap,
        }
    }
}

/// `request` with its lists in the component's memory.
#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct Request {
    pages: WasmList<u32>,
    slots: u32,
    tested: WasmList<u8>,
    runs: WasmList<u32>,
    ends: WasmList<i64>,
    whole: bool,
    low: i64,
    high: i64,
    order: scan::Order,
    limit: u32,
    horizon: Option<(i64, u64)>,
    kinds: WasmList<u8>,
    #[component(name = "piece-counts")]
    piece_counts: WasmList<u32>,
    pieces: WasmList<u32>,
}

impl Request {
    pub(super) fn lists<'a>(&self, store: &'a Store<'_>) -> top::Request<'a> {
        top::Request {
            pages: self.pages.as_le_slice(store),
            slots: self.slots,
            tested: self.tested.as_le_slice(store),
            runs: self.runs.as_le_slice(store),
            ends: self.ends.as_le_slice(store),
            whole: self.whole,
            low: self.low,
            high: self.high,
            order: convert::order(self.order),
            limit: self.limit,
            horizon: self.horizon,
            kinds: self.kinds.as_le_slice(store),
            piece_counts: self.piece_counts.as_le_slice(store),
            pieces: self.pieces.as_le_slice(store),
        }
    }
}

/// `page-source` with its lists in the component's memory.
#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct PageSource {
    kind: u8,
    pages: WasmList<u32>,
    rows: WasmList<u32>,
}

impl PageSource {
    pub(super) fn lists<'a>(&self, store: &'a Store<'_>) -> Result<gather::Source<'a>> {
        Ok(gather::Source {
            kind: convert::column_type(self.kind)?,
            pages: self.pages.as_le_slice(store),
            rows: self.rows.as_le_slice(store),
        })
    }
}

/// `page-ranges` with its lists in the component's memory.
#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct PageRanges {
    kind: u8,
    pages: WasmList<u32>,
    starts: WasmList<u32>,
    ends: WasmList<u32>,
}

impl PageRanges {
    pub(super) fn lists<'a>(&self, store: &'a Store<'_>) -> Result<gather::Ranges<'a>> {
        Ok(gather::Ranges {
            kind: convert::column_type(self.kind)?,
            pages: self.pages.as_le_slice(store),
            starts: self.starts.as_le_slice(store),
            ends: self.ends.as_le_slice(store),
        })
    }
}

/// `row-keys` with its lists in the component's memory.
#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct RowKeys {
    keys: WasmList<i64>,
    series: WasmList<u64>,
}

impl RowKeys {
    /// The lists, for columns that outlive the call.
    pub(super) fn copied(&self, store: &Store<'_>) -> host::RowKeys {
        host::RowKeys {
            keys: self.keys.as_le_slice(store).to_vec(),
            series: self.series.as_le_slice(store).to_vec(),
        }
    }
}

/// `series-runs` with its lists in the component's memory.
#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct SeriesRuns {
    series: WasmList<u64>,
    ends: WasmList<u32>,
}

impl SeriesRuns {
    /// The lists, for columns that outlive the call.
    pub(super) fn copied(&self, store: &Store<'_>) -> host::SeriesRuns {
        host::SeriesRuns {
            series: self.series.as_le_slice(store).to_vec(),
            ends: self.ends.as_le_slice(store).to_vec(),
        }
    }
}

/// `block-source` with its lists in the component's memory.
#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct BlockSource {
    kinds: WasmList<u8>,
    pages: WasmList<u32>,
    blocks: WasmList<u32>,
    rows: WasmList<u32>,
}

impl BlockSource {
    /// The types of its columns, which [`lists`](Self::lists) refers to.
    pub(super) fn kinds(&self, store: &Store<'_>) -> Result<Vec<ColumnType>> {
        let kinds = self.kinds.as_le_slice(store).iter();
        kinds.map(|code| convert::column_type(*code)).collect()
    }

    pub(super) fn lists<'a>(
        &self,
        kinds: &'a [ColumnType],
        store: &'a Store<'_>,
    ) -> block::Source<'a> {
        block::Source {
            kinds,
            pages: self.pages.as_le_slice(store),
            blocks: self.blocks.as_le_slice(store),
            rows: self.rows.as_le_slice(store),
        }
    }
}
