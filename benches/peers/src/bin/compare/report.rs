//! The tables.

use std::fmt::Write;

use sidx_w1::Query;

use crate::bars::bars;
use crate::cells::{Cell, Cells, Group, Ratio};
use crate::engines::{Engine, PREPARED};

/// What is not a query: name and unit.
const OTHERS: [(&str, &str); 8] = [
    ("ingest-100", "rows/s"),
    ("ingest-1000", "rows/s"),
    ("ingest-10000", "rows/s"),
    ("columns-1000", "rows/s"),
    ("columns-10000", "rows/s"),
    ("compact", "rows/s"),
    ("size", "bytes/row"),
    ("open", "us"),
];

/// Everything that the cells hold, in Markdown.
pub(crate) fn markdown(cells: &Cells) -> String {
    let mut text = String::from("# Workload W1: sidx and its peers\n");
    for series in cells.shapes() {
        let rows: Vec<String> = cells.rows(series).iter().map(u64::to_string).collect();
        line(
            &mut text,
            &format!("\n## {series} series, {} rows\n", rows.join(" or ")),
        );
        line(
            &mut text,
            "Medians; ratios above 1 mean that sidx is faster or smaller.\n",
        );
        medians(&mut text, cells, series);
        line(&mut text, "\nMinimum..maximum:\n");
        spreads(&mut text, cells, series);
        standing(&mut text, cells, series);
    }
    text
}

/// Names and units of all figures, in order.
fn figures() -> impl Iterator<Item = (String, &'static str)> {
    let others = OTHERS.map(|(name, unit)| (name.to_owned(), unit));
    let queries = Query::ALL.map(|query| (query.name().to_owned(), "us"));
    let prepared = Query::ALL.map(|query| (format!("{}{PREPARED}", query.name()), "us"));
    others.into_iter().chain(queries).chain(prepared)
}

fn measured(cells: &Cells, series: u64) -> Vec<Engine> {
    let measured = cells.engines(series);
    let all = Engine::ALL.into_iter();
    all.filter(|engine| measured.contains(engine)).collect()
}

fn medians(text: &mut String, cells: &Cells, series: u64) {
    let engines = measured(cells, series);
    let names = engines.iter().map(|engine| engine.name().to_owned());
    let groups = ["vs fastest", "vs compressing", "vs SQLite"].map(str::to_owned);
    head(
        text,
        ["figure".to_owned(), "unit".to_owned()]
            .into_iter()
            .chain(names)
            .chain(groups),
    );
    for (figure, unit) in figures() {
        let shown = engines.iter().map(|engine| {
            let cell = cells.get(series, &figure, *engine);
            cell.map_or(String::from("-"), |cell| digits(cell.median))
        });
        let groups = [Group::Any, Group::Compressing, Group::Sqlite];
        let ratios = groups.map(|group| ratio(cells.ratio(series, &figure, group)));
        row(
            text,
            [figure.clone(), unit.to_owned()]
                .into_iter()
                .chain(shown)
                .chain(ratios),
        );
    }
}

fn spreads(text: &mut String, cells: &Cells, series: u64) {
    let engines = measured(cells, series);
    let names = engines.iter().map(|engine| engine.name().to_owned());
    head(text, std::iter::once("figure".to_owned()).chain(names));
    for (figure, _) in figures() {
        let shown = engines.iter().map(|engine| {
            let cell = cells.get(series, &figure, *engine);
            cell.map_or(String::from("-"), spread)
        });
        row(text, std::iter::once(figure.clone()).chain(shown));
    }
}

/// Where sidx stands against each bar.
fn standing(text: &mut String, cells: &Cells, series: u64) {
    let bars = bars(series);
    if bars.is_empty() || !cells.engines(series).contains(&Engine::Sidx) {
        return;
    }
    line(text, "\nBars:\n");
    head(
        text,
        ["figure", "against", "wanted", "reached", "met"]
            .map(str::to_owned)
            .into_iter(),
    );
    for bar in bars {
        let against = match bar.group {
            Group::Any => "fastest of any kind",
            Group::Compressing => "fastest that compresses",
            Group::Sqlite => "SQLite",
            Group::Lmdb => "LMDB",
        };
        let reached = bar.ratio(cells, series);
        let met = reached.map(|ratio| ratio.better >= bar.least);
        let met = match met {
            None => "not measured",
            Some(true) => "yes",
            Some(false) => "**no**",
        };
        row(
            text,
            [
                bar.figure.to_owned(),
                against.to_owned(),
                format!("{:.2}", bar.least),
                ratio(reached),
                met.to_owned(),
            ]
            .into_iter(),
        );
    }
}

fn head(text: &mut String, names: impl Iterator<Item = String>) {
    let names: Vec<String> = names.collect();
    let rule = vec!["---".to_owned(); names.len()];
    row(text, names.into_iter());
    row(text, rule.into_iter());
}

fn row(text: &mut String, cells: impl Iterator<Item = String>) {
    let cells: Vec<String> = cells.collect();
    line(text, &format!("| {} |", cells.join(" | ")));
}

fn line(text: &mut String, line: &str) {
    // Writing to memory does not fail.
    let _ = writeln!(text, "{line}");
}

fn ratio(ratio: Option<Ratio>) -> String {
    ratio.map_or(String::from("-"), |ratio| {
        format!("{} ({})", digits(ratio.better), ratio.peer.name())
    })
}

fn spread(cell: Cell) -> String {
    if cell.min == cell.max {
        return digits(cell.min);
    }
    format!("{}..{}", digits(cell.min), digits(cell.max))
}

/// About three digits that matter, and never fewer than the whole number.
fn digits(value: f64) -> String {
    match value {
        0.0..0.1 => format!("{value:.3}"),
        0.1..10.0 => format!("{value:.2}"),
        10.0..100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cells::tests::line as figure;

    #[test]
    fn tables_have_figures_ratios_and_bars() {
        let mut cells = Cells::default();
        cells.add(figure("component", "q3", 2.0));
        cells.add(figure("lmdb", "q3", 3.0));
        let text = markdown(&cells);
        for part in [
            "| figure | unit | sidx | lmdb | vs fastest | vs compressing | vs SQLite |",
            "| q3 | us | 2.00 | 3.00 | 1.50 (lmdb) | - | - |",
            "| q3 | fastest of any kind | 2.00 | 1.50 (lmdb) | **no** |",
            "| q6 | fastest of any kind | 2.00 | - | not measured |",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }
}
