//! Rows of a running query.

use std::borrow::BorrowMut;
use std::time::Instant;

use serde_json::Value;
use sidx_engine::QuerySpec;

use crate::delivery::{Delivery, too_many_rows};
use crate::error::{Error, ErrorKind, Result};
use crate::handle::Handle;
use crate::instance::{Course, Returned, Started};
use crate::pool::Lease;
use crate::request::Request;
use crate::rows::{Row, Rows};
use crate::shares::Shares;
use crate::work::Task;

fn nanoseconds_since(start: Option<Instant>) -> u64 {
    start.map_or(0, |start| {
        u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX)
    })
}

/// The rows of a query: an iterator of batches, or with [`rows`](Self::rows) of single rows. It reads
/// the index as it was when the query started, and holds an instance of the engine until it is dropped.
/// After an error it is at its end; what was returned before is right, but not whole.
#[must_use = "a cursor does nothing until rows are asked for"]
pub struct Cursor {
    /// The cursor of the instance; none when all rows came at once.
    number: Option<u64>,
    lease: Lease,
    delivery: Delivery,
    first: Option<Rows>,
    complete: bool,
    nanoseconds: u64,
    /// Other instances that do the work, where it is worth it.
    shares: Option<Shares>,
    task: Task,
    /// Keeps the index open, and its lock held, as long as rows can be read.
    index: Handle,
}

impl Cursor {
    /// Starts a request on an instance and fetches its first rows. Of more than one share, the instance may
    /// leave them to others.
    pub(crate) fn start(
        index: Handle,
        mut lease: Lease,
        mut task: Task,
        request: Request,
        shares: u32,
        delivery: Delivery,
    ) -> Result<Self> {
        let start = delivery.timed.then(Instant::now);
        let rows = delivery.batch_rows(0);
        let started = lease.instance().and_then(|instance| {
            instance.session().activity().reset(delivery.timed);
            task.follow(instance.session().activity());
            request.start(instance, rows, shares)
        });
        let started = started.and_then(|started| match started {
            Course::Alone(started) => Ok((Some(started), None)),
            Course::Shared(query, shares) => share(&mut lease, query, &delivery, shares, &index),
        });
        let (started, shares) = match started {
            Ok(started) => started,
            Err(error) => {
                task.end(Err(&error));
                return Err(error);
            }
        };
        let more = started.as_ref().is_none_or(Started::has_more);
        let mut cursor = Self {
            number: started.as_ref().and_then(Started::cursor),
            lease,
            delivery,
            first: None,
            complete: !more,
            nanoseconds: nanoseconds_since(start),
            shares,
            task,
            index,
        };
        if let Some(started) = started {
            let first = cursor.rows_of(started.rows);
            let first = cursor.lease.whole(first);
            cursor.first = Some(cursor.noted(first)?).filter(|rows| !rows.is_empty());
        }
        if cursor.complete {
            cursor.task.end(Ok(()));
        }
        Ok(cursor)
    }

    /// Notes an error as the end of the query.
    fn noted<T>(&mut self, result: Result<T>) -> Result<T> {
        if let Err(error) = &result {
            self.task.end(Err(error));
        }
        result
    }

    /// Single rows, leaving the cursor for [`explain`](Self::explain).
    pub fn rows(&mut self) -> RowIter<&mut Self> {
        RowIter {
            cursor: self,
            batch: None,
            next: 0,
        }
    }

    /// Single rows.
    pub fn into_rows(self) -> RowIter<Self> {
        RowIter {
            cursor: self,
            batch: None,
            next: 0,
        }
    }

    /// What the query did so far, as a JSON object: for parts, blocks and pages how many there were and
    /// how many each rule dropped, and under `host` the crossings, pages, cache hits and bytes read, with
    /// times if the query was [`timed`](crate::Query::timed).
    ///
    /// # Errors
    /// Only those of an engine that failed before.
    pub fn explain(&mut self) -> Result<Value> {
        if let Some(shares) = &self.shares {
            let mut report = shares.explain();
            if let Some(report) = report.as_object_mut() {
                report.insert("shares".into(), shares.count().into());
            }
            return Ok(report);
        }
        let instance = self.lease.instance()?;
        let host = instance.session().activity().to_json(self.nanoseconds);
        let text = instance.explain(self.number)?;
        let report = serde_json::from_str(&text).map_err(|cause| {
            let text = format!("the engine's explanation is not JSON: {cause}");
            Error::new(ErrorKind::Other, text)
        });
        let mut report: Value = self.lease.whole(report)?;
        if let Some(report) = report.as_object_mut() {
            report.insert("host".into(), host);
            report.insert("shares".into(), 1.into());
        }
        Ok(report)
    }

