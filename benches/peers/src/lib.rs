//! Workload W1 on stores that a user would pick instead of sidx.

pub mod disk;
pub mod figure;
mod fjall;
mod key_value;
pub mod kind;
mod lmdb;
pub mod measure;
mod redb;
#[cfg(feature = "rocksdb")]
mod rocksdb;
mod schema;
mod sqlite;
pub mod store;

/// What goes wrong here is only ever shown to people.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// A result with such an error.
pub type Result<T> = std::result::Result<T, Error>;
