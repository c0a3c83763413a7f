//! Filters with named parameters: read once, and given values any number of times.

use std::fmt::{self, Display, Formatter};

use super::lexer::{fail, shown};
use super::operand::{Operand, Parameter, Use};
use super::{Expression, Literal, MAX_TEXT_BYTES, parser};
use crate::error::{Error, Result};

/// A filter in which a parameter, such as `$status`, may stand wherever a value may. Values take its place
/// with the type that they have: nothing is converted, and nothing of a string is read as a filter.
#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    tree: Expression<Operand>,
    names: Vec<String>,
}

impl Template {
    /// Reads a filter with parameters.
    ///
    /// # Errors
    /// As [`parse`](super::parse), and for more than [`MAX_PARAMETERS`](super::MAX_PARAMETERS) of them.
    pub fn parse(text: &str) -> Result<Self> {
        let (tree, names) = parser::parse(text)?;
        Ok(Self { tree, names })
    }

    /// The names of the parameters, without the `$`, each once, in the order in which they first occur.
    #[must_use]
    pub fn parameters(&self) -> &[String] {
        &self.names
    }

    /// The filter with these values of its parameters, one for each name. Cost: a copy of the tree.
    ///
    /// # Errors
    /// `invalid-argument` for another number of values, for one that the test it is for cannot take, and for
    /// more than [`MAX_TEXT_BYTES`] of text and bytes, each counted wherever it stands.
    pub fn bind(&self, values: &[Literal]) -> Result<Expression> {
        let (found, needed) = (values.len(), self.names.len());
        if found != needed {
            let names = Names(&self.names);
            return Err(Error::invalid(format!(
                "filter: {found} values for {needed} parameters{names}"
            )));
        }
        let mut size_bytes = 0usize;
        self.tree.clone().map(&mut |operand, place| match operand {
            Operand::Literal(literal) => Ok(literal),
            Operand::Parameter(Parameter { number, column }) => {
                let names = &self.names;
                let value = values.get(number);
                let value = value.ok_or_else(|| without_value(names, number, column))?;
                size_bytes = size_bytes.saturating_add(text_bytes(value));
                if size_bytes > MAX_TEXT_BYTES {
                    return Err(Error::invalid(format!(
                        "filter: the values of the parameters have more than {MAX_TEXT_BYTES} bytes in all places \
                         together where they stand"
                    )));
                }
                let fits = place.check(value).map_err(|message| {
                    fail(
                        column,
                        format_args!("{message}, for {}", shown_at(names, number)),
                    )
                });
                fits.map(|()| value.clone())
            }
        })
    }

    /// The regular expressions that are known before parameters have values.
    pub fn patterns(&self) -> impl Iterator<Item = &Literal> {
        let patterns = self.tree.patterns().into_iter();
        patterns.filter_map(|pattern| match pattern {
            Operand::Literal(literal) => Some(literal),
            Operand::Parameter(_) => None,
        })
    }

    /// The filter itself, when it has no parameters.
    pub(super) fn into_expression(self) -> Result<Expression> {
        let Self { tree, names } = self;
        tree.map(&mut |operand, _| match operand {
            Operand::Literal(literal) => Ok(literal),
            Operand::Parameter(Parameter { number, column }) => {
                Err(without_value(&names, number, column))
            }
        })
    }
}

/// Bytes of a value that is text or bytes.
fn text_bytes(value: &Literal) -> usize {
    match value {
        Literal::String(text) => text.len(),
        Literal::Bytes(bytes) => bytes.len(),
        _ => 0,
    }
}

fn shown_at(names: &[String], number: usize) -> String {
    let name = names.get(number).map_or("", String::as_str);
    format!("the parameter '${}'", shown(name))
}

fn without_value(names: &[String], number: usize, column: usize) -> Error {
    let parameter = shown_at(names, number);
    fail(column, format_args!("{parameter} has no value"))
}

/// The names of parameters, for messages.
struct Names<'a>(&'a [String]);

impl Display for Names<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (at, name) in self.0.iter().enumerate() {
            let before = if at == 0 { ": " } else { ", " };
            write!(f, "{before}${}", shown(name))?;
        }
        Ok(())
    }
}

impl<V> Expression<V> {
    /// The same tree over other operands. The stack is safe, as a tree has at most
    /// [`MAX_DEPTH`](super::MAX_DEPTH) levels.
    pub(super) fn map<W>(
        self,
        operand: &mut impl FnMut(V, Use) -> Result<W>,
    ) -> Result<Expression<W>> {
        Ok(match self {
            Self::Compare { tag, op, value } => Expression::Compare {
                tag,
                op,
                value: operand(value, Use::Comparison(op))?,
            },
            Self::In {
                tag,
                values,
                negated,
            } => Expression::In {
                tag,
                values: members(values, operand)?,
                negated,
            },
            Self::Matches {
                tag,
                pattern,
                negated,
            } => Expression::Matches {
                tag,
                pattern: operand(pattern, Use::Pattern)?,
                negated,
            },
            Self::StartsWith { tag, prefix } => Expression::StartsWith {
                tag,
                prefix: operand(prefix, Use::Prefix)?,
            },
            Self::Contains { tag, all, values } => Expression::Contains {
                tag,
                all,
                values: members(values, operand)?,
            },
            Self::Exists { tag } => Expression::Exists { tag },
            Self::And(parts) => Expression::And(mapped(parts, operand)?),
            Self::Or(parts) => Expression::Or(mapped(parts, operand)?),
            Self::Not(part) => Expression::Not(Box::new(part.map(operand)?)),
        })
    }
}

fn members<V, W>(values: Vec<V>, operand: &mut impl FnMut(V, Use) -> Result<W>) -> Result<Vec<W>> {
    let values = values.into_iter();
    values.map(|value| operand(value, Use::Member)).collect()
}

fn mapped<V, W>(
    parts: Vec<Expression<V>>,
    operand: &mut impl FnMut(V, Use) -> Result<W>,
) -> Result<Vec<Expression<W>>> {
    parts.into_iter().map(|part| part.map(operand)).collect()
}
