//! The command `sidx` for any WebAssembly runtime: the command line of `sidx_command` over the engine, the
//! adapter and a store in a mapped directory, with which this component is composed; see docs/embedding.md.
//!
//! One instance does everything that the native command does with many, and one thread: what threads do there
//! behind a load is done here between its batches.
//!
//! Where to read on; each name may use those before it, and none behind it:
//!
//! * `bindings`, `error`, `warning`: what there is outside, and how it fails.
//! * `location`, `place`, `incarnation`: where an index is. `served`: which one adapter and engine work on.
//! * `damages`, `labels`, `pause`, `opened`: an open index; `jobs`, `retention`, `write`, what changes it;
//!   `rows`, `query`, `cursor`, what reads it; `health`.
//! * `lenders`, `removal`, `garbage`, `repair`: what is done to an index that nobody has open; `branch`.
//! * `database`: all of that as the command line wants it; `input`, how a load runs.

// What `wit-bindgen` generates below is unsafe; nothing that is written here may be.
#[forbid(unsafe_code)]
mod branch;
#[forbid(unsafe_code)]
mod cursor;
#[forbid(unsafe_code)]
mod damages;
#[forbid(unsafe_code)]
mod database;
#[forbid(unsafe_code)]
mod error;
#[forbid(unsafe_code)]
mod garbage;
#[forbid(unsafe_code)]
mod health;
#[forbid(unsafe_code)]
mod incarnation;
#[forbid(unsafe_code)]
mod input;
#[forbid(unsafe_code)]
mod jobs;
#[forbid(unsafe_code)]
mod labels;
#[forbid(unsafe_code)]
mod lenders;
#[forbid(unsafe_code)]
mod location;
#[forbid(unsafe_code)]
mod opened;
#[forbid(unsafe_code)]
mod pause;
#[forbid(unsafe_code)]
mod place;
#[forbid(unsafe_code)]
mod query;
#[forbid(unsafe_code)]
mod removal;
#[forbid(unsafe_code)]
mod repair;
#[forbid(unsafe_code)]
mod retention;
#[forbid(unsafe_code)]
mod rows;
#[forbid(unsafe_code)]
mod served;
#[forbid(unsafe_code)]
mod warning;
#[forbid(unsafe_code)]
mod write;

mod bindings;

use std::env;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::process::ExitCode;

use clap::Parser;
use sidx_command::arguments::Arguments;
use sidx_command::{Console, Ending, report_arguments};

use database::Mapped;
use input::Turns;

const OUTPUT_BUFFER_BYTES: usize = 64 << 10;

fn main() -> ExitCode {
    let ending = run();
    let code = ending.number();
    if code > 1 {
        // What every runtime passes on is success or failure, which is 1 in the end.
        let _ = writeln!(io::stderr(), "sidx: exit code {code}");
    }
    ending.into()
}

fn run() -> Ending {
    let stdout = io::stdout();
    let stderr = io::stderr();
    let arguments = match <Arguments>::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let command = env::args_os()
                .nth(1)
                .and_then(|word| word.into_string().ok());
            let (out, err) = (&mut stdout.lock(), &mut stderr.lock());
            return report_arguments(&error, command.as_deref(), out, err);
        }
    };
    let mut console = Console {
        out: &mut BufWriter::with_capacity(OUTPUT_BUFFER_BYTES, stdout.lock()),
        err: &mut &stderr,
        in_is_terminal: io::stdin().is_terminal(),
        out_is_terminal: stdout.is_terminal(),
        err_is_terminal: stderr.is_terminal(),
    };
    let command = &arguments.command;
    let driver = Turns {
        reads_stdin: command.loads_stdin(),
    };
    let outcome = sidx_command::run(command, &Mapped, &driver, &mut console);
    sidx_command::finish(outcome, command.changes(), &mut console)
}
