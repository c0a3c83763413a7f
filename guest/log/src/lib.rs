//! The write-ahead log of an index: entries in one order, each a header and a body of bytes that
//! mean nothing here.
//!
//! A position is the number of bytes of all frames before it since the log began; it only grows,
//! across segments and reopening. Frames lie in segments, and segments on a medium that is lent through the
//! trait [`Segments`]: growing files as a directory has them, or objects that are made once, as a bucket
//! has them. Nothing here reads files, clocks or threads.
//!
//! * `frame` is one entry as bytes, `segment` what holds frames.
//! * `survey` is what all segments together are: opening, checking and salvaging agree on it.
//! * `recovery` is what is done after a crash.
//! * `log` opens and reads, `commit` appends, `discard` gives up what is not needed any more.
//! * `memory` is a medium of objects, in memory.

#![forbid(unsafe_code)]

mod check;
pub mod checksum;
mod commit;
mod discard;
mod error;
mod frame;
mod log;
mod memory;
mod opening;
mod read_ahead;
mod recovery;
mod segment;
mod segments;
mod survey;
#[cfg(test)]
mod tests;

pub use check::{Needed, Report};
pub use error::{Error, Fault, MediumError, Result};
pub use log::{Access, Cut, Durability, Entry, Log};
pub use memory::{MemoryError, MemoryObject, MemoryObjects};
pub use segments::{Form, Name, NoTail, Reader, Segments, Tail};
