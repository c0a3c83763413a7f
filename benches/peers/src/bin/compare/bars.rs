//! What the project wants to reach.

use crate::cells::{Cells, Group, Ratio};

/// How much better sidx shall be than the best of a group.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Bar {
    /// What is compared.
    pub(crate) figure: &'static str,
    /// Who it is compared with.
    pub(crate) group: Group,
    /// The least ratio.
    pub(crate) least: f64,
}

impl Bar {
    /// Where sidx stands; none when it or the group was not measured.
    pub(crate) fn ratio(&self, cells: &Cells, series: u64) -> Option<Ratio> {
        cells.ratio(series, self.figure, self.group)
    }
}

const INGEST: [(&str, f64); 5] = [
    ("ingest-100", 2.0),
    ("ingest-1000", 3.0),
    ("ingest-10000", 3.0),
    ("columns-1000", 3.0),
    ("columns-10000", 3.0),
];

/// Queries that are to be twice as fast as the fastest peer.
fn twice_as_fast(series: u64) -> &'static [&'static str] {
    match series {
        100 => &["q3", "q5", "q6", "q7", "q8"],
        10_000 => &["q3", "q6", "q7"],
        _ => &[],
    }
}

/// Queries that are to be faster than those who compress and SQLite, and not far from LMDB.
fn close_to_lmdb(series: u64) -> &'static [&'static str] {
    match series {
        100 => &["q1-asc", "q1-desc", "q4"],
        10_000 => &["q1-asc", "q1-desc", "q4", "q5", "q8"],
        _ => &[],
    }
}

/// The bars for a number of series.
pub(crate) fn bars(series: u64) -> Vec<Bar> {
    let bar = |figure, group, least| Bar {
        figure,
        group,
        least,
    };
    let mut bars = Vec::new();
    if !matches!(series, 100 | 10_000) {
        return bars;
    }
    bars.extend(INGEST.map(|(figure, least)| bar(figure, Group::Any, least)));
    let queries = twice_as_fast(series).iter();
    bars.extend(queries.map(|figure| bar(figure, Group::Any, 2.0)));
    bars.extend(["q2-asc", "q2-desc"].map(|figure| bar(figure, Group::Any, 1.0)));
    for figure in close_to_lmdb(series) {
        bars.push(bar(figure, Group::Compressing, 1.0));
        bars.push(bar(figure, Group::Sqlite, 1.0));
        bars.push(bar(figure, Group::Lmdb, 0.25));
    }
    bars
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cells::tests::line;

    #[test]
    fn every_query_has_a_bar() {
        for series in [100, 10_000] {
            for query in sidx_w1::Query::ALL {
                let name = query.name();
                assert!(bars(series).iter().any(|bar| bar.figure == name), "{name}");
            }
        }
        assert_eq!(bars(7), []);
    }

    #[test]
    fn ratios_decide() {
        let mut cells = Cells::default();
        cells.add(line("component", "q3", 2.0));
        cells.add(line("lmdb", "q3", 5.0));
        let bars = bars(100);
        let bar = bars.iter().find(|bar| bar.figure == "q3").unwrap();
        assert_eq!(bar.least, 2.0);
        assert_eq!(bar.ratio(&cells, 100).map(|ratio| ratio.better), Some(2.5));
    }
}
