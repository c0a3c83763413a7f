//! The outside of the engine over a store that is lent as bytes under names: files with pages and checksums,
//! compression, a page cache, the log, budgets, pins. For one thread, without files, clocks or randomness of
//! its own; native and wasm32 alike.
//!
//! A [`Session`] serves one index. It implements [`sidx_engine::Host`], the imports of `wit/engine`, over a
//! [`Storage`], the functions of `wit/storage`; what a program needs beside is `session` of `wit/adapter`.
//! The native host has its own form of this for many threads, and the same words in errors.
//!
//! - [`storage`]: what is asked of the store. `place` is one place of it.
//! - `source`, `handles`, `cached_page`, `step`: files and pages to read. [`codec`] is a page as it is
//!   stored, [`chunks`] where a section of a file lies in it, `cache` what stays in memory.
//! - `new_file`: files to write; `memory` those that are never in the store.
//! - `segments`, `log`, [`RawLog`]: the log.
//! - `disk`, `medium`: budgets. `pins`, `lenders`, `settling`: what others read, and what is kept for them.
//! - `session` is what a program calls, `host` what the engine does.
#![forbid(unsafe_code)]

mod activity;
mod cache;
mod cached_page;
pub mod chunks;
pub mod codec;
mod deadline;
mod disk;
mod handles;
mod host;
mod lenders;
mod log;
mod medium;
mod memory;
mod names;
mod new_file;
mod pages;
mod pins;
mod place;
mod raw_log;
mod segments;
mod session;
mod settling;
mod shared;
mod source;
mod step;
pub mod storage;
#[cfg(test)]
mod tests;

pub use activity::Counts;
pub use disk::JobPurpose;
pub use handles::FirstNumbers;
pub use log::{LogCounts, LogReport};
pub use medium::MediumUse;
pub use new_file::NewFile;
pub use pins::PinState;
pub use raw_log::RawLog;
pub use session::{
    Filter, NewDictionary, Session, State, columns_of, facts_of, keys_of, lengths_of,
};
pub use shared::{DamagedFile, Settings};
pub use sidx_log::Cut;
pub use storage::Storage;
