//! Stores, where indexes live.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::branch::BranchReport;
use crate::copy::CopyReport;
use crate::error::{Error, Result};
use crate::incarnation;
use crate::storage::{self, DirectoryStore, MemoryStore};

/// Where indexes live: a directory, a bucket or memory. Clones are the same store.
///
/// ```
/// # fn main() -> sidx_host::Result<()> {
/// use sidx_host::{Batch, Store};
///
/// let directory = tempfile::tempdir().expect("a temporary directory");
/// let store = Store::open(directory.path().to_str().expect("a path in UTF-8"))?;
/// let index = store.index("delays").create()?;
/// let mut batch = Batch::new();
/// batch.row("UA", 42).payload(b"late").tag("origin", "EWR").add()?;
/// let receipt = index.write(batch)?;
/// assert_eq!((receipt.first_id, receipt.rows), (0, 1));
/// index.close()?;
///
/// assert_eq!(store.index_names()?, ["delays"]);
/// let index = store.index("delays").open()?;
/// assert_eq!(index.query().keys(40..).count()?, 1);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Store {
    backend: Arc<dyn storage::Store>,
}

impl Store {
    /// The store at a location: a path, `file:///path` or `file:/path` with `%XX` escapes, or `memory:` for a
    /// new and empty one in memory. A directory is made when the first index in it is.
    ///
    /// With the feature `bucket`, also `s3://bucket/prefix`, `gs://bucket/prefix` or
    /// `az://container/prefix`, of which the last two are untested. How that is reached, and with which
    /// credentials, the environment says, as it does to other programs; see
    /// [`BucketOptions::from_environment`](storage::BucketOptions) and [`bucket`](Self::bucket). Nothing is
    /// asked of the service yet.
    ///
    /// # Errors
    /// `invalid-argument` for another scheme, or a `file:` address of another machine or without a `/` in
    /// front of the path. A directory whose name begins with `file:` is `./file:name`. What is wrong with the
    /// address or the settings of a bucket.
    pub fn open(location: &str) -> Result<Self> {
        if location == "memory:" {
            return Ok(Self::memory());
        }
        if let Some(address) = location.strip_prefix("file:") {
            let path = file_path(location, address)?;
            return Ok(Self::with_backend(Arc::new(DirectoryStore::new(path))));
        }
        let path = match location.split_once("://") {
            None => PathBuf::from(location),
            Some((scheme, _)) => return Self::addressed(location, scheme),
        };
        if path.as_os_str().is_empty() {
            return Err(Error::invalid(
                "the location of the store is empty; `.` is this directory",
            ));
        }
        Ok(Self::with_backend(Arc::new(DirectoryStore::new(path))))
    }

    #[cfg(feature = "bucket")]
    fn addressed(location: &str, scheme: &str) -> Result<Self> {
        match scheme {
            "s3" | "gs" | "az" => {
                let options = storage::BucketOptions::from_environment()?;
                Self::bucket(location, &options)
            }
            _ => Err(unsupported(location, scheme, "`s3://bucket/prefix`, ")),
        }
    }

    #[cfg(not(feature = "bucket"))]
    fn addressed(location: &str, scheme: &str) -> Result<Self> {
        Err(unsupported(location, scheme, ""))
    }

    /// The store in a bucket at an address, reached as options say.
    ///
    /// # Errors
    /// `invalid-argument` for another address, or options that do not fit together; `not-found` and `io` for
    /// files with profiles or certificates that cannot be read.
    #[cfg(feature = "bucket")]
    pub fn bucket(address: &str, options: &storage::BucketOptions) -> Result<Self> {
        let address = storage::Address::parse(address)?;
        let store = storage::BucketStore::open(&address, options)?;
        Ok(Self::with_backend(Arc::new(store)))
    }

    /// A new and empty store in memory.
    #[must_use]
    pub fn memory() -> Self {
        Self::with_backend(Arc::new(MemoryStore::new()))
    }

    /// A store of another kind; see [`storage`].
    #[must_use]
    pub fn with_backend(backend: Arc<dyn storage::Store>) -> Self {
        Self { backend }
    }

    /// What it lies on.
    #[must_use]
    pub fn backend(&self) -> &dyn storage::Store {
        self.backend.as_ref()
    }

    pub(crate) fn shared_backend(&self) -> Arc<dyn storage::Store> {
        Arc::clone(&self.backend)
    }

    /// Where it is, for messages.
    #[must_use]
    pub fn location(&self) -> String {
        self.backend.location()
    }

    /// The folder that it is, whether or not that exists; none for a bucket or memory.
    #[must_use]
    pub fn local_path(&self) -> Option<PathBuf> {
        self.backend.local_path()
    }

