//! The place that a check works in, and whole files in it.

use crate::bindings::sidx::storage::{files, objects, places};
use crate::outcome::{Verdict, same, works};

/// A place that was empty when the check began.
pub(crate) struct Place {
    /// Its name.
    pub(crate) name: String,
}

impl Place {
    /// Makes the place of a check, without what an earlier run of it left.
    pub(crate) fn make(check: &str) -> Result<Self, String> {
        let name = format!("check-{}", check.replace(' ', "-"));
        works(
            places::remove(&name),
            "removing a place, be it there or not",
        )?;
        works(places::make(&name), "making a place")?;
        Ok(Self { name })
    }

    /// Removes it.
    pub(crate) fn remove(self) -> Verdict {
        works(places::remove(&self.name), "removing a place")
    }

    /// The whole path of what is in it.
    pub(crate) fn path(&self, below: &str) -> String {
        format!("{}/{below}", self.name)
    }

    /// Makes a file of some pieces.
    pub(crate) fn write(&self, below: &str, pieces: &[&[u8]]) -> Verdict {
        let file = works(
            files::begin(&self.path(below)),
            format!("beginning {below}"),
        )?;
        for piece in pieces {
            works(files::append(file, piece), format!("appending to {below}"))?;
        }
        works(files::finish(file), format!("finishing {below}"))
    }

    /// All bytes of a file.
    pub(crate) fn read(&self, below: &str) -> Result<Vec<u8>, String> {
        let file = works(files::open(&self.path(below)), format!("opening {below}"))?;
        let length = u32::try_from(file.size_bytes)
            .map_err(|_| format!("{below} has {} bytes, which is too many", file.size_bytes))?;
        let bytes = works(
            files::read_ranges(&[file.handle], &[0], &[length]),
            format!("reading {below}"),
        )?;
        files::close(file.handle);
        Ok(bytes)
    }

    /// Fails unless a file has exactly those bytes. For what is short enough to be shown.
    pub(crate) fn holds(&self, below: &str, wanted: &[u8], what: &str) -> Verdict {
        same(self.read(below)?.as_slice(), wanted, what)
    }

    /// The names below a directory.
    pub(crate) fn list(&self, below: &str) -> Result<Vec<String>, String> {
        works(files::list(&self.path(below)), format!("listing {below}"))
    }

    /// An object and its version.
    pub(crate) fn get(&self, name: &str) -> Result<Option<(Vec<u8>, String)>, String> {
        let found = works(objects::get(&self.path(name)), format!("getting {name}"))?;
        Ok(found.map(|object| (object.bytes, object.version)))
    }

    /// Puts an object that is not there yet.
    pub(crate) fn put(&self, name: &str, bytes: &[u8]) -> Result<String, String> {
        let put = objects::put_if_absent(&self.path(name), bytes);
        works(put, format!("putting {name}"))
    }
}
