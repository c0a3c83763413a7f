//! Where indexes live: the traits that a backend implements, and the two backends that come with
//! sidx.
//!
//! A [`Store`] holds indexes by name. A [`Storage`] is the durable place of one of them and holds
//! three kinds of things: immutable files that are written once, small versioned objects, and files
//! that grow at their end, which carry the write-ahead log; where [none grows](Storage::log_form),
//! immutable files carry that too. Readers need no lock and change nothing; whoever writes holds
//! [`Storage::lock`] first.
//!
//! [`conformance`] checks a backend against everything that is promised here. One that passes can
//! carry an index.

use std::path::{Path, PathBuf};
use std::sync::Arc;

#[cfg(feature = "bucket")]
mod bucket;
pub mod conformance;
mod directory;
mod error;
mod memory;
mod paths;

#[cfg(feature = "bucket")]
pub use bucket::{
    Address, BucketOptions, BucketStorage, BucketStore, CustomerKey, Endpoint, Keys, ProfileFiles,
    Proxy, RequestCounts, RequestLimits, Scheme, Secret, Service, Sse,
};
#[cfg(unix)]
pub use directory::LocalFileSystem;
pub use directory::{
    Access, DirectoryStorage, DirectoryStore, FileKind, FileMetadata, FileSystem, OpenFile,
    close_idle_files,
};
pub use error::{Error, ErrorKind, Result};
pub use memory::{MemoryStorage, MemoryStore};
pub use paths::{
    MAX_INDEX_NAME_BYTES, MAX_NAME_BYTES, MAX_OBJECT_BYTES, MAX_PATH_BYTES, check_index_name,
    check_move, check_object_name, check_object_prefix, check_object_size, check_path, check_place,
    is_incarnation,
};
pub use sidx_log::Form as LogForm;

/// Held while an index is written, or while a reader needs an epoch; dropping it gives that up.
pub type Lock = Box<dyn Held>;

/// See [`Lock`].
pub trait Held: Send + Sync {
    /// Whether nobody can have taken it for given up by now. Where it must be renewed to be held, it may have
    /// been when that failed, or its process slept, for as long as others wait for it.
    fn is_held(&self) -> bool {
        true
    }
}

/// Nothing is held.
impl Held for () {}

/// Where indexes live: a directory, a bucket with a prefix, memory. It holds places by name; which of them
/// are indexes, and which place an index is in, is told by what lies there and decided above.
///
/// The name of a place is that of an index, 1 to 128 characters of `[A-Za-z0-9_.-]` without a dot in front,
/// or that, a slash, and 8 lower hex digits, a dash and 32 more for a place below that of an index, where one
/// of its incarnations is. Anything else is `invalid-argument`.
pub trait Store: Send + Sync {
    /// Where the store is, for messages: a path or an address.
    fn location(&self) -> String;

    /// Where the store lies in the local file system; none when it lies nowhere there.
    fn local_path(&self) -> Option<PathBuf> {
        None
    }

    /// The names of the places that may be those of indexes, sorted: that have an object `index.json`, or
    /// one whose name ends in `.incarnation`. Empty when the store itself does not exist yet.
    fn index_names(&self) -> Result<Vec<String>>;

    /// The last names of the places below that of an index, sorted. Empty when there is none.
    fn places_below(&self, name: &str) -> Result<Vec<String>>;

    /// A place. `not-found` when there is none, unless `create`, which makes an empty one (and the store, and
    /// the place above, if need be) whose name is durable on return, and so are the objects of the place
    /// above. Where an empty place is nothing, one below another is taken to be there. Takes no lock. A place
    /// that is taken by something else, such as a file, is `conflict`.
    fn open_index(&self, name: &str, create: bool) -> Result<Arc<dyn Storage>>;

    /// The same for who is about to take the [lock](Storage::lock) there: what that needs may be asked for
    /// ahead, and the lock taken if it is free.
    fn open_index_to_write(&self, name: &str, create: bool) -> Result<Arc<dyn Storage>> {
        self.open_index(name, create)
    }

