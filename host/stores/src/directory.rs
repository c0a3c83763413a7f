//! A store in a directory of the local file system: one directory per index.
//!
//! Nothing is visible under its name before it is whole and on the medium: bytes go to a temporary
//! file in the same directory, are synced, and get their name by a link, which fails when the name
//! is taken, or by a rename, which replaces. Temporary names begin with `~`, which no path or
//! object may contain, so they are never listed, opened or hit by accident;
//! [`Storage::clear_unfinished`] removes what a crash left.
//!
//! Reading opens files for reading and lists directories, no more: a read-only medium will do.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use self::descriptors::Descriptors;
use self::disk::{TempFile, sync_directory};
use self::file_system::Fs;
use self::files::{DirectoryAppendFile, DirectoryNewFile, DirectoryReadFile};
use self::place::Found;
use self::renewed::Watch;
use super::paths::{
    LOCK_NAME, check_index_name, check_move, check_path, check_place, is_component, is_incarnation,
};
use super::{AppendFile, Lock, MediumSpace, NewFile, ReadFile, Storage, Store};
use crate::error::{Error, ErrorKind, Result};

mod descriptors;
mod disk;
mod file_system;
mod files;
#[cfg(unix)]
mod local;
mod lock;
mod objects;
mod pins;
mod place;
mod renewed;
#[cfg(test)]
mod tests;

pub use self::file_system::{Access, FileKind, FileMetadata, FileSystem, OpenFile};
#[cfg(unix)]
pub use self::local::LocalFileSystem;

/// A directory with one sub-directory per index.
pub struct DirectoryStore {
    fs: Fs,
    root: PathBuf,
}

impl DirectoryStore {
    /// A store at a path. Touches nothing: the directory is made when its first index is created.
    #[cfg(unix)]
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self::on(local(), root)
    }

    /// A store at a path of a file system, which is not that of the operating system. Touches nothing.
    pub fn on(fs: Arc<dyn FileSystem>, root: impl Into<PathBuf>) -> Self {
        let root = root.into();
        Self { fs, root }
    }

    /// Refuses what can be no store: a file, a link to nothing. Where there is nothing yet all is well.
    pub fn check(&self) -> Result<()> {
        place::check_root(self.fs.as_ref(), &self.root)
    }

    /// Makes the directory, with those above it that are missing; its name is durable on return. One that
    /// [cannot be a store](Self::check) is `conflict`.
    pub fn make(&self) -> Result<()> {
        self.check()?;
        disk::make_directories(self.fs.as_ref(), &self.root)
    }

    /// A place that exists; `not-found` when there is none.
    pub fn place(&self, name: &str) -> Result<DirectoryStorage> {
        let path = self.existing(name)?;
        Ok(DirectoryStorage::on(Arc::clone(&self.fs), path))
    }

    /// The directory of a place that exists.
    fn existing(&self, name: &str) -> Result<PathBuf> {
        check_place(name)?;
        let path = self.root.join(name);
        let what = match place::look(self.fs.as_ref(), &path)? {
            Found::Directory => return Ok(path),
            Found::File => "is a file, not an index",
            Found::DanglingLink => "is a link to something that does not exist",
            Found::Nothing => {
                place::check_root(self.fs.as_ref(), &self.root)?;
                return Err(Error::not_found(format!(
                    "store {} has no index {name}; check the name or create it first",
                    self.root.display()
                )));
            }
        };
        Err(place::in_the_way(&path, what, "choose another name"))
    }
}

impl Store for DirectoryStore {
    fn location(&self) -> String {
        self.root.display().to_string()
    }

    fn local_path(&self) -> Option<PathBuf> {
        Some(self.root.clone())
    }

