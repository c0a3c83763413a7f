//! Which parts to merge: neighbours in age of similar size, so that each row is rewritten a number of
//! times that grows with the logarithm of the data (size-tiered merging, as in Bigtable and Lucene's
//! log merge policies). Only neighbours may be merged: equal keys keep their order because the element
//! ids of a part are all below those of the next, and a merge must not break that. A part that has grown too
//! large to be rewritten, should rows of it be dropped, is merged no further.

/// Fewest parts worth a merge.
pub(crate) const FAN_IN_MIN: usize = 4;
/// Most parts in one merge.
pub(crate) const FAN_IN_MAX: usize = 32;
/// Parts are similar when the largest is at most this many times the average of the others.
const SIMILAR: u64 = 2;

/// With more parts than this, neighbours are merged even when their sizes differ: every query pays for
/// every part.
const PARTS_MAX: usize = 64;

/// The range of `sizes` (in order of age) to merge next; `None` when nothing is worth it. Prefers the
/// window that gets rid of most parts per byte rewritten. Together they have at most `most_bytes`.
pub(crate) fn choose(sizes: &[u64], most_bytes: u64) -> Option<std::ops::Range<usize>> {
    let unlike = sizes.len() > PARTS_MAX;
    let best = |similar| best_window(sizes, similar, most_bytes);
    best(SIMILAR).or_else(|| best(u64::MAX).filter(|_| unlike))
}

fn best_window(sizes: &[u64], similar: u64, most_bytes: u64) -> Option<std::ops::Range<usize>> {
    let mut best: Option<(f64, std::ops::Range<usize>)> = None;
    for start in 0..sizes.len() {
        let (mut sum, mut largest) = (0u64, 0u64);
        for (count, size) in (1usize..).zip(sizes.iter().skip(start).take(FAN_IN_MAX)) {
            sum = sum.saturating_add(*size);
            largest = largest.max(*size);
            if sum > most_bytes {
                break;
            }
            if count < FAN_IN_MIN {
                continue;
            }
            let others = (sum - largest) / (count as u64 - 1);
            if largest > others.saturating_mul(similar).max(1) {
                continue;
            }
            let gain = (count - 1) as f64 / sum.max(1) as f64;
            if best.as_ref().is_none_or(|(found, _)| gain > *found) {
                best = Some((gain, start..start + count));
            }
        }
    }
    best.map(|(_, range)| range)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn similar_neighbours_are_chosen() {
        assert_eq!(choose(&[], u64::MAX), None);
        assert_eq!(choose(&[5, 5, 5], u64::MAX), None);
        assert_eq!(choose(&[5, 5, 5, 5], u64::MAX), Some(0..4));
        assert_eq!(choose(&[1000, 5, 5, 5, 5], u64::MAX), Some(1..5));
        assert_eq!(
            choose(&[1000, 5, 5, 5, 5, 900, 7, 900], u64::MAX),
            Some(1..5)
        );
        assert_eq!(choose(&[1000, 1, 1000, 1], u64::MAX), None);
    }

    #[test]
    fn many_unlike_parts_are_merged_all_the_same() {
        let mut sizes: Vec<u64> = (0..200)
            .map(|index| if index % 2 == 0 { 1 } else { 9_999 })
            .collect();
        while let Some(range) = choose(&sizes, u64::MAX) {
            let sum = sizes[range.clone()].iter().sum();
            sizes.splice(range, [sum]);
        }
        assert!(sizes.len() <= PARTS_MAX, "{} parts", sizes.len());
    }

    /// Writes 4,000 equal parts, merging whenever the policy says so: every row may be rewritten only a
    /// logarithmic number of times, and few parts may stay.
    #[test]
    fn write_amplification_and_part_count_stay_low() {
        let mut sizes = Vec::new();
        let mut rewritten = 0u64;
        for size in std::iter::repeat_n(100u64, 4_000) {
            sizes.push(size);
            while let Some(range) = choose(&sizes, u64::MAX) {
                let sum: u64 = sizes[range.clone()].iter().sum();
                rewritten += sum;
                sizes.splice(range, [sum]);
            }
        }
        assert!(sizes.len() < 24, "{} parts", sizes.len());
        let amplification = rewritten as f64 / 400_000.0;
        assert!(
            amplification < 8.0,
            "each row rewritten {amplification} times"
        );
    }

    #[test]
    fn no_part_grows_beyond_what_may_be_rewritten() {
        assert_eq!(choose(&[5, 5, 5, 5], 20), Some(0..4));
        assert_eq!(choose(&[5, 5, 5, 5], 19), None);
        assert_eq!(choose(&[5; 8], 32), Some(0..6));
        let mut sizes = Vec::new();
        for size in std::iter::repeat_n(100u64, 4_000) {
            sizes.push(size);
            while let Some(range) = choose(&sizes, 20_000) {
                let sum = sizes[range.clone()].iter().sum();
                sizes.splice(range, [sum]);
            }
        }
        assert!(sizes.iter().all(|size| *size <= 20_000));
        // At least 20 would be needed.
        assert!(sizes.len() < 60, "{} parts", sizes.len());
    }
}
