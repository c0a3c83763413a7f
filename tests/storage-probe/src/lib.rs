//! A command over `wit/storage`, for tests of what implements it: `ROOT check [NAME...]` runs the conformance
//! checks, `ROOT race PLACE WHO COUNT` makes names that others want as well, and `ROOT do STEP...` makes
//! single calls and prints what comes of each.
//!
//! [`steps`] has the single calls, [`race`] the race, [`output`] what is printed.

#[forbid(unsafe_code)]
mod output;
#[forbid(unsafe_code)]
mod race;
#[forbid(unsafe_code)]
mod steps;

use bindings::sidx::filesystem::root;
use bindings::sidx::storage::checks;
use output::{Failed, line, shown};

/// What `wit-bindgen` makes of the world.
#[allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::undocumented_unsafe_blocks,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::unreachable,
    clippy::indexing_slicing,
    reason = "generated"
)]
mod bindings {
    wit_bindgen::generate!({
        path: ["../../wit/storage", "../../wit/filesystem", "wit"],
        world: "sidx:storage-probe/probe",
        generate_all,
    });
}

/// The type that the export macro hangs the program on.
struct Program;

#[allow(
    clippy::undocumented_unsafe_blocks,
    reason = "what the macro makes is generated"
)]
mod exports {
    use super::Program;
    wasip2::cli::command::export!(Program);
}

impl wasip2::exports::cli::run::Guest for Program {
    fn run() -> Result<(), ()> {
        let arguments = wasip2::cli::environment::get_arguments();
        let words: Vec<&str> = arguments.iter().skip(1).map(String::as_str).collect();
        run(&words).map_err(|Failed| ())
    }
}

fn run(words: &[&str]) -> Result<(), Failed> {
    let [root, command, rest @ ..] = words else {
        return Err(line(
            "usage: ROOT check [NAME...] | race PLACE WHO COUNT | do STEP...",
        ));
    };
    if *command != "do" {
        root::open(root, true).map_err(|error| line(&shown(&error)))?;
    }
    match (*command, rest) {
        ("check", names) => check(names),
        ("race", [place, who, count]) => race::run(place, who, count),
        ("do", steps) => steps::run(root, steps),
        _ => Err(line("there is no such command")),
    }
}

/// Runs all checks, or those that are named, and prints which rules are broken.
fn check(wanted: &[&str]) -> Result<(), Failed> {
    let names: Vec<String> = match wanted {
        [] => checks::names(),
        wanted => wanted.iter().map(|name| (*name).to_owned()).collect(),
    };
    let mut broken = 0;
    for name in &names {
        match checks::run(name) {
            Ok(()) => drop(line(&format!("ok {name}"))),
            Err(rule) => {
                broken += 1;
                let _ = line(&format!("BROKEN {name}: {rule}"));
            }
        }
    }
    let text = format!("{} checks, {broken} broken", names.len());
    match (line(&text), broken) {
        (_, 0) => Ok(()),
        (failed, _) => Err(failed),
    }
}
