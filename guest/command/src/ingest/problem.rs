//! What is wrong with one line of input.

use crate::exit::{Code, Failure};

/// A value that can't be taken, and what to do about it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Problem {
    line: Option<u64>,
    field: Option<String>,
    what: String,
    remedy: &'static str,
    of_batch: bool,
}

/// What reading one value yields.
pub(super) type Result<T> = std::result::Result<T, Problem>;

impl Problem {
    /// Something wrong with the line as a whole, or with a field to be named later.
    pub(super) fn new(what: impl Into<String>, remedy: &'static str) -> Problem {
        Problem {
            line: None,
            field: None,
            what: what.into(),
            remedy,
            of_batch: false,
        }
    }

    /// Something that is only wrong together with the rows before it in the batch.
    pub(super) fn of_batch(what: impl Into<String>, remedy: &'static str) -> Problem {
        Problem {
            of_batch: true,
            ..Problem::new(what, remedy)
        }
    }

    /// A read of the input that failed.
    pub(super) fn unreadable(error: &std::io::Error) -> Problem {
        Problem::new(format!("reading failed: {error}"), "check the input")
    }

    /// The same with the line where it is, where that is not the one that is being read.
    #[must_use]
    pub(super) fn in_line(mut self, line: u64) -> Problem {
        self.line.get_or_insert(line);
        self
    }

    /// Whether the row may be good in a batch of its own.
    pub(super) fn is_of_batch(&self) -> bool {
        self.of_batch
    }

    /// The same with the field where it is, unless a more precise one is known already.
    #[must_use]
    pub(super) fn in_field(mut self, field: &str) -> Problem {
        self.field.get_or_insert_with(|| excerpt(field));
        self
    }

    /// The failure of the load: `line N: field "x": ...`.
    pub(super) fn at_line(self, line: u64) -> Failure {
        let field = self
            .field
            .map(|field| format!("field \"{field}\": "))
            .unwrap_or_default();
        let line = self.line.unwrap_or(line);
        Failure::new(
            Code::Usage,
            format!("line {line}: {field}{}", self.what),
            self.remedy,
        )
    }
}

/// Input quoted in a message: the start of it, so that a message stays readable.
pub(super) fn excerpt(text: &str) -> String {
    const CHARACTERS_MAX: usize = 60;
    let mut characters = text.chars();
    let mut quoted: String = characters
        .by_ref()
        .take(CHARACTERS_MAX)
        .flat_map(char::escape_debug)
        .collect();
    if characters.next().is_some() {
        quoted.push_str("...");
    }
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_field_is_named() {
        let problem = Problem::new("not an int", "fix it")
            .in_field("a\n")
            .in_field("tags");
        let expected = Failure::new(Code::Usage, "line 3: field \"a\\n\": not an int", "fix it");
        assert_eq!(problem.at_line(3), expected);
    }

    #[test]
    fn long_input_is_cut() {
        assert_eq!(excerpt(&"x".repeat(61)), format!("{}...", "x".repeat(60)));
        assert_eq!(excerpt("short"), "short");
    }
}
