//! The queries of the workload as a program asks them: put together each time, or prepared once and run with
//! series, keys, limit and values of their own.

use std::hint::black_box;

use sidx_host::{Column, Cursor, Index, PreparedQuery, Result, Rows, Values};
use sidx_w1::{Answer, ENDPOINTS, Generator, PEER, Query, SERIES, wide_series};

/// What the queries are about.
pub(super) struct Questions {
    wide_series: Vec<u64>,
    peer_filter: String,
    endpoints: [String; 3],
    count_filter: String,
}

impl Questions {
    /// Those about so many series.
    pub(super) fn new(series: u64) -> Questions {
        let endpoints = ENDPOINTS.map(Generator::endpoint);
        let shown = endpoints.each_ref().map(|endpoint| format!("{endpoint:?}"));
        Questions {
            wide_series: wide_series(series),
            peer_filter: format!("peer = {PEER:?}"),
            count_filter: format!("status = 500 and endpoint in ({})", shown.join(", ")),
            endpoints,
        }
    }

    /// Asks a query and reads all of its rows, payloads included, as a user would.
    pub(super) fn ask(&self, index: &Index, query: Query) -> Result<Answer> {
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
            Query::Q6 => return all.filter(self.count_filter.as_str()).count().map(counted),
            Query::Q7 => all.any_order().run()?,
            Query::Q8 => {
                let wide = all.series_ids(self.wide_series.iter().copied());
                wide.keys(150..=160).limit(1_000).run()?
            }
        };
        read(query, cursor)
    }

    /// Prepares a query for [`ask_prepared`](Self::ask_prepared).
    pub(super) fn prepare(&self, index: &Index, query: Query) -> Result<PreparedQuery> {
        let all = index.query().select::<String>([]);
        match query {
            Query::Q1Asc | Query::Q2Asc | Query::Q3 | Query::Q8 => all,
            Query::Q1Desc | Query::Q2Desc => all.descending(),
            Query::Q4 => all.filter("peer = $peer"),
            Query::Q5 => all.descending().filter("status = $status"),
            Query::Q6 => all.filter("status = $status and endpoint in ($a, $b, $c)"),
            Query::Q7 => all.any_order(),
        }
        .prepare()
    }

    /// The same as [`ask`](Self::ask), of a query that was prepared.
    pub(super) fn ask_prepared(&self, prepared: &PreparedQuery, query: Query) -> Result<Answer> {
        let run = prepared.bind();
        let cursor = match query {
            Query::Q1Asc | Query::Q1Desc => run.series_id(SERIES).limit(20).run()?,
            Query::Q2Asc | Query::Q2Desc => run.limit(20).run()?,
            Query::Q3 => run.keys(900..=920).run()?,
            Query::Q4 => run.value("peer", PEER).run()?,
            Query::Q5 => {
                let one = run.series_id(SERIES).keys(100..=300);
                one.value("status", 500).limit(100).run()?
            }
            Query::Q6 => {
                let [a, b, c] = self.endpoints.each_ref().map(String::as_str);
                let run = run.value("status", 500).value("a", a).value("b", b);
                return run.value("c", c).count().map(counted);
            }
            Query::Q7 => run.run()?,
            Query::Q8 => {
                let wide = run.series_ids(self.wide_series.iter().copied());
                wide.keys(150..=160).limit(1_000).run()?
            }
        };
        read(query, cursor)
    }
}

fn counted(rows: u64) -> Answer {
    Answer {
        rows,
        ..Answer::default()
    }
}

/// What a query returned.
fn read(query: Query, cursor: Cursor) -> Result<Answer> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_add_up() {
        for length in [0, 1, 7, 8, 9, 1_023, 1_024, 5_000] {
            let bytes: Vec<u8> = (0..length).map(|at| 255 - (at % 7) as u8).collect();
            let expected: u64 = bytes.iter().map(|byte| u64::from(*byte)).sum();
            assert_eq!(byte_sum(&bytes), expected, "{length}");
        }
    }
}
