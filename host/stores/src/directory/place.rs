//! What stands where an index is looked for or is to be made: stores, indexes and other things are easily
//! taken for each other, as all of them are folders.

use std::path::Path;

use super::file_system::{FileKind, FileSystem};
use super::{disk, is_directory};
use crate::error::{Error, Result};
use crate::paths::{LOCK_NAME, READERS_NAME, is_incarnation};

/// The object that every index has, in the place of its incarnation.
pub(super) const INDEX_OBJECT: &str = "index.json";
/// What the objects end in that say which incarnation of an index is there.
const INCARNATION: &str = ".incarnation";
/// What the snapshots of an index end in.
const SNAPSHOT: &str = ".snapshot";
/// Directories of an index that have rows.
const ROWS: [&str; 2] = ["parts", "log"];
/// Directories of an index that may be there before it is.
const OTHERS: [&str; 2] = [READERS_NAME, "quarantine"];

/// What has a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Nothing,
    Directory,
    File,
    /// A link to what does not exist.
    DanglingLink,
}

/// Looks at what a path leads to; through a file nothing is reached.
pub(super) fn look(fs: &dyn FileSystem, path: &Path) -> Result<Found> {
    match fs.metadata(path) {
        Ok(metadata) if metadata.kind == FileKind::Directory => Ok(Found::Directory),
        Ok(_) => Ok(Found::File),
        Err(cause) if super::is_absent(&cause) => match fs.link_metadata(path) {
            Ok(_) => Ok(Found::DanglingLink),
            Err(cause) if super::is_absent(&cause) => Ok(Found::Nothing),
            Err(cause) => Err(Error::io("look at", path, cause)),
        },
        Err(cause) => Err(Error::io("look at", path, cause)),
    }
}

/// Refuses a store that cannot be one: a file, or a link to nothing. One that is not there yet is fine.
pub(super) fn check_root(fs: &dyn FileSystem, root: &Path) -> Result<()> {
    let what = match look(fs, root)? {
        Found::Nothing | Found::Directory => return Ok(()),
        Found::File => "is a file, not the folder of a store",
        Found::DanglingLink => "is a link to something that does not exist",
    };
    Err(in_the_way(root, what, "name another store"))
}

/// Refuses to make an index in a folder that is an index, where the next one to look would not find it.
pub(super) fn check_parent(fs: &dyn FileSystem, root: &Path) -> Result<()> {
    if !is_index(fs, root)? {
        return Ok(());
    }
    let mut text = format!("{} is itself an index, not a store", root.display());
    if let (Some(store), Some(name)) = (root.parent(), root.file_name()) {
        let store = match store.as_os_str().is_empty() {
            true => Path::new("."),
            false => store,
        };
        let (store, name) = (store.display(), name.to_string_lossy());
        text.push_str(&format!(
            "; to write to it open index {name} of store {store}"
        ));
    } else {
        text.push_str("; name the folder above it as the store");
    }
    Err(Error::invalid(text))
}

/// Whether a folder is an index, or what is left of one.
fn is_index(fs: &dyn FileSystem, path: &Path) -> Result<bool> {
    let (mut has_object, mut has_rows) = (false, false);
    for entry in disk::entries(fs, path)? {
        let is_object = [SNAPSHOT, INCARNATION]
            .iter()
            .any(|end| entry.name.ends_with(end));
        if is_object && !entry.is_directory {
            return Ok(true);
        }
        has_object |= entry.name == INDEX_OBJECT;
        has_rows |= ROWS.contains(&entry.name.as_str());
    }
    Ok(has_object && has_rows)
}

/// Refuses to make an index of a folder that is something else. What a creation that was interrupted
/// leaves, and a copy that was, are fine.
pub(super) fn check_free(fs: &dyn FileSystem, path: &Path) -> Result<()> {
    match hindrance(fs, path)? {
        // Asked for again: another creator may have come to its end while the folder was read.
        Some(error) if !has_index(fs, path)? => Err(error),
        _ => Ok(()),
    }
}

/// Whether an entry shows that the folder is that of an index, or was.
fn is_mark(entry: &disk::Entry) -> bool {
    !entry.is_directory && (entry.name == INDEX_OBJECT || entry.name.ends_with(INCARNATION))
}

/// What of a folder keeps an index from being made of it.
fn hindrance(fs: &dyn FileSystem, path: &Path) -> Result<Option<Error>> {
    let entries = disk::entries(fs, path)?;
    let has = |name: &str| entries.iter().any(|entry| entry.name == name);
    if entries.iter().any(is_mark) {
        return Ok(None);
    }
    for name in ROWS {
        if has(name) && !disk::entries(fs, &path.join(name))?.is_empty() {
            let what = format!("has {name}/ of an index, but no {INDEX_OBJECT}");
            let next = "a repair of the index brings that back; or choose another name";
            return Ok(Some(in_the_way(path, &what, next)));
        }
    }
    let is_ours = |entry: &disk::Entry| {
        let name = entry.name.as_str();
        name == LOCK_NAME
            || ROWS.contains(&name)
            || OTHERS.contains(&name)
            || name.starts_with('~')
            || (entry.is_directory && is_incarnation(name))
            || (name.ends_with(SNAPSHOT) && !entry.is_directory)
    };
    let others = entries.iter().filter(|entry| !is_ours(entry));
    let mut others: Vec<&str> = others.map(|entry| entry.name.as_str()).collect();
    others.sort_unstable();
    let is_store = |name: &&&str| has_index(fs, &path.join(name)).unwrap_or(false);
    let what = match (others.iter().find(is_store), others.first()) {
        (Some(name), _) => format!("is itself a store: it has index {name:?}"),
        (None, Some(name)) => format!("is no index: it has {name:?}, but no {INDEX_OBJECT}"),
        (None, None) => return Ok(None),
    };
    Ok(Some(in_the_way(
        path,
        &what,
        "choose another name or store",
    )))
}

/// Whether a folder below a store is that of an index, or was. One that may not be entered counts as one.
pub(super) fn has_index(fs: &dyn FileSystem, path: &Path) -> Result<bool> {
    if !is_directory(fs, path)? {
        return Ok(false);
    }
    match fs.metadata(&path.join(INDEX_OBJECT)) {
        Ok(metadata) => Ok(metadata.kind == FileKind::File),
        Err(cause) if super::is_absent(&cause) => match disk::entries(fs, path) {
            Ok(entries) => Ok(entries.iter().any(is_mark)),
            Err(_) => Ok(true),
        },
        // Who opens it is told why it cannot be looked into; left out it would pass for nothing.
        Err(_) => Ok(true),
    }
}

/// The error that something else stands where an index is wanted.
pub(super) fn in_the_way(path: &Path, what: &str, next: &str) -> Error {
    Error::conflict(format!("{} {what}; {next}", path.display()))
}
