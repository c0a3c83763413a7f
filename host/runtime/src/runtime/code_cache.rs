//! Machine code of the component, kept between processes.
//!
//! Machine code is trusted like the program itself: whoever can write the file runs code as its reader.
//! So the folder and the file must belong to the current user and be closed to everyone else's writing,
//! and the bytes must match the checksum behind them. If anything is not as it should be the component is
//! compiled in memory instead; the cache never makes a call fail.
//!
//! Other versions leave files behind. Whoever adds one removes those that nobody used for a month, and all
//! but the last few.

use std::env;
use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::hash::Hash;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

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
/// What the names of machine code end in.
const EXTENSION: &str = ".cwasm";

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Machine code that nobody used for so long is removed; a use is noted once a day.
const UNUSED_DAYS: u32 = 30;
/// Most files of machine code that stay.
const KEPT_FILES: usize = 16;

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

/// Where the machine code of a component is kept for this engine, if it is there and can be read.
pub(super) fn kept(engine: &Engine, name: &str) -> Option<PathBuf> {
    path(engine, name).filter(|path| read(path).is_ok())
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
    match written {
        Ok(()) => sweep(&path, SystemTime::now()),
        Err(cause) => {
            tracing::warn!(path = %path.display(), %cause, "machine code is not cached");
        }
    }
}

/// The file for this component, engine and version; none without a folder that can be trusted.
fn path(engine: &Engine, name: &str) -> Option<PathBuf> {
    let mut hasher = Xxh3::new();
    hasher.update(env!("CARGO_PKG_VERSION").as_bytes());
    engine.precompile_compatibility_hash().hash(&mut hasher);
    let directory = match env::var_os(DIRECTORY_VARIABLE) {
        Some(directory) if directory.is_empty() => return None,
        Some(directory) => PathBuf::from(directory),
        None => BaseDirs::new()?.cache_dir().join("sidx"),
    };
    if let Err(cause) = check_directory(&directory) {
        // Told once by a process, which asks for every component that it runs.
        static TOLD: AtomicBool = AtomicBool::new(false);
        if !TOLD.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                folder = %directory.display(),
                %cause,
                "machine code is not kept between starts, each of which compiles for a second or two; \
                 take the folder in hand (chown, chmod go-w), or name another with SIDX_CACHE_DIR"
            );
        }
        return None;
    }
    Some(directory.join(format!("{name}-{:032x}{EXTENSION}", hasher.digest128())))
}

/// Refuses a folder that others could write to; one that is not there yet will be made.
fn check_directory(directory: &Path) -> io::Result<()> {
    match fs::metadata(directory) {
        Ok(metadata) => check_owner(&[&metadata]),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(cause) => Err(cause),
    }
}

/// Removes machine code of ours that was not used for long, and what processes that died left behind.
/// `fresh` stays. Removing what another process uses does no harm: it has read the file as a whole, and the
/// next one compiles again.
fn sweep(fresh: &Path, now: SystemTime) {
    let Some(directory) = fresh.parent() else {
        return;
    };
    // What cannot be looked at or removed is left to the next time.
    let Ok(entries) = fs::read_dir(directory) else {
        return;
    };
    let mut kept = Vec::new();
    for entry in entries.flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        let name = name.to_string_lossy();
        let used = entry.metadata().and_then(|metadata| metadata.modified());
        let Ok(used) = used else {
            continue;
        };
        let age = now.duration_since(used).unwrap_or_default();
        let is_old = |days: u32| age > DAY * days;
        if is_machine_code(&name) && path != fresh {
            match is_old(UNUSED_DAYS) {
                true => drop(fs::remove_file(&path)),
                false => kept.push((used, path)),
            }
        } else if is_temporary(&name) && is_old(1) {
            let _ = fs::remove_file(&path);
        }
    }
    kept.sort_unstable();
    let surplus = (kept.len() + 1).saturating_sub(KEPT_FILES);
    for (_, path) in kept.iter().take(surplus) {
        let _ = fs::remove_file(path);
    }
}

