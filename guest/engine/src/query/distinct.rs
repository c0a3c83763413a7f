//! `distinct payload`: which payloads were returned already.

use crate::error::{Error, Result};
use sidx_kernels::{Column, Values};
use std::hash::{BuildHasherDefault, DefaultHasher};

/// What a set entry costs beside its bytes.
const ENTRY_BYTES: usize = 48;

/// Hashed without a random start, which the component does not have either.
#[expect(
    clippy::disallowed_types,
    reason = "the hasher is named, and a look-up per row is too dear in a tree"
)]
type Payloads = std::collections::HashSet<Box<[u8]>, BuildHasherDefault<DefaultHasher>>;

/// The payloads seen so far, byte for byte: equality is never left to a hash.
#[derive(Default)]
pub(crate) struct Distinct {
    seen: Payloads,
    bytes: usize,
}

impl Distinct {
    /// The rows of a payload column that are the first of their payload.
    pub(crate) fn first_rows(&mut self, payloads: &Column) -> Result<Vec<bool>> {
        let Values::Bytes(strings) = payloads.values() else {
            return Err(Error::corrupt("payloads are not bytes"));
        };
        let mut first = Vec::with_capacity(payloads.rows());
        for payload in strings.iter() {
            let new = !self.seen.contains(payload);
            if new {
                self.bytes += payload.len() + ENTRY_BYTES;
                self.seen.insert(payload.into());
            }
            first.push(new);
        }
        Ok(first)
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.bytes
    }
}
