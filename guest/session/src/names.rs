//! What the engine may name: paths of files, and objects, that are its own.

use sidx_engine::{BranchPin, Error, Result};

use crate::segments::DIRECTORY as LOG_DIRECTORY;

/// Most bytes in a path.
const PATH_BYTES_MAX: usize = 1024;
/// Most bytes between two slashes.
const NAME_BYTES_MAX: usize = 255;
/// Most bytes in the name of an index.
const INDEX_NAME_BYTES_MAX: usize = 128;
/// Most bytes in an object: 16 MiB.
const OBJECT_BYTES_MAX: usize = 16 << 20;
/// Where files of medium `memory` lie, and no others: a file in memory must not stand in for one in the
/// store.
pub(crate) const MEMORY_DIRECTORY: &str = "memory";

/// What a name right below a place is kept for, if it is.
fn reserved(name: &str) -> Option<&'static str> {
    match name {
        "lock" => Some("is the place of the writer's lock"),
        "readers" => Some("is the place of the readers' pins"),
        _ => None,
    }
}

fn check_path(path: &str) -> Result<()> {
    if path.len() > PATH_BYTES_MAX {
        let problem = format!("is longer than {PATH_BYTES_MAX} bytes");
        return Err(refused("path", path, &problem));
    }
    for name in path.split('/') {
        check_component("path", path, name)?;
    }
    match path.split('/').next().and_then(reserved) {
        Some(problem) => Err(refused("path", path, problem)),
        None => Ok(()),
    }
}

/// Checks a path that the engine names: a valid path that is not in the log, which has imports of its own.
pub(crate) fn check_engine_path(path: &str) -> Result<()> {
    check_path(path)?;
    if path.split('/').next() == Some(LOG_DIRECTORY) {
        return Err(Error::invalid(format!(
            "path `{path}`: the log is reached by its own imports"
        )));
    }
    Ok(())
}

/// As [`check_engine_path`], for what is made, moved or removed: it lies in a directory, because the
/// names beside the directories are those of objects.
pub(crate) fn check_file_path(path: &str) -> Result<()> {
    check_engine_path(path)?;
    if !path.contains('/') {
        return Err(Error::invalid(format!(
            "path `{path}`: files lie in directories; the names above them belong to objects"
        )));
    }
    Ok(())
}

/// Checks the name of a place: that of an index, or of an index and, behind a slash, an incarnation of it.
pub(crate) fn check_place(name: &str) -> Result<()> {
    let Some((index, below)) = name.split_once('/') else {
        return check_index_name(name);
    };
    check_index_name(index)?;
    match is_incarnation(below) {
        true => Ok(()),
        false => {
            let problem = "is not allowed; below an index only its incarnations are places";
            Err(refused("place", name, problem))
        }
    }
}

fn check_index_name(name: &str) -> Result<()> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    let fits = (1..=INDEX_NAME_BYTES_MAX).contains(&name.len());
    if fits && !name.starts_with('.') && name.bytes().all(allowed) {
        return Ok(());
    }
    let problem =
        "is not allowed; use 1 to 128 characters of A-Z a-z 0-9 _ . - and no dot in front";
    Err(refused("index name", name, problem))
}

fn is_incarnation(name: &str) -> bool {
    let is_hex = |text: &str| {
        text.bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    name.split_once('-').is_some_and(|(number, nonce)| {
        number.len() == 8 && nonce.len() == 32 && is_hex(number) && is_hex(nonce)
    })
}

/// Checks both ends of a move: a directory can't go below itself.
pub(crate) fn check_move(from: &str, to: &str) -> Result<()> {
    check_file_path(from)?;
    check_file_path(to)?;
    let below = to.strip_prefix(from);
    if below.is_some_and(|rest| rest.starts_with('/')) {
        let problem = format!("is below {from}, which was to be moved there");
        return Err(refused("path", to, &problem));
    }
    Ok(())
}

/// Checks the name of an object: one component of a path.
pub(crate) fn check_object_name(name: &str) -> Result<()> {
    check_component("object name", name, name)?;
    match reserved(name) {
        Some(problem) => Err(refused("object name", name, problem)),
        None => Ok(()),
    }
}

/// Checks the name of an object that is changed: not that of the log's directory, nor of one that keeps a
/// branch and its lenders together.
pub(crate) fn check_engine_object(name: &str) -> Result<()> {
    check_object_name(name)?;
    if BranchPin::is_of_branches(name) {
        let text = format!("object name `{name}`: what branches share is noted by the host");
        return Err(Error::invalid(text));
    }
    if name == LOG_DIRECTORY {
        let text = format!("object name `{name}` is that of the log");
        return Err(Error::invalid(text));
    }
    Ok(())
}

/// Checks the beginning of an object's name, which may be empty.
pub(crate) fn check_object_prefix(prefix: &str) -> Result<()> {
    if prefix.len() > NAME_BYTES_MAX {
        let problem = format!("is longer than {NAME_BYTES_MAX} bytes");
        return Err(refused("prefix", prefix, &problem));
    }
    check_characters("prefix", prefix)
}

/// Checks the size of an object.
pub(crate) fn check_object_size(name: &str, bytes: &[u8]) -> Result<()> {
    if bytes.len() > OBJECT_BYTES_MAX {
        let size = bytes.len();
        return Err(Error::invalid(format!(
            "object {name} has {size} bytes, the most is {OBJECT_BYTES_MAX}; use a file instead"
        )));
    }
    Ok(())
}

fn check_component(what: &str, whole: &str, name: &str) -> Result<()> {
    match name {
        "" => return Err(refused(what, whole, "has an empty component")),
        "." | ".." => return Err(refused(what, whole, "has a component '.' or '..'")),
        _ if name.len() > NAME_BYTES_MAX => {
            let problem = format!("has a component of more than {NAME_BYTES_MAX} bytes");
            return Err(refused(what, whole, &problem));
        }
        _ => {}
    }
    check_characters(what, name)
}

fn check_characters(what: &str, name: &str) -> Result<()> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._%-".contains(&byte);
    if name.bytes().all(allowed) {
        return Ok(());
    }
    let problem = "has a character other than 0-9 a-z A-Z . _ % -";
    Err(refused(what, name, problem))
}

/// Names what was refused; a long name is cut, an odd character made visible.
fn refused(what: &str, name: &str, problem: &str) -> Error {
    let shown: String = name.chars().take(80).collect();
    let dots = if shown.len() < name.len() { "..." } else { "" };
    Error::invalid(format!("{what} {shown:?}{dots} {problem}"))
}
