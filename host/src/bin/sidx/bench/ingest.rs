//! The figures of ingest: batches into an empty index.

use std::path::Path;
use std::thread;
use std::time::Duration;

use sidx_host::{Engine, Index};
use sidx_w1::Row;

use super::figure::{Figure, Load};
use super::samples::{Clocks, Sample, Spent};
use super::stores;
use super::workload::{Workload, batch};
use crate::exit::{Code, Failure};

/// Rows that are held ready at once, which bounds memory. The clocks stop in between.
const ROWS_AHEAD: u64 = 1_000_000;

/// Writes all rows into a new index in `store`, and removes it.
///
/// The time is from the first batch to the acknowledgement of the last, and to the end of every flush and
/// merge that the index does on the way by its default policy: what runs beside the writes is paid for all
/// the same. Making the rows is not in it, making batches of them is.
pub(super) fn measure(
    workload: &Workload,
    store: &Path,
    engine: Engine,
    load: Load,
) -> Result<Sample, Failure> {
    let index = workload.index(store, engine)?.durability(load.durability);
    let index = index.create()?;
    let mut spent = Spent::default();
    let mut first = 0;
    while first < workload.rows {
        let end = first.saturating_add(ROWS_AHEAD).min(workload.rows);
        let rows = workload.rows_of_batches(first..end, load.batch_rows);
        let shares = shares(rows, load.writers);
        let clocks = Clocks::start();
        write(&index, shares)?;
        await_background(&index);
        spent = spent.and(clocks.stop());
        first = end;
    }
    workload.check_rows(&Figure::Ingest(load).title(), engine, &index)?;
    index.close()?;
    stores::remove(store)?;
    Ok(Sample::rate(workload.rows, spent))
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
fn shares(batches: Vec<Vec<Row>>, writers: usize) -> Vec<Vec<Vec<Row>>> {
    let mut shares: Vec<Vec<Vec<Row>>> = (0..writers.max(1)).map(|_| Vec::new()).collect();
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
fn write(index: &Index, mut shares: Vec<Vec<Vec<Row>>>) -> Result<(), Failure> {
    let write_share = |share: Vec<Vec<Row>>| -> Result<(), Failure> {
        for rows in share {
            index.write(batch(&rows)?)?;
        }
        Ok(())
    };
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
    fn many_writers_write_every_row() {
        let parent = tempfile::tempdir().unwrap();
        let workload = Workload::new(900, 3, 1 << 20);
        let load = Load {
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
