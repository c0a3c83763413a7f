//! Which tests a membership filter can rule out, and by which hashes.

use std::ops::Bound;

use sidx_kernels::{Test, hash};

use super::Probe;
use super::lower::Node;

/// Most values of a test that are looked up. Beyond that, looking them up in the filter of every
/// block costs about what reading the column does, and one of them is likely there.
pub(super) const MAX_HASHES: usize = 1024;

/// Most probes of a filter, since each is asked of every block. A list of values that must all be
/// there is cut short here: the first ones rule out as well as the others.
pub(super) const MAX_PROBES: usize = 64;

/// Gives every leaf that a membership filter can rule out its probe.
pub(super) fn attach(root: &mut Node) -> Vec<Probe> {
    let mut probes: Vec<Probe> = Vec::new();
    root.each_leaf(&mut |leaf| {
        // Scalars other than strings and bytes never have a filter: their limits and encodings
        // do the same work.
        let of_bytes = matches!(leaf.test, Test::BytesSet(_));
        let wanted = (leaf.elements || of_bytes) && probes.len() < MAX_PROBES;
        if wanted && let Some(hashes) = hashes(&leaf.test) {
            leaf.probe = Some(probes.len());
            probes.push(Probe {
                slot: leaf.slot,
                hashes,
                values: match &leaf.test {
                    Test::BytesSet(values) => values.clone(),
                    _ => Vec::new(),
                },
            });
        }
    });
    probes
}

/// The sorted hashes of the only values that pass a test, where they can be listed.
fn hashes(test: &Test) -> Option<Vec<u64>> {
    let mut hashes: Vec<u64> = match test {
        Test::IntRange { low, high } => {
            let count = high
                .checked_sub(*low)
                .and_then(|width| usize::try_from(width).ok())?;
            if count >= MAX_HASHES {
                return None;
            }
            (*low..=*high).map(hash::of_int).collect()
        }
        Test::IntSet(set) if set.len() <= MAX_HASHES => {
            set.iter().map(|value| hash::of_int(*value)).collect()
        }
        Test::FloatRange {
            low: Bound::Included(low),
            high: Bound::Included(high),
        } if low == high => {
            vec![hash::of_float(*low)]
        }
        Test::FloatSet(set) if set.len() <= MAX_HASHES => {
            set.iter().map(|value| hash::of_float(*value)).collect()
        }
        Test::BytesSet(set) if set.len() <= MAX_HASHES => {
            set.iter().map(|value| hash::of_bytes(value)).collect()
        }
        _ => return None,
    };
    hashes.sort_unstable();
    hashes.dedup();
    Some(hashes)
}
