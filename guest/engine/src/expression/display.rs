//! Prints trees as the text that parses back to them.

use std::fmt::{self, Display, Formatter, Write as _};

use super::constant::bytes_text;
use super::lexer::{begins_word, continues_word, keyword};
use super::{Comparison, Expression, Literal};
use crate::timestamp::format_timestamp;

/// Canonical text: one space between words, parentheses only where they are needed, keywords in
/// lower case. [`super::parse`] makes the same tree of it, if the parser could have made the tree
/// at all: finite floats, no empty lists, `And` and `Or` of at least two parts, and a text that
/// is within the limits.
impl<V: Display> Display for Expression<V> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Compare { tag, op, value } => write!(f, "{} {op} {value}", Name(tag)),
            Self::In {
                tag,
                values,
                negated,
            } => {
                let not = if *negated { "not " } else { "" };
                write!(f, "{} {not}in {}", Name(tag), List(values))
            }
            Self::Matches {
                tag,
                pattern,
                negated,
            } => {
                let op = if *negated { "!~" } else { "~" };
                write!(f, "{} {op} {pattern}", Name(tag))
            }
            Self::StartsWith { tag, prefix } => write!(f, "{} starts with {prefix}", Name(tag)),
            Self::Contains { tag, all, values } => {
                let how = if *all { "all" } else { "any" };
                write!(f, "{} contains {how} {}", Name(tag), List(values))
            }
            Self::Exists { tag } => write!(f, "exists({})", Name(tag)),
            Self::And(parts) => write_joined(f, parts, " and ", Strength::Not),
            Self::Or(parts) => write_joined(f, parts, " or ", Strength::And),
            Self::Not(part) => {
                f.write_str("not ")?;
                write_within(f, part, Strength::Not)
            }
        }
    }
}

/// How strongly an expression holds its parts together.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Strength {
    Or,
    And,
    Not,
}

impl<V> Expression<V> {
    fn strength(&self) -> Strength {
        match self {
            Self::Or(_) => Strength::Or,
            Self::And(_) => Strength::And,
            _ => Strength::Not,
        }
    }
}

fn write_joined<V: Display>(
    f: &mut Formatter<'_>,
    parts: &[Expression<V>],
    between: &str,
    needed: Strength,
) -> fmt::Result {
    for (at, part) in parts.iter().enumerate() {
        if at > 0 {
            f.write_str(between)?;
        }
        write_within(f, part, needed)?;
    }
    Ok(())
}

/// Writes a part, in parentheses when it holds together less than what it stands in needs.
fn write_within<V: Display>(
    f: &mut Formatter<'_>,
    part: &Expression<V>,
    needed: Strength,
) -> fmt::Result {
    if part.strength() < needed {
        write!(f, "({part})")
    } else {
        write!(f, "{part}")
    }
}

impl Display for Comparison {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Eq => "=",
            Self::Ne => "!=",
            Self::Lt => "<",
            Self::Le => "<=",
            Self::Gt => ">",
            Self::Ge => ">=",
        })
    }
}

impl Display for Literal {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(value) => write!(f, "{value}"),
            // Debug text is the shortest that reads back, and always has a '.' or an exponent.
            Self::Float(value) => write!(f, "{value:?}"),
            Self::String(text) => Text(text).fmt(f),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Bytes(bytes) => write!(f, "bytes(\"{}\")", bytes_text(bytes)),
            Self::Timestamp(nanoseconds) => {
                let text = format_timestamp(*nanoseconds);
                write!(f, "timestamp(\"{text}\")")
            }
        }
    }
}

/// A tag name, in backquotes unless it is a plain word.
struct Name<'a>(&'a str);

impl Display for Name<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let plain = self.0.starts_with(begins_word)
            && self.0.chars().all(continues_word)
            && keyword(self.0).is_none();
        if plain {
            f.write_str(self.0)
        } else {
            write!(f, "`{}`", self.0.replace('`', "``"))
        }
    }
}

/// A string with JSON escapes for what would end it or break the line.
struct Text<'a>(&'a str);

impl Display for Text<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for c in self.0.chars() {
            match c {
                '"' => f.write_str("\\\"")?,
                '\\' => f.write_str("\\\\")?,
                '\n' => f.write_str("\\n")?,
                '\r' => f.write_str("\\r")?,
                '\t' => f.write_str("\\t")?,
                c if c.is_control() => write!(f, "\\u{:04x}", u32::from(c))?,
                c => f.write_char(c)?,
            }
        }
        f.write_char('"')
    }
}

/// Values in parentheses.
struct List<'a, V>(&'a [V]);

impl<V: Display> Display for List<'_, V> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_char('(')?;
        for (at, value) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str(", ")?;
            }
            value.fmt(f)?;
        }
        f.write_char(')')
    }
}
