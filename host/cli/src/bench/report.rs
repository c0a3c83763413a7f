//! Figures as JSON lines and as a table.

use std::fs::File;
use std::io::{self, BufWriter, Write};

use serde_json::{Map, Value, json};
use sidx_command::{Console, Failure, cell, grid, numeric};
use sidx_host::Engine;

use super::arguments::BenchArguments;
use super::figure::Figure;
use super::samples::{Results, Samples};
use super::stores::unusable;
use super::workload::{Workload, engine_name};

/// Where figures go.
pub(super) struct Report {
    /// `--json`
    json: bool,
    /// `--json-out`
    file: Option<BufWriter<File>>,
}

impl Report {
    /// Makes the file, if one was asked for, before anything is measured.
    pub(super) fn new(arguments: &BenchArguments) -> Result<Report, Failure> {
        let file = match &arguments.json_out {
            None => None,
            Some(path) => Some(File::create(path).map(BufWriter::new).map_err(|error| {
                unusable(path, &error).with_next("name a file with --json-out that can be written")
            })?),
        };
        Ok(Report {
            json: arguments.json,
            file,
        })
    }

    /// Tells the figures of one number of series.
    pub(super) fn tell(
        &mut self,
        workload: &Workload,
        figures: &[Figure],
        results: &Results,
        console: &mut Console<'_>,
    ) -> Result<(), Failure> {
        if self.json {
            lines(workload, figures, results, console.out)
                .and_then(|()| console.out.flush())
                .map_err(Failure::output)?;
            return Ok(());
        }
        if let Some(file) = &mut self.file {
            lines(workload, figures, results, file)
                .and_then(|()| file.flush())
                .map_err(Failure::output)?;
        }
        table(workload, figures, results, console.out)
            .and_then(|()| console.out.flush())
            .map_err(Failure::output)
    }
}

/// The engines in the order in which they are told.
const ENGINES: [Engine; 2] = [Engine::Component, Engine::Native];

/// One object per line for each figure of each engine.
fn lines(
    workload: &Workload,
    figures: &[Figure],
    results: &Results,
    out: &mut dyn Write,
) -> io::Result<()> {
    for figure in figures {
        for engine in ENGINES {
            if let Some(samples) = results.get(*figure, engine) {
                writeln!(out, "{}", line(workload, *figure, engine, samples))?;
            }
        }
    }
    Ok(())
}

fn line(workload: &Workload, figure: Figure, engine: Engine, samples: &Samples) -> Value {
    let mut line = Map::new();
    let mut put = |name: &str, value: Value| line.insert(name.to_owned(), value);
    put("figure", figure.name().into());
    put("series", workload.series.into());
    put("rows", workload.rows.into());
    put("engine", engine_name(engine).into());
    if let Figure::Ingest(load) = figure {
        put("durability", load.durability_name().into());
        put("writers", load.writers.into());
    }
    put("unit", figure.unit().into());
    put("median", json!(thousandths(samples.median())));
    put("min", json!(thousandths(samples.min())));
    put("max", json!(thousandths(samples.max())));
    put("samples", samples.len().into());
    if let Some(rows) = samples.result_rows() {
        put("result_rows", rows.into());
    }
    if let Some(seconds) = samples.cpu_seconds() {
        put("cpu_s", json!(thousandths(seconds)));
    }
    if let Some(peak) = samples.peak_mib() {
        put("peak_mib", json!(peak.round()));
    }
    Value::Object(line)
}

/// Digits beyond these are noise.
fn thousandths(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

/// A table with the engines side by side.
fn table(
    workload: &Workload,
    figures: &[Figure],
    results: &Results,
    out: &mut dyn Write,
) -> io::Result<()> {
    let names = ["figure", "unit", "component", "native", "ratio"];
    let mut table = grid(names.map(cell).into());
    for figure in figures {
        let [component, native] = ENGINES.map(|engine| results.get(*figure, engine));
        let shown = |samples: Option<&Samples>| numeric(samples.map_or(String::new(), spread));
        let ratio = component
            .zip(native)
            .map(|(component, native)| ratio(*figure, component, native));
        table.add_row([
            cell(&figure.title()),
            cell(figure.unit()),
            shown(component),
            shown(native),
            numeric(ratio.map_or(String::new(), |ratio| format!("{ratio:.2}"))),
        ]);
    }
    let (rows, series) = (workload.rows, workload.series);
    writeln!(out, "{rows} rows, {series} series: median (min..max)")?;
    writeln!(out, "{table}")?;
    writeln!(
        out,
        "ratio: component against native; above 1 the component is slower or larger\n"
    )
}

/// How many times slower, or larger, the component is.
fn ratio(figure: Figure, component: &Samples, native: &Samples) -> f64 {
    match figure.is_rate() {
        true => native.median() / component.median(),
        false => component.median() / native.median(),
    }
}

fn spread(samples: &Samples) -> String {
    let (median, min, max) = (samples.median(), samples.min(), samples.max());
    if samples.len() == 1 {
        return digits(median);
    }
    format!("{} ({}..{})", digits(median), digits(min), digits(max))
}

/// About three digits that matter, and never fewer than the whole number.
fn digits(value: f64) -> String {
    match value {
        0.0..10.0 => format!("{value:.2}"),
        10.0..100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::Sample;
    use super::*;
    use sidx_w1::Query;

    fn results() -> Results {
        let mut results = Results::default();
        for (engine, values) in [
            (Engine::Component, [4.0, 6.0, 5.0]),
            (Engine::Native, [2.0, 3.0, 2.5]),
        ] {
            for value in values {
                let sample = Sample {
                    value,
                    result_rows: Some(20),
                    ..Sample::default()
                };
                results.push(Figure::Warm(Query::Q3), engine, sample);
                let sample = Sample {
                    value: value * 1e6,
                    cpu_seconds: Some(0.5),
                    peak_mib: Some(64.2),
                    ..Sample::default()
                };
                results.push(Figure::Merge, engine, sample);
            }
        }
        results
    }

    #[test]
    fn a_line_names_what_was_measured() {
        let workload = Workload::new(10, 3, 0);
        let figures = [Figure::Merge, Figure::Warm(Query::Q3)];
        let mut out = Vec::new();
        lines(&workload, &figures, &results(), &mut out).unwrap();
        let out = String::from_utf8(out).unwrap();
        let expected = r#"{"figure":"q3","series":3,"rows":10,"engine":"native","unit":"us","median":2.5,"min":2.0,"max":3.0,"samples":3,"result_rows":20}"#;
        assert_eq!(out.lines().count(), 4);
        assert_eq!(out.lines().last(), Some(expected));
        assert!(
            out.starts_with(r#"{"figure":"merge""#)
                && out.contains(r#""cpu_s":0.5,"peak_mib":64.0}"#)
        );
    }

    #[test]
    fn ratios_above_one_are_a_slower_component() {
        let results = results();
        let of = |figure, engine| results.get(figure, engine).unwrap();
        let ratio = |figure| {
            let (component, native) = (of(figure, Engine::Component), of(figure, Engine::Native));
            super::ratio(figure, component, native)
        };
        assert_eq!(ratio(Figure::Warm(Query::Q3)), 2.0);
        assert_eq!(ratio(Figure::Merge), 0.5);
        let mut out = Vec::new();
        let workload = Workload::new(10, 3, 0);
        table(&workload, &[Figure::Warm(Query::Q3)], &results, &mut out).unwrap();
        let out = String::from_utf8(out).unwrap();
        for part in ["q3", "us", "5.00 (4.00..6.00)", "2.50 (2.00..3.00)"] {
            assert!(out.contains(part), "{out}");
        }
    }
}
