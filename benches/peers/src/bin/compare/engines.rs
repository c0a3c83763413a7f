//! Who is measured, and the command line of a measurement.

use std::path::Path;
use std::process::{Command, Stdio};

use clap::ValueEnum;

use crate::Arguments;

/// What the names of figures of prepared queries end in. Only sidx has figures of both kinds: SQLite's
/// queries are cached statements, and those of key-value stores are calls, so that nothing is left to
/// prepare.
pub(crate) const PREPARED: &str = "-prepared";

/// Who takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Engine {
    /// The component, as every program runs it
    Sidx,
    Rocksdb,
    Fjall,
    #[value(name = "duckdb")]
    DuckDb,
    Redb,
    Sqlite,
    SqliteClustered,
    Lmdb,
}

/// What a process measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Measurement {
    /// Writing, with so many rows in a batch.
    Ingest(u64),
    /// Compaction and size of what was written.
    Compact,
    /// Opening it, and the queries.
    Query,
}

impl Engine {
    /// All of them: sidx, those that compress, the others.
    pub(crate) const ALL: [Self; 8] = [
        Self::Sidx,
        Self::Rocksdb,
        Self::Fjall,
        Self::DuckDb,
        Self::Redb,
        Self::Sqlite,
        Self::SqliteClustered,
        Self::Lmdb,
    ];

    /// The name in figures, but for sidx, whose figures are named after the build of the engine.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sidx => "sidx",
            Self::Rocksdb => "rocksdb",
            Self::Fjall => "fjall",
            Self::DuckDb => "duckdb",
            Self::Redb => "redb",
            Self::Sqlite => "sqlite",
            Self::SqliteClustered => "sqlite-clustered",
            Self::Lmdb => "lmdb",
        }
    }

    /// Whose figure it is; none for other builds of sidx.
    pub(crate) fn of(engine: &str) -> Option<Self> {
        if engine == "component" {
            return Some(Self::Sidx);
        }
        Self::ALL.into_iter().find(|one| one.name() == engine)
    }

    /// The process of a measurement on a store; none when another measurement of the engine has the
    /// figures too.
    pub(crate) fn command(self, what: Measurement, job: &Job<'_>) -> Option<Command> {
        match self {
            Self::Sidx => self::sidx(what, job),
            Self::DuckDb => Some(duckdb(what, job)),
            _ => Some(self.peer(what, job)),
        }
    }

    /// Why the engine cannot take part.
    pub(crate) fn missing(self, arguments: &Arguments, programs: &Path) -> Option<&'static str> {
        let (mut command, reason) = match self {
            Self::Sidx => {
                let Some(path) = &arguments.sidx else {
                    return Some("--sidx is not given");
                };
                let mut command = Command::new(path);
                command.args(["bench", "--help"]);
                (command, "the program of --sidx has no command bench")
            }
            Self::DuckDb => {
                let mut command = Command::new(&arguments.python);
                command.arg(&arguments.duckdb_script).arg("probe");
                (command, "the Python of --python has no duckdb and pyarrow")
            }
            _ => {
                let mut command = Command::new(programs.join("peer"));
                command.args(["--store", self.name(), "--dir", ".", "probe"]);
                (command, "the program peer is missing or built without it")
            }
        };
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let works = command.status().is_ok_and(|status| status.success());
        (!works).then_some(reason)
    }

    fn peer(self, what: Measurement, job: &Job<'_>) -> Command {
        let mut command = Command::new(job.programs.join("peer"));
        command.args(["--store", self.name()]);
        job.workload(&mut command);
        command.arg("--dir").arg(job.folder);
        match what {
            Measurement::Ingest(batch) => {
                command.args(["ingest", "--batch", &batch.to_string()]);
            }
            Measurement::Compact => {
                command.arg("compact");
            }
            Measurement::Query => {
                command.args(["query", "--repeat", &job.arguments.repeat.to_string()]);
            }
        }
        command
    }
}

/// Where a measurement takes place.
pub(crate) struct Job<'a> {
    pub(crate) arguments: &'a Arguments,
    pub(crate) programs: &'a Path,
    /// Series that the rows are spread over.
    pub(crate) series: u64,
    /// The folder of the store.
    pub(crate) folder: &'a Path,
    /// The folder of rows and answers.
    pub(crate) input: &'a Path,
}

impl Job<'_> {
    fn workload(&self, command: &mut Command) {
        command.args(["--series", &self.series.to_string()]);
        command.args(["--rows", &self.arguments.rows.to_string()]);
    }
}

/// One process makes its own index, merges it, takes the size and runs the queries.
fn sidx(what: Measurement, job: &Job<'_>) -> Option<Command> {
    let figures = match what {
        // With ready-made columns there is no figure for few rows.
        Measurement::Ingest(batch @ (1_000 | 10_000)) => format!("ingest-{batch},columns-{batch}"),
        Measurement::Ingest(batch) => format!("ingest-{batch}"),
        Measurement::Compact => return None,
        Measurement::Query => {
            let queries = sidx_w1::Query::ALL.map(sidx_w1::Query::name);
            let prepared = queries.map(|query| format!("{query}{PREPARED}")).join(",");
            format!("merge,size,open,{},{prepared}", queries.join(","))
        }
    };
    let mut command = Command::new(job.arguments.sidx.as_ref()?);
    command.args(["bench", "--json", "--engine", "component", "--rounds", "1"]);
    command.args(["--repeat", &job.arguments.repeat.to_string()]);
    command.args(["--figures", &figures]);
    job.workload(&mut command);
    command.arg("--dir").arg(job.folder);
    Some(command)
}

fn duckdb(what: Measurement, job: &Job<'_>) -> Command {
    let mut command = Command::new(&job.arguments.python);
    command.arg(&job.arguments.duckdb_script);
    job.workload(&mut command);
    command.arg("--dir").arg(job.folder);
    command.arg("--input").arg(job.input);
    match what {
        Measurement::Ingest(batch) => {
            command.args(["ingest", "--batch", &batch.to_string()]);
        }
        Measurement::Compact => {
            command.arg("compact");
        }
        Measurement::Query => {
            command.args(["query", "--repeat", &job.arguments.repeat.to_string()]);
        }
    }
    command
}
