//! The rules for names and paths, the same for every backend, so that an index can move between
//! them.
//!
//! A backend must call these before it touches anything: a component is untrusted, and they are
//! what keeps it inside its index.

use crate::error::{Error, Result};

/// Most bytes in a path.
pub const MAX_PATH_BYTES: usize = 1024;
/// Most bytes between two slashes, which is what common file systems take.
pub const MAX_NAME_BYTES: usize = 255;
/// Most bytes in the name of an index.
pub const MAX_INDEX_NAME_BYTES: usize = 128;
/// Most bytes in an object: 16 MiB.
pub const MAX_OBJECT_BYTES: usize = 16 << 20;

/// The name that the writer's lock has in a directory; not free for anything else.
pub(super) const LOCK_NAME: &str = "lock";

/// The directory of the pins of readers; not free for anything else.
pub(super) const READERS_NAME: &str = "readers";

/// What a name in the uppermost directory of an index is kept for, if it is.
fn reserved(name: &str) -> Option<&'static str> {
    match name {
        LOCK_NAME => Some("is the place of the writer's lock"),
        READERS_NAME => Some("is the place of the readers' pins"),
        _ => None,
    }
}

/// Checks a path below an index; see [`Storage`](super::Storage) for the rule.
pub fn check_path(path: &str) -> Result<()> {
    if path.len() > MAX_PATH_BYTES {
        return Err(refused(
            "path",
            path,
            &format!("is longer than {MAX_PATH_BYTES} bytes"),
        ));
    }
    for name in path.split('/') {
        check_component("path", path, name)?;
    }
    match path.split('/').next().and_then(reserved) {
        Some(problem) => Err(refused("path", path, problem)),
        None => Ok(()),
    }
}

/// Checks both ends of a move: a directory can't go below itself.
pub fn check_move(from: &str, to: &str) -> Result<()> {
    check_path(from)?;
    check_path(to)?;
    if to
        .strip_prefix(from)
        .is_some_and(|rest| rest.starts_with('/'))
    {
        return Err(refused(
            "path",
            to,
            &format!("is below {from}, which was to be moved there"),
        ));
    }
    Ok(())
}

/// Checks the name of an object: one component of a path.
pub fn check_object_name(name: &str) -> Result<()> {
    check_component("object name", name, name)?;
    match reserved(name) {
        Some(problem) => Err(refused("object name", name, problem)),
        None => Ok(()),
    }
}

/// Checks the beginning of an object's name, which may be empty.
pub fn check_object_prefix(prefix: &str) -> Result<()> {
    if prefix.len() > MAX_NAME_BYTES {
        return Err(refused(
            "prefix",
            prefix,
            &format!("is longer than {MAX_NAME_BYTES} bytes"),
        ));
    }
    check_characters("prefix", prefix)
}

/// Checks the size of an object.
pub fn check_object_size(name: &str, bytes: &[u8]) -> Result<()> {
    if bytes.len() > MAX_OBJECT_BYTES {
        let size = bytes.len();
        return Err(Error::invalid(format!(
            "object {name} has {size} bytes, the most is {MAX_OBJECT_BYTES}; use a file instead"
        )));
    }
    Ok(())
}

/// Checks the name of an index; see [`Store`](super::Store) for the rule.
pub fn check_index_name(name: &str) -> Result<()> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    let fits = (1..=MAX_INDEX_NAME_BYTES).contains(&name.len());
    if fits && !name.starts_with('.') && name.bytes().all(allowed) {
        return Ok(());
    }
    Err(refused(
        "index name",
        name,
        "is not allowed; use 1 to 128 characters of A-Z a-z 0-9 _ . - and no dot in front",
    ))
}

/// Checks the name of a place: that of an index, or of an index and, behind a slash, an incarnation of it.
pub fn check_place(name: &str) -> Result<()> {
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

/// Whether a name has the shape of an incarnation: 8 lower hex digits, a dash, and 32 more.
pub fn is_incarnation(name: &str) -> bool {
    let is_hex = |text: &str| {
        text.bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    name.split_once('-').is_some_and(|(number, nonce)| {
        number.len() == 8 && nonce.len() == 32 && is_hex(number) && is_hex(nonce)
    })
}

/// Whether a name found in a directory can be one of ours.
pub(super) fn is_component(name: &str) -> bool {
    check_component("name", name, name).is_ok()
}

fn check_component(what: &str, whole: &str, name: &str) -> Result<()> {
    match name {
        "" => return Err(refused(what, whole, "has an empty component")),
        "." | ".." => return Err(refused(what, whole, "has a component '.' or '..'")),
        _ if name.len() > MAX_NAME_BYTES => {
            let problem = format!("has a component of more than {MAX_NAME_BYTES} bytes");
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
    Err(refused(
        what,
        name,
        "has a character other than 0-9 a-z A-Z . _ % -",
    ))
}

/// Names what was refused; a long name is cut, an odd character made visible.
fn refused(what: &str, name: &str, problem: &str) -> Error {
    let shown: String = name.chars().take(80).collect();
    let dots = if shown.len() < name.len() { "..." } else { "" };
    Error::invalid(format!("{what} {shown:?}{dots} {problem}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn index_names() {
        for good in ["a", "delays-2013", "A_b.c", &"x".repeat(128)] {
            assert!(check_index_name(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            ".",
            "..",
            ".hidden",
            "a/b",
            "a b",
            "é",
            "a%20",
            &"x".repeat(129),
        ] {
            let error = check_index_name(bad).expect_err(bad);
            assert_eq!(error.kind(), ErrorKind::InvalidArgument);
            assert!(error.message().contains("A-Z a-z 0-9 _ . -"), "{error}");
        }
    }

    #[test]
    fn places_are_indexes_or_lie_right_below_one() {
        let incarnation = "00000001-0123456789abcdef0123456789abcdef";
        for good in [
            "a",
            &format!("a/{incarnation}"),
            &format!("A_b.c/{incarnation}"),
        ] {
            assert!(check_place(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "a/",
            "/a",
            "a/b",
            "a/lock",
            "a/..",
            &format!("a/b/{incarnation}"),
            &format!("a/{incarnation}/b"),
            &format!("a/{}", incarnation.to_uppercase()),
            &format!("a/{incarnation}0"),
        ] {
            let error = check_place(bad).expect_err(bad);
            assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{bad}: {error}");
        }
    }

    #[test]
    fn longest_paths() {
        let longest = "x".repeat(255);
        assert!(check_path(&longest).is_ok());
        assert!(check_path(&format!("{longest}y")).is_err());
        let deep = vec!["x".repeat(63); 16].join("/");
        assert_eq!(deep.len(), 1023);
        assert!(check_path(&format!("{deep}y")).is_ok());
        assert!(check_path(&format!("{deep}yz")).is_err());
    }

    #[test]
    fn a_message_shows_odd_characters_and_cuts_long_names() {
        let error = check_path("a\nb").expect_err("a newline is not allowed");
        assert!(error.message().contains(r#""a\nb""#), "{error}");
        let error = check_path(&"x".repeat(5000)).expect_err("too long");
        assert!(error.message().len() < 200, "{error}");
    }
}
