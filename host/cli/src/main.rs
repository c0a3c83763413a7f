//! The `sidx` command: the command line of `sidx_command` over the library, and what only a native program
//! has.

mod bench;
mod compile;
mod database;
mod descriptors;
mod interruption;
mod progress;
mod threads;
mod warnings;

use std::env;
use std::io::{self, BufWriter, IsTerminal};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use sidx_command::arguments::{Arguments, Command};
use sidx_command::{Console, report_arguments};

use bench::arguments::BenchArguments;
use compile::CompileArguments;
use database::Library;
use threads::Threads;

const OUTPUT_BUFFER_BYTES: usize = 64 << 10;

/// The system's allocator often gives large buffers back and has them faulted in again for the next query.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The commands of every program, and those of this one.
#[derive(Debug, Subcommand)]
enum NativeCommand {
    #[command(flatten)]
    Any(Command),
    /// Measure this machine: ingest, merge, size and queries, each result checked
    #[command(after_help = bench::arguments::HELP)]
    Bench(BenchArguments),
    /// Make the machine code of the engine ahead of time
    #[command(after_help = compile::HELP)]
    Compile(CompileArguments),
}

fn main() -> ExitCode {
    let stdout = io::stdout();
    let stderr = io::stderr();
    let arguments = match Arguments::<NativeCommand>::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let command = env::args_os()
                .nth(1)
                .and_then(|word| word.into_string().ok());
            let (out, err) = (&mut stdout.lock(), &mut stderr.lock());
            return report_arguments(&error, command.as_deref(), out, err).into();
        }
    };
    descriptors::raise_limit();
    warnings::print();
    let mut console = Console {
        out: &mut BufWriter::with_capacity(OUTPUT_BUFFER_BYTES, stdout.lock()),
        // Not locked: the progress bar writes there too.
        err: &mut &stderr,
        in_is_terminal: io::stdin().is_terminal(),
        out_is_terminal: stdout.is_terminal(),
        err_is_terminal: stderr.is_terminal(),
    };
    let (outcome, changes) = match &arguments.command {
        NativeCommand::Any(command) => {
            let outcome = sidx_command::run(command, &Library, &Threads::new(), &mut console);
            (outcome, command.changes())
        }
        NativeCommand::Bench(arguments) => (bench::run(arguments, &mut console), false),
        NativeCommand::Compile(arguments) => (compile::run(arguments, &mut console), false),
    };
    sidx_command::finish(outcome, changes, &mut console).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_consistent() {
        Arguments::<NativeCommand>::command().debug_assert();
    }
}
