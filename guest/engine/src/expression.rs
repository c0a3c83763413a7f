//! Filter expressions: the tree, the parser that makes it from text, and the text it prints as.
//! A [`Template`] is one with named parameters, which get their values later.
//!
//! The grammar and the meaning of every form are in `docs/query.md`. A tree says nothing about the
//! types that tags have in the store; [`crate::filter`] brings the two together.

mod constant;
mod display;
mod lexer;
mod operand;
mod parser;
mod template;

pub use template::Template;

use crate::error::Result;

/// Longest text that [`parse`] takes, in bytes. Protects the memory of the component.
pub const MAX_TEXT_BYTES: usize = 1 << 20;

/// Most levels of parentheses and `not` inside each other. Protects the stack, here and in
/// everything that walks a tree.
pub const MAX_DEPTH: usize = 200;

/// Most values in one list. Protects against filters that cost more than reading everything.
pub const MAX_LIST_VALUES: usize = 100_000;

/// Most parameters of one filter. Protects whoever has to give each a value.
pub const MAX_PARAMETERS: usize = 1_000;

/// A constant that tags are compared with.
#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    /// `-12`
    Int(i64),
    /// `2.5`, `1e9`: the nearest double. The parser makes finite ones only.
    Float(f64),
    /// `"text"`
    String(String),
    /// `true`, `false`
    Bool(bool),
    /// `bytes("base64")`
    Bytes(Vec<u8>),
    /// `timestamp("RFC 3339")`, as nanoseconds since 1970-01-01T00:00:00Z.
    Timestamp(i64),
}

/// How a tag is compared with one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Comparison {
    /// `=`
    Eq,
    /// `!=`
    Ne,
    /// `<`
    Lt,
    /// `<=`
    Le,
    /// `>`
    Gt,
    /// `>=`
    Ge,
}

/// A filter expression.
///
/// The parser gives `And` and `Or` two or more parts and lists one or more values, and never more
/// than [`MAX_DEPTH`] levels; who builds a tree by hand should do the same. Without parts, `And`
/// is true and `Or` is false; a test against an empty list is false.
///
/// `V` is what tags are compared with: literals, unless it is the tree of a [`Template`].
#[derive(Clone, Debug, PartialEq)]
pub enum Expression<V = Literal> {
    /// `tag = value` and the other comparisons.
    Compare {
        /// Name of the tag.
        tag: String,
        /// The comparison.
        op: Comparison,
        /// What the tag is compared with.
        value: V,
    },
    /// `tag in (..)`, `tag not in (..)`
    In {
        /// Name of the tag.
        tag: String,
        /// The list.
        values: Vec<V>,
        /// `not in`
        negated: bool,
    },
    /// `tag ~ "regex"`, `tag !~ "regex"`; unanchored.
    Matches {
        /// Name of the tag.
        tag: String,
        /// A string, unchecked: whoever compiles it reports what is wrong with it. With anything else the
        /// test is false.
        pattern: V,
        /// `!~`
        negated: bool,
    },
    /// `tag starts with "text"`
    StartsWith {
        /// Name of the tag.
        tag: String,
        /// A string or bytes; with anything else the test is false.
        prefix: V,
    },
    /// `tag contains any (..)`, `tag contains all (..)`, for arrays.
    Contains {
        /// Name of the tag.
        tag: String,
        /// Whether every value must be among the elements, or one is enough.
        all: bool,
        /// The list.
        values: Vec<V>,
    },
    /// `exists(tag)`
    Exists {
        /// Name of the tag.
        tag: String,
    },
    /// Every part is true.
    And(Vec<Expression<V>>),
    /// At least one part is true.
    Or(Vec<Expression<V>>),
    /// The part is not true.
    Not(Box<Expression<V>>),
}

/// Reads a filter expression.
///
/// # Errors
/// `invalid-argument`, as one line with the column in characters (the first is 1), what was
/// found and what was expected. A parameter is one too, since it has no value here. Cost: linear in the text.
pub fn parse(text: &str) -> Result<Expression> {
    Template::parse(text)?.into_expression()
}

/// Reads a constant that stands alone, such as `500`, `-2.5`, `true`, `"text"` or `bytes("AAH/")`, for the
/// value of a parameter. White space around it has no meaning. None for a text that has not the form of a
/// constant, such as `EWR`, `10ms` or an empty one.
///
/// # Errors
/// As [`parse`], for what is written as a constant and is none: a number out of range or in another form
/// (`+5`, `.5`, `5.`), a string that is not closed, a bad timestamp. Cost: linear in the text.
pub fn parse_literal(text: &str) -> Result<Option<Literal>> {
    parser::parse_literal(text)
}

/// Whether a parameter can have this name, which is written without the `$`.
#[must_use]
pub fn is_parameter_name(name: &str) -> bool {
    lexer::is_parameter_name(name)
}

impl<V> Expression<V> {
    /// Every regular expression of the tree. A plan leaves out what can't match the columns that
    /// exist, so whoever wants a bad pattern refused whatever the store holds checks these.
    pub fn patterns(&self) -> Vec<&V> {
        let mut patterns = Vec::new();
        self.collect_patterns(&mut patterns);
        patterns
    }

    fn collect_patterns<'a>(&'a self, patterns: &mut Vec<&'a V>) {
        match self {
            Self::Matches { pattern, .. } => patterns.push(pattern),
            Self::And(parts) | Self::Or(parts) => {
                parts
                    .iter()
                    .for_each(|part| part.collect_patterns(patterns));
            }
            Self::Not(part) => part.collect_patterns(patterns),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
