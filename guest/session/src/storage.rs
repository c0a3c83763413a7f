//! What is asked of whoever lends the store: `wit/storage`, whose documents are the contract, as one trait.

use sidx_engine::Result;

/// A store. Paths begin with the name of a place.
pub trait Storage {
    /// `places.describe`
    fn describe(&self) -> Description;
    /// `environment.random`
    fn random(&self) -> u128;
    /// `environment.now-ms`
    fn now_ms(&self) -> u64;

    /// `files.begin`
    fn begin(&self, path: &str) -> Result<u32>;
    /// `files.append`
    fn append(&self, file: u32, bytes: &[u8]) -> Result<()>;
    /// `files.finish`
    fn finish(&self, file: u32) -> Result<()>;
    /// `files.grow`
    fn grow(&self, path: &str) -> Result<Opened>;
    /// `files.write`
    fn write(&self, file: u32, offset: u64, bytes: &[u8], sync: bool) -> Result<()>;
    /// `files.open`
    fn open(&self, path: &str) -> Result<Opened>;
    /// `files.read-ranges`
    fn read_ranges(&self, files: &[u32], offsets: &[u64], lengths: &[u32]) -> Result<Vec<u8>>;
    /// `files.close`
    fn close(&self, file: u32);
    /// `files.list`
    fn list(&self, path: &str) -> Result<Vec<String>>;
    /// `files.remove`
    fn remove(&self, path: &str) -> Result<()>;
    /// `files.move`
    fn rename(&self, from: &str, to: &str) -> Result<()>;
    /// `files.sync`
    fn sync(&self, path: &str) -> Result<()>;

    /// `objects.get`: the bytes and the version.
    fn get(&self, path: &str) -> Result<Option<(Vec<u8>, String)>>;
    /// `objects.put-if-absent`
    fn put_if_absent(&self, path: &str, bytes: &[u8]) -> Result<String>;
    /// `objects.compare-and-swap`
    fn compare_and_swap(&self, path: &str, version: &str, bytes: &[u8]) -> Result<String>;
    /// `objects.list`
    fn list_objects(&self, place: &str, start: &str) -> Result<Vec<String>>;
    /// `objects.remove`
    fn remove_object(&self, path: &str) -> Result<()>;

    /// `places.lock`
    fn lock(&self, place: &str) -> Result<Option<u32>>;
    /// `places.unlock`
    fn unlock(&self, lock: u32);
    /// `places.pinned-epochs`
    fn pinned_epochs(&self, place: &str) -> Result<Vec<u64>>;
    /// `places.space`
    fn space(&self, place: &str) -> Result<Option<Capacity>>;
    /// `places.size-bytes`
    fn size_bytes(&self, place: &str) -> Result<u64>;
}

/// What is true of the whole store as long as it is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// Where it is, for messages.
    pub location: String,
    /// Whether files can grow.
    pub files_grow: bool,
    /// Whether a swap compares and replaces in one step.
    pub swaps_exact: bool,
}

/// A file that was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened {
    /// The number of the handle.
    pub handle: u32,
    /// Bytes in it then.
    pub size_bytes: u64,
}

/// The medium of a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// Bytes that it holds in all.
    pub total_bytes: u64,
    /// Bytes that may still be written.
    pub free_bytes: u64,
    /// Files that may still be made; none where their number has no bound.
    pub free_files: Option<u64>,
}
