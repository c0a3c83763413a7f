//! The parts of an index as a whole: who changes their list, how it is stored and found again, and what
//! becomes of parts that are damaged or that nobody needs.
//!
//! The [`introducer`] alone changes the list, under [`pressure`]; a [`snapshot`] is the list as it is stored;
//! [`recovery`] opens an index, [`repair`] makes one of what a damaged one still holds.

mod borrowed;
pub(crate) mod contents;
pub(crate) mod copied;
pub(crate) mod describe;
pub(crate) mod drop;
mod fences;
pub(crate) mod following;
mod garbage;
pub(crate) mod introducer;
pub(crate) mod leftovers;
pub(crate) mod pressure;
mod quarantine;
pub(crate) mod recovery;
pub(crate) mod repair;
mod replay;
pub(crate) mod salvage;
pub(crate) mod snapshot;
mod superseded;
pub(crate) mod survey;
pub(crate) mod takeover;
mod unflushed;
pub(crate) mod verify;
mod views;
