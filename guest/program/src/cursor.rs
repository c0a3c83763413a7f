//! Rows of a running query.

use std::rc::Rc;
use std::time::Instant;

use serde_json::{Value, json};
use sidx_command::database::{self, Dumped, Query, Result};

use crate::bindings::index::{self, Rest};
use crate::bindings::session;
use crate::error::{of_engine, other};
use crate::labels::LostLabels;
use crate::opened::{Opened, parse_report};
use crate::query::{self, Prepared, Timeout};
use crate::rows::{Rows, too_many_rows};

/// Rows in one batch.
const BATCH_ROWS: u32 = 8192;

/// The rows of a query, a batch at a time. After an error it is at its end.
pub(crate) struct Cursor {
    /// What is left of the query in the engine; dropped first.
    rest: Rest,
    first: Option<Rows>,
    is_complete: bool,
    has_payload: bool,
    lost_labels: Option<Rc<LostLabels>>,
    max_rows: u64,
    rows: u64,
    /// Time in the engine, where that is measured.
    timed: bool,
    nanoseconds: u64,
    _prepared: Option<Prepared>,
    _timeout: Timeout,
    index: Rc<Opened>,
}

impl Cursor {
    /// Starts a query and fetches its first rows.
    pub(crate) fn start(index: &Rc<Opened>, query: &Query<'_>) -> Result<Self> {
        let timeout = Timeout::of(query);
        let max_rows = query.max_rows.unwrap_or(u64::MAX);
        session::begin_activity(query.timed);
        let begun = Instant::now();
        let (answer, prepared) = query::start(query, batch_rows(max_rows, 0))?;
        let mut cursor = Self {
            is_complete: !matches!(answer.rest, Rest::More(_)),
            rest: answer.rest,
            first: None,
            has_payload: query.payload,
            lost_labels: query.allow_partial.then(Rc::default),
            max_rows,
            rows: 0,
            timed: query.timed,
            nanoseconds: nanoseconds_since(begun),
            _prepared: prepared,
            _timeout: timeout,
            index: Rc::clone(index),
        };
        let first = cursor.take(answer.rows)?;
        cursor.first = Some(first).filter(|rows| rows.len() > 0);
        Ok(cursor)
    }

    /// Rows of the engine, unless they are more than the query may have.
    fn take(&mut self, rows: index::Rows) -> Result<Rows> {
        let rows = Rows::take(rows, self.has_payload, &self.index)?;
        self.rows = self.rows.saturating_add(rows.len() as u64);
        match self.rows > self.max_rows {
            true => Err(too_many_rows(self.max_rows)),
            false => Ok(rows.with_lost_labels(self.lost_labels.as_ref())),
        }
    }

    fn fetch(&mut self) -> Result<Option<Rows>> {
        let Rest::More(cursor) = &self.rest else {
            return Ok(None);
        };
        let begun = Instant::now();
        let rows = cursor.next(batch_rows(self.max_rows, self.rows));
        self.nanoseconds = { self.nanoseconds }.saturating_add(nanoseconds_since(begun));
        let Some(rows) = rows.map_err(of_engine)? else {
            return Ok(None);
        };
        let rows = self.take(rows)?;
        match rows.len() {
            // Asking on could go on for ever.
            0 => Err(other(
                "the engine returned no rows where it said there are more",
            )),
            _ => Ok(Some(rows)),
        }
    }
}

impl database::Cursor for Cursor {
    type Rows = Rows;

    fn next(&mut self) -> Result<Option<Rows>> {
        if let Some(rows) = self.first.take() {
            return Ok(Some(rows));
        }
        if self.is_complete {
            return Ok(None);
        }
        let fetched = self.fetch();
        self.is_complete = !matches!(fetched, Ok(Some(_)));
        fetched
    }

    fn explain(&mut self) -> Result<Value> {
        let activity = session::last_activity();
        let text = match &self.rest {
            Rest::Nothing => index::explain(),
            Rest::NoRows(cursor) | Rest::More(cursor) => cursor.explain(),
        };
        let mut report = parse_report(&text)?;
        let hits = { activity.pages_used }.saturating_sub(activity.pages_loaded);
        let mut host = json!({
            "crossings": activity.crossings,
            "pages_used": activity.pages_used,
            "pages_loaded": activity.pages_loaded,
            "cache_hits": hits,
            "bytes_read": activity.bytes_read,
        });
        if let (true, Some(host)) = (self.timed, host.as_object_mut()) {
            let served = activity.served_ms.saturating_mul(1_000_000);
            host.insert("host_ns".into(), served.into());
            let engine = self.nanoseconds.saturating_sub(served);
            host.insert("engine_ns".into(), engine.into());
        }
        if let Some(report) = report.as_object_mut() {
            report.insert("host".into(), host);
            report.insert("shares".into(), 1.into());
        }
        Ok(report)
    }

    fn missing(&mut self) -> Result<Vec<String>> {
        let mut missing = match &self.rest {
            Rest::Nothing => Vec::new(),
            Rest::NoRows(cursor) | Rest::More(cursor) => cursor.missing(),
        };
        let lost = self.lost_labels.as_ref().and_then(|lost| lost.get());
        missing.extend(lost.cloned());
        Ok(missing)
    }
}

/// Rows to ask for when so many were returned: one too many is enough to know.
fn batch_rows(max_rows: u64, returned: u64) -> u32 {
    let left = max_rows.saturating_sub(returned).saturating_add(1);
    u32::try_from(left).map_or(BATCH_ROWS, |left| left.min(BATCH_ROWS))
}

fn nanoseconds_since(begun: Instant) -> u64 {
    u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

/// Every physical row of an index.
pub(crate) struct Dump {
    /// Dropped first.
    cursor: index::DumpCursor,
    is_done: bool,
    index: Rc<Opened>,
}

impl Dump {
    /// Begins one.
    pub(crate) fn start(index: &Rc<Opened>) -> Result<Self> {
        Ok(Self {
            cursor: index::dump().map_err(of_engine)?,
            is_done: false,
            index: Rc::clone(index),
        })
    }

    fn fetch(&self) -> Result<Option<Dumped<Rows>>> {
        let Some(dumped) = self.cursor.next().map_err(of_engine)? else {
            return Ok(None);
        };
        Ok(Some(Dumped {
            part: dumped.part,
            first_row: dumped.first_row,
            rows: Rows::take(dumped.rows, true, &self.index)?,
        }))
    }
}

impl Iterator for Dump {
    type Item = Result<Dumped<Rows>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_done {
            return None;
        }
        let fetched = self.fetch();
        self.is_done = !matches!(fetched, Ok(Some(_)));
        fetched.transpose()
    }
}
