//! How the values of a page are stored, for tests that a column takes the form they are about.

use crate::boolean::Booleans;
use crate::float::Floats;
use crate::integer::{Form, Integers};
use crate::page::{Page, Stored};
use crate::string::Strings;

/// How the values of a page are stored, for inspection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Encoding {
    /// No row has a value.
    Empty,
    /// One value for all rows.
    Constant,
    /// A fixed step from value to value.
    Progression,
    /// Packed offsets from the smallest value.
    Offset,
    /// Packed differences in groups.
    Delta,
    /// Distinct values and packed codes.
    Dictionary,
    /// Integers over a power of ten.
    Decimal,
    /// Eight bytes each.
    Raw,
    /// One bit each.
    Bits,
    /// Lengths and bytes.
    Plain,
}

impl Page {
    /// How the values (of arrays, the elements) are stored.
    pub(crate) fn encoding(&self) -> Encoding {
        if self.presence.present() == 0 {
            return Encoding::Empty;
        }
        match &self.stored {
            Stored::Int(integers) => encoding_of(integers),
            Stored::Float(Floats::Raw { .. }) => Encoding::Raw,
            Stored::Float(Floats::Decimal { .. }) => Encoding::Decimal,
            Stored::Float(Floats::Constant { .. }) | Stored::Bool(Booleans::Constant { .. }) => {
                Encoding::Constant
            }
            Stored::Bool(Booleans::Bits(_)) => Encoding::Bits,
            Stored::Bytes(Strings::Plain(_)) => Encoding::Plain,
            Stored::Bytes(Strings::Dictionary(_)) => Encoding::Dictionary,
        }
    }
}

fn encoding_of(integers: &Integers) -> Encoding {
    match integers.form() {
        Form::Constant(_) => Encoding::Constant,
        Form::Progression { .. } => Encoding::Progression,
        Form::Offset { .. } => Encoding::Offset,
        Form::Delta(_) => Encoding::Delta,
        Form::Dictionary { .. } => Encoding::Dictionary,
    }
}
