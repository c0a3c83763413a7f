//! Figures as JSON lines, in the form of `sidx bench`.

use serde::{Deserialize, Serialize};

/// One figure of one engine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// What was measured, as `q3`.
    pub figure: String,
    /// Series that the rows are spread over.
    pub series: u64,
    /// Rows of the workload.
    pub rows: u64,
    /// Who was measured.
    pub engine: String,
    /// `us`, `rows/s` or `bytes/row`.
    pub unit: String,
    /// The middle sample.
    pub median: f64,
    /// The least sample.
    pub min: f64,
    /// The greatest sample.
    pub max: f64,
    /// How many samples there are; `sidx bench` need not say.
    #[serde(default)]
    pub samples: usize,
    /// Rows that a query returned or counted, or that were written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result_rows: Option<u64>,
    /// What a written batch outlives: `none` nothing for sure, `os` a crash of the process, `sync` a
    /// power cut.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub durability: Option<String>,
    /// Threads that wrote at once; one when nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub writers: Option<usize>,
}

impl Figure {
    /// Takes the median and the extremes of the samples.
    pub fn new(subject: &Subject, figure: &str, unit: &str, mut samples: Vec<f64>) -> Self {
        samples.sort_by(f64::total_cmp);
        let at = |index: usize| thousandths(samples.get(index).copied().unwrap_or(f64::NAN));
        Self {
            figure: figure.to_owned(),
            series: subject.series,
            rows: subject.rows,
            engine: subject.engine.clone(),
            unit: unit.to_owned(),
            median: at(samples.len() / 2),
            min: at(0),
            max: at(samples.len().saturating_sub(1)),
            samples: samples.len(),
            result_rows: None,
            durability: None,
            writers: None,
        }
    }
}

/// Whose figures they are, on which rows.
#[derive(Clone, Debug)]
pub struct Subject {
    /// Name of the store.
    pub engine: String,
    /// Series that the rows are spread over.
    pub series: u64,
    /// Rows of the workload.
    pub rows: u64,
}

/// Digits beyond these are noise.
fn thousandths(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_sidx_bench_are_read() {
        let line = r#"{"figure":"q3","series":100,"rows":1000000,"engine":"component","unit":"us",
            "median":412.0,"min":390.1,"max":501.7,"result_rows":1125,"bytes":7}"#;
        let figure: Figure = serde_json::from_str(line).unwrap();
        assert_eq!((figure.median, figure.result_rows), (412.0, Some(1125)));
        assert_eq!((figure.samples, figure.durability), (0, None));
    }

    #[test]
    fn samples_are_ordered() {
        let subject = Subject {
            engine: "lmdb".to_owned(),
            series: 100,
            rows: 10,
        };
        let figure = Figure::new(&subject, "q1-asc", "us", vec![9.0, 1.0, 3.0]);
        assert_eq!((figure.min, figure.median, figure.max), (1.0, 3.0, 9.0));
    }
}
