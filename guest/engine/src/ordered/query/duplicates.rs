//! `distinct payload`: which payloads were returned already.

use super::block::QueryBlock;
use super::explain::Explain;
use super::projection::payload_source;
use crate::error::{Error, Result};
use crate::host::Host;
use sidx_columns::{Column, Values};
use std::hash::{BuildHasherDefault, Hasher};
use xxhash_rust::xxh3::xxh3_64;

/// What a set entry costs beside its bytes.
const ENTRY_BYTES: usize = 48;

#[expect(
    clippy::disallowed_types,
    reason = "the hasher is fixed, and a look-up per row is too dear in a tree"
)]
type Payloads = std::collections::HashSet<Box<[u8]>, BuildHasherDefault<PayloadHasher>>;

/// The payloads seen so far, byte for byte: equality is never left to a hash.
#[derive(Default)]
pub(crate) struct Duplicates {
    seen: Payloads,
    bytes: usize,
}

/// XXH3 of a payload. Without a random state, which the engine has no source of: two runs do the same.
#[derive(Default)]
struct PayloadHasher(u64);

impl Hasher for PayloadHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0 = self.0.rotate_left(32) ^ xxh3_64(bytes);
    }

    fn write_usize(&mut self, length: usize) {
        self.0 ^= length as u64;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

impl Duplicates {
    /// Which of some rows, given as (block of the query, row in the block), are the first of their payload.
    /// Reads their payloads, and counts the others.
    pub(crate) fn first_of<H: Host>(
        &mut self,
        host: &H,
        blocks: &mut [Option<QueryBlock>],
        picked: &[(usize, u32)],
        explain: &mut Explain,
    ) -> Result<Vec<bool>> {
        let source = payload_source(blocks, picked);
        let columns = host.gather(&[source.source()], None)?;
        explain.calls.gather += 1;
        let first = self.first_rows(&host.read_column(&columns, 0)?)?;
        explain.rows.duplicates += first.iter().filter(|first| !**first).count() as u64;
        Ok(first)
    }

    /// The rows of a payload column that are the first of their payload.
    fn first_rows(&mut self, payloads: &Column) -> Result<Vec<bool>> {
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
