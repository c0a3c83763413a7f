//! A place of the store: its objects, and what else is looked at or removed there.

use std::fmt::Display;
use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use sidx_command::database::Result;
use sidx_engine::ErrorKind;

use crate::bindings::{environment, files, objects, places};
use crate::error::{not_found, of_storage};

/// A place, whether or not it is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The path of the store.
    store: Rc<str>,
    name: String,
}

impl Place {
    /// The place of a name, or one below that.
    pub(crate) fn new(store: &Rc<str>, name: impl Into<String>) -> Self {
        Self {
            store: Rc::clone(store),
            name: name.into(),
        }
    }

    /// What the store calls it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Where it is, for messages.
    pub(crate) fn location(&self) -> impl Display {
        self.path().display().to_string()
    }

    fn path(&self) -> PathBuf {
        Path::new(&*self.store).join(&self.name)
    }

    /// Makes it, if it is not there.
    pub(crate) fn make(&self) -> Result<()> {
        places::make(&self.name).map_err(of_storage)
    }

    /// `not-found` when it is not there.
    pub(crate) fn check(&self) -> Result<()> {
        // Refuses a name that cannot be one.
        let has_objects = !self.objects()?.is_empty();
        match has_objects || fs::metadata(self.path()).is_ok_and(|found| found.is_dir()) {
            true => Ok(()),
            false => {
                let (store, name) = (&self.store, &self.name);
                let text =
                    format!("store {store} has no index {name}; check the name or create it first");
                Err(not_found(text))
            }
        }
    }

    /// Names of the incarnations below.
    pub(crate) fn below(&self) -> Result<Vec<String>> {
        places::list(Some(&self.name)).map_err(of_storage)
    }

    /// Removes it with everything in it.
    pub(crate) fn remove_all(&self) -> Result<()> {
        places::remove(&self.name).map_err(of_storage)
    }

    /// Bytes of everything in it.
    pub(crate) fn size_bytes(&self) -> Result<u64> {
        places::size_bytes(&self.name).map_err(of_storage)
    }

    /// Refuses what must not be done while somebody is at work there, where the store can tell.
    pub(crate) fn check_idle(&self) -> Result<()> {
        if let Some(lock) = places::lock(&self.name).map_err(of_storage)? {
            places::unlock(lock);
        }
        Ok(())
    }

    /// Names of its objects.
    pub(crate) fn objects(&self) -> Result<Vec<String>> {
        objects::list(&self.name, "").map_err(of_storage)
    }

    /// An object and its version.
    pub(crate) fn get(&self, object: &str) -> Result<Option<(Vec<u8>, String)>> {
        let found = objects::get(&self.path_of(object)).map_err(of_storage)?;
        Ok(found.map(|object| (object.bytes, object.version)))
    }

    /// Makes an object.
    pub(crate) fn put_if_absent(&self, object: &str, bytes: &[u8]) -> Result<()> {
        let put = objects::put_if_absent(&self.path_of(object), bytes);
        put.map(drop).map_err(of_storage)
    }

    /// Replaces an object.
    pub(crate) fn swap(&self, object: &str, version: &str, bytes: &[u8]) -> Result<()> {
        let swapped = objects::compare_and_swap(&self.path_of(object), version, bytes);
        swapped.map(drop).map_err(of_storage)
    }

    /// Removes an object.
    pub(crate) fn remove_object(&self, object: &str) -> Result<()> {
        objects::remove(&self.path_of(object)).map_err(of_storage)
    }

    /// Names in one of its directories.
    pub(crate) fn list(&self, directory: &str) -> Result<Vec<String>> {
        files::list(&self.path_of(directory)).map_err(of_storage)
    }

    /// Removes a file, or a directory with everything in it.
    pub(crate) fn remove(&self, path: &str) -> Result<()> {
        files::remove(&self.path_of(path)).map_err(of_storage)
    }

    /// Makes a file of some bytes, durably, in one of its directories.
    pub(crate) fn create(&self, directory: &str, name: &str, bytes: &[u8]) -> Result<()> {
        let file = files::begin(&self.path_of(&format!("{directory}/{name}")));
        let file = file.map_err(of_storage)?;
        let made = files::append(file, bytes).and_then(|()| files::finish(file));
        if made.is_err() {
            files::close(file);
        }
        made.and_then(|()| files::sync(&self.path_of(directory)))
            .map_err(of_storage)
    }

    fn path_of(&self, name: &str) -> String {
        format!("{}/{name}", self.name)
    }
}

/// 128 random bits.
pub(crate) fn nonce() -> u128 {
    let (high, low) = environment::random();
    u128::from(high) << 64 | u128::from(low)
}

/// Whether locks keep others out of a place.
pub(crate) fn has_locks(place: &Place) -> Result<bool> {
    match places::lock(&place.name).map_err(of_storage) {
        Err(error) if error.kind() == ErrorKind::Conflict => Ok(true),
        locked => {
            let lock = locked?;
            if let Some(lock) = lock {
                places::unlock(lock);
            }
            Ok(lock.is_some())
        }
    }
}
