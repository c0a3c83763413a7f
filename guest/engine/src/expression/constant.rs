//! The constants that are written as text of another notation: timestamps and bytes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Literal;
use super::lexer::one_line;
use crate::timestamp::{TimestampError, parse_timestamp};

/// The constants written as `word("text")`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Constant {
    /// `timestamp("RFC 3339")`
    Timestamp,
    /// `bytes("base64")`
    Bytes,
}

impl Constant {
    /// The one that a word, in any case, begins.
    pub(super) fn of_word(word: &str) -> Option<Self> {
        let is = |constant: &Self| constant.word().eq_ignore_ascii_case(word);
        [Self::Timestamp, Self::Bytes].into_iter().find(is)
    }

    /// The word in front of the parentheses.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Timestamp => "timestamp",
            Self::Bytes => "bytes",
        }
    }

    /// What the string holds, for messages.
    pub(super) fn content(self) -> &'static str {
        match self {
            Self::Timestamp => "a string such as \"2013-01-01T10:00:00Z\"",
            Self::Bytes => "a base64 string",
        }
    }

    /// Reads the string; the error is the text of a message.
    pub(super) fn read(self, text: &str) -> Result<Literal, String> {
        match self {
            Self::Timestamp => read_timestamp(text).map(Literal::Timestamp),
            Self::Bytes => STANDARD
                .decode(text)
                .map(Literal::Bytes)
                .map_err(|error| format!("bad base64 in 'bytes': {}", brief(error))),
        }
    }
}

fn read_timestamp(text: &str) -> Result<i64, String> {
    parse_timestamp(text).map_err(|error| match error {
        TimestampError::Range => "the timestamp is outside of what 64 bits of nanoseconds hold, \
             1677-09-21T00:12:43.145224192Z to 2262-04-11T23:47:16.854775807Z"
            .to_owned(),
        error => format!("bad RFC 3339 in 'timestamp': {error}"),
    })
}

/// Base64 text of bytes.
pub(super) fn bytes_text(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// The libraries' messages quote the input, which may be long and hold line ends.
fn brief(error: impl std::fmt::Display) -> String {
    one_line(&error.to_string(), 200)
}
