//! The file system of a mapped directory, call by call as the directory backend asks for it.

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use sidx_stores::{Access, FileKind, FileMetadata, FileSystem, OpenFile, close_idle_files};
use wasip2::clocks::monotonic_clock;
use wasip2::filesystem::types::{Descriptor, DescriptorFlags, ErrorCode, OpenFlags, PathFlags};
use wasip2::random::random::get_random_u64;

use crate::code::error;
use crate::file::{WasiFile, kind, metadata};
use crate::mapped::Mapped;

/// How many files the runtime may have open, as far as one can guess: WASI does not tell.
const OPEN_FILES_MAX: u64 = 1024;
/// At least so many, whatever was met.
const OPEN_FILES_LEAST: u64 = 16;
const NANOSECONDS: u64 = 1_000_000;

/// What the runtime lends below a directory that it maps.
pub(crate) struct WasiFileSystem {
    mapped: Mapped,
    /// Stands for the number of a process, which there is not.
    process: u32,
    /// How many files may be open, as far as was met.
    open_files_max: AtomicU64,
}

impl WasiFileSystem {
    pub(crate) fn new(mapped: Mapped) -> Self {
        Self {
            mapped,
            // Half of the bits are as good as all.
            process: (get_random_u64() >> 32) as u32,
            open_files_max: AtomicU64::new(OPEN_FILES_MAX),
        }
    }

    fn open_at(
        &self,
        path: &Path,
        how: OpenFlags,
        access: DescriptorFlags,
    ) -> io::Result<Descriptor> {
        let path = self.mapped.relative(path)?;
        let open = || {
            self.directory()
                .open_at(PathFlags::SYMLINK_FOLLOW, &path, how, access)
        };
        self.with_descriptors(open)
    }

    /// Makes a call that changes nothing when it fails, once more after closing what can be closed: that no
    /// more files can be open has no code of its own, and the runtime opens directories on the way to names.
    fn with_descriptors<T>(&self, call: impl Fn() -> Result<T, ErrorCode>) -> io::Result<T> {
        match call() {
            Err(ErrorCode::Io) => {
                let met = close_idle_files() as u64;
                let known = self.open_files_max.load(Ordering::Relaxed);
                let max = met.clamp(OPEN_FILES_LEAST, known.max(OPEN_FILES_LEAST));
                self.open_files_max.store(max, Ordering::Relaxed);
                call().map_err(error)
            }
            result => result.map_err(error),
        }
    }

    fn directory(&self) -> &Descriptor {
        &self.mapped.directory
    }

    fn look(&self, path: &Path, flags: PathFlags) -> io::Result<FileMetadata> {
        let path = self.mapped.relative(path)?;
        let directory = self.directory();
        let stat = self.with_descriptors(|| directory.stat_at(flags, &path))?;
        let hash = self.with_descriptors(|| directory.metadata_hash_at(flags, &path))?;
        Ok(metadata(&stat, hash))
    }
}

/// Milliseconds of the runtime's clock.
pub(crate) fn now_ms() -> u64 {
    monotonic_clock::now() / NANOSECONDS
}

/// 128 random bits.
pub(crate) fn random() -> (u64, u64) {
    (get_random_u64(), get_random_u64())
}

impl FileSystem for WasiFileSystem {
    fn create_new(&self, path: &Path) -> io::Result<Box<dyn OpenFile>> {
        let how = OpenFlags::CREATE | OpenFlags::EXCLUSIVE;
        let access = DescriptorFlags::READ | DescriptorFlags::WRITE;
        Ok(Box::new(WasiFile(self.open_at(path, how, access)?)))
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn OpenFile>> {
        let how = match access {
            Access::WriteOrCreate => OpenFlags::CREATE,
            Access::Read | Access::Write => OpenFlags::empty(),
        };
        let flags = match access {
            Access::Read => DescriptorFlags::READ,
            Access::Write | Access::WriteOrCreate => DescriptorFlags::READ | DescriptorFlags::WRITE,
        };
        Ok(Box::new(WasiFile(self.open_at(path, how, flags)?)))
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        let directory = self.open_at(path, OpenFlags::DIRECTORY, DescriptorFlags::READ)?;
        directory.sync().map_err(error)
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        let (from, to) = (self.mapped.relative(from)?, self.mapped.relative(to)?);
        self.directory()
            .link_at(PathFlags::empty(), &from, self.directory(), &to)
            .map_err(error)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let (from, to) = (self.mapped.relative(from)?, self.mapped.relative(to)?);
        self.directory()
            .rename_at(&from, self.directory(), &to)
            .map_err(error)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let path = self.mapped.relative(path)?;
        self.directory().unlink_file_at(&path).map_err(error)
    }

    fn create_directory(&self, path: &Path) -> io::Result<()> {
        let path = self.mapped.relative(path)?;
        self.directory().create_directory_at(&path).map_err(error)
    }

    fn remove_directory(&self, path: &Path) -> io::Result<()> {
        let path = self.mapped.relative(path)?;
        self.directory().remove_directory_at(&path).map_err(error)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<(OsString, FileKind)>> {
        let directory = self.open_at(path, OpenFlags::DIRECTORY, DescriptorFlags::READ)?;
        let entries = directory.read_directory().map_err(error)?;
        let mut names = Vec::new();
        while let Some(entry) = entries.read_directory_entry().map_err(error)? {
            names.push((OsString::from(entry.name), kind(entry.type_)));
        }
        Ok(names)
    }

    fn metadata(&self, path: &Path) -> io::Result<FileMetadata> {
        self.look(path, PathFlags::SYMLINK_FOLLOW)
    }

    fn link_metadata(&self, path: &Path) -> io::Result<FileMetadata> {
        self.look(path, PathFlags::empty())
    }

    fn has_locks(&self) -> bool {
        false
    }

    fn process(&self) -> u32 {
        self.process
    }

    fn open_files_max(&self) -> Option<u64> {
        Some(self.open_files_max.load(Ordering::Relaxed))
    }

    fn now_ms(&self) -> u64 {
        now_ms()
    }

    fn nonce(&self) -> sidx_stores::Result<u128> {
        let (high, low) = random();
        Ok(u128::from(high) << 64 | u128::from(low))
    }
}
