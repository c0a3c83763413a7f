//! How a query is cut for several instances: blocks in stored order make stripes of some ten thousand rows,
//! and stripes are dealt out in turn. Every instance comes to the same cut from the same view.

use super::block::QueryBlock;
use super::plan::Plan;
use crate::error::{Error, Result};
use crate::host::Host;
use crate::types::{Manner, Share};

/// Rows of a stripe. It is long enough that handing its batches over costs little, and short enough that the
/// instance which comes next need not hold much until it is its turn.
const STRIPE_ROWS: u64 = 32 << 10;

/// Deals blocks out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stripes {
    share: Option<Share>,
    rows: u64,
}

impl Stripes {
    /// The cut of a query. `invalid-argument` for a share that cannot be, and for one of a query whose rows
    /// depend on those of other shares.
    pub(crate) fn of(manner: &Manner, share: Option<Share>) -> Result<Self> {
        if let Some(Share { number, of }) = share {
            if number >= of {
                return Err(Error::invalid(format!(
                    "there is no share {number} of {of}"
                )));
            }
            if !manner.has_shares() {
                return Err(Error::invalid(
                    "a query with a limit or `distinct-payload` has no shares",
                ));
            }
        }
        Ok(Self { share, rows: 0 })
    }

    /// The stripe of the next block, which has so many rows; none when it is in another share.
    pub(crate) fn place(&mut self, rows: u64) -> Option<u32> {
        let stripe = (self.rows / STRIPE_ROWS) as u32;
        self.rows = self.rows.saturating_add(rows);
        match self.share {
            Some(Share { number, of }) => (stripe % of == number).then_some(stripe),
            None => Some(0),
        }
    }

    /// Whether this share does, and tells, what is done once for the whole query.
    pub(crate) fn is_first(&self) -> bool {
        self.share.is_none_or(|share| share.number == 0)
    }
}

/// How many shares a query may be cut into, of those offered.
pub(crate) fn shares_max(manner: &Manner, offered: u32) -> u32 {
    if manner.has_shares() {
        offered.max(1)
    } else {
        1
    }
}

/// How many shares are worth it for so many rows, each of at least `least` of them.
pub(crate) fn worth(rows: u64, least: u64, most: u32) -> u32 {
    u32::try_from(rows / least).unwrap_or(most).clamp(1, most)
}

/// A guess how many rows of a block lie within the key bounds, as if its keys were spread evenly.
pub(crate) fn likely_rows<H: Host>(plan: &Plan<H>, block: &QueryBlock) -> u64 {
    let rows = block.wanted_rows();
    let Some(open) = block.open_block() else {
        return 0;
    };
    let (least, greatest) = (open.block.min_key, open.block.max_key);
    let width = |from: i64, to: i64| (i128::from(to) - i128::from(from) + 1).max(0) as u128;
    let wanted = width(least.max(plan.low), greatest.min(plan.high));
    // No more than the rows, which are few.
    (u128::from(rows) * wanted / width(least, greatest).max(1)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_block_is_in_one_share() {
        for of in 1..5 {
            let mut dealt = vec![0; 300];
            for number in 0..of {
                let share = Some(Share { number, of });
                let mut stripes = Stripes { share, rows: 0 };
                let mut last = 0;
                for (block, count) in dealt.iter_mut().enumerate() {
                    if let Some(stripe) = stripes.place(1_000 + block as u64 * 37) {
                        assert!(stripe >= last);
                        last = stripe;
                        *count += 1;
                    }
                }
            }
            assert!(dealt.iter().all(|count| *count == 1), "{of}: {dealt:?}");
        }
    }

    #[test]
    fn small_work_is_not_shared() {
        assert_eq!(worth(0, 10, 8), 1);
        assert_eq!(worth(19, 10, 8), 1);
        assert_eq!(worth(25, 10, 8), 2);
        assert_eq!(worth(u64::MAX, 10, 8), 8);
    }
}
