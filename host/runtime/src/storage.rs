//! Where indexes live, as `sidx-stores` has it, and the write-ahead log in one.

pub mod log;

pub use sidx_stores::*;