    /// Removes a place with everything in it and below; durable on return. `not-found` when there is none,
    /// `conflict` while a writer holds its lock. Readers that have files open may go on reading them, and
    /// whoever still has the place does not bring it back.
    fn remove_index(&self, name: &str) -> Result<()>;
}

/// The durable place of one index.
///
/// Paths are relative to it: `/` between components, no component `.`, `..` or empty, only
/// `[0-9a-zA-Z._%-]`, at most 255 bytes per component and 1,024 in all, and `lock` and `readers` are
/// taken. An object name is one such component. Anything else is `invalid-argument`, whatever the
/// backend.
///
/// Files and objects may share one namespace: do not use an object's name as the path of a file. A
/// directory exists while something is below it; whether an empty one is still listed is up to the
/// backend.
pub trait Storage: Send + Sync {
    /// Where the index is, for messages: a path or an address.
    fn location(&self) -> String;

    /// Starts an immutable file; directories on the way are made. `conflict` when the path exists, unless
    /// that is left to [`finish`](NewFile::finish). Of several files under construction at one path at most
    /// one can be finished; where the medium takes large ones in pieces this holds for those only that are
    /// not finished at the same moment, so names of files that may be large are given to one writer each.
    fn create(&self, path: &str) -> Result<Box<dyn NewFile>>;

    /// Makes a whole file at once; directories on the way are made. Of any number of concurrent callers, in
    /// any process, exactly one succeeds, and the others get `conflict`. On return the bytes are durable; the
    /// name is after [`sync`](Self::sync) of its directory. After `resource-exhausted` there is no such file;
    /// after any other error but `conflict` there may be, now or later.
    fn put_file(&self, path: &str, bytes: &[u8]) -> Result<()> {
        let mut file = self.create(path)?;
        file.append(bytes)?;
        file.finish()
    }

    /// Opens a finished file, or a growing one at its present size. When the name is removed, reading through
    /// the handle gives the bytes, or is `not-found` where the medium has no handles. `not-found` when
    /// there is no such file.
    fn open(&self, path: &str) -> Result<Arc<dyn ReadFile>>;

    /// As [`open`](Self::open) for several files, all of which are about to be read whole: at the same
    /// time where each takes long. One answer for each, in order.
    fn open_all(&self, paths: &[String]) -> Vec<Result<Arc<dyn ReadFile>>> {
        paths.iter().map(|path| self.open(path)).collect()
    }

    /// Names of files and directories directly below a directory, sorted; files under construction
    /// are not among them. Empty when it does not exist. That of a file is `conflict`, or empty.
    fn list(&self, path: &str) -> Result<Vec<String>>;

    /// Removes a file, or a directory with all below it. Succeeds when there is nothing. Durable on
    /// return. A crash may leave a part of a directory.
    fn remove(&self, path: &str) -> Result<()>;

    /// Moves a directory or file; directories on the way to `to` are made. `not-found` when there
    /// is nothing at `from`, `conflict` when there is something at `to`. Durable on return. A crash may leave
    /// names at both ends, but every file at one at least.
    fn rename(&self, from: &str, to: &str) -> Result<()>;

    /// Makes the names directly below a directory, and the name of the directory itself, survive a
    /// power loss. Where there is none it may be `not-found`.
    fn sync(&self, path: &str) -> Result<()>;

    /// The bytes of an object and its version; none when it does not exist.
    fn get(&self, name: &str) -> Result<Option<(Vec<u8>, String)>>;

    /// Creates an object of at most 16 MiB and returns its version; `conflict` when it exists. Of
    /// any number of concurrent callers, in any process, that put different bytes exactly one succeeds.
    /// Durable on return; seen whole or not at all. After `resource-exhausted`, when the medium is full,
    /// there is no such object; after any other error but `conflict` there may be, now or later.
    ///
    /// Where answers can be lost the bytes tell whose an object is. So two that must know which of them made
    /// it put something of their own into it.
    fn put_if_absent(&self, name: &str, bytes: &[u8]) -> Result<String>;

    /// Replaces an object that still has `version` and returns the new version, which is another when the
    /// bytes are; `conflict` otherwise. Durable on return; readers see the old or the new bytes. Bytes that
    /// were there before may have the version that they had then.
    fn compare_and_swap(&self, name: &str, version: &str, bytes: &[u8]) -> Result<String>;

