//! The write-ahead log of an index: entries in one order, each a header and a body of bytes that
//! mean nothing here.
//!
//! A position is the number of bytes of all frames before it since the log began; it only grows,
//! across segments and reopening. Frames lie in segments, and segments on a medium that is lent through the
//! trait [`Segments`]: growing files as a directory has them, or objects that are made once, as a bucket
//! has them. Nothing here reads files, clocks or threads.
//!
//! Several may write at a time without knowing of each other. Each opening for writing has a [`Term`] and
//! ends the log of those before it; what they append later counts for nobody.
//!
//! * `frame` is one entry as bytes, `segment` what holds frames, `header` what that begins with.
//! * `survey` is what all segments together are: opening, checking and salvaging agree on it; `chain` which
//!   of them count.
//! * `recovery` is where a log ends after a crash.
//! * `log` reads, `opening` opens and takes over, `following` reads on, `commit` appends, `discard` gives up
//!   what is not needed any more.
//! * `memory` is a medium of objects, in memory.

#![forbid(unsafe_code)]

mod chain;
mod check;
pub mod checksum;
mod commit;
mod discard;
mod error;
mod following;
mod frame;
mod header;
mod log;
mod memory;
mod opening;
mod read_ahead;
mod recovery;
mod segment;
mod segments;
mod survey;
mod term;
#[cfg(test)]
mod tests;

pub use check::{Needed, Report};
pub use error::{Error, Fault, MediumError, Result};
pub use log::{Access, Cut, Durability, Entry, Log};
pub use memory::{MemoryError, MemoryObject, MemoryObjects};
pub use segments::{Form, Name, NoTail, Reader, Segments, Tail};
pub use term::Term;
