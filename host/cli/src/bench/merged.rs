//! The figures of a merged index, and of what makes it.

use std::path::{Path, PathBuf};
use std::time::Instant;

use sidx_command::Failure;
use sidx_host::{Durability, Engine, Index};
use sidx_w1::{Answer, Query};

use super::figure::Figure;
use super::samples::{Clocks, Results, Sample};
use super::stores;
use super::workload::{Workload, batch};
use crate::database::failure;

/// Parts that the merge takes in.
const PARTS: u64 = 10;
/// Rows of the batches that the parts are made of.
const BATCH_ROWS: u64 = 1_000;

/// An index of all rows in one part, closed.
pub(super) struct Merged {
    /// Who made it, and uses it.
    pub(super) engine: Engine,
    store: PathBuf,
}

impl Merged {
    /// Makes it of ten parts in a new store, with nothing merged before the end. Measures flushes, the
    /// merge, and the size when the index was closed, and once more opened and closed.
    pub(super) fn make(
        workload: &Workload,
        store: PathBuf,
        engine: Engine,
        results: &mut Results,
    ) -> Result<Merged, Failure> {
        let index = workload
            .index(&store, engine)?
            .durability(Durability::Os)
            .flush_bytes(u64::MAX)
            .automatic_merge(false)
            .create()
            .map_err(failure)?;
        for part in 0..PARTS {
            let end = |part| u64::try_from(u128::from(workload.rows) * part / u128::from(PARTS));
            let end = |part: u64| end(u128::from(part)).unwrap_or(workload.rows);
            let numbers = end(part)..end(part + 1);
            let rows = numbers.end - numbers.start;
            for rows in workload.rows_of_batches(numbers, BATCH_ROWS) {
                index.write(batch(&rows)?).map_err(failure)?;
            }
            let clocks = Clocks::start();
            index.flush().map_err(failure)?;
            let mut sample = Sample::rate(rows, clocks.stop());
            (sample.cpu_seconds, sample.peak_mib) = (None, None);
            results.push(Figure::Flush, engine, sample);
        }
        let clocks = Clocks::start();
        index.merge_all().map_err(failure)?;
        let sample = Sample::rate(workload.rows, clocks.stop());
        results.push(Figure::Merge, engine, sample);
        workload.check_rows("merge", engine, &index)?;
        index.close().map_err(failure)?;

        let merged = Merged { engine, store };
        merged.open(workload)?.close().map_err(failure)?;
        let bytes = stores::allocated_bytes(&merged.store)?;
        let sample = Sample {
            value: bytes as f64 / workload.rows as f64,
            ..Sample::default()
        };
        results.push(Figure::Size, engine, sample);
        Ok(merged)
    }

    /// Where it is.
    pub(super) fn store(&self) -> &Path {
        &self.store
    }

    /// Opens it.
    pub(super) fn open(&self, workload: &Workload) -> Result<Index, Failure> {
        let index = workload.index(&self.store, self.engine)?;
        index.open().map_err(failure)
    }

    /// Measures how long opening takes, store handle included.
    pub(super) fn time_opening(&self, workload: &Workload) -> Result<Sample, Failure> {
        let started = Instant::now();
        let index = self.open(workload)?;
        let sample = Sample::microseconds(started.elapsed());
        workload.check_rows("open", self.engine, &index)?;
        index.close().map_err(failure)?;
        Ok(sample)
    }

    /// Measures a query as the first one after opening, with the files dropped from the page cache of the
    /// operating system before. What opening reads is in memory by then.
    pub(super) fn time_cold(&self, workload: &Workload, query: Query) -> Result<Sample, Failure> {
        stores::forget(&self.store)?;
        let index = self.open(workload)?;
        let ask = || workload.questions().ask(&index, query);
        let sample = time_query(workload, self.engine, Figure::Cold(query), query, ask)?;
        index.close().map_err(failure)?;
        Ok(sample)
    }
}

/// Measures one run of a query, from asking to having read its last row, and checks the result.
pub(super) fn time_query(
    workload: &Workload,
    engine: Engine,
    figure: Figure,
    query: Query,
    ask: impl FnOnce() -> sidx_host::Result<Answer>,
) -> Result<Sample, Failure> {
    let started = Instant::now();
    let answer = ask();
    let wall = started.elapsed();
    let answer = answer.map_err(failure)?;
    workload.check(&figure.name(), engine, query, answer)?;
    Ok(Sample {
        result_rows: Some(answer.rows),
        ..Sample::microseconds(wall)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_merged_index_answers_every_query() {
        let parent = tempfile::tempdir().unwrap();
        let workload = Workload::new(3_000, 50, 1 << 20);
        let mut results = Results::default();
        let store = parent.path().join("store");
        let merged = Merged::make(&workload, store, Engine::Native, &mut results).unwrap();
        let count = |figure| results.get(figure, Engine::Native).map(|one| one.len());
        assert_eq!(count(Figure::Flush), Some(10));
        assert_eq!(count(Figure::Merge), Some(1));
        assert_eq!(count(Figure::Size), Some(1));
        for query in Query::ALL {
            merged.time_cold(&workload, query).unwrap();
        }
        let index = merged.open(&workload).unwrap();
        let parts = index.parts().unwrap();
        assert_eq!(parts.as_array().map(Vec::len), Some(1));
    }
}
