//! What the queries must answer, by looking at every row.

use std::collections::BTreeMap;

use crate::query::{ENDPOINTS, PEER, Query, SERIES, wide_series};
use crate::rows::{Generator, Row};

/// What is compared of a result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Rows returned, or counted by Q6.
    pub rows: u64,
    /// Sum of their keys; 0 for Q6 and Q7.
    pub key_sum: i64,
    /// Sum of all bytes of their payloads, where no tie at a limit leaves a choice: Q3, Q4 and Q7. Else 0.
    pub payload_sum: u64,
}

/// Rows that a query with a limit collects before all but the first are let go.
const HITS_MAX: usize = 1 << 16;

/// The answer of every query.
#[derive(Clone, Debug)]
pub struct Answers(BTreeMap<Query, Answer>);

impl Answers {
    /// Looks at rows 0 to `rows` of the generator.
    pub fn of(generator: &Generator, rows: u64) -> Self {
        let wide = wide_series(generator.series());
        let mut hits: BTreeMap<Query, Vec<(i64, u64)>> = BTreeMap::new();
        let mut counted = Answer::default();
        let mut all = Answer::default();
        for i in 0..rows {
            let row = generator.row(i);
            let bytes: u64 = row.payload.iter().map(|byte| u64::from(*byte)).sum();
            all.rows += 1;
            all.payload_sum += bytes;
            counted.rows += u64::from(row.status == 500 && ENDPOINTS.contains(&row.endpoint));
            for query in Query::ALL {
                if selects(query, &row, &wide) {
                    let hits = hits.entry(query).or_default();
                    hits.push((row.key, bytes));
                    if hits.len() >= HITS_MAX {
                        keep_first(query, hits);
                    }
                }
            }
        }
        let mut answer = |query| match query {
            Query::Q6 => counted,
            Query::Q7 => all,
            _ => first(query, hits.remove(&query).unwrap_or_default()),
        };
        Self(Query::ALL.map(|query| (query, answer(query))).into())
    }

    /// The answer of a query.
    pub fn get(&self, query: Query) -> Answer {
        self.0.get(&query).copied().unwrap_or_default()
    }
}

fn selects(query: Query, row: &Row, wide: &[u64]) -> bool {
    match query {
        Query::Q1Asc | Query::Q1Desc => row.series == SERIES,
        Query::Q2Asc | Query::Q2Desc => true,
        Query::Q3 => (900..=920).contains(&row.key),
        Query::Q4 => row.peer == PEER,
        Query::Q5 => row.series == SERIES && (100..=300).contains(&row.key) && row.status == 500,
        Query::Q6 | Query::Q7 => false,
        Query::Q8 => wide.binary_search(&row.series).is_ok() && (150..=160).contains(&row.key),
    }
}

/// Leaves of the rows that a query selects those that it returns.
fn keep_first(query: Query, hits: &mut Vec<(i64, u64)>) {
    hits.sort_unstable();
    if matches!(query, Query::Q1Desc | Query::Q2Desc | Query::Q5) {
        hits.reverse();
    }
    hits.truncate(match query {
        Query::Q3 | Query::Q4 => usize::MAX,
        Query::Q5 => 100,
        Query::Q8 => 1_000,
        _ => 20,
    });
}

/// The answer of a query that selects these rows.
fn first(query: Query, mut hits: Vec<(i64, u64)>) -> Answer {
    keep_first(query, &mut hits);
    let compared = matches!(query, Query::Q3 | Query::Q4);
    Answer {
        rows: hits.len() as u64,
        key_sum: hits.iter().map(|(key, _)| key).sum(),
        payload_sum: hits
            .iter()
            .map(|(_, bytes)| if compared { *bytes } else { 0 })
            .sum(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What seven other stores and a brute-force search gave for the same rows.
    #[test]
    fn answers_are_those_of_other_stores() {
        for (series, q1, q5, q8) in [
            (100, (0, 29_142), (100, 19_260), (1_000, 150_431)),
            (10_000, (493, 8_380), (1, 126), (58, 8_948)),
        ] {
            let answers = Answers::of(&Generator::new(series), 1_000_000);
            let of = |query| (answers.get(query).rows, answers.get(query).key_sum);
            assert_eq!(of(Query::Q1Asc), (20, q1.0));
            assert_eq!(of(Query::Q1Desc), (20, q1.1));
            assert_eq!(of(Query::Q2Asc), (20, 0));
            assert_eq!(of(Query::Q2Desc), (20, 45_727));
            assert_eq!(of(Query::Q3), (1_125, 1_023_443));
            assert_eq!(of(Query::Q4), (4, 1_227));
            assert_eq!(of(Query::Q5), q5);
            assert_eq!(of(Query::Q6), (419, 0));
            assert_eq!(of(Query::Q7), (1_000_000, 0));
            assert_eq!(answers.get(Query::Q7).payload_sum, 2_244_916_698);
            assert_eq!(of(Query::Q8), q8);
        }
    }
}
