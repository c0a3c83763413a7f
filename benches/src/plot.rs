//! Draws how figures grow with the rows, from the JSON lines of `sidx bench`, on two logarithmic axes.
//!
//! `cargo run --package sidx-benches --bin plot -- FIGURES.jsonl OUT.svg --figures q1-asc,q2-asc`

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use anyhow::bail;
use clap::Parser;
use plotters::prelude::*;
use serde_json::Value;

#[derive(Parser)]
#[command(about = "Figures by number of rows, as an SVG")]
struct Arguments {
    /// JSON lines of `sidx bench`, of several numbers of rows
    input: PathBuf,
    /// The picture
    output: PathBuf,
    /// Figures to draw
    #[arg(long, value_delimiter = ',', required = true)]
    figures: Vec<String>,
    /// Engine to draw
    #[arg(long, default_value = "component")]
    engine: String,
    /// Number of series to draw
    #[arg(long, default_value_t = 100)]
    series: u64,
    /// Field of the lines to draw
    #[arg(long, default_value = "median")]
    field: String,
    /// What stands above the picture
    #[arg(long)]
    title: String,
}

/// Rows and value of each point, by figure.
type Lines = BTreeMap<String, BTreeMap<u64, f64>>;

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let (lines, unit) = read(&arguments)?;
    draw(&arguments, &lines, &unit)
}

/// The wanted lines and their unit.
fn read(arguments: &Arguments) -> anyhow::Result<(Lines, String)> {
    let mut lines = Lines::new();
    let mut unit = String::new();
    for line in fs::read_to_string(&arguments.input)?.lines() {
        let point: Value = serde_json::from_str(line)?;
        let name = point["figure"].as_str().unwrap_or_default();
        let wanted = point["engine"] == arguments.engine.as_str()
            && point["series"] == arguments.series
            && point["durability"] != "sync"
            && arguments.figures.iter().any(|figure| figure == name);
        if let (true, Some(rows), Some(value)) = (
            wanted,
            point["rows"].as_u64(),
            point[&arguments.field].as_f64(),
        ) {
            lines
                .entry(name.to_owned())
                .or_default()
                .insert(rows, value);
            unit = match arguments.field.as_str() {
                "peak_mib" => "MiB".to_owned(),
                _ => point["unit"].as_str().unwrap_or_default().to_owned(),
            };
        }
    }
    match lines.is_empty() {
        true => bail!("there is no such figure in the input"),
        false => Ok((lines, unit)),
    }
}

fn draw(arguments: &Arguments, lines: &Lines, unit: &str) -> anyhow::Result<()> {
    let points = || lines.values().flatten();
    let rows = |pick: fn(u64, u64) -> u64| points().map(|(rows, _)| *rows).reduce(pick);
    let values = |pick: fn(f64, f64) -> f64| points().map(|(_, value)| *value).reduce(pick);
    let (first, last) = (rows(u64::min).unwrap_or(1), rows(u64::max).unwrap_or(2));
    let (low, high) = (
        values(f64::min).unwrap_or(1.0),
        values(f64::max).unwrap_or(2.0),
    );
    let root = SVGBackend::new(&arguments.output, (760, 420)).into_drawing_area();
    root.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&root)
        .caption(&arguments.title, ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(70)
        .build_cartesian_2d(
            (first as f64 * 0.9..last as f64 * 1.1).log_scale(),
            (low / 2.0..high * 2.0).log_scale(),
        )?;
    chart
        .configure_mesh()
        .x_desc("rows")
        .y_desc(unit)
        .x_label_formatter(&|rows| format!("{:.0} M", rows / 1e6))
        .y_label_formatter(&|value| format!("{value}"))
        .draw()?;
    for (number, (name, line)) in lines.iter().enumerate() {
        let color = Palette99::pick(number).to_rgba();
        let points: Vec<(f64, f64)> = line
            .iter()
            .map(|(rows, value)| (*rows as f64, *value))
            .collect();
        chart
            .draw_series(LineSeries::new(points.clone(), color.stroke_width(2)))?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], color));
        let dots = points
            .into_iter()
            .map(|at| Circle::new(at, 3, color.filled()));
        chart.draw_series(dots)?;
    }
    chart
        .configure_series_labels()
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK)
        .draw()?;
    root.present()?;
    Ok(())
}
