//! The measurements, each meant for a process of its own.

use std::path::Path;
use std::time::{Duration, Instant};

use sidx_w1::{Answer, Answers, Generator, Query, Row, wide_series};

use crate::Result;
use crate::disk::allocated;
use crate::figure::{Figure, Subject};
use crate::kind::Kind;
use crate::store::{Found, Store};

/// A store to measure, and the rows it holds or shall hold.
pub struct Peer<'a> {
    /// Which store.
    pub kind: Kind,
    /// Where it is.
    pub folder: &'a Path,
    /// Series that the rows are spread over.
    pub series: u64,
    /// Rows of the workload.
    pub rows: u64,
}

impl Peer<'_> {
    fn subject(&self) -> Subject {
        Subject {
            engine: self.kind.name().to_owned(),
            series: self.series,
            rows: self.rows,
        }
    }

    /// Writes all rows in batches, from the first batch to durable. Making the rows is not timed,
    /// encoding them for the store is.
    pub fn ingest(&self, batch: u64) -> Result<Figure> {
        let generator = Generator::new(self.series);
        let mut store = self.kind.open(self.folder)?;
        let mut taken = Duration::ZERO;
        let mut first = 0;
        while first < self.rows {
            let end = self.rows.min(first + batch.max(1));
            let rows: Vec<Row> = (first..end).map(|i| generator.row(i)).collect();
            let start = Instant::now();
            store.write(first, &rows)?;
            taken += start.elapsed();
            first = end;
        }
        let start = Instant::now();
        store.sync()?;
        taken += start.elapsed();
        self.check_all(store.as_ref(), &generator)?;
        store.close()?;
        let rate = self.rows as f64 / taken.as_secs_f64();
        let mut figure = Figure::new(
            &self.subject(),
            &format!("ingest-{batch}"),
            "rows/s",
            vec![rate],
        );
        figure.result_rows = Some(self.rows);
        figure.durability = Some(self.kind.durability().to_owned());
        Ok(figure)
    }

    /// Reads every payload back.
    fn check_all(&self, store: &dyn Store, generator: &Generator) -> Result<()> {
        let mut expected = Answer::default();
        for i in 0..self.rows {
            let payload = generator.row(i).payload;
            expected.rows += 1;
            expected.payload_sum += payload.iter().map(|byte| u64::from(*byte)).sum::<u64>();
        }
        let mut found = Found::default();
        store.query(Query::Q7, &[], &mut found)?;
        check(Query::Q7, expected, &found)
    }

    /// Compacts, and takes the size after the store was opened and closed once more.
    pub fn compact(&self) -> Result<[Figure; 2]> {
        let mut store = self.kind.open(self.folder)?;
        let start = Instant::now();
        store.compact()?;
        let taken = start.elapsed();
        store.close()?;
        self.kind.open(self.folder)?.close()?;
        let bytes = allocated(self.folder)?;
        let subject = self.subject();
        let rate = self.rows as f64 / taken.as_secs_f64();
        let per_row = bytes as f64 / self.rows as f64;
        Ok([
            Figure::new(&subject, "compact", "rows/s", vec![rate]),
            Figure::new(&subject, "size", "bytes/row", vec![per_row]),
        ])
    }

    /// Opens the store and repeats every query, after one unmeasured run of it. Queries that read
    /// everything are repeated a fifth as often.
    pub fn query(&self, queries: &[Query], repeat: usize) -> Result<Vec<Figure>> {
        let start = Instant::now();
        let store = self.kind.open(self.folder)?;
        let opened = start.elapsed();
        let subject = self.subject();
        let answers = Answers::of(&Generator::new(self.series), self.rows);
        let wide = wide_series(self.series);
        let mut figures = vec![Figure::new(&subject, "open", "us", vec![micros(opened)])];
        let mut found = Found::default();
        for query in queries {
            let expected = answers.get(*query);
            let repeat = match query {
                Query::Q6 | Query::Q7 => repeat.div_ceil(5),
                _ => repeat,
            };
            let mut samples = Vec::with_capacity(repeat);
            for turn in 0..=repeat {
                found.clear();
                let start = Instant::now();
                store.query(*query, &wide, &mut found)?;
                let taken = start.elapsed();
                check(*query, expected, &found)?;
                if turn > 0 {
                    samples.push(micros(taken));
                }
            }
            let mut figure = Figure::new(&subject, query.name(), "us", samples);
            figure.result_rows = Some(expected.rows);
            figures.push(figure);
        }
        store.close()?;
        Ok(figures)
    }
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

fn check(query: Query, expected: Answer, found: &Found) -> Result<()> {
    let answer = found.answer(query);
    if answer == expected {
        return Ok(());
    }
    Err(format!("{}: {answer:?} instead of {expected:?}", query.name()).into())
}
