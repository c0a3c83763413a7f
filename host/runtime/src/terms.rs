//! On which terms a request is done: how long, on how many threads, and in which batches.

use std::sync::Arc;
use std::time::Duration;

use sidx_engine::Counted;

use crate::cursor::Cursor;
use crate::delivery::{Delivery, too_many_rows};
use crate::error::{Error, ErrorKind, Result};
use crate::handle::Handle;
use crate::request::Request;
use crate::session::{CallLimits, CancelToken};
use crate::work::Operation;

/// How a request is to be done.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    pub(crate) timeout: Option<Duration>,
    pub(crate) cancel: Option<CancelToken>,
    pub(crate) max_rows: u64,
    pub(crate) rows_per_batch: u32,
    pub(crate) threads: usize,
    pub(crate) timed: bool,
}

impl Terms {
    /// What stops its calls.
    pub(crate) fn limits(&self) -> CallLimits {
        CallLimits::new(self.timeout, self.cancel.clone())
    }

    /// Starts a request on the rows that are acknowledged now.
    pub(crate) fn run(&self, index: Handle, mut request: Request) -> Result<Cursor> {
        let query = request.query();
        let delivery = Delivery {
            has_payload: query.payload,
            lost_labels: query.allow_partial.then(Arc::default),
            rows_per_batch: self.rows_per_batch,
            max_rows: self.max_rows,
            timed: self.timed,
        };
        // Only rows in any order can be shared.
        let shares = match query.any_order {
            true => request.shares(self.threads),
            false => 1,
        };
        let mut task = index.begin_query(Operation::Query, &self.limits())?;
        match index.pool().lease(self.limits()) {
            Ok(lease) => Cursor::start(index, lease, task, request, shares, delivery),
            Err(error) => {
                task.end(Err(&error));
                Err(error)
            }
        }
    }

    /// The number of its rows.
    pub(crate) fn count(&self, index: &Handle, mut request: Request) -> Result<Counted> {
        let mut task = index.begin_query(Operation::Count, &self.limits())?;
        let (limit, max_rows) = (request.limit(), self.max_rows);
        // One row too many is enough to know.
        let most = limit.unwrap_or(u64::MAX).min(max_rows.saturating_add(1));
        *limit = (most < u64::MAX).then_some(most);
        let shares = request.shares(self.threads);
        let allowed = request.query().allow_partial;
        let counted = index.pool().lease(self.limits()).and_then(|mut lease| {
            task.follow(lease.instance()?.session().activity());
            let counted = request.count(&mut lease, shares)?;
            if counted.rows > most || (counted.partial && !allowed) {
                let text =
                    format!("the engine returned {counted:?} for a query of at most {most} rows");
                return lease.whole(Err(Error::new(ErrorKind::Other, text)));
            }
            match counted.rows > max_rows {
                true => Err(too_many_rows(max_rows)),
                false => Ok(counted),
            }
        });
        task.end(counted.as_ref().map(drop));
        counted
    }
}
