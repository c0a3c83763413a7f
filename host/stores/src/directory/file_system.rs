//! What the directory backend asks of a file system, call by call, so that it can run on another one
//! than that of the operating system: a simulated disk that loses power, one that is encrypted.
//!
//! The calls are those of POSIX, and so is what they promise: a rename replaces its target in one
//! step, a link fails when its name is taken, bytes survive a power loss after a sync of their file
//! and names after a sync of their directory, and not before.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use std::time::Instant;

use crate::MediumSpace;
use crate::error::{MACHINE_HAS_NO_DESCRIPTOR, PROCESS_HAS_NO_DESCRIPTOR, Result};

/// How the parts of the backend hold theirs.
pub(super) type Fs = Arc<dyn FileSystem>;

/// Calls on names. Errors are those that [`std::fs`] would give; their kinds decide.
pub trait FileSystem: Send + Sync {
    /// Makes a file that must not exist and opens it for reading and writing.
    fn create_new(&self, path: &Path) -> io::Result<Box<dyn OpenFile>>;

    /// Opens a file.
    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn OpenFile>>;

    /// Makes the names in a directory survive a power loss.
    fn sync_directory(&self, path: &Path) -> io::Result<()>;

    /// Gives a file a second name, which must not exist.
    fn link(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Moves a file or directory; a file, or an empty directory, at `to` is replaced.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes the name of a file.
    fn remove_file(&self, path: &Path) -> io::Result<()>;

    /// Makes a directory in one that exists.
    fn create_directory(&self, path: &Path) -> io::Result<()>;

    /// Removes an empty directory.
    fn remove_directory(&self, path: &Path) -> io::Result<()>;

    /// The names in a directory, in any order, each with what it is; links are not followed. What
    /// vanishes meanwhile may be left out.
    fn list(&self, path: &Path) -> io::Result<Vec<(OsString, FileKind)>>;

    /// What a path leads to; links are followed.
    fn metadata(&self, path: &Path) -> io::Result<FileMetadata>;

    /// What is at a path, be it a link.
    fn link_metadata(&self, path: &Path) -> io::Result<FileMetadata>;

    /// How large the medium is that holds a path which exists, and how much of it is free; none when that is
    /// not known.
    fn space(&self, path: &Path) -> io::Result<Option<MediumSpace>> {
        let _ = path;
        Ok(None)
    }

    /// Whether files have advisory locks that end with whoever holds them. Where they have none,
    /// [`OpenFile::try_lock`] and [`OpenFile::lock`] are not asked for.
    fn has_locks(&self) -> bool {
        true
    }

    /// A number by which the names of what is under construction differ from those of others that are at
    /// work at the same time. Should two have the same, the later one takes another name.
    fn process(&self) -> u32 {
        std::process::id()
    }

    /// How many files may be open at a time; none where that is not known. Asked each time, as it may change.
    fn open_files_max(&self) -> Option<u64> {
        open_files_max()
    }

    /// Whether an error says that no more files can be open, of this process or of the machine.
    fn is_out_of_descriptors(&self, cause: &io::Error) -> bool {
        let number = cause.raw_os_error();
        number == Some(PROCESS_HAS_NO_DESCRIPTOR) || number == Some(MACHINE_HAS_NO_DESCRIPTOR)
    }

    /// Milliseconds since some moment, always the same. It never goes back, and goes as fast as time does.
    fn now_ms(&self) -> u64 {
        static START: LazyLock<Instant> = LazyLock::new(Instant::now);
        u64::try_from(START.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// 128 random bits, others with each call.
    fn nonce(&self) -> Result<u128> {
        crate::random()
    }

    /// Where a file lies in the file system of the operating system; none when it lies elsewhere.
    fn local_path(&self, path: &Path) -> Option<PathBuf> {
        let _ = path;
        None
    }
}

#[cfg(unix)]
fn open_files_max() -> Option<u64> {
    rlimit::Resource::NOFILE.get_soft().ok()
}

#[cfg(not(unix))]
fn open_files_max() -> Option<u64> {
    None
}

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// For reading.
    Read,
    /// For reading and writing.
    Write,
    /// For reading and writing; an empty one is made when there is none.
    WriteOrCreate,
}

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A file with bytes.
    File,
    /// A directory.
    Directory,
    /// A symbolic link, a device, a pipe.
    Other,
}

/// What is known of a file without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileMetadata {
    /// What it is.
    pub kind: FileKind,
    /// Bytes in it.
    pub size: u64,
    /// The file system that it is in, and its number there: no two files have the same at a time.
    pub identity: (u64, u64),
    /// Seconds since 1970, and nanoseconds, of the last change.
    pub modified: (i64, i64),
}

/// An open file. Its bytes stay readable when its name is removed.
pub trait OpenFile: Send + Sync {
    /// Reads at an offset, maybe less than asked for; 0 at the end.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes at an offset, maybe less than asked for. What lies between the end and the offset
    /// becomes zeroes.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize>;

    /// Sets the size; new bytes are zeroes.
    fn set_size(&self, size: u64) -> io::Result<()>;

    /// Makes bytes and size survive a power loss; times need not.
    fn sync(&self) -> io::Result<()>;

    /// What is known of the file now.
    fn metadata(&self) -> io::Result<FileMetadata>;

    /// Takes the advisory lock of the file, exclusive among all that opened it, in this process or
    /// another; false when somebody else has it. It goes when this value is dropped, or with the
    /// process.
    fn try_lock(&self) -> io::Result<bool>;

    /// As [`try_lock`](Self::try_lock), but waits.
    fn lock(&self) -> io::Result<()>;

    /// Writes all bytes.
    fn write_all_at(&self, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.write_at(bytes, offset) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    bytes = bytes.get(count..).unwrap_or_default();
                    offset += count as u64;
                }
                Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
                Err(cause) => return Err(cause),
            }
        }
        Ok(())
    }

    /// Fills the front of a buffer with what there is and returns how much that was: less than the
    /// buffer takes only at the end.
    fn read_up_to(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut filled = 0;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.read_at(rest, offset + filled as u64) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
                Err(cause) => return Err(cause),
            }
        }
        Ok(filled)
    }
}
