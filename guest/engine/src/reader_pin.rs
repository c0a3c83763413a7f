//! The name of the object with which a reader that has no locks pins an epoch, and which it renews.

use std::fmt;

/// What such names end with.
const EXTENSION: &str = ".pin";
/// Hex digits of an epoch, and of what tells pins apart.
const EPOCH_DIGITS: usize = 16;
const NONCE_DIGITS: usize = 32;

/// A pin, as its name says it: `<epoch, 16 hex digits>-<lease in milliseconds>-<32 hex digits>.pin`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReaderPin {
    /// The epoch that is read.
    pub epoch: u64,
    /// Others wait for a renewal for so long; of a name that was read at most
    /// [`LEASE_MS_MAX`](Self::LEASE_MS_MAX).
    pub lease_ms: u64,
    /// Tells it from all others.
    pub nonce: u128,
}

impl ReaderPin {
    /// No reader is waited for longer than this, whatever its pin says: an hour.
    pub const LEASE_MS_MAX: u64 = 3_600_000;

    /// The pin that an object of this name is; none for other names.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let mut pieces = name.strip_suffix(EXTENSION)?.split('-');
        let (epoch, lease, nonce) = (pieces.next()?, pieces.next()?, pieces.next()?);
        let is_number = !lease.is_empty() && lease.bytes().all(|it| it.is_ascii_digit());
        let is_pin = is_hex(epoch, EPOCH_DIGITS) && is_hex(nonce, NONCE_DIGITS) && is_number;
        if pieces.next().is_some() || !is_pin {
            return None;
        }
        // More digits than a number has are more than the most.
        let lease_ms = lease.parse().unwrap_or(Self::LEASE_MS_MAX);
        Some(Self {
            epoch: u64::from_str_radix(epoch, 16).ok()?,
            lease_ms: lease_ms.min(Self::LEASE_MS_MAX),
            nonce: u128::from_str_radix(nonce, 16).ok()?,
        })
    }
}

/// The name.
impl fmt::Display for ReaderPin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            epoch,
            lease_ms,
            nonce,
        } = self;
        write!(f, "{epoch:016x}-{lease_ms}-{nonce:032x}{EXTENSION}")
    }
}

fn is_hex(text: &str, digits: usize) -> bool {
    let is_digit = |it: u8| matches!(it, b'0'..=b'9' | b'a'..=b'f');
    text.len() == digits && text.bytes().all(is_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(name: &str) -> Option<(u64, u64)> {
        ReaderPin::parse(name).map(|pin| (pin.epoch, pin.lease_ms))
    }

    #[test]
    fn names_of_pins_are_told_from_others() {
        let name = |epoch, lease_ms| {
            let nonce = 7;
            let pin = ReaderPin {
                epoch,
                lease_ms,
                nonce,
            };
            assert_eq!(
                ReaderPin::parse(&pin.to_string()).map(|it| it.nonce),
                Some(7)
            );
            pin.to_string()
        };
        assert_eq!(parse(&name(10, 10_000)), Some((10, 10_000)));
        let longest = (u64::MAX, ReaderPin::LEASE_MS_MAX);
        assert_eq!(parse(&name(u64::MAX, u64::MAX)), Some(longest));
        let nonce = "0".repeat(32);
        assert_eq!(
            parse(&format!("000000000000000a-10000-{nonce}.pin")),
            Some((10, 10_000))
        );
        assert_eq!(
            parse(&format!("000000000000000a-99999999999-{nonce}.pin")),
            Some((10, ReaderPin::LEASE_MS_MAX))
        );
        // More than a number has.
        assert_eq!(
            parse(&format!(
                "000000000000000a-99999999999999999999999-{nonce}.pin"
            )),
            Some((10, ReaderPin::LEASE_MS_MAX))
        );
        for strange in [
            String::new(),
            ".pin".to_owned(),
            "0a-1-.pin".to_owned(),
            format!("000000000000000a-1-{nonce}"),
            format!("000000000000000A-1-{nonce}.pin"),
            format!("000000000000000a--{nonce}.pin"),
            format!("000000000000000a-+1-{nonce}.pin"),
            format!("a-1-{nonce}.pin"),
            format!("000000000000000a-1-{nonce}-x.pin"),
        ] {
            assert_eq!(parse(&strange), None, "{strange}");
        }
    }
}
