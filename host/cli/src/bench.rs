//! `sidx bench`: workload W1 with the component and the native engine, every result checked.

pub(crate) mod arguments;
mod figure;
mod ingest;
mod merged;
mod questions;
mod report;
mod samples;
mod stores;
mod workload;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use sidx_command::{Console, Failure};
use sidx_host::{Engine, Index};
use sidx_w1::Query;

use crate::database::failure;
use arguments::{BenchArguments, EngineName};
use figure::Figure;
use merged::{Merged, time_query};
use report::Report;
use samples::Results;
use stores::Stores;
use workload::{Workload, engine_name};

const PROGRESS: &str = "{wide_bar} {pos}/{len}  {msg}";

/// Runs the command.
pub(crate) fn run(arguments: &BenchArguments, console: &mut Console<'_>) -> Result<(), Failure> {
    let figures = Figure::chosen(&arguments.figures)?;
    let mut report = Report::new(arguments)?;
    let stores = Stores::new(arguments.dir.as_deref(), arguments.keep)?;
    let bench = Bench {
        arguments,
        figures: &figures,
        stores: &stores,
        progress: progress(console.err_is_terminal, arguments, &figures),
    };
    let measured = bench.measure(&mut report, console);
    // The bar must not stay in front of what is told next.
    bench.progress.finish_and_clear();
    if arguments.keep {
        // Telling is a courtesy: the figures are out.
        let _ = writeln!(
            console.err,
            "sidx: the stores are in {}",
            stores.root().display()
        );
    }
    measured
}

/// A measurement under way.
struct Bench<'a> {
    arguments: &'a BenchArguments,
    figures: &'a [Figure],
    stores: &'a Stores,
    progress: ProgressBar,
}

impl Bench<'_> {
    /// Measures all rounds with each number of series, and tells the figures of each.
    fn measure(&self, report: &mut Report, console: &mut Console<'_>) -> Result<(), Failure> {
        for series in &self.arguments.series {
            let message = format!("{series} series: the right answers");
            self.progress.set_message(message);
            let page_cache_bytes = self.arguments.page_cache_mib << 20;
            let workload = Workload::new(self.arguments.rows, *series, page_cache_bytes);
            let mut results = Results::default();
            for round in 0..self.arguments.rounds {
                self.round(&workload, round, &mut results)?;
            }
            let mut tell = || report.tell(&workload, self.figures, &results, console);
            self.progress.suspend(&mut tell)?;
        }
        Ok(())
    }

    /// Measures everything once with each engine: one figure after the other, so that whatever else the
    /// machine does in between falls on both engines.
    fn round(&self, workload: &Workload, round: u32, results: &mut Results) -> Result<(), Failure> {
        let engines = engines(self.arguments.engine, round);
        for figure in self.figures {
            let Figure::Ingest(load) = *figure else {
                continue;
            };
            for engine in &engines {
                self.step(workload, *engine, &figure.title());
                let store = self.stores.vacant("ingest")?;
                let sample = ingest::measure(workload, &store, *engine, load)?;
                results.push(*figure, *engine, sample);
            }
        }
        if !self
            .figures
            .iter()
            .any(|figure| figure.needs_merged_index())
        {
            return Ok(());
        }
        let mut indexes = Vec::new();
        for engine in engines {
            self.step(workload, engine, "flush and merge");
            let name = format!("{}-series-{}", workload.series, engine_name(engine));
            let store = self.stores.vacant(&name)?;
            indexes.push(Merged::make(workload, store, engine, results)?);
        }
        self.time_opening(workload, &indexes, results)?;
        self.time_warm(workload, &indexes, results)?;
        self.time_cold(workload, &indexes, results)?;
        if !self.arguments.keep {
            for index in &indexes {
                stores::remove(index.store())?;
            }
        }
        Ok(())
    }

    fn time_opening(
        &self,
        workload: &Workload,
        indexes: &[Merged],
        results: &mut Results,
    ) -> Result<(), Failure> {
        if !self.figures.contains(&Figure::Open) {
            return Ok(());
        }
        for index in indexes {
            self.step(workload, index.engine, "open");
            for _ in 0..self.arguments.repeat {
                let sample = index.time_opening(workload)?;
                results.push(Figure::Open, index.engine, sample);
            }
        }
        Ok(())
    }

    fn time_warm(
        &self,
        workload: &Workload,
        indexes: &[Merged],
        results: &mut Results,
    ) -> Result<(), Failure> {
        let open = |index: &Merged| Ok((index.engine, index.open(workload)?));
        let indexes: Vec<(Engine, Index)> =
            indexes.iter().map(open).collect::<Result<_, Failure>>()?;
        for figure in self.figures {
            let (Figure::Warm(query) | Figure::Prepared(query)) = *figure else {
                continue;
            };
            for (engine, index) in &indexes {
                self.step(workload, *engine, &figure.name());
                let questions = workload.questions();
                let prepared = match figure {
                    Figure::Prepared(_) => Some(questions.prepare(index, query).map_err(failure)?),
                    _ => None,
                };
                let ask = || match &prepared {
                    Some(prepared) => questions.ask_prepared(prepared, query),
                    None => questions.ask(index, query),
                };
                // The first run brings the pages into memory.
                time_query(workload, *engine, *figure, query, ask)?;
                for _ in 0..self.runs(query) {
                    let sample = time_query(workload, *engine, *figure, query, ask)?;
                    results.push(*figure, *engine, sample);
                }
            }
        }
        Ok(())
    }

    fn time_cold(
        &self,
        workload: &Workload,
        indexes: &[Merged],
        results: &mut Results,
    ) -> Result<(), Failure> {
        for figure in self.figures {
            let Figure::Cold(query) = *figure else {
                continue;
            };
            for index in indexes {
                self.step(workload, index.engine, &figure.name());
                for _ in 0..self.few_runs() {
                    let sample = index.time_cold(workload, query)?;
                    results.push(*figure, index.engine, sample);
                }
            }
        }
        Ok(())
    }

    /// Runs of a query in a round.
    fn runs(&self, query: Query) -> u32 {
        match query {
            Query::Q6 | Query::Q7 => self.few_runs(),
            _ => self.arguments.repeat,
        }
    }

    /// Runs of what takes long.
    fn few_runs(&self) -> u32 {
        self.arguments.repeat.div_ceil(5)
    }

    fn step(&self, workload: &Workload, engine: Engine, what: &str) {
        let (series, engine) = (workload.series, engine_name(engine));
        self.progress
            .set_message(format!("{series} series, {engine}: {what}"));
        self.progress.inc(1);
    }
}

