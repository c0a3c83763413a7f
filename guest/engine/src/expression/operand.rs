//! What tags are compared with in a filter as it was read: constants, and places of parameters.

use super::{Comparison, Literal};

/// What a tag is compared with, before parameters have values.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Operand {
    Literal(Literal),
    Parameter(Parameter),
}

/// A place of a parameter.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Parameter {
    /// Position of its name.
    pub(super) number: usize,
    /// Column of the text in which it stands.
    pub(super) column: usize,
}

/// The test that a value is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    Comparison(Comparison),
    Pattern,
    Prefix,
    Member,
}

impl Use {
    /// Whether a value can be used so; the error is the text of a message.
    pub(super) fn check(self, value: &Literal) -> Result<(), String> {
        if let Literal::Float(number) = value
            && !number.is_finite()
        {
            return Err(format!("{number} is no number that tags are compared with"));
        }
        match (self, value) {
            (Self::Comparison(Comparison::Eq | Comparison::Ne) | Self::Member, _)
            | (Self::Prefix, Literal::String(_) | Literal::Bytes(_))
            | (Self::Pattern, Literal::String(_)) => Ok(()),
            (Self::Comparison(op), Literal::Bool(_)) => Err(format!(
                "bools have no order: '{op}' can't compare with {value}"
            )),
            (Self::Comparison(_), _) => Ok(()),
            (Self::Prefix, _) => Err(format!(
                "'starts with' takes a string or bytes, found {value}"
            )),
            (Self::Pattern, _) => Err(format!("a regular expression is a string, found {value}")),
        }
    }
}
