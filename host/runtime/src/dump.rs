//! Every physical row of an index.

use crate::error::Result;
use crate::handle::Handle;
use crate::pool::Lease;
use crate::rows::{DumpedRows, Rows};
use crate::work::Task;

/// An iterator over the physical rows of an index.
#[must_use = "a dump does nothing until rows are asked for"]
pub struct Dump {
    number: u64,
    lease: Lease,
    done: bool,
    task: Task,
    index: Handle,
}

impl Dump {
    pub(crate) fn start(index: Handle, mut lease: Lease, mut task: Task) -> Result<Self> {
        let begun = lease.instance().and_then(|instance| {
            task.follow(instance.session().activity());
            instance.dump()
        });
        match begun {
            Ok(number) => Ok(Self {
                number,
                lease,
                done: false,
                task,
                index,
            }),
            Err(error) => {
                task.end(Err(&error));
                Err(error)
            }
        }
    }

    fn fetch(&mut self) -> Result<Option<DumpedRows>> {
        let Some(dumped) = self.lease.instance()?.next_dumped(self.number)? else {
            return Ok(None);
        };
        let rows = Rows::new(dumped.rows, true, self.index.labels());
        Ok(Some(DumpedRows {
            part: dumped.part,
            block: dumped.block,
            first_row: dumped.first_row,
            rows: self.lease.whole(rows)?,
        }))
    }
}

impl Iterator for Dump {
    type Item = Result<DumpedRows>;

    fn next(&mut self) -> Option<Result<DumpedRows>> {
        if self.done {
            return None;
        }
        let fetched = self.fetch();
        self.done = !matches!(fetched, Ok(Some(_)));
        match &fetched {
            Ok(Some(dumped)) => self.task.add_rows(dumped.rows.len() as u64),
            Ok(None) => self.task.end(Ok(())),
            Err(error) => self.task.end(Err(error)),
        }
        fetched.transpose()
    }
}

impl Drop for Dump {
    fn drop(&mut self) {
        // There is an instance until the lease itself is dropped, after this.
        if let Ok(instance) = self.lease.instance() {
            instance.close_dump(self.number);
        }
    }
}
