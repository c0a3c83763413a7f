//! How an index is opened.

use std::time::{Duration, Instant};

use sidx_engine::{Durability, Mode};

use crate::instance::{Engine, NativeEngine};
use crate::lenders::Beside;
use crate::rate::Time;
use crate::runtime::Sandbox;
use crate::session::Budgets;
use crate::staleness::Staleness;

/// What the caller chose for an index.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Where the index lies, and others beside it.
    pub(crate) beside: Beside,
    pub(crate) mode: Mode,
    pub(crate) engine: Engine,
    /// Where it is native.
    pub(crate) native: NativeEngine,
    pub(crate) durability: Durability,
    pub(crate) budgets: Budgets,
    pub(crate) flush_bytes: u64,
    pub(crate) automatic_merge: bool,
    pub(crate) background: bool,
    /// When the opening began, where that was before the place was looked for.
    pub(crate) asked: Option<Instant>,
    /// How long who writes waits for another one to let go.
    pub(crate) lock_wait: Duration,
    pub(crate) staleness: Staleness,
    pub(crate) query: QueryLimits,
    pub(crate) max_queries: u32,
    pub(crate) write_bytes_per_second: Option<u64>,
    pub(crate) merge_bytes_per_second: Option<u64>,
    pub(crate) scrub_bytes_per_second: Option<u64>,
    pub(crate) time: Time,
    pub(crate) sandbox: Sandbox,
}

/// What a query may use unless it says otherwise; the index is opened with it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct QueryLimits {
    pub(crate) timeout: Option<Duration>,
    pub(crate) memory_bytes: u64,
    pub(crate) max_rows: u64,
}

impl Default for QueryLimits {
    fn default() -> Self {
        Self {
            timeout: None,
            memory_bytes: 256 << 20,
            max_rows: u64::MAX,
        }
    }
}
