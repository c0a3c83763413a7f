//! Warnings, as lines on stderr in the words of the native command: once each, as a command does one thing
//! and ends.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt::{Display, Write as _};
use std::io::{self, Write as _};

use sidx_command::one_line;

thread_local! {
    static TOLD: RefCell<BTreeSet<String>> = const { RefCell::new(BTreeSet::new()) };
}

/// Tells a warning, with what belongs to it.
pub(crate) fn tell(message: &str, fields: &[(&str, &dyn Display)]) {
    let mut line = format!("sidx: warning: {message}");
    for (at, (name, value)) in fields.iter().enumerate() {
        let separator = if at == 0 { " (" } else { ", " };
        // Writing to a string cannot fail.
        let _ = write!(line, "{separator}{name}: {value}");
    }
    if !fields.is_empty() {
        line.push(')');
    }
    let line = one_line(&line);
    if TOLD.with_borrow_mut(|told| told.insert(line.clone())) {
        // Without a stderr there is nobody to warn.
        let _ = writeln!(io::stderr(), "{line}");
    }
}

/// A name in quotes.
pub(crate) fn quoted(name: &str) -> String {
    format!("{name:?}")
}
