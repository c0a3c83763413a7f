//! The error of the library, which is that of its stores.

pub use sidx_stores::{Error, ErrorKind, Result};
