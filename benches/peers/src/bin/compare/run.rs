//! The order of the measurements.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sidx_peers::figure::Figure;

use crate::cells::Cells;
use crate::engines::{Engine, Job, Measurement};
use crate::{Arguments, Result};

/// The batch size whose store the queries run on.
const KEPT_BATCH: u64 = 1_000;

/// Measures everything, and returns what failed.
pub(crate) fn all(arguments: &Arguments, cells: &mut Cells) -> Result<Vec<String>> {
    let programs = match &arguments.programs {
        Some(folder) => folder.clone(),
        None => own_folder()?,
    };
    let engines = present(arguments, &programs);
    fs::create_dir_all(&arguments.dir)?;
    let mut run = Run {
        arguments,
        programs: &programs,
        engines,
        lines: File::create(&arguments.lines)?,
        cells,
        failures: Vec::new(),
    };
    for series in &arguments.series {
        run.shape(*series)?;
    }
    let _ = fs::remove_dir(&arguments.dir);
    Ok(run.failures)
}

fn own_folder() -> Result<PathBuf> {
    let this = std::env::current_exe()?;
    let folder = this.parent().ok_or("this program has no folder")?;
    Ok(folder.to_owned())
}

fn present(arguments: &Arguments, programs: &Path) -> Vec<Engine> {
    let mut engines = Vec::new();
    for engine in &arguments.engines {
        match engine.missing(arguments, programs) {
            None => engines.push(*engine),
            Some(reason) => println!("{} is skipped: {reason}", engine.name()),
        }
    }
    engines
}

struct Run<'a> {
    arguments: &'a Arguments,
    programs: &'a Path,
    engines: Vec<Engine>,
    lines: File,
    cells: &'a mut Cells,
    failures: Vec<String>,
}

impl Run<'_> {
    /// Everything with one number of series.
    fn shape(&mut self, series: u64) -> Result<()> {
        let input = self.arguments.dir.join("input");
        if self.engines.contains(&Engine::DuckDb) {
            self.make_input(series, &input)?;
        }
        let mut batches = self.arguments.batches.clone();
        // The store of the last one is kept for the queries.
        batches.sort_by_key(|batch| *batch == KEPT_BATCH);
        for round in 0..self.arguments.ingest_rounds.max(1) {
            for batch in &batches {
                for engine in self.turn(round) {
                    self.clear(engine)?;
                    self.measure(engine, Measurement::Ingest(*batch), series, &input)?;
                }
            }
        }
        for engine in self.turn(0) {
            self.measure(engine, Measurement::Compact, series, &input)?;
        }
        for round in 0..self.arguments.rounds {
            for engine in self.turn(round) {
                self.measure(engine, Measurement::Query, series, &input)?;
            }
        }
        for engine in self.turn(0) {
            self.clear(engine)?;
        }
        let _ = fs::remove_dir_all(&input);
        Ok(())
    }

    /// The engines of a round: another one is first in each.
    fn turn(&self, round: u32) -> Vec<Engine> {
        let mut engines = self.engines.clone();
        if !engines.is_empty() {
            let first = round as usize % engines.len();
            engines.rotate_left(first);
        }
        engines
    }

    fn make_input(&self, series: u64, input: &Path) -> Result<()> {
        let mut command = Command::new(self.programs.join("w1-rows"));
        command.args(["--series", &series.to_string()]);
        command.args(["--rows", &self.arguments.rows.to_string()]);
        command.arg("--dir").arg(input);
        if command.status()?.success() {
            return Ok(());
        }
        Err("w1-rows failed".into())
    }

    fn folder(&self, engine: Engine) -> PathBuf {
        self.arguments.dir.join(engine.name())
    }

    fn clear(&self, engine: Engine) -> Result<()> {
        let folder = self.folder(engine);
        if folder.exists() {
            fs::remove_dir_all(folder)?;
        }
        Ok(())
    }

    /// Runs one process and keeps its figures. A failure does not end the others.
    fn measure(
        &mut self,
        engine: Engine,
        what: Measurement,
        series: u64,
        input: &Path,
    ) -> Result<()> {
        let folder = self.folder(engine);
        fs::create_dir_all(&folder)?;
        let job = Job {
            arguments: self.arguments,
            programs: self.programs,
            series,
            folder: &folder,
            input,
        };
        let Some(mut command) = engine.command(what, &job) else {
            return Ok(());
        };
        let output = command.stderr(Stdio::inherit()).output()?;
        let text = String::from_utf8(output.stdout)?;
        for line in text.lines() {
            let figure: Figure = serde_json::from_str(line)?;
            writeln!(self.lines, "{line}")?;
            say(engine, &figure);
            self.cells.add(figure);
        }
        if !output.status.success() {
            let failure = format!("{series} series, {}, {what:?} failed", engine.name());
            println!("{failure}");
            self.failures.push(failure);
        }
        Ok(())
    }
}

fn say(engine: Engine, figure: &Figure) {
    let durability = figure.durability.as_deref();
    let durability = durability.map_or(String::new(), |name| format!(", durability {name}"));
    let writers = figure.writers.filter(|writers| *writers > 1);
    let writers = writers.map_or(String::new(), |writers| format!(", {writers} writers"));
    println!(
        "{} series, {}, {}{durability}{writers}: {} {}",
        figure.series,
        engine.name(),
        figure.figure,
        figure.median,
        figure.unit
    );
}