    fn index_names(&self) -> Result<Vec<String>> {
        place::check_root(self.fs.as_ref(), &self.root)?;
        let mut names = Vec::new();
        for entry in disk::entries(self.fs.as_ref(), &self.root)? {
            // A link to a directory is as good as a directory here.
            if check_index_name(&entry.name).is_ok()
                && place::has_index(self.fs.as_ref(), &self.root.join(&entry.name))?
            {
                names.push(entry.name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    fn places_below(&self, name: &str) -> Result<Vec<String>> {
        check_index_name(name)?;
        let entries = disk::entries(self.fs.as_ref(), &self.root.join(name))?;
        let is_place = |entry: &disk::Entry| entry.is_directory && is_incarnation(&entry.name);
        let places = entries.into_iter().filter(is_place);
        let mut names: Vec<String> = places.map(|entry| entry.name).collect();
        names.sort_unstable();
        Ok(names)
    }

    fn open_index(&self, name: &str, create: bool) -> Result<Arc<dyn Storage>> {
        let path = match self.existing(name) {
            Ok(path) => {
                if create && !name.contains('/') {
                    place::check_free(self.fs.as_ref(), &path)?;
                }
                path
            }
            Err(error) if create && error.kind() == ErrorKind::NotFound => {
                place::check_parent(self.fs.as_ref(), &self.root)?;
                let path = self.root.join(name);
                disk::make_directories(self.fs.as_ref(), &path)?;
                path
            }
            Err(error) => return Err(error),
        };
        if create {
            // Also for one that exists: who made it may have died before this.
            sync_directory(self.fs.as_ref(), parent_of(&path))?;
        }
        Ok(Arc::new(DirectoryStorage::on(Arc::clone(&self.fs), path)))
    }

    fn remove_index(&self, name: &str) -> Result<()> {
        check_place(name)?;
        let full = self.root.join(name);
        let above = parent_of(&full);
        let path = match self.existing(name) {
            Ok(path) => path,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                // Maybe because a removal broke off after its first step: this is the next one.
                disk::remove_hidden_directories(self.fs.as_ref(), above)?;
                return Err(error);
            }
            Err(error) => return Err(error),
        };
        let kind = self.fs.link_metadata(&path).map(|found| found.kind);
        if kind.map_err(|cause| Error::io("look at", &path, cause))? != FileKind::Directory {
            // Only the link would go, and what it leads to stay behind unseen.
            return Err(Error::conflict(format!(
                "{} is a link: nothing was removed; remove the index where it is, then the link",
                path.display()
            )));
        }
        let storage = DirectoryStorage::on(Arc::clone(&self.fs), &path);
        let _lock = storage.lock()?;
        // First out of sight in one step, so that a crash does not leave half of it under its name.
        let removed = disk::temporary_path(self.fs.as_ref(), above);
        self.fs
            .rename(&path, &removed)
            .map_err(|cause| Error::io("remove", &path, cause))?;
        sync_directory(self.fs.as_ref(), above)?;
        disk::remove_hidden_directories(self.fs.as_ref(), above)
    }
}

/// Closes the files of parts that nobody uses just now, of all directories of this process, and returns how
/// many there were. They are opened again when their bytes are wanted. For a [`FileSystem`] that meets its
/// limit where it cannot be told from other failures.
pub fn close_idle_files() -> usize {
    Descriptors::of_process().close_idle()
}

/// One index in a directory. However many files of parts are in use, they take no more than half of the
/// descriptors that the process may have.
pub struct DirectoryStorage {
    fs: Fs,
    watch: Watch,
    descriptors: Arc<Descriptors>,
    root: PathBuf,
}

impl DirectoryStorage {
    /// The index in an existing directory. Touches nothing.
    #[cfg(unix)]
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self::on(local(), root)
    }

    /// The same on another file system than that of the operating system.
    pub fn on(fs: Arc<dyn FileSystem>, root: impl Into<PathBuf>) -> Self {
        Self {
            fs,
            watch: Watch::default(),
            descriptors: Descriptors::of_process(),
            root: root.into(),
        }
    }

    /// Of the [pinned epochs](Storage::pinned_epochs) those that are by files with a lock, which nobody needs
    /// to renew. Where files have no locks all of them count.
    pub fn locked_epochs(&self) -> Result<Vec<u64>> {
        pins::held(self.fs.as_ref(), &self.root)
    }

    fn full(&self, path: &str) -> Result<PathBuf> {
        check_path(path)?;
        Ok(self.root.join(path))
    }

    /// Makes the directories between the index and `path`, but not the index itself, which would
    /// bring a removed one back.
    fn make_parents(&self, path: &str) -> Result<PathBuf> {
        let mut directory = self.root.clone();
        let parents = path.rsplit_once('/').map(|(parents, _)| parents);
        for name in parents.into_iter().flat_map(|parents| parents.split('/')) {
            directory.push(name);
            match self.fs.create_directory(&directory) {
                Ok(()) => {}
                Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => {}
                Err(cause) => return Err(Error::io("make directory", &directory, cause)),
            }
        }
        Ok(directory)
    }

    /// Syncs a directory and all above it up to the index: a name is durable when all on the way
    /// are.
    fn sync_up(&self, directory: &Path) -> Result<()> {
        for each in directory.ancestors() {
            sync_directory(self.fs.as_ref(), each)?;
            if each == self.root {
                break;
            }
        }
        Ok(())
    }
}

/// The directory that holds `path`.
fn parent_of(path: &Path) -> &Path {
    path.parent().unwrap_or(path)
}

/// The file system of the operating system.
#[cfg(unix)]
fn local() -> Fs {
    Arc::new(LocalFileSystem)
}

/// Whether a path leads to a directory. That nobody may look is no answer.
fn is_directory(fs: &dyn FileSystem, path: &Path) -> Result<bool> {
    match fs.metadata(path) {
        Ok(metadata) => Ok(metadata.kind == FileKind::Directory),
        Err(cause) if is_absent(&cause) => Ok(false),
        Err(cause) => Err(Error::io("look at", path, cause)),
    }
}

/// Whether something has that name, be it a dangling link.
fn exists(fs: &dyn FileSystem, path: &Path) -> Result<bool> {
    match fs.link_metadata(path) {
        Ok(_) => Ok(true),
        Err(cause) if is_absent(&cause) => Ok(false),
        Err(cause) => Err(Error::io("look at", path, cause)),
    }
}

/// Whether an error says that the medium, or this user's share of it, has no room left.
fn is_full(cause: &io::Error) -> bool {
    matches!(
        cause.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

/// Whether an error says that there is nothing; `a/b` is not there either when `a` is a file.
fn is_absent(cause: &io::Error) -> bool {
    matches!(
        cause.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

impl Storage for DirectoryStorage {
    fn location(&self) -> String {
        self.root.display().to_string()
    }

    fn create(&self, path: &str) -> Result<Box<dyn NewFile>> {
        let full = self.full(path)?;
        if exists(self.fs.as_ref(), &full)? {
            return Err(Error::conflict(format!("{} exists", full.display())));
        }
        let directory = self.make_parents(path)?;
        Ok(Box::new(DirectoryNewFile::new(
            TempFile::create(&self.fs, &self.descriptors, &directory)?,
            full,
        )))
    }

    fn open(&self, path: &str) -> Result<Arc<dyn ReadFile>> {
        Ok(Arc::new(DirectoryReadFile::open(
            &self.fs,
            &self.descriptors,
            &self.full(path)?,
        )?))
    }

    fn list(&self, path: &str) -> Result<Vec<String>> {
        let entries = disk::entries(self.fs.as_ref(), &self.full(path)?)?;
        let names = entries.into_iter().map(|entry| entry.name);
        let mut names: Vec<String> = names.filter(|name| is_component(name)).collect();
        names.sort_unstable();
        Ok(names)
    }

    fn remove(&self, path: &str) -> Result<()> {
        let full = self.full(path)?;
        let result = match self.fs.link_metadata(&full) {
            Ok(metadata) if metadata.kind == FileKind::Directory => {
                disk::remove_tree(self.fs.as_ref(), &full)
            }
            Ok(_) => self.fs.remove_file(&full),
            Err(cause) => Err(cause),
        };
        match result {
            Ok(()) => sync_directory(self.fs.as_ref(), parent_of(&full)),
            Err(cause) if is_absent(&cause) => Ok(()),
            Err(cause) => Err(Error::io("remove", &full, cause)),
        }
    }

    fn rename(&self, from: &str, to: &str) -> Result<()> {
        check_move(from, to)?;
        let (source, target) = (self.full(from)?, self.full(to)?);
        if !exists(self.fs.as_ref(), &source)? {
            return Err(Error::not_found(format!(
                "there is no {} to rename",
                source.display()
            )));
        }
        if exists(self.fs.as_ref(), &target)? {
            return Err(Error::conflict(format!("{} exists", target.display())));
        }
        let directory = self.make_parents(to)?;
        self.fs
            .rename(&source, &target)
            .map_err(|cause| Error::io("rename", &source, cause))?;
        // The new name first: a power loss in between may show both, never none.
        self.sync_up(&directory)?;
        sync_directory(self.fs.as_ref(), parent_of(&source))
    }

    fn sync(&self, path: &str) -> Result<()> {
        let full = self.full(path)?;
        match self.fs.metadata(&full) {
            Ok(metadata) if metadata.kind == FileKind::Directory => self.sync_up(&full),
            Err(cause) if !is_absent(&cause) => Err(Error::io("look at", &full, cause)),
            _ => Err(Error::not_found(format!(
                "there is no directory {}",
                full.display()
            ))),
        }
    }

    fn get(&self, name: &str) -> Result<Option<(Vec<u8>, String)>> {
        objects::get(self.fs.as_ref(), &self.root, name)
    }

    fn put_if_absent(&self, name: &str, bytes: &[u8]) -> Result<String> {
        objects::put_if_absent(&self.fs, &self.root, name, bytes)
    }

    fn compare_and_swap(&self, name: &str, version: &str, bytes: &[u8]) -> Result<String> {
        objects::compare_and_swap(&self.fs, &self.root, name, version, bytes)
    }

    fn list_objects(&self, prefix: &str) -> Result<Vec<String>> {
        objects::list(self.fs.as_ref(), &self.root, prefix)
    }

    fn remove_object(&self, name: &str) -> Result<()> {
        objects::remove(self.fs.as_ref(), &self.root, name)
    }

    fn append_file(&self, path: &str) -> Result<Box<dyn AppendFile>> {
        let full = self.full(path)?;
        let directory = self.make_parents(path)?;
        let file = self.fs.open(&full, Access::WriteOrCreate);
        let file = file.map_err(|cause| Error::io("open for appending", &full, cause))?;
        // Also for one that exists: who made it may have died before this.
        self.sync_up(&directory)?;
        Ok(Box::new(DirectoryAppendFile::new(file, full)?))
    }

    fn lock(&self) -> Result<Lock> {
        if !self.fs.has_locks() {
            // Nobody is kept out; what it does beyond that is done all the same.
            sync_directory(self.fs.as_ref(), &self.root)?;
            disk::remove_abandoned(&self.fs, &self.root)?;
            // Pins that are a day old go with that look; what cannot be looked at stays.
            let _ = renewed::held(&self.fs, &self.root, &self.watch);
            return Ok(Box::new(()));
        }
        let lock = lock::take(self.fs.as_ref(), &self.root.join(LOCK_NAME))?;
        // A writer that died may have published an object whose name is not durable. Whoever takes it
        // for published removes what it replaced, and a power loss could then take both.
        sync_directory(self.fs.as_ref(), &self.root)?;
        Ok(Box::new(lock))
    }

    fn has_locks(&self) -> bool {
        self.fs.has_locks()
    }

    fn unfinished(&self) -> Result<Vec<String>> {
        disk::leftovers(self.fs.as_ref(), &self.root)
    }

    fn clear_unfinished(&self, unfinished: &[String]) -> Result<()> {
        disk::remove_leftovers(self.fs.as_ref(), &self.root, unfinished)
    }

    fn nonce(&self) -> Result<u128> {
        self.fs.nonce()
    }

    fn pin(&self, epoch: u64) -> Result<Option<Lock>> {
        let pin = pins::take(&self.fs, &self.root, epoch)?;
        Ok(pin.map(|pin| Box::new(pin) as Lock))
    }

    fn pinned_epochs(&self) -> Result<Vec<u64>> {
        let mut epochs = renewed::held(&self.fs, &self.root, &self.watch)?;
        epochs.extend(self.locked_epochs()?);
        Ok(epochs.into_iter().collect())
    }

    fn local_path(&self, path: &str) -> Option<PathBuf> {
        self.fs.local_path(&self.full(path).ok()?)
    }

    fn link(&self, path: &str, from: &Path) -> Result<bool> {
        use io::ErrorKind as Io;
        let full = self.full(path)?;
        if exists(self.fs.as_ref(), &full)? {
            return Err(Error::conflict(format!("{} exists", full.display())));
        }
        match self.fs.link_metadata(from) {
            Ok(metadata) if metadata.kind == FileKind::File => {}
            // A link to a link would hang on a name that is not ours.
            Ok(_) => return Ok(false),
            Err(cause) => return Err(Error::io("look at", from, cause)),
        }
        self.make_parents(path)?;
        match self.fs.link(from, &full) {
            Ok(()) => Ok(true),
            Err(cause) => match cause.kind() {
                Io::CrossesDevices | Io::Unsupported | Io::PermissionDenied | Io::TooManyLinks => {
                    Ok(false)
                }
                _ => Err(files::link_error(&full, cause)),
            },
        }
    }

    fn size_bytes(&self) -> Result<u64> {
        disk::size_bytes(self.fs.as_ref(), &self.root)
    }

    fn space(&self) -> Result<Option<MediumSpace>> {
        self.fs
            .space(&self.root)
            .map_err(|cause| Error::io("ask for the free bytes of", &self.root, cause))
    }
}
