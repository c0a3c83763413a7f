//! Names that several processes want at the same time: each prints those that it got.

use crate::bindings::sidx::storage::types::Error;
use crate::bindings::sidx::storage::{files, objects};
use crate::output::{Failed, line, shown};

/// Puts objects and finishes files of numbers below a count, in the same order as everybody, each with the
/// name of who does it in it.
pub(crate) fn run(place: &str, who: &str, count: &str) -> Result<(), Failed> {
    let count: u32 = count
        .parse()
        .map_err(|_| line("the count is not a number"))?;
    let failed = |error: Error| line(&shown(&error));
    for number in 0..count {
        let path = format!("{place}/{number:08}.snapshot");
        let put = objects::put_if_absent(&path, who.as_bytes()).map(drop);
        tell("object", number, put)?;
        let file = files::begin(&format!("{place}/log/{number:08}"));
        let made = file.and_then(|file| {
            files::append(file, who.as_bytes())?;
            files::finish(file)
        });
        tell("file", number, made)?;
    }
    files::sync(&format!("{place}/log")).map_err(failed)
}

/// Prints what was won. Whatever else came of a call but a lost race ends the run.
fn tell(what: &str, number: u32, result: Result<(), Error>) -> Result<(), Failed> {
    match result {
        Ok(()) => drop(line(&format!("{what} {number}"))),
        Err(Error::Conflict(_)) => {}
        Err(error) => return Err(line(&shown(&error))),
    }
    Ok(())
}
