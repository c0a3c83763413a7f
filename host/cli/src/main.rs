//! The `sidx` command: loads, queries, inspects and maintains ordered indexes.

mod arguments;
mod bench;
mod console;
mod descriptors;
mod exit;
mod help;
mod indexes;
mod ingest;
mod inspect;
mod maintain;
mod output;
mod place;
mod query;
mod warnings;

use std::io::{self, BufWriter, IsTerminal, Write};
use std::process::ExitCode;

use clap::Parser;

use arguments::{Arguments, Command};
use console::Console;
use exit::Failure;

const OUTPUT_BUFFER_BYTES: usize = 64 << 10;

/// The system's allocator often gives large buffers back and has them faulted in again for the next query.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let stdout = io::stdout();
    let stderr = io::stderr();
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            return exit::report_arguments(&error, &mut stdout.lock(), &mut stderr.lock());
        }
    };
    descriptors::raise_limit();
    warnings::print();
    let mut out = BufWriter::with_capacity(OUTPUT_BUFFER_BYTES, stdout.lock());
    // Not locked: the progress bar writes there too.
    let mut err = &stderr;
    let mut console = Console {
        out: &mut out,
        err: &mut err,
        in_is_terminal: io::stdin().is_terminal(),
        out_is_terminal: stdout.is_terminal(),
        err_is_terminal: stderr.is_terminal(),
    };
    let outcome = run(&arguments.command, &mut console);
    // What was found before a failure is printed before the failure is told.
    let flushed = out.flush().map_err(|error| {
        let failure = Failure::output(error);
        match arguments.command.changes() {
            true => failure.with_next("the command itself was carried out, do not run it again"),
            false => failure,
        }
    });
    match outcome.and(flushed) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(&mut err),
    }
}

fn run(command: &Command, console: &mut Console<'_>) -> Result<(), Failure> {
    match command {
        Command::Ingest(arguments) => ingest::run(arguments, console),
        Command::Query(arguments) => query::run(arguments, console),
        Command::Flush(arguments) => maintain::flush(arguments, console),
        Command::Merge(arguments) => maintain::merge(arguments, console),
        Command::Retain(arguments) => maintain::retain(arguments, console),
        Command::Verify(arguments) => inspect::verify(arguments, console),
        Command::Repair(arguments) => inspect::repair(arguments, console),
        Command::Parts(arguments) => inspect::parts(arguments, console),
        Command::Stats(arguments) => inspect::stats(arguments, console),
        Command::Indexes(arguments) => indexes::list(arguments, console),
        Command::Drop(arguments) => indexes::drop(arguments, console),
        Command::Backup(arguments) => maintain::backup(arguments, console),
        Command::Dump(arguments) => inspect::dump(arguments, console),
        Command::Bench(arguments) => bench::run(arguments, console),
    }
}
