//! What a command writes to.

use std::io::Write;

/// The two output streams of the process, and whether people look at them.
pub(crate) struct Console<'a> {
    /// Standard output, buffered.
    pub(crate) out: &'a mut dyn Write,
    /// Standard error.
    pub(crate) err: &'a mut dyn Write,
    /// Whether people answer on standard input.
    pub(crate) in_is_terminal: bool,
    /// Whether standard output is a terminal.
    pub(crate) out_is_terminal: bool,
    /// Whether standard error is a terminal.
    pub(crate) err_is_terminal: bool,
}
