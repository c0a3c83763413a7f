//! From an error to an exit code and one line on stderr that says what to do next.

use std::fmt::Display;
use std::io::{self, ErrorKind as IoKind, Write};
use std::process::ExitCode;

use sidx_engine::ErrorKind;

use crate::database;

/// The documented exit codes other than 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// Anything without a code of its own.
    Other = 1,
    /// Wrong usage or bad input.
    Usage = 2,
    /// The store, index or input file does not exist.
    NotFound = 3,
    /// Someone else holds the lock, or won a race.
    Conflict = 4,
    /// Stored bytes failed a check.
    Corrupt = 5,
    /// A budget or a limit was reached.
    Resource = 6,
    /// The deadline passed, or the call was cancelled.
    Stopped = 7,
    /// SIGINT ended a load, which wrote what it had read.
    Interrupted = 130,
    /// SIGTERM ended a load, which wrote what it had read.
    Terminated = 143,
}

impl Code {
    /// The exit code of a kind of error.
    pub fn of(kind: ErrorKind) -> Code {
        advice(kind).0
    }
}

/// How a program ends: with success, or with a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ending(Option<Code>);

impl Ending {
    /// Everything was done.
    pub const SUCCESS: Ending = Ending(None);

    /// The exit code, 0 for success.
    #[must_use]
    pub fn number(self) -> u8 {
        self.0.map_or(0, |code| code as u8)
    }
}

impl From<Code> for Ending {
    fn from(code: Code) -> Ending {
        Ending(Some(code))
    }
}

impl From<Ending> for ExitCode {
    fn from(ending: Ending) -> ExitCode {
        ExitCode::from(ending.number())
    }
}

/// Why a command ends early.
#[derive(Debug, PartialEq, Eq)]
pub enum Failure {
    /// Whoever read our output has enough of it, as `head` does: no error.
    ReaderGone,
    /// The output is complete and tells of damage: only the exit code is left to give.
    Reported(Code),
    /// An error to be told.
    Told {
        /// The exit code.
        code: Code,
        /// What happened.
        message: String,
        /// What the user can do.
        next: String,
    },
}

impl Failure {
    /// An error with its next step.
    pub fn new(code: Code, message: impl Into<String>, next: impl Into<String>) -> Self {
        Failure::Told {
            code,
            message: message.into(),
            next: next.into(),
        }
    }

    /// Wrong usage, with its next step.
    pub fn usage(message: impl Into<String>, next: impl Into<String>) -> Self {
        Failure::new(Code::Usage, message, next)
    }

    /// A failed write to stdout.
    pub fn output(error: io::Error) -> Self {
        if error.kind() == IoKind::BrokenPipe {
            return Failure::ReaderGone;
        }
        let message = format!("writing the output failed: {error}");
        Failure::new(
            Code::Other,
            message,
            "check where stdout goes and run the command again",
        )
    }

    /// The exit code, where it is not that of success.
    pub fn code(&self) -> Option<Code> {
        match self {
            Failure::ReaderGone => None,
            Failure::Reported(code) | Failure::Told { code, .. } => Some(*code),
        }
    }

    /// The same failure with the place where it happened in front.
    #[must_use]
    pub fn at(self, place: impl Display) -> Self {
        match self {
            Failure::Told {
                code,
                message,
                next,
            } => Failure::Told {
                code,
                message: format!("{place}: {message}"),
                next,
            },
            other => other,
        }
    }

    /// The same failure with another next step.
    #[must_use]
    pub fn with_next(self, next: impl Into<String>) -> Self {
        match self {
            Failure::Told { code, message, .. } => Failure::new(code, message, next),
            other => other,
        }
    }

    /// The same failure with one more thing to know after its next step.
    #[must_use]
    pub fn and(self, more: impl Display) -> Self {
        match self {
            Failure::Told {
                code,
                message,
                next,
            } if next.is_empty() => Failure::new(code, message, more.to_string()),
            Failure::Told {
                code,
                message,
                next,
            } => Failure::new(code, message, format!("{next}; {more}")),
            other => other,
        }
    }

    /// Writes the line, if there is one, and gives the exit code.
    pub fn report(&self, err: &mut dyn Write) -> Ending {
        match self {
            Failure::ReaderGone => Ending::SUCCESS,
            Failure::Reported(code) => (*code).into(),
            Failure::Told {
                code,
                message,
                next,
            } => {
                let separator = if next.is_empty() { "" } else { "; " };
                let line = one_line(&format!("sidx: {message}{separator}{next}"));
                // Without a stderr there is nobody to tell; the exit code remains.
                let _ = writeln!(err, "{line}");
                (*code).into()
            }
        }
    }
}

/// Messages may quote file content or regex diagnostics that span lines.
pub fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for part in text
        .split(['\n', '\r'])
        .map(str::trim)
        .filter(|part| !part.is_empty())
    {
        if !line.is_empty() {
            line.push(' ');
        }
        line.extend(part.chars().map(|c| if c.is_control() { ' ' } else { c }));
    }
    line
}

