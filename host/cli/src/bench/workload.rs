//! Workload W1 with one number of series: its batches, its queries, and what they must answer.

use std::ops::Range;
use std::path::Path;

use sidx_command::{Code, Failure};
use sidx_host::{Batch, Engine, Index, IndexBuilder, Store};
use sidx_w1::{Answer, Answers, Columns, Generator, Query, Row};

use super::questions::Questions;
use crate::database::failure;

/// The index in each store.
const INDEX: &str = "w1";

/// A batch of rows, as a program makes it of its own structs.
pub(super) fn batch(rows: &[Row]) -> Result<Batch, Failure> {
    of_columns(columns(rows)?)
}

/// Rows as columns.
pub(super) fn columns(rows: &[Row]) -> Result<Columns, Failure> {
    Columns::of_rows(rows)
        .map_err(|error| Failure::new(Code::Other, format!("making a batch failed: {error}"), ""))
}

/// A batch of columns that were made before.
pub(super) fn of_columns(columns: Columns) -> Result<Batch, Failure> {
    let Columns {
        series,
        keys,
        payloads,
        tags,
    } = columns;
    Batch::from_columns(series, keys, payloads, tags).map_err(failure)
}

/// What every measurement needs to know.
pub(super) struct Workload {
    /// Rows of an index.
    pub(super) rows: u64,
    /// Series that they are spread over.
    pub(super) series: u64,
    generator: Generator,
    answers: Answers,
    page_cache_bytes: u64,
    questions: Questions,
}

impl Workload {
    /// Computes all answers, which takes about as long as making the rows.
    pub(super) fn new(rows: u64, series: u64, page_cache_bytes: u64) -> Workload {
        let generator = Generator::new(series);
        Workload {
            rows,
            series,
            answers: Answers::of(&generator, rows),
            generator,
            page_cache_bytes,
            questions: Questions::new(series),
        }
    }

    /// How the index of a store is opened.
    pub(super) fn index(&self, store: &Path, engine: Engine) -> Result<IndexBuilder, Failure> {
        let location = store.to_str().ok_or_else(|| {
            let message = format!("{} is not UTF-8", store.display());
            Failure::usage(message, "name another folder with --dir")
        })?;
        let store = Store::open(location).map_err(failure)?;
        let index = store.index(INDEX).engine(engine);
        Ok(index.page_cache_bytes(self.page_cache_bytes))
    }

    /// Rows with these numbers, so many for each batch.
    pub(super) fn rows_of_batches(&self, numbers: Range<u64>, batch_rows: u64) -> Vec<Vec<Row>> {
        let mut batches = Vec::new();
        let mut first = numbers.start;
        while first < numbers.end {
            let end = first.saturating_add(batch_rows.max(1)).min(numbers.end);
            let rows = (first..end).map(|number| self.generator.row(number));
            batches.push(rows.collect());
            first = end;
        }
        batches
    }

    /// Its queries.
    pub(super) fn questions(&self) -> &Questions {
        &self.questions
    }

    /// The failure of an answer that is not the right one.
    pub(super) fn check(
        &self,
        figure: &str,
        engine: Engine,
        query: Query,
        found: Answer,
    ) -> Result<(), Failure> {
        same(figure, engine, self.answers.get(query), found)
    }

    /// The failure of an index that does not hold all rows.
    pub(super) fn check_rows(
        &self,
        figure: &str,
        engine: Engine,
        index: &Index,
    ) -> Result<(), Failure> {
        let of = |rows| Answer {
            rows,
            ..Answer::default()
        };
        let rows = index.query().count().map_err(failure)?;
        same(figure, engine, of(self.rows), of(rows))
    }
}

/// The name of an engine.
pub(super) fn engine_name(engine: Engine) -> &'static str {
    match engine {
        Engine::Component => "component",
        Engine::Native => "native",
    }
}

fn same(figure: &str, engine: Engine, expected: Answer, found: Answer) -> Result<(), Failure> {
    if expected == found {
        return Ok(());
    }
    let told = |answer: Answer| {
        let Answer {
            rows,
            key_sum,
            payload_sum,
        } = answer;
        format!("{rows} rows, key sum {key_sum}, payload sum {payload_sum}")
    };
    let (engine, expected, found) = (engine_name(engine), told(expected), told(found));
    Err(Failure::new(
        Code::Other,
        format!("wrong result: {figure}, engine {engine}: expected {expected}, found {found}"),
        "report it with this line",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_result_names_figure_engine_and_both_answers() {
        let answer = |rows| Answer {
            rows,
            key_sum: -7,
            payload_sum: 9,
        };
        assert_eq!(same("q3", Engine::Native, answer(1), answer(1)), Ok(()));
        let failure = same("q3", Engine::Native, answer(1), answer(2)).unwrap_err();
        let Failure::Told { code, message, .. } = failure else {
            panic!("not told")
        };
        assert_eq!(code, Code::Other);
        for part in ["q3", "native", "expected 1 rows", "found 2 rows", "-7", "9"] {
            assert!(message.contains(part), "{message}");
        }
    }

    #[test]
    fn batches_hold_every_row_once() {
        let workload = Workload::new(25, 3, 0);
        let batches = workload.rows_of_batches(0..25, 10);
        let rows: Vec<usize> = batches.iter().map(Vec::len).collect();
        assert_eq!(rows, [10, 10, 5]);
    }
}
