//! Random bits and the clock.

use crate::bindings::sidx::storage::environment::{now_ms, random};
use crate::outcome::{Verdict, ensure};
use crate::place::Place;

/// Nobody gets the same bits twice, all bits take part, and time does not go back.
pub(super) fn check(_place: &Place) -> Verdict {
    let drawn: Vec<(u64, u64)> = (0..64).map(|_| random()).collect();
    let mut distinct = drawn.clone();
    distinct.sort_unstable();
    distinct.dedup();
    ensure(
        distinct.len() == drawn.len(),
        "random returned the same bits twice in 64 calls",
    )?;
    // Of 64 fair bits all are equal once in 2 to the 63.
    let (ones_first, ones_second) = drawn
        .iter()
        .fold((0, 0), |ones, bits| (ones.0 | bits.0, ones.1 | bits.1));
    let (all_first, all_second) = drawn.iter().fold((u64::MAX, u64::MAX), |all, bits| {
        (all.0 & bits.0, all.1 & bits.1)
    });
    ensure(
        ones_first == u64::MAX && ones_second == u64::MAX && all_first == 0 && all_second == 0,
        "a bit of random was the same in 64 calls",
    )?;
    let mut last = now_ms();
    for _ in 0..1000 {
        let now = now_ms();
        ensure(
            now >= last,
            format!("now-ms went from {last} back to {now}"),
        )?;
        last = now;
    }
    Ok(())
}