    /// What the result lacks, one text for each damaged place; empty for a whole result, and always unless
    /// the query [allowed a partial one](crate::Query::allow_partial). Ask at the end, when the rows were
    /// read, and their labels where they are wanted: damage is found as it is met.
    ///
    /// # Errors
    /// Only those of an engine that failed before.
    pub fn missing(&mut self) -> Result<Vec<String>> {
        let mut missing = match (&self.shares, self.number) {
            (Some(shares), _) => shares.missing(),
            (None, Some(number)) => self.lease.instance()?.missing(number)?,
            (None, None) => Vec::new(),
        };
        let lost = self.delivery.lost_labels.as_ref();
        missing.extend(lost.and_then(|lost| lost.told()).map(str::to_owned));
        Ok(missing)
    }

    /// Counts rows, of which there may not be more than the query may have.
    fn add_rows(&self, rows: usize) -> Result<()> {
        self.task.add_rows(rows as u64);
        match self.task.rows() > self.delivery.max_rows {
            true => Err(too_many_rows(self.delivery.max_rows)),
            false => Ok(()),
        }
    }

    /// Rows of the engine, unless they are more than the query may have.
    fn rows_of(&self, rows: Returned) -> Result<Rows> {
        self.add_rows(rows.len())?;
        let rows = Rows::new(rows, self.delivery.has_payload, self.index.labels())?;
        Ok(rows.with_lost_labels(self.delivery.lost_labels.as_ref()))
    }

    fn fetch(&mut self) -> Result<Option<Rows>> {
        if let Some(shares) = &mut self.shares {
            // Batches may wait here long after the query was to end.
            self.lease.limits().check()?;
            let rows = shares.next()?;
            self.add_rows(rows.as_ref().map_or(0, Rows::len))?;
            return Ok(rows);
        }
        let Some(number) = self.number else {
            return Ok(None);
        };
        let start = self.delivery.timed.then(Instant::now);
        let rows = self
            .lease
            .instance()?
            .next(number, self.delivery.batch_rows(self.task.rows()));
        self.nanoseconds = self.nanoseconds.saturating_add(nanoseconds_since(start));
        let rows = rows?.map(|rows| self.rows_of(rows)).transpose();
        self.lease.whole(rows)
    }
}

/// Has a query that is worth it done by several instances, or by this one after all when there are no others.
fn share(
    lease: &mut Lease,
    query: QuerySpec,
    delivery: &Delivery,
    shares: u32,
    index: &Handle,
) -> Result<(Option<Started>, Option<Shares>)> {
    let shares = Shares::start(lease, &query, delivery, shares, &index.labels())?;
    if shares.is_some() {
        return Ok((None, shares));
    }
    let started = lease.instance()?.query(query, delivery.batch_rows(0))?;
    Ok((Some(started), None))
}

impl Iterator for Cursor {
    type Item = Result<Rows>;

    fn next(&mut self) -> Option<Result<Rows>> {
        if let Some(rows) = self.first.take() {
            return Some(Ok(rows));
        }
        if !self.complete {
            match self.fetch() {
                Ok(Some(rows)) if rows.is_empty() => {
                    // Asking on could go on for ever.
                    self.complete = true;
                    let text = "the engine returned no rows where it said there are more";
                    let error = Error::new(ErrorKind::Other, text);
                    return Some(self.lease.whole(Err(error)));
                }
                Ok(Some(rows)) => return Some(Ok(rows)),
                Ok(None) => {
                    self.complete = true;
                    self.task.end(Ok(()));
                }
                Err(error) => {
                    self.complete = true;
                    self.task.end(Err(&error));
                    return Some(Err(error));
                }
            }
        }
        None
    }
}

impl Drop for Cursor {
    fn drop(&mut self) {
        // There is an instance until the lease itself is dropped, after this.
        if let (Some(number), Ok(instance)) = (self.number, self.lease.instance()) {
            instance.close_cursor(number);
        }
    }
}

/// The rows of a cursor one by one.
#[must_use = "an iterator does nothing until rows are asked for"]
pub struct RowIter<C: BorrowMut<Cursor>> {
    cursor: C,
    batch: Option<Rows>,
    next: usize,
}

impl<C: BorrowMut<Cursor>> Iterator for RowIter<C> {
    type Item = Result<Row>;

    fn next(&mut self) -> Option<Result<Row>> {
        loop {
            if let Some(batch) = &self.batch {
                let row = batch.row(self.next);
                self.next += 1;
                if let Some(row) = row.transpose() {
                    return Some(row);
                }
            }
            match self.cursor.borrow_mut().next()? {
                Ok(batch) => (self.batch, self.next) = (Some(batch), 0),
                Err(error) => return Some(Err(error)),
            }
        }
    }
}
