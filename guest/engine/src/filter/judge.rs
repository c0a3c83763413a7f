//! What counts, limits and membership filters say about a filter before any row is read.
//!
//! Every answer is sound: `Nothing` and `Everything` hold for whatever rows fit the metadata.
//! Limits of strings and bytes may be wider than the values, which only makes `Some` likelier.

use std::ops::Bound;

use sidx_kernels::{Test, ValueRange};

use super::lower::{Leaf, Node};
use super::{ColumnFacts, Facts, Verdict};

impl Node {
    /// Judges a node; membership filters are asked only when `probing`.
    pub(super) fn judge(&self, facts: &dyn Facts, probing: bool) -> Verdict {
        match self {
            Node::True => Verdict::Everything,
            Node::False => Verdict::Nothing,
            Node::Leaf(leaf) => leaf.judge(facts, probing),
            Node::And(parts) => {
                joined(parts, facts, probing, Verdict::Nothing, Verdict::Everything)
            }
            Node::Or(parts) => joined(parts, facts, probing, Verdict::Everything, Verdict::Nothing),
            Node::Not(part) => match part.judge(facts, probing) {
                Verdict::Nothing => Verdict::Everything,
                Verdict::Some => Verdict::Some,
                Verdict::Everything => Verdict::Nothing,
            },
        }
    }
}

/// One part that is `decisive` decides; all of them must be `neutral` for the result to be.
fn joined(
    parts: &[Node],
    facts: &dyn Facts,
    probing: bool,
    decisive: Verdict,
    neutral: Verdict,
) -> Verdict {
    let mut verdict = neutral;
    for part in parts {
        let judged = part.judge(facts, probing);
        if judged == decisive {
            return decisive;
        }
        if judged != neutral {
            verdict = Verdict::Some;
        }
    }
    verdict
}

impl Leaf {
    fn judge(&self, facts: &dyn Facts, probing: bool) -> Verdict {
        let Some(column) = facts.column(self.slot).filter(|column| column.present > 0) else {
            return Verdict::Nothing;
        };
        let judged = judge_present(&self.test, &column);
        let excluded = |probe: usize| probing && facts.excluded(probe);
        match judged {
            Verdict::Some if self.probe.is_some_and(excluded) => Verdict::Nothing,
            // An array may be empty, however well its elements would fit; and where a row has no
            // value, it does not pass.
            Verdict::Everything if self.elements || column.present != facts.rows() => Verdict::Some,
            judged => judged,
        }
    }
}

/// Judges the values that there are, or the elements.
fn judge_present(test: &Test, column: &ColumnFacts<'_>) -> Verdict {
    match (test, column.limits) {
        (Test::Exists, _) => Verdict::Everything,
        (Test::IntRange { low, high }, ValueRange::Int { min, max }) => {
            judge_range(Bound::Included(low), Bound::Included(high), min, Some(max))
        }
        (Test::IntSet(set), ValueRange::Int { min, max }) => judge_ints(set, *min, *max),
        (test, ValueRange::Float { min, max, nan }) => judge_floats(test, *min, *max, *nan),
        (Test::Bool(wanted), ValueRange::Bool { min, max }) => match (min == wanted, max == wanted)
        {
            (true, true) => Verdict::Everything,
            (false, false) => Verdict::Nothing,
            _ => Verdict::Some,
        },
        (test, ValueRange::Bytes { min, max }) => judge_bytes(test, min, max.as_deref()),
        _ => Verdict::Some,
    }
}

/// How values between `min` and `max` lie to a range. Without `max` they have no upper end.
fn judge_range<T: PartialOrd + ?Sized>(
    low: Bound<&T>,
    high: Bound<&T>,
    min: &T,
    max: Option<&T>,
) -> Verdict {
    let above_low = |value: &T| match low {
        Bound::Included(low) => value >= low,
        Bound::Excluded(low) => value > low,
        Bound::Unbounded => true,
    };
    let below_high = |value: &T| match high {
        Bound::Included(high) => value <= high,
        Bound::Excluded(high) => value < high,
        Bound::Unbounded => true,
    };
    if !below_high(min) || max.is_some_and(|max| !above_low(max)) {
        return Verdict::Nothing;
    }
    let all_below = max.map_or(matches!(high, Bound::Unbounded), below_high);
    if above_low(min) && all_below {
        Verdict::Everything
    } else {
        Verdict::Some
    }
}

fn judge_ints(set: &[i64], min: i64, max: i64) -> Verdict {
    let from = set.partition_point(|value| *value < min);
    let to = set.partition_point(|value| *value <= max);
    let inside = to.saturating_sub(from) as i128;
    if inside == 0 {
        Verdict::Nothing
    } else if inside == i128::from(max) - i128::from(min) + 1 {
        // The set has no value twice, so it has every one between the limits.
        Verdict::Everything
    } else {
        Verdict::Some
    }
}

fn judge_floats(test: &Test, min: f64, max: f64, nan: bool) -> Verdict {
    if min.is_nan() || max.is_nan() {
        return Verdict::Some;
    }
    let judged = match test {
        Test::FloatRange { low, high } => {
            judge_range(low.as_ref(), high.as_ref(), &min, Some(&max))
        }
        Test::FloatSet(set) => {
            let from = set.partition_point(|value| *value < min);
            match set.get(from) {
                Some(value) if *value == min && min == max => Verdict::Everything,
                Some(value) if *value <= max => Verdict::Some,
                _ => Verdict::Nothing,
            }
        }
        _ => Verdict::Some,
    };
    // NaN is outside of the limits and passes neither test.
    if nan && judged == Verdict::Everything {
        Verdict::Some
    } else {
        judged
    }
}

fn judge_bytes(test: &Test, min: &[u8], max: Option<&[u8]>) -> Verdict {
    match test {
        Test::BytesRange { low, high } => judge_range(
            low.as_ref().map(Vec::as_slice),
            high.as_ref().map(Vec::as_slice),
            min,
            max,
        ),
        Test::BytesPrefix(prefix) => {
            let end = prefix_end(prefix);
            let high = end.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
            judge_range(Bound::Included(prefix.as_slice()), high, min, max)
        }
        Test::BytesSet(set) => {
            let from = set.partition_point(|value| value.as_slice() < min);
            match set.get(from) {
                Some(value) if value == min && max == Some(min) => Verdict::Everything,
                Some(value) if max.is_none_or(|max| value.as_slice() <= max) => Verdict::Some,
                _ => Verdict::Nothing,
            }
        }
        _ => Verdict::Some,
    }
}

/// The least byte string behind all that start with a prefix; none behind a prefix of 0xff only.
fn prefix_end(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != u8::MAX)?;
    let mut end = prefix.get(..=last)?.to_vec();
    if let Some(byte) = end.last_mut() {
        *byte = byte.saturating_add(1);
    }
    Some(end)
}
