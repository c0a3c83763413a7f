//! STORE as it is written on the command line: a path below a mapped directory.

use sidx_command::database::{Error, Result};

use crate::error::invalid;

/// The path that a location names.
///
/// # Errors
/// `invalid-argument` for a bucket, and for what is no location.
pub(crate) fn path(location: &str) -> Result<String> {
    if let Some(address) = location.strip_prefix("file:") {
        return file_path(location, address);
    }
    if let Some((scheme, _)) = location.split_once("://") {
        return Err(unreachable_store(location, scheme));
    }
    if location.is_empty() {
        return Err(invalid(
            "the location of the store is empty; `.` is this directory",
        ));
    }
    Ok(location.to_owned())
}

fn unreachable_store(location: &str, scheme: &str) -> Error {
    let text = match scheme {
        "s3" | "gs" | "az" => format!(
            "`{location}`: this build of sidx reaches directories and no buckets; the native command `sidx` does"
        ),
        _ => format!(
            "`{location}`: `{scheme}://` stores are not supported; give a path or `file:///path`"
        ),
    };
    invalid(text)
}

/// The path that a `file:` address names.
fn file_path(location: &str, address: &str) -> Result<String> {
    // With two slashes the name of a machine follows, which is empty for this one.
    let escaped = match address.strip_prefix("//") {
        Some(path) if path.starts_with('/') => path,
        None if address.starts_with('/') => address,
        _ => {
            return Err(invalid(format!(
                "`{location}`: a file address has an absolute path and no machine; write \
                 `file:///path`, or `./{location}` for a folder of that name"
            )));
        }
    };
    let mut bytes = Vec::with_capacity(escaped.len());
    let mut rest = escaped.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|byte| char::from(byte).to_digit(16));
        let (Some(high), Some(low)) = (digit(), digit()) else {
            let text = format!("`{location}`: `%` is not followed by two hex digits");
            return Err(invalid(text));
        };
        // Two hex digits make at most 255.
        bytes.push((high * 16 + low) as u8);
    }
    String::from_utf8(bytes)
        .map_err(|_| invalid(format!("`{location}` is not UTF-8; give the plain path")))
}