    /// Names of objects that start with `prefix`, sorted. An empty prefix lists all.
    fn list_objects(&self, prefix: &str) -> Result<Vec<String>>;

    /// Removes an object; succeeds when it does not exist. Durable on return.
    fn remove_object(&self, name: &str) -> Result<()>;

    /// The place of an incarnation below this one, which is that of the name of an index, where that is
    /// taken to be there without a look; none for where the [`Store`] has it.
    fn below(&self, place: &str) -> Option<Arc<dyn Storage>> {
        let _ = place;
        None
    }

    /// Whether files can grow here; always the same. Where they cannot, each commit of the log is a file of
    /// its own.
    fn log_form(&self) -> LogForm {
        LogForm::Growing
    }

    /// Opens a file for appending, or creates it with a name that is durable on return. At most one
    /// handle of a file may be used at a time to append. Not called where files
    /// [do not grow](Self::log_form).
    fn append_file(&self, path: &str) -> Result<Box<dyn AppendFile>>;

    /// Takes the lock of the writer, and makes the objects that are there durable. `conflict` when it is
    /// held, here or elsewhere; never waits. The lock goes when the value is dropped, or with the process. It
    /// spares writers the waiting for each other, and gives a clear message; nothing relies on it.
    fn lock(&self) -> Result<Lock>;

    /// Whether the lock keeps out whoever asks for it, in any process. Where it does not, because the
    /// medium has none that end with their process, nothing is done that relies on it.
    fn has_locks(&self) -> bool {
        true
    }

    /// What is under construction, by whomever, for [`clear_unfinished`](Self::clear_unfinished).
    fn unfinished(&self) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    /// Clears away what was [under construction](Self::unfinished), and is still. A writer that is at work
    /// cannot finish it then: look before its successor begins anything, and call this when the writer has
    /// been kept out.
    fn clear_unfinished(&self, unfinished: &[String]) -> Result<()> {
        let _ = unfinished;
        Ok(())
    }

    /// 128 random bits, others with each call.
    fn nonce(&self) -> Result<u128> {
        random()
    }

    /// Tells writers, in any process, that somebody reads the snapshot of `epoch`; they see it by
    /// [`pinned_epochs`](Self::pinned_epochs) as soon as this returns. A snapshot may go before it is
    /// pinned: look again whether it is there. The pin ends when the value is dropped, or with the
    /// process, or the power. None when nothing can be written in the place, because the medium is
    /// read-only or full or the process may not: who reads there reads unprotected. Needs no lock.
    fn pin(&self, epoch: u64) -> Result<Option<Lock>>;

    /// The epochs that are pinned, in this process or another, ascending and each once; none when no
    /// reader is at work. Clears away what readers left that ended without dropping their pin. A pin that
    /// this process is not allowed to look at counts. One listing or two when there are none, and a look at
    /// each.
    ///
    /// In a directory also those of readers that have no locks, which are objects that they renew, named
    /// `<epoch, 16 hex digits>-<lease in milliseconds>-<32 hex digits>.pin`. One counts until this value has
    /// seen it unchanged for its lease, an hour at most, and is then removed: so ask through the same value
    /// for as long as it is of interest. They are listed as other objects are.
    fn pinned_epochs(&self) -> Result<Vec<u64>>;

    /// Where a finished file lies in the local file system, for [`link`](Self::link); whether it
    /// exists is not looked at. None when it lies nowhere there.
    fn local_path(&self, path: &str) -> Option<PathBuf> {
        let _ = path;
        None
    }

    /// Gives a finished file of another index, at its [`local_path`](Self::local_path), a second name
    /// here in place of a copy; directories on the way are made. False when that can't be done here:
    /// copy the bytes then. The name is durable after [`sync`](Self::sync) of its directory.
    /// `not-found` when there is no file at `from`, `conflict` when `path` exists. Growing files must
    /// not be linked.
    fn link(&self, path: &str, from: &Path) -> Result<bool> {
        let _ = (path, from);
        Ok(false)
    }

    /// Whether parts may be folders of files. Where each file is a request they are one file each.
    fn takes_folders(&self) -> bool {
        true
    }

