//! Dictionaries that all pages of a column share: made from the values of many pages, and where each
//! entry occurs. They are read as [`SharedDictionary`](crate::SharedDictionary)s.

mod builder;
pub mod postings;

pub use builder::{SharedBuilder, SharedColumn};