impl From<database::Error> for Failure {
    fn from(error: database::Error) -> Failure {
        let (code, next) = advice(error.kind());
        // Many messages end in the next step already, behind a semicolon.
        let next = if error.message().contains("; ") {
            ""
        } else {
            next
        };
        Failure::new(code, error.message(), next)
    }
}

/// Exit code and next step of each kind of error.
fn advice(kind: ErrorKind) -> (Code, &'static str) {
    match kind {
        ErrorKind::InvalidArgument => (Code::Usage, "correct it and run the command again"),
        ErrorKind::NotFound => (Code::NotFound, "check STORE and --index"),
        ErrorKind::Conflict => (
            Code::Conflict,
            "see to what is in the way, then run the command again",
        ),
        ErrorKind::Corrupt => (
            Code::Corrupt,
            "`sidx verify` tells the extent of the damage, `sidx repair` saves what can be saved",
        ),
        ErrorKind::ResourceExhausted => (
            Code::Resource,
            "free memory or space on the disk, then run the command again",
        ),
        ErrorKind::LimitExceeded => (Code::Resource, "narrow the request or give a --limit"),
        ErrorKind::DeadlineExceeded => (
            Code::Stopped,
            "what was printed is not whole: narrow the query or raise --timeout",
        ),
        ErrorKind::Cancelled => (Code::Stopped, "what was printed is not whole: run it again"),
        ErrorKind::Io => (
            Code::Other,
            "check the disk and its permissions, then run it again",
        ),
        ErrorKind::Unknown => (
            Code::Conflict,
            "look whether it was done, then run what is left of it",
        ),
        ErrorKind::UnsupportedVersion => (Code::Other, "use the version of sidx that wrote it"),
        _ => (
            Code::Other,
            "run it again; if it stays, report it with this line",
        ),
    }
}

/// Turns what the argument parser has to say into output and an exit code: help goes to stdout,
/// errors become one line. `command` is the first argument, whose help is to be named, if it names a command.
pub fn report_arguments(
    error: &clap::Error,
    command: Option<&str>,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Ending {
    use clap::error::ErrorKind as Kind;
    let text = error.render();
    match error.kind() {
        Kind::DisplayHelp | Kind::DisplayVersion => {
            // A reader that leaves early has seen what it wanted.
            let _ = write!(out, "{text}").and_then(|()| out.flush());
            Ending::SUCCESS
        }
        Kind::DisplayHelpOnMissingArgumentOrSubcommand | Kind::MissingSubcommand => {
            let _ = write!(err, "{text}");
            Code::Usage.into()
        }
        _ => arguments_failure(&text.to_string(), command).report(err),
    }
}

/// The first paragraphs of the parser's text, without the usage lines.
fn arguments_failure(text: &str, command: Option<&str>) -> Failure {
    let told = text
        .lines()
        .map(str::trim)
        .take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more"));
    let mut message = String::new();
    for line in told.filter(|line| !line.is_empty()) {
        let (separator, line) = match line.strip_prefix("tip: ") {
            Some(tip) => ("; ", tip),
            None if message.is_empty() => ("", line),
            None => (" ", line),
        };
        message.push_str(separator);
        message.push_str(line);
    }
    let message = message.strip_prefix("error: ").unwrap_or(&message);
    let command = text
        .lines()
        .find_map(|line| line.trim().strip_prefix("Usage: sidx "))
        .and_then(|usage| usage.split_whitespace().next())
        .or(command)
        .filter(|word| word.bytes().all(|byte| byte.is_ascii_lowercase()))
        .map_or(String::from("sidx --help"), |word| {
            format!("sidx {word} --help")
        });
    Failure::usage(message, format!("see `{command}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(failure: &Failure) -> String {
        let mut text = Vec::new();
        let _ = failure.report(&mut text);
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn a_failure_is_one_line_with_its_next_step() {
        let failure = Failure::usage("a\nb\r\n\n  c\u{1b}[1m", "do this").at("line 7");
        assert_eq!(line(&failure), "sidx: line 7: a b c [1m; do this\n");
        assert_eq!(line(&failure.with_next("")), "sidx: line 7: a b c [1m\n");
    }

    #[test]
    fn a_reader_that_left_is_told_nothing() {
        let gone = Failure::output(io::Error::from(IoKind::BrokenPipe));
        assert_eq!(gone, Failure::ReaderGone);
        assert_eq!(line(&gone), "");
        assert_eq!(line(&Failure::Reported(Code::Corrupt)), "");
    }

    #[test]
    fn parser_errors_become_one_line() {
        let text = "error: invalid value 'x' for '--limit <N>': invalid digit\n\n  tip: try 1\n\n\
                    Usage: sidx query [OPTIONS] <STORE>\n\nFor more information, try '--help'.\n";
        let expected = "sidx: invalid value 'x' for '--limit <N>': invalid digit; try 1; \
                        see `sidx query --help`\n";
        assert_eq!(line(&arguments_failure(text, None)), expected);
    }
}
