//! Which opening of a log wrote something.

use postcard::fixint::le;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Bytes of a term in a header.
pub(crate) const TERM_BYTES: usize = 24;
/// Hex digits of the number in a text.
const NUMBER_DIGITS: usize = 16;
/// Hex digits of both.
const DIGITS: usize = 48;

/// What tells one opening for writing from all others. Of two, the greater was begun later: whoever begins
/// takes a number above all that it has seen, and random bits, because another may take the same number.
///
/// In a record a term has 24 bytes, in documents it is the text that `Display` writes.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Term {
    /// Above all terms that were seen when this one was chosen.
    #[serde(with = "le")]
    pub number: u64,
    /// Random bits, new for each opening.
    #[serde(with = "le")]
    pub nonce: u128,
}

impl Term {
    /// Of what was written before there were terms: less than all others, and no writer's own.
    pub const NONE: Self = Self {
        number: 0,
        nonce: 0,
    };

    /// Reads what `Display` writes: 48 lower-case hex digits, and nothing else.
    pub fn parse(text: &str) -> Option<Self> {
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if text.len() != DIGITS || !text.bytes().all(is_digit) {
            return None;
        }
        let (number, nonce) = text.split_at_checked(NUMBER_DIGITS)?;
        Some(Self {
            number: u64::from_str_radix(number, 16).ok()?,
            nonce: u128::from_str_radix(nonce, 16).ok()?,
        })
    }
}

/// 16 hex digits of the number and 32 of the nonce.
impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}{:032x}", self.number, self.nonce)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_48_digits_and_come_back() {
        let term = Term {
            number: 0xab,
            nonce: 0xcd << 120,
        };
        let text = "00000000000000abcd000000000000000000000000000000";
        assert_eq!(term.to_string(), text);
        assert_eq!(Term::parse(text), Some(term));
        assert_eq!(Term::parse(&"0".repeat(48)), Some(Term::NONE));
        let most = Term {
            number: u64::MAX,
            nonce: u128::MAX,
        };
        assert_eq!(Term::parse(&most.to_string()), Some(most));
        for wrong in [
            "",
            &text[1..],
            &format!("{text}0"),
            &text.to_uppercase(),
            &text.replacen("00", "+0", 1),
            &text.replacen("00", "é", 1),
        ] {
            assert_eq!(Term::parse(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn terms_are_ordered_by_number_then_nonce_and_keep_their_bytes() {
        let term = |number, nonce| Term { number, nonce };
        let terms = [Term::NONE, term(0, 1), term(1, 0), term(1, 5), term(2, 3)];
        assert!(terms.is_sorted());
        for term in terms {
            let bytes = postcard::to_allocvec(&term).unwrap();
            let (number, nonce) = bytes.split_at(8);
            assert_eq!(number, term.number.to_le_bytes());
            assert_eq!(nonce, term.nonce.to_le_bytes());
            assert_eq!(bytes.len(), TERM_BYTES);
            assert_eq!(postcard::from_bytes(&bytes), Ok(term));
            assert!(postcard::from_bytes::<Term>(&bytes[1..]).is_err());
        }
    }
}
