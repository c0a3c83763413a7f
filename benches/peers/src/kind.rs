//! The stores that take part.

use std::path::Path;

use crate::Result;
use crate::store::Store;

/// Which store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// An LSM tree in C++; only with the feature of the same name.
    Rocksdb,
    /// An LSM tree in Rust.
    Fjall,
    /// A copy-on-write B-tree in Rust.
    Redb,
    /// SQL with a table in the order of arrival and three indexes.
    Sqlite,
    /// SQL with a table in the order of series and key, and two indexes.
    SqliteClustered,
    /// A memory-mapped copy-on-write B-tree in C.
    Lmdb,
}

impl Kind {
    /// The name in figures.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rocksdb => "rocksdb",
            Self::Fjall => "fjall",
            Self::Redb => "redb",
            Self::Sqlite => "sqlite",
            Self::SqliteClustered => "sqlite-clustered",
            Self::Lmdb => "lmdb",
        }
    }

    /// What a batch outlives once its write returned, before `Store::sync`.
    pub fn durability(self) -> &'static str {
        match self {
            Self::Redb => "none",
            _ => "os",
        }
    }

    /// Opens the store in a folder, which is made when missing.
    pub fn open(self, folder: &Path) -> Result<Box<dyn Store>> {
        std::fs::create_dir_all(folder)?;
        Ok(match self {
            #[cfg(feature = "rocksdb")]
            Self::Rocksdb => Box::new(crate::rocksdb::Rocksdb::open(folder)?),
            #[cfg(not(feature = "rocksdb"))]
            Self::Rocksdb => return Err("built without the feature rocksdb".into()),
            Self::Fjall => Box::new(crate::fjall::Fjall::open(folder)?),
            Self::Redb => Box::new(crate::redb::Redb::open(folder)?),
            Self::Sqlite => Box::new(crate::sqlite::Sqlite::open(folder, false)?),
            Self::SqliteClustered => Box::new(crate::sqlite::Sqlite::open(folder, true)?),
            Self::Lmdb => Box::new(crate::lmdb::Lmdb::open(folder)?),
        })
    }

    /// Whether this program can open it.
    pub fn is_built(self) -> bool {
        self != Self::Rocksdb || cfg!(feature = "rocksdb")
    }
}