    /// How many reads, of any files, it can serve in the time of one. More than 1 where a read takes long
    /// whatever its size: readers then ask for all they are about to need at the same time.
    fn reads_at_once(&self) -> usize {
        1
    }

    /// Bytes of everything in the index. A sum over all files, so not for every call.
    fn size_bytes(&self) -> Result<u64>;

    /// How large the medium below is, and how much of it is free for who writes the index. None when
    /// there is none, or when it cannot tell. A single call that is asked often.
    fn space(&self) -> Result<Option<MediumSpace>> {
        Ok(None)
    }
}

/// The medium below an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MediumSpace {
    /// Bytes that it holds in all.
    pub total_bytes: u64,
    /// Bytes that may still be written, by a user without special rights.
    pub free_bytes: u64,
    /// Files that may still be made, likewise; none where their number has no bound of its own.
    pub free_files: Option<u64>,
}

/// An immutable file under construction. It has no name yet: dropping it without
/// [`finish`](Self::finish) leaves nothing.
pub trait NewFile: Send {
    /// Adds bytes at the end; nothing is durable yet. After an error the file cannot be finished.
    fn append(&mut self, bytes: &[u8]) -> Result<()>;

    /// Gives the file its name. On return the bytes are durable; the name is after
    /// [`Storage::sync`] of its directory. `conflict` when the path exists by now, or somebody has
    /// [cleared away](Storage::clear_unfinished) what was under construction. After an error nothing is
    /// left.
    fn finish(self: Box<Self>) -> Result<()>;
}

/// A file open for reading, from any thread.
pub trait ReadFile: Send + Sync {
    /// Bytes in the file when it was opened.
    fn size(&self) -> u64;

    /// Fills `buffer` with the bytes at `offset`. `corrupt` when the file ends before that; the
    /// content of `buffer` is then undefined.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<()>;
}

/// A file that grows at its end.
pub trait AppendFile: Send {
    /// Adds bytes at the end in one write. On return they survive the end of the process, not of
    /// the power. After an error [`size`](Self::size) is as before and the bytes after it are
    /// undefined; the caller must truncate before it trusts the file again.
    fn append(&mut self, bytes: &[u8]) -> Result<()>;

    /// Makes all bytes, and the size, survive a power loss. After an error it is unknown which of
    /// the bytes since the last success do.
    fn sync(&mut self) -> Result<()>;

    /// Makes the first `size` bytes survive a power loss, also those of a [`sync`](Self::sync) that failed,
    /// which the operating system may take for written since: writes them again as they are, then syncs. Who
    /// appends meanwhile is not disturbed.
    fn resync(&mut self, size: u64) -> Result<()>;

    /// Bytes in the file.
    fn size(&self) -> u64;

    /// Cuts the file to `size` bytes, durable after the next [`sync`](Self::sync);
    /// `invalid-argument` when it is shorter than that.
    fn truncate(&mut self, size: u64) -> Result<()>;
}

/// 128 bits from the operating system.
#[cfg(unix)]
fn random() -> Result<u128> {
    let mut bytes = [0; 16];
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        let count = rustix::rand::getrandom(rest, rustix::rand::GetRandomFlags::empty());
        filled += count.map_err(|cause| {
            let text = format!("the operating system gives no random bits: {cause}");
            Error::new(ErrorKind::Io, text)
        })?;
    }
    Ok(u128::from_le_bytes(bytes))
}

/// There is nobody to ask.
#[cfg(not(unix))]
fn random() -> Result<u128> {
    let text = "this system gives no random bits by itself; use a store that is given some";
    Err(Error::new(ErrorKind::Io, text))
}

/// The error of a read behind the end of a file.
fn too_short(name: &str, offset: u64, length: usize, size: u64) -> Error {
    Error::corrupt(format!(
        "{name} has {size} bytes, but {length} bytes were to be read at offset {offset}; the file \
         was cut or what points into it is damaged"
    ))
}

/// The error of a truncation that would make a file longer.
fn cannot_grow(name: &str, from: u64, to: u64) -> Error {
    Error::invalid(format!(
        "cannot truncate {name} from {from} to {to} bytes, which is more"
    ))
}
