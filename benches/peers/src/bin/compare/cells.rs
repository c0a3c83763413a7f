//! The figures of all rounds, one cell for each engine.

use std::collections::{BTreeMap, BTreeSet};

use sidx_peers::figure::Figure;

use crate::engines::{Engine, PREPARED};

/// The figures of all rounds.
#[derive(Default)]
pub(crate) struct Cells {
    figures: BTreeMap<(u64, String, Engine), Vec<Figure>>,
}

/// One engine's figure over all rounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Cell {
    /// Median of the rounds' medians.
    pub(crate) median: f64,
    /// Least of all samples.
    pub(crate) min: f64,
    /// Greatest of all samples.
    pub(crate) max: f64,
}

/// Peers that a figure of sidx is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    /// All of them.
    Any,
    /// Those that compress what they store.
    Compressing,
    /// Both forms of it.
    Sqlite,
    /// As it says.
    Lmdb,
}

impl Group {
    /// Its members.
    pub(crate) fn engines(self) -> &'static [Engine] {
        match self {
            Self::Any => Engine::ALL.get(1..).unwrap_or_default(),
            Self::Compressing => &[Engine::Rocksdb, Engine::Fjall, Engine::DuckDb],
            Self::Sqlite => &[Engine::Sqlite, Engine::SqliteClustered],
            Self::Lmdb => &[Engine::Lmdb],
        }
    }
}

/// How much better sidx is than the best of a group.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Ratio {
    /// The best of the group.
    pub(crate) peer: Engine,
    /// Above 1 sidx is faster or smaller.
    pub(crate) better: f64,
}

impl Cells {
    /// Keeps a figure, if the tables have a place for it: of sidx the component's with one writer and
    /// without syncs.
    pub(crate) fn add(&mut self, figure: Figure) {
        let Some(engine) = Engine::of(&figure.engine) else {
            return;
        };
        let synced = figure.durability.as_deref() == Some("sync");
        if engine == Engine::Sidx && (synced || figure.writers.is_some_and(|writers| writers > 1)) {
            return;
        }
        let name = match (engine, figure.figure.as_str()) {
            (Engine::Sidx, "merge") => "compact",
            (_, name) => name,
        };
        let key = (figure.series, name.to_owned(), engine);
        self.figures.entry(key).or_default().push(figure);
    }

    /// All numbers of series.
    pub(crate) fn shapes(&self) -> BTreeSet<u64> {
        self.figures.keys().map(|(series, _, _)| *series).collect()
    }

    /// Numbers of rows; one, unless lines of different runs were mixed.
    pub(crate) fn rows(&self, series: u64) -> BTreeSet<u64> {
        let of_shape = self.figures.iter().filter(|(key, _)| key.0 == series);
        of_shape
            .flat_map(|(_, figures)| figures)
            .map(|figure| figure.rows)
            .collect()
    }

    /// The engines that were measured.
    pub(crate) fn engines(&self, series: u64) -> BTreeSet<Engine> {
        let of_shape = self.figures.keys().filter(|key| key.0 == series);
        of_shape.map(|key| key.2).collect()
    }

    /// One engine's figure. Of a query that was prepared it is the query's own, but for sidx.
    pub(crate) fn get(&self, series: u64, figure: &str, engine: Engine) -> Option<Cell> {
        let figure = match figure.strip_suffix(PREPARED) {
            Some(query) if engine != Engine::Sidx => query,
            _ => figure,
        };
        let figures = self.figures.get(&(series, figure.to_owned(), engine))?;
        let mut medians: Vec<f64> = figures.iter().map(|figure| figure.median).collect();
        medians.sort_by(f64::total_cmp);
        Some(Cell {
            median: *medians.get(medians.len() / 2)?,
            min: figures
                .iter()
                .map(|figure| figure.min)
                .fold(f64::INFINITY, f64::min),
            max: figures
                .iter()
                .map(|figure| figure.max)
                .fold(f64::NEG_INFINITY, f64::max),
        })
    }

    /// Compares the medians of sidx and of the best of a group.
    pub(crate) fn ratio(&self, series: u64, figure: &str, group: Group) -> Option<Ratio> {
        let sidx = self.get(series, figure, Engine::Sidx)?.median;
        let compare = |peer: &Engine| {
            let median = self.get(series, figure, *peer)?.median;
            let better = if is_rate(figure) {
                sidx / median
            } else {
                median / sidx
            };
            Some(Ratio {
                peer: *peer,
                better,
            })
        };
        let ratios = group.engines().iter().filter_map(compare);
        ratios.min_by(|a, b| a.better.total_cmp(&b.better))
    }
}

/// Whether more is better.
fn is_rate(figure: &str) -> bool {
    ["ingest-", "columns-"].iter().any(|kind| figure.starts_with(kind)) || figure == "compact"
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A line of one sample.
    pub(crate) fn line(engine: &str, figure: &str, value: f64) -> Figure {
        let line = format!(
            r#"{{"figure":"{figure}","series":100,"rows":10,"engine":"{engine}","unit":"us",
                "median":{value},"min":{value},"max":{value}}}"#
        );
        serde_json::from_str(&line).unwrap()
    }

    #[test]
    fn ratios_are_those_to_the_best_peer() {
        let mut cells = Cells::default();
        for (engine, value) in [
            ("component", 10.0),
            ("native", 1.0),
            ("lmdb", 5.0),
            ("sqlite", 40.0),
        ] {
            cells.add(line(engine, "q3", value));
            cells.add(line(engine, "ingest-100", value));
        }
        let ratio = |figure, group| cells.ratio(100, figure, group);
        let of = |peer, better| Some(Ratio { peer, better });
        assert_eq!(ratio("q3", Group::Any), of(Engine::Lmdb, 0.5));
        assert_eq!(ratio("q3", Group::Sqlite), of(Engine::Sqlite, 4.0));
        assert_eq!(ratio("q3", Group::Compressing), None);
        assert_eq!(ratio("ingest-100", Group::Any), of(Engine::Sqlite, 0.25));
    }

    #[test]
    fn prepared_queries_are_compared_with_the_queries_of_peers() {
        let mut cells = Cells::default();
        cells.add(line("component", "q3", 9.0));
        cells.add(line("component", "q3-prepared", 4.0));
        cells.add(line("sqlite", "q3", 6.0));
        let of = |figure| cells.ratio(100, figure, Group::Any).map(|ratio| ratio.better);
        assert_eq!((of("q3"), of("q3-prepared")), (Some(6.0 / 9.0), Some(1.5)));
    }

    #[test]
    fn rounds_are_gathered() {
        let mut cells = Cells::default();
        for value in [3.0, 9.0, 4.0] {
            cells.add(line("redb", "q1-asc", value));
        }
        let expected = Cell {
            median: 4.0,
            min: 3.0,
            max: 9.0,
        };
        assert_eq!(cells.get(100, "q1-asc", Engine::Redb), Some(expected));
    }

    #[test]
    fn only_comparable_lines_of_sidx_count() {
        let mut cells = Cells::default();
        let mut synced = line("component", "ingest-100", 1.0);
        synced.durability = Some("sync".to_owned());
        let mut many = line("component", "ingest-100", 2.0);
        many.writers = Some(16);
        cells.add(synced);
        cells.add(many);
        cells.add(line("component", "merge", 3.0));
        assert_eq!(cells.get(100, "ingest-100", Engine::Sidx), None);
        assert!(cells.get(100, "compact", Engine::Sidx).is_some());
    }
}