    /// The names of all indexes, sorted; also of those that are damaged.
    ///
    /// # Errors
    /// `io`.
    pub fn index_names(&self) -> Result<Vec<String>> {
        let mut names = self.backend.index_names()?;
        names.retain(|name| incarnation::has_index(self.backend(), name));
        Ok(names)
    }

    /// Whether the last index of this name was dropped, and none was made since.
    ///
    /// # Errors
    /// `io`, `corrupt`, `unsupported-version`.
    pub fn was_dropped(&self, name: &str) -> Result<bool> {
        incarnation::was_dropped(self.backend(), name)
    }

    /// Copies an index to another store under a name, while others may read and write it: opens it for
    /// reading, with the options of the library, and calls [`Index::copy_to`](crate::Index::copy_to). Rows of
    /// durability `none` that were not flushed are not in the copy.
    ///
    /// # Errors
    /// `not-found`, and those of [`Index::copy_to`](crate::Index::copy_to).
    pub fn copy_index(&self, name: &str, target: &Self, to: &str) -> Result<CopyReport> {
        self.index(name).read_only()?.copy_to(target, to)
    }

    /// Drops an index with everything in it; see [`IndexBuilder::remove`](crate::IndexBuilder::remove).
    ///
    /// # Errors
    /// Those of [`IndexBuilder::remove`](crate::IndexBuilder::remove).
    pub fn remove_index(&self, name: &str) -> Result<u64> {
        self.index(name).remove()
    }

    /// Makes a second index that begins as one is now; see
    /// [`IndexBuilder::branch`](crate::IndexBuilder::branch).
    ///
    /// ```
    /// # fn main() -> sidx_host::Result<()> {
    /// use sidx_host::{Batch, Store};
    ///
    /// let store = Store::memory();
    /// let index = store.index("delays").create()?;
    /// let mut batch = Batch::new();
    /// batch.row("UA", 42).add()?;
    /// index.write(batch.clone())?;
    /// store.branch("delays", "trial")?;
    /// let trial = store.index("trial").open()?;
    /// trial.write(batch)?;
    /// assert_eq!((trial.query().count()?, index.query().count()?), (2, 1));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Those of [`IndexBuilder::branch`](crate::IndexBuilder::branch).
    pub fn branch(&self, source: &str, target: &str) -> Result<BranchReport> {
        self.index(source).branch(target)
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("location", &self.location())
            .finish()
    }
}

fn unsupported(location: &str, scheme: &str, buckets: &str) -> Error {
    Error::invalid(format!(
        "`{location}`: `{scheme}://` stores are not supported; give a path, `file:///path`, {buckets}or `memory:`"
    ))
}

/// The path of a `file:` location, of which `address` is what follows the scheme.
fn file_path(location: &str, address: &str) -> Result<PathBuf> {
    // With two slashes the name of a machine follows, which is empty for this one.
    let escaped = match address.strip_prefix("//") {
        Some(path) if path.starts_with('/') => path,
        None if address.starts_with('/') => address,
        _ => {
            let text = format!(
                "`{location}`: a file address has an absolute path and no machine; write \
                 `file:///path`, or `./{location}` for a folder of that name"
            );
            return Err(Error::invalid(text));
        }
    };
    let mut bytes = Vec::with_capacity(escaped.len());
    let mut rest = escaped.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|byte| char::from(byte).to_digit(16));
        let (Some(high), Some(low)) = (digit(), digit()) else {
            let text = format!("`{location}`: `%` is not followed by two hex digits");
            return Err(Error::invalid(text));
        };
        // Two hex digits make at most 255.
        bytes.push((high * 16 + low) as u8);
    }
    String::from_utf8(bytes)
        .map(PathBuf::from)
        .map_err(|_| Error::invalid(format!("`{location}` is not UTF-8; give the plain path")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_are_paths_file_addresses_or_memory() {
        assert!(Store::open("/tmp/x").unwrap().location().contains("/tmp/x"));
        assert!(
            Store::open("file:///tmp/a%20b")
                .unwrap()
                .location()
                .contains("/tmp/a b")
        );
        assert_eq!(Store::open("file:/tmp/x").unwrap().location(), "/tmp/x");
        assert_eq!(Store::open("./file:x").unwrap().location(), "./file:x");
        assert!(Store::open("memory:").is_ok());
        for wrong in [
            "file:",
            "file:x",
            "file:./x",
            "file://",
            "file:x://y",
            "",
            "s3:///x",
            "ftp://bucket/x",
            "file://host/x",
            "file:///a%2",
            "file:///a%zz",
        ] {
            assert!(Store::open(wrong).is_err(), "{wrong}");
        }
    }
}
