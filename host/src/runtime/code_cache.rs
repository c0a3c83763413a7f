//! Machine code of the component, kept between processes.
//!
//! Machine code is trusted like the program itself: whoever can write the file runs code as its reader.
//! So the folder and the file must belong to the current user and be closed to everyone else's writing,
//! and the bytes must match the checksum behind them. If anything is not as it should be the component is
//! compiled in memory instead; the cache never makes a call fail.

use std::env;
use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::hash::Hash;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use directories::BaseDirs;
use wasmtime::Engine;
use wasmtime::component::Component;
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

/// Names another folder for the cache; empty turns the cache off.
const DIRECTORY_VARIABLE: &str = "SIDX_CACHE_DIR";
/// Bytes of the checksum behind the machine code.
const CHECKSUM_BYTES: usize = 16;
/// No machine code of this component is near this size.
const MOST_BYTES: u64 = 256 << 20;

/// The component's machine code for this engine, if the cache has it. `name` stands for the component's
/// content: two components must never have the same.
pub(super) fn load(engine: &Engine, name: &str) -> Option<Component> {
    let path = path(engine, name)?;
    let code = match read(&path) {
        Ok(code) => code,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return None,
        Err(cause) => {
            tracing::warn!(path = %path.display(), %cause, "cached machine code is not used");
            return None;
        }
    };
    // SAFETY: `read` returned bytes that end with their own checksum, from a file that belongs to this
    // user and that only this user can write, in a folder of which the same is true; its name carries
    // the digest of the component, the engine's settings and the version. So they are what `store` wrote:
    // the output of `Component::serialize`. They are in memory and cannot change any more.
    match unsafe { Component::deserialize(engine, &code) } {
        Ok(component) => Some(component),
        Err(cause) => {
            tracing::warn!(path = %path.display(), %cause, "cached machine code is not used");
            None
        }
    }
}

/// Keeps the machine code for the next process; failing to do so only costs it a second.
pub(super) fn store(engine: &Engine, name: &str, component: &Component) {
    let Some(path) = path(engine, name) else {
        return;
    };
    let written = match component.serialize() {
        Ok(code) => write(&path, code),
        Err(cause) => Err(io::Error::other(format!("{cause:#}"))),
    };
    if let Err(cause) = written {
        tracing::warn!(path = %path.display(), %cause, "machine code is not cached");
    }
}

/// The file for this component, engine and version.
fn path(engine: &Engine, name: &str) -> Option<PathBuf> {
    let mut hasher = Xxh3::new();
    hasher.update(env!("CARGO_PKG_VERSION").as_bytes());
    engine.precompile_compatibility_hash().hash(&mut hasher);
    let directory = match env::var_os(DIRECTORY_VARIABLE) {
        Some(directory) if directory.is_empty() => return None,
        Some(directory) => PathBuf::from(directory),
        None => BaseDirs::new()?.cache_dir().join("sidx"),
    };
    Some(directory.join(format!("{name}-{:032x}.cwasm", hasher.digest128())))
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let metadata = file.metadata()?;
    let directory = path.parent().unwrap_or(Path::new("."));
    check_owner(&metadata, &fs::metadata(directory)?)?;
    if metadata.len() > MOST_BYTES {
        return Err(io::Error::other("the file is too large"));
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let code_bytes = bytes.len().saturating_sub(CHECKSUM_BYTES);
    let checksum = bytes.split_off(code_bytes);
    if checksum != xxh3_128(&bytes).to_le_bytes() {
        return Err(io::Error::other(
            "the checksum does not match; the file is written anew",
        ));
    }
    Ok(bytes)
}

/// Refuses a file or folder that someone else could have written.
#[cfg(unix)]
fn check_owner(file: &Metadata, directory: &Metadata) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt;

    /// Write permission of group and others.
    const WRITABLE_BY_OTHERS: u32 = 0o022;
    // The owner of our own process entry, or of a file made now, is the current user.
    let user = match fs::metadata("/proc/self") {
        Ok(own) => own.uid(),
        Err(_) => probe()?.uid(),
    };
    for metadata in [file, directory] {
        if metadata.uid() != user || metadata.mode() & WRITABLE_BY_OTHERS != 0 {
            return Err(io::Error::other(
                "other users can write the file or its folder",
            ));
        }
    }
    Ok(())
}

/// The metadata of a file that this process makes.
#[cfg(unix)]
fn probe() -> io::Result<Metadata> {
    let path = env::temp_dir().join(temporary_name("probe"));
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&path)?;
    let metadata = file.metadata();
    fs::remove_file(&path)?;
    metadata
}

/// Elsewhere the cache is below the user's profile, which others cannot write.
#[cfg(not(unix))]
fn check_owner(_file: &Metadata, _directory: &Metadata) -> io::Result<()> {
    Ok(())
}

/// Writes beside the name and renames, so that nobody reads half a file or sees one change.
fn write(path: &Path, mut code: Vec<u8>) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    make_directory(directory)?;
    let checksum = xxh3_128(&code).to_le_bytes();
    code.extend_from_slice(&checksum);
    let temporary = directory.join(temporary_name("cwasm"));
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let result = options
        .open(&temporary)
        .and_then(|mut file| file.write_all(&code))
        .and_then(|()| fs::rename(&temporary, path));
    if result.is_err() {
        // It may not exist; either way there is nothing more to do about it.
        let _ = fs::remove_file(&temporary);
    }
    result
}

fn make_directory(directory: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory)
}

fn temporary_name(purpose: &str) -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    let count = COUNTER.fetch_add(1, Ordering::Relaxed);
    format!(".{purpose}-{}-{count}.tmp", std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_back_and_damage_is_noticed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("cache").join("x.cwasm");
        assert_eq!(read(&path).unwrap_err().kind(), io::ErrorKind::NotFound);
        write(&path, vec![7; 1000]).unwrap();
        assert_eq!(read(&path).unwrap(), vec![7; 1000]);
        let mut bytes = fs::read(&path).unwrap();
        bytes[500] ^= 1;
        fs::write(&path, &bytes).unwrap();
        assert!(read(&path).is_err());
        fs::write(&path, b"short").unwrap();
        assert!(read(&path).is_err());
        write(&path, vec![8; 10]).unwrap();
        assert_eq!(read(&path).unwrap(), vec![8; 10]);
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_others_can_write_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.cwasm");
        write(&path, vec![7; 10]).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o620)).unwrap();
        assert!(read(&path).is_err());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(read(&path).is_ok());
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o777)).unwrap();
        assert!(read(&path).is_err());
    }
}
