//! Lines of standard output.

use crate::bindings::sidx::storage::types::Error;

/// Most bytes that a stream takes at once.
const STREAM_BYTES_MAX: usize = 4096;

/// What was printed tells what failed.
pub(crate) struct Failed;

/// Prints a line; for callers that fail with it.
pub(crate) fn line(text: &str) -> Failed {
    let stdout = wasip2::cli::stdout::get_stdout();
    let text = format!("{text}\n");
    for piece in text.as_bytes().chunks(STREAM_BYTES_MAX) {
        // There is nobody to tell when nobody reads.
        let _ = stdout.blocking_write_and_flush(piece);
    }
    Failed
}

/// An error as `case: text`.
pub(crate) fn shown(error: &Error) -> String {
    let (case, text) = match error {
        Error::InvalidArgument(text) => ("invalid-argument", text),
        Error::NotFound(text) => ("not-found", text),
        Error::Conflict(text) => ("conflict", text),
        Error::Corrupt(text) => ("corrupt", text),
        Error::ResourceExhausted(text) => ("resource-exhausted", text),
        Error::Cancelled(text) => ("cancelled", text),
        Error::Io(text) => ("io", text),
    };
    format!("{case}: {text}")
}
