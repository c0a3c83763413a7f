//! The error codes of `wasi:filesystem` as errors of the standard library, which the directory backend tells
//! apart by kind.

use std::io::{self, ErrorKind};

use wasip2::filesystem::types::ErrorCode;

/// The error of a code, with a text as the operating system has it.
pub(crate) fn error(code: ErrorCode) -> io::Error {
    let (kind, text) = kind_and_text(code);
    io::Error::new(kind, text)
}

fn kind_and_text(code: ErrorCode) -> (ErrorKind, &'static str) {
    use ErrorCode as Code;
    match code {
        Code::Access => (ErrorKind::PermissionDenied, "permission denied"),
        Code::NotPermitted => (
            ErrorKind::PermissionDenied,
            "not permitted, maybe because the runtime maps the directory for reading only, or a link leads \
             out of it",
        ),
        Code::ReadOnly => (ErrorKind::ReadOnlyFilesystem, "read-only file system"),
        Code::Exist => (ErrorKind::AlreadyExists, "file exists"),
        Code::NoEntry => (ErrorKind::NotFound, "no such file or directory"),
        Code::NotDirectory => (ErrorKind::NotADirectory, "not a directory"),
        Code::IsDirectory => (ErrorKind::IsADirectory, "is a directory"),
        Code::NotEmpty => (ErrorKind::DirectoryNotEmpty, "directory not empty"),
        Code::InsufficientSpace => (ErrorKind::StorageFull, "no space left on device"),
        Code::Quota => (ErrorKind::QuotaExceeded, "disk quota exceeded"),
        Code::FileTooLarge => (ErrorKind::FileTooLarge, "file too large"),
        Code::InsufficientMemory => (ErrorKind::OutOfMemory, "cannot allocate memory"),
        Code::NameTooLong => (ErrorKind::InvalidFilename, "file name too long"),
        Code::IllegalByteSequence => (ErrorKind::InvalidFilename, "illegal byte sequence"),
        Code::TooManyLinks => (ErrorKind::TooManyLinks, "too many links"),
        Code::CrossDevice => (ErrorKind::CrossesDevices, "invalid cross-device link"),
        Code::Unsupported => (ErrorKind::Unsupported, "not supported"),
        Code::Interrupted => (ErrorKind::Interrupted, "interrupted"),
        Code::WouldBlock => (
            ErrorKind::WouldBlock,
            "resource unavailable, or it would block",
        ),
        Code::Busy | Code::TextFileBusy => (ErrorKind::ResourceBusy, "file or directory is in use"),
        Code::Invalid => (ErrorKind::InvalidInput, "invalid argument"),
        Code::Overflow => (ErrorKind::InvalidInput, "value too large"),
        Code::Io => (ErrorKind::Other, "input/output error"),
        Code::Loop => (ErrorKind::Other, "too many levels of symbolic links"),
        _ => (ErrorKind::Other, code.name()),
    }
}
