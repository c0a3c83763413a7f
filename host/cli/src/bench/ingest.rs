//! The figures of ingest: batches into an empty index.

use std::path::Path;
use std::thread;
use std::time::Duration;

use sidx_command::{Code, Failure};
use sidx_host::{Batch, Engine, Index};
use sidx_w1::{Columns, Row};

use super::figure::{Figure, Form, Load};
use super::samples::{Clocks, Sample, Spent};
use super::stores;
use super::workload::{Workload, batch, columns, of_columns};
use crate::database::failure;

/// Rows that are held ready at once, which bounds memory. The clocks stop in between.
const ROWS_AHEAD: u64 = 1_000_000;

/// Writes all rows into a new index in `store`, and removes it.
///
/// The time is from the first batch to the acknowledgement of the last, and to the end of every flush and
/// merge that the index does on the way by its default policy: what runs beside the writes is paid for all
/// the same. Making the rows is not in it; making columns of them is, unless the load has them ready.
pub(super) fn measure(
    workload: &Workload,
    store: &Path,
    engine: Engine,
    load: Load,
) -> Result<Sample, Failure> {
    let index = workload.index(store, engine)?.durability(load.durability);
    let index = index.create().map_err(failure)?;
    let mut spent = Spent::default();
    let mut first = 0;
    while first < workload.rows {
        let end = first.saturating_add(ROWS_AHEAD).min(workload.rows);
        let rows = workload.rows_of_batches(first..end, load.batch_rows);
        spent = spent.and(match load.form {
            Form::Rows => {
                let make = |rows: Vec<Row>| batch(&rows);
                timed(&index, shares(rows, load.writers), make)?
            }
            Form::Columns => {
                let ready: Result<Vec<Columns>, Failure> =
                    rows.into_iter().map(|rows| columns(&rows)).collect();
                timed(&index, shares(ready?, load.writers), of_columns)?
            }
        });
        first = end;
    }
    workload.check_rows(&Figure::Ingest(load).title(), engine, &index)?;
    index.close().map_err(failure)?;
    stores::remove(store)?;
    Ok(Sample::rate(workload.rows, spent))
}

/// Writes everything and waits for what it set off; how long that took.
fn timed<T: Send>(
    index: &Index,
    shares: Vec<Vec<T>>,
    make: impl Fn(T) -> Result<Batch, Failure> + Sync,
) -> Result<Spent, Failure> {
    let clocks = Clocks::start();
    write(index, shares, make)?;
    await_background(index);
    Ok(clocks.stop())
}

/// Waits until no flush and no merge is running. One may be about to begin, so that is looked for thrice.
fn await_background(index: &Index) {
    let mut quiet = 0;
    while quiet < 3 {
        quiet = match index.health().running.is_empty() {
            true => quiet + 1,
            false => 0,
        };
        thread::sleep(Duration::from_millis(1));
    }
}

/// Deals batches out to writers in turn.
fn shares<T>(batches: Vec<T>, writers: usize) -> Vec<Vec<T>> {
    let mut shares: Vec<Vec<T>> = (0..writers.max(1)).map(|_| Vec::new()).collect();
    let mut batches = batches.into_iter();
    loop {
        for share in &mut shares {
            match batches.next() {
                Some(batch) => share.push(batch),
                None => return shares,
            }
        }
    }
}

/// Writes each share on a thread of its own; a single one on this thread.
fn write<T: Send>(
    index: &Index,
    mut shares: Vec<Vec<T>>,
    make: impl Fn(T) -> Result<Batch, Failure> + Sync,
) -> Result<(), Failure> {
    let write_share = |share: Vec<T>| -> Result<(), Failure> {
        for rows in share {
            index.write(make(rows)?).map_err(failure)?;
        }
        Ok(())
    };
    let write_share = &write_share;
    if shares.len() == 1 {
        return shares.pop().map_or(Ok(()), write_share);
    }
    thread::scope(|scope| {
        let start = |share| scope.spawn(move || write_share(share));
        let writers: Vec<_> = shares.into_iter().map(start).collect();
        let mut outcome = Ok(());
        for writer in writers {
            let written = writer.join().unwrap_or_else(|_| {
                let message = "a writing thread ended early";
                Err(Failure::new(Code::Other, message, "report it"))
            });
            outcome = outcome.and(written);
        }
        outcome
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use sidx_host::Durability;

    #[test]
    fn every_batch_has_one_writer() {
        let workload = Workload::new(90, 3, 0);
        let batches = workload.rows_of_batches(0..90, 10);
        let dealt = shares(batches, 4);
        let lengths: Vec<usize> = dealt.iter().map(Vec::len).collect();
        assert_eq!(lengths, [3, 2, 2, 2]);
    }

    #[test]
    fn many_writers_write_every_row_in_either_form() {
        let parent = tempfile::tempdir().unwrap();
        let workload = Workload::new(900, 3, 1 << 20);
        for form in [Form::Rows, Form::Columns] {
            let load = Load {
                form,
                batch_rows: 10,
                durability: Durability::Os,
                writers: 16,
            };
            let store = parent.path().join("store");
            let sample = measure(&workload, &store, Engine::Native, load).unwrap();
            assert!(sample.value > 0.0);
            assert!(!store.exists());
        }
    }
}
