//! Workload W1 with one number of series: its batches, its queries, and what they must answer.

use std::hint::black_box;
use std::ops::Range;
use std::path::Path;

use sidx_command::{Code, Failure};
use sidx_host::{Batch, Column, Engine, Index, IndexBuilder, Rows, Store, Values};
use sidx_w1::{
    Answer, Answers, Columns, ENDPOINTS, Generator, PEER, Query, Row, SERIES, wide_series,
};

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
    wide_series: Vec<u64>,
    peer_filter: String,
    count_filter: String,
}

impl Workload {
    /// Computes all answers, which takes about as long as making the rows.
    pub(super) fn new(rows: u64, series: u64, page_cache_bytes: u64) -> Workload {
        let generator = Generator::new(series);
        let endpoints = ENDPOINTS.map(|number| format!("{:?}", Generator::endpoint(number)));
        Workload {
            rows,
            series,
            answers: Answers::of(&generator, rows),
            generator,
            page_cache_bytes,
            wide_series: wide_series(series),
            peer_filter: format!("peer = {PEER:?}"),
            count_filter: format!("status = 500 and endpoint in ({})", endpoints.join(", ")),
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

    /// Asks a query and reads all of its rows, payloads included, as a user would.
    pub(super) fn ask(&self, index: &Index, query: Query) -> sidx_host::Result<Answer> {
        let all = index.query().select::<String>([]);
        let cursor = match query {
            Query::Q1Asc => all.series_id(SERIES).limit(20).run()?,
            Query::Q1Desc => all.series_id(SERIES).descending().limit(20).run()?,
            Query::Q2Asc => all.limit(20).run()?,
            Query::Q2Desc => all.descending().limit(20).run()?,
            Query::Q3 => all.keys(900..=920).run()?,
            Query::Q4 => all.filter(self.peer_filter.as_str()).run()?,
            Query::Q5 => {
                let one = all.series_id(SERIES).keys(100..=300);
                one.filter("status = 500").descending().limit(100).run()?
            }
            Query::Q6 => {
                let rows = all.filter(self.count_filter.as_str()).count()?;
                return Ok(Answer {
                    rows,
                    ..Answer::default()
                });
            }
            Query::Q7 => all.any_order().run()?,
            Query::Q8 => {
                let wide = all.series_ids(self.wide_series.iter().copied());
                wide.keys(150..=160).limit(1_000).run()?
            }
        };
        let adds_keys = query != Query::Q7;
        let adds_payloads = matches!(query, Query::Q3 | Query::Q4 | Query::Q7);
        let mut answer = Answer::default();
        let mut read_bytes = 0;
        for rows in cursor {
            let rows = rows?;
            answer.rows += rows.len() as u64;
            if adds_keys {
                answer.key_sum += rows.keys().iter().sum::<i64>();
            }
            read_bytes += payload_sum(&rows);
        }
        // Read of every row, compared where no tie at a limit leaves a choice.
        if adds_payloads {
            answer.payload_sum = black_box(read_bytes);
        } else {
            black_box(read_bytes);
        }
        Ok(answer)
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

/// The sum of all bytes of the payloads, which lie one behind the other in their column.
fn payload_sum(rows: &Rows) -> u64 {
    match rows.payloads().map(Column::values) {
        Some(Values::Bytes(payloads)) => byte_sum(payloads.bytes()),
        _ => 0,
    }
}

/// Adds eight bytes at a time, in four lanes of 16 bits: what is measured is the index, not this.
fn byte_sum(bytes: &[u8]) -> u64 {
    const EVEN: u64 = 0x00ff_00ff_00ff_00ff;
    /// Each adds at most twice 255 to a lane.
    const WORDS: usize = 128;
    let (words, rest) = bytes.as_chunks::<8>();
    let lanes = |words: &[[u8; 8]]| {
        let words = words.iter().map(|word| u64::from_le_bytes(*word));
        let lanes: u64 = words.map(|word| (word & EVEN) + (word >> 8 & EVEN)).sum();
        (0..4)
            .map(|lane| lanes >> (16 * lane) & 0xffff)
            .sum::<u64>()
    };
    let rest: u64 = rest.iter().map(|byte| u64::from(*byte)).sum();
    words.chunks(WORDS).map(lanes).sum::<u64>() + rest
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
    fn bytes_add_up() {
        for length in [0, 1, 7, 8, 9, 1_023, 1_024, 5_000] {
            let bytes: Vec<u8> = (0..length).map(|at| 255 - (at % 7) as u8).collect();
            let expected: u64 = bytes.iter().map(|byte| u64::from(*byte)).sum();
            assert_eq!(byte_sum(&bytes), expected, "{length}");
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