/// The engines of a round: each is first in every other one.
fn engines(name: EngineName, round: u32) -> Vec<Engine> {
    match name {
        EngineName::Component => vec![Engine::Component],
        EngineName::Native => vec![Engine::Native],
        EngineName::Both if round.is_multiple_of(2) => vec![Engine::Component, Engine::Native],
        EngineName::Both => vec![Engine::Native, Engine::Component],
    }
}

/// A bar on stderr, when someone is there to see it.
fn progress(visible: bool, arguments: &BenchArguments, figures: &[Figure]) -> ProgressBar {
    if !visible {
        return ProgressBar::hidden();
    }
    let is_step =
        |figure: &&Figure| !matches!(figure, Figure::Flush | Figure::Merge | Figure::Size);
    let makes_index = figures.iter().any(|figure| figure.needs_merged_index());
    let steps = figures.iter().filter(is_step).count() + usize::from(makes_index);
    let rounds = u64::from(arguments.rounds) * arguments.series.len() as u64;
    let turns = rounds * engines(arguments.engine, 0).len() as u64;
    let bar =
        ProgressBar::with_draw_target(Some(turns * steps as u64), ProgressDrawTarget::stderr());
    // A template that does not parse would be a slip here; the default bar then serves as well.
    bar.set_style(
        ProgressStyle::with_template(PROGRESS).unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    // Drawn at each step only: a thread that redraws would be measured too.
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engines_take_turns_in_being_first() {
        let first = |round| engines(EngineName::Both, round).first().copied();
        assert_eq!(first(0), Some(Engine::Component));
        assert_eq!(first(1), Some(Engine::Native));
        assert_eq!(engines(EngineName::Native, 0), [Engine::Native]);
    }

    #[test]
    fn the_template_parses() {
        assert!(ProgressStyle::with_template(PROGRESS).is_ok());
    }
}
