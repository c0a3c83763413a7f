//! The imports of `wit/storage` as the store of a session.

use sidx_engine::{Error, ErrorKind, Result};
use sidx_session::storage::{Capacity, Description, Opened, Storage};

use crate::bindings::sidx::storage::{environment, files, objects, places, types};

/// The store that this instance was linked to.
pub(crate) struct Store;

fn told(error: types::Error) -> Error {
    use types::Error as E;
    let (kind, text) = match error {
        E::InvalidArgument(text) => (ErrorKind::InvalidArgument, text),
        E::NotFound(text) => (ErrorKind::NotFound, text),
        E::Conflict(text) => (ErrorKind::Conflict, text),
        E::Corrupt(text) => (ErrorKind::Corrupt, text),
        E::ResourceExhausted(text) => (ErrorKind::ResourceExhausted, text),
        E::Cancelled(text) => (ErrorKind::Cancelled, text),
        E::Io(text) => (ErrorKind::Io, text),
    };
    Error::new(kind, text)
}

fn opened(opened: files::Opened) -> Opened {
    Opened {
        handle: opened.handle,
        size_bytes: opened.size_bytes,
    }
}

impl Storage for Store {
    fn describe(&self) -> Description {
        let places::Description {
            location,
            files_grow,
            swaps_exact,
        } = places::describe();
        Description {
            location,
            files_grow,
            swaps_exact,
        }
    }

    fn random(&self) -> u128 {
        let (high, low) = environment::random();
        u128::from(high) << 64 | u128::from(low)
    }

    fn now_ms(&self) -> u64 {
        environment::now_ms()
    }

    fn begin(&self, path: &str) -> Result<u32> {
        files::begin(path).map_err(told)
    }

    fn append(&self, file: u32, bytes: &[u8]) -> Result<()> {
        files::append(file, bytes).map_err(told)
    }

    fn finish(&self, file: u32) -> Result<()> {
        files::finish(file).map_err(told)
    }

    fn grow(&self, path: &str) -> Result<Opened> {
        files::grow(path).map(opened).map_err(told)
    }

    fn write(&self, file: u32, offset: u64, bytes: &[u8], sync: bool) -> Result<()> {
        files::write(file, offset, bytes, sync).map_err(told)
    }

    fn open(&self, path: &str) -> Result<Opened> {
        files::open(path).map(opened).map_err(told)
    }

    fn read_ranges(&self, files: &[u32], offsets: &[u64], lengths: &[u32]) -> Result<Vec<u8>> {
        files::read_ranges(files, offsets, lengths).map_err(told)
    }

    fn close(&self, file: u32) {
        files::close(file);
    }

    fn list(&self, path: &str) -> Result<Vec<String>> {
        files::list(path).map_err(told)
    }

    fn remove(&self, path: &str) -> Result<()> {
        files::remove(path).map_err(told)
    }

    fn rename(&self, from: &str, to: &str) -> Result<()> {
        files::move_(from, to).map_err(told)
    }

    fn sync(&self, path: &str) -> Result<()> {
        files::sync(path).map_err(told)
    }

    fn get(&self, path: &str) -> Result<Option<(Vec<u8>, String)>> {
        let object = objects::get(path).map_err(told)?;
        Ok(object.map(|object| (object.bytes, object.version)))
    }

    fn put_if_absent(&self, path: &str, bytes: &[u8]) -> Result<String> {
        objects::put_if_absent(path, bytes).map_err(told)
    }

    fn compare_and_swap(&self, path: &str, version: &str, bytes: &[u8]) -> Result<String> {
        objects::compare_and_swap(path, version, bytes).map_err(told)
    }

    fn list_objects(&self, place: &str, start: &str) -> Result<Vec<String>> {
        objects::list(place, start).map_err(told)
    }

    fn remove_object(&self, path: &str) -> Result<()> {
        objects::remove(path).map_err(told)
    }

    fn lock(&self, place: &str) -> Result<Option<u32>> {
        places::lock(place).map_err(told)
    }

    fn unlock(&self, lock: u32) {
        places::unlock(lock);
    }

    fn pinned_epochs(&self, place: &str) -> Result<Vec<u64>> {
        places::pinned_epochs(place).map_err(told)
    }

    fn space(&self, place: &str) -> Result<Option<Capacity>> {
        let space = places::space(place).map_err(told)?;
        Ok(space.map(|space| Capacity {
            total_bytes: space.total_bytes,
            free_bytes: space.free_bytes,
            free_files: space.free_files,
        }))
    }

    fn size_bytes(&self, place: &str) -> Result<u64> {
        places::size_bytes(place).map_err(told)
    }
}
