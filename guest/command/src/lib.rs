//! The command line of sidx: arguments, readers, output and exit codes, over whatever reaches indexes.
//!
//! A program brings a [`Database`], which has the indexes, and a [`Driver`], which has threads and signals or
//! does without, and calls [`run`] and [`finish`]. This crate starts no thread and builds for
//! `wasm32-wasip2`.
//!
//! Where to read on; each name may use those before it, and none behind it:
//!
//! * `moment`, `database`: the clock, and what commands ask of indexes. `exit`: failures, exit codes and how
//!   they are told.
//! * `arguments` with `help`; `console`, where a command prints; `output`, rows in three formats.
//! * `place`: STORE and --index. `query`, `inspect`, `maintain`, `copies`, `indexes`, `ingest`: the commands.

#![forbid(unsafe_code)]

pub mod arguments;
mod console;
mod copies;
pub mod database;
mod exit;
mod help;
mod indexes;
mod ingest;
mod inspect;
mod maintain;
mod moment;
mod output;
mod place;
mod query;
#[cfg(test)]
mod tests;

use arguments::Command;
use database::Database;
use driver::Driver;

pub use console::Console;
pub use exit::{Code, Ending, Failure, one_line, report_arguments};
pub use ingest::driver;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub use ingest::fuzzing;
pub use moment::Moment;
pub use output::{cell, grid, numeric};

/// Carries out a command.
///
/// # Errors
/// What there is to tell, and the exit code.
pub fn run(
    command: &Command,
    database: &impl Database,
    driver: &impl Driver,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    match command {
        Command::Ingest(arguments) => ingest::run(arguments, database, driver, console),
        Command::Query(arguments) => query::run(arguments, database, console),
        Command::Flush(arguments) => maintain::flush(arguments, database, console),
        Command::Merge(arguments) => maintain::merge(arguments, database, console),
        Command::Retain(arguments) => maintain::retain(arguments, database, console),
        Command::Verify(arguments) => inspect::verify(arguments, database, console),
        Command::Repair(arguments) => inspect::repair(arguments, database, console),
        Command::Parts(arguments) => inspect::parts(arguments, database, console),
        Command::Stats(arguments) => inspect::stats(arguments, database, console),
        Command::Indexes(arguments) => indexes::list(arguments, database, console),
        Command::Drop(arguments) => indexes::drop(arguments, database, console),
        Command::Gc(arguments) => inspect::gc(arguments, database, console),
        Command::Backup(arguments) => maintain::backup(arguments, database, console),
        Command::Copy(arguments) => copies::run(arguments, database, console),
        Command::Branch(arguments) => maintain::branch(arguments, database, console),
        Command::Dump(arguments) => inspect::dump(arguments, database, console),
    }
}

/// Prints what is left of the output of a command, tells its failure, and says how the program ends.
/// `changes` says whether the command [changed](Command::changes) a store.
pub fn finish(outcome: Result<(), Failure>, changes: bool, console: &mut Console<'_>) -> Ending {
    // What was found before a failure is printed before the failure is told.
    let flushed = console.out.flush().map_err(|error| {
        let failure = Failure::output(error);
        match changes {
            true => failure.with_next("the command itself was carried out, do not run it again"),
            false => failure,
        }
    });
    match outcome.and(flushed) {
        Ok(()) => Ending::SUCCESS,
        Err(failure) => failure.report(console.err),
    }
}
