//! What a query in key order will have to look at, before it looks at anything.

use super::{Cursor, Pending};
use crate::error::Result;
use crate::host::Host;
use crate::query::share::likely_rows;
use std::cmp::Reverse;

impl<H: Host> Cursor<H> {
    /// Comes to every block, in metadata only, until those have at least `most` wanted rows together, and
    /// returns how many they have. A query without a limit will need them all.
    pub(crate) fn survey(&mut self, most: u64) -> Result<u64> {
        let mut rows = 0;
        let mut blocks = Vec::new();
        while rows < most {
            let Some(Reverse((bound, pending))) = self.pending.pop() else {
                break;
            };
            match pending {
                Pending::Part(rank) => self.expand_part(rank)?,
                Pending::Frame(rank, frame) => self.expand_frame(rank, frame)?,
                Pending::Block(index) => {
                    let block = self.blocks.get(index).and_then(Option::as_ref);
                    rows += block.map_or(0, |block| likely_rows(&self.plan, block));
                    blocks.push(Reverse((bound, pending)));
                }
            }
        }
        self.pending.extend(blocks);
        Ok(rows)
    }
}