/// Whether a name is one that [`path`] gives: the digest of a component, which may have `sidx-` in front, and
/// that of an engine.
fn is_machine_code(name: &str) -> bool {
    let digests = name.strip_suffix(EXTENSION);
    let digests = digests.map(|name| name.strip_prefix("sidx-").unwrap_or(name));
    let Some((component, engine)) = digests.and_then(|name| name.split_once('-')) else {
        return false;
    };
    let is_hex = |text: &str| text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    matches!(component.len(), 32 | 64) && engine.len() == 32 && is_hex(component) && is_hex(engine)
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let metadata = file.metadata()?;
    let directory = path.parent().unwrap_or(Path::new("."));
    check_owner(&[&metadata, &fs::metadata(directory)?])?;
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
    note_use(&file, &metadata);
    Ok(bytes)
}

/// Notes that a file is in use, for [`sweep`]; where that is not allowed it may be compiled again some day.
fn note_use(file: &File, metadata: &Metadata) {
    let now = SystemTime::now();
    let noted = metadata.modified().ok();
    if noted.is_none_or(|noted| now.duration_since(noted).is_ok_and(|age| age > DAY)) {
        let _ = file.set_modified(now);
    }
}

/// Refuses files and folders that someone else could have written.
#[cfg(unix)]
fn check_owner(all: &[&Metadata]) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt;

    /// Write permission of group and others.
    const WRITABLE_BY_OTHERS: u32 = 0o022;
    // The owner of our own process entry, or of a file made now, is the current user.
    let user = match fs::metadata("/proc/self") {
        Ok(own) => own.uid(),
        Err(_) => probe()?.uid(),
    };
    for metadata in all {
        let what = if metadata.is_dir() { "folder" } else { "file" };
        if metadata.uid() != user {
            return Err(io::Error::other(format!("the {what} is another user's")));
        }
        if metadata.mode() & WRITABLE_BY_OTHERS != 0 {
            return Err(io::Error::other(format!("others can write to the {what}")));
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
fn check_owner(_all: &[&Metadata]) -> io::Result<()> {
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

/// Whether a name is one that [`temporary_name`] gives for a file of the cache.
fn is_temporary(name: &str) -> bool {
    let numbers = name
        .strip_prefix(".cwasm-")
        .and_then(|name| name.strip_suffix(".tmp"));
    numbers.is_some_and(|numbers| numbers.bytes().all(|b| b.is_ascii_digit() || b == b'-'))
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

    #[test]
    fn old_machine_code_goes_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let now = SystemTime::now();
        let (engine, other) = ("e".repeat(32), "0".repeat(32));
        let make = |name: &str, days: u32| {
            let path = directory.path().join(name);
            fs::write(&path, b"x").unwrap();
            let file = OpenOptions::new().write(true).open(&path).unwrap();
            file.set_modified(now - DAY * days).unwrap();
            path
        };
        let code = |n: usize| format!("sidx-{n:032x}-{engine}.cwasm");
        let fresh = make(&code(0), 400);
        let stays = [
            make("notes.cwasm", 400),
            make("sidx-0-0.cwasm", 400),
            make(&format!("sidx-{}-{other}.wasm", "A".repeat(32)), 400),
            make(".cwasm-77-1.tmp", 0),
            make("important.tmp", 400),
            make(&format!("{}-{other}.cwasm", "a".repeat(64)), 29),
        ];
        let goes = [
            make(&code(1), 31),
            make(&format!("{}-{other}.cwasm", "b".repeat(64)), 31),
            make(".cwasm-77-0.tmp", 2),
        ];
        let recent: Vec<PathBuf> = (2..30).map(|n| make(&code(n), 28 - n as u32 / 2)).collect();
        sweep(&fresh, now);
        assert!(fresh.exists());
        assert!(stays.iter().take(5).all(|path| path.exists()));
        assert!(!goes.iter().any(|path| path.exists()));
        // The last used ones, and the fresh one, make up what is kept.
        let kept: Vec<&PathBuf> = recent.iter().filter(|path| path.exists()).collect();
        assert_eq!(kept.len() + 1, KEPT_FILES);
        assert!(recent.iter().rev().take(10).all(|path| path.exists()));
        assert!(!stays[5].exists());
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_that_others_can_write_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let cache = directory.path().join("cache");
        assert!(check_directory(&cache).is_ok());
        fs::create_dir(&cache).unwrap();
        for (mode, is_fine) in [(0o700, true), (0o755, true), (0o775, false), (0o702, false)] {
            fs::set_permissions(&cache, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(check_directory(&cache).is_ok(), is_fine, "{mode:o}");
        }
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
