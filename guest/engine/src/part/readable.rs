//! What of a damaged block can be read: rows all of whose pages pass their checks.

use super::reader::OpenBlock;
use crate::error::{Error, OrDamage, Result};
use crate::host::{ABSENT, Host};

/// The rows of a block that can be read whole.
pub(crate) struct Readable {
    /// Pairs of first row and end row, ascending and disjoint.
    pub(crate) spans: Vec<u32>,
    /// What is wrong with the others.
    pub(crate) damage: Vec<Error>,
}

/// Loads the pages of a block: `pages` hold all its rows each, payloads, where they are wanted, some of
/// them each. Costs one call when nothing is damaged.
pub(crate) fn readable_rows<H: Host>(
    host: &H,
    open: &OpenBlock,
    pages: &[u32],
    with_payloads: bool,
) -> Result<Readable> {
    let whole: Vec<u32> = pages
        .iter()
        .copied()
        .filter(|page| *page != ABSENT)
        .collect();
    let payloads: Vec<(u32, u32, u32)> = match with_payloads {
        true => (open.payloads..)
            .zip(&open.block.payloads)
            .map(|(page, piece)| (page, piece.start, piece.end))
            .collect(),
        false => Vec::new(),
    };
    let mut all = whole.clone();
    all.extend(payloads.iter().map(|(page, ..)| *page));
    if host.prefetch(&all).or_damage()?.is_ok() {
        let spans = vec![0, open.block.rows];
        return Ok(Readable {
            spans,
            damage: Vec::new(),
        });
    }
    let mut damage = Vec::new();
    for page in whole {
        if let Err(error) = host.prefetch(&[page]).or_damage()? {
            damage.push(error);
        }
    }
    let mut spans = Vec::new();
    if damage.is_empty() {
        for (page, start, end) in payloads {
            match host.prefetch(&[page]).or_damage()? {
                Ok(()) if spans.last() == Some(&start) => {
                    spans.pop();
                    spans.push(end);
                }
                Ok(()) => spans.extend([start, end]),
                Err(error) => damage.push(error),
            }
        }
    }
    Ok(Readable { spans, damage })
}

/// Rows that are in both lists of spans.
pub(crate) fn intersection(one: &[u32], other: &[u32]) -> Vec<u32> {
    let mut both = Vec::new();
    for a in one.chunks_exact(2) {
        for b in other.chunks_exact(2) {
            if let ([a_start, a_end], [b_start, b_end]) = (a, b) {
                let (start, end) = (a_start.max(b_start), a_end.min(b_end));
                if start < end {
                    both.extend([*start, *end]);
                }
            }
        }
    }
    both
}

/// The rows of a block of `rows` rows that are in none of the spans.
pub(crate) fn complement(spans: &[u32], rows: u32) -> Vec<(u32, u32)> {
    let mut gaps = Vec::new();
    let mut at = 0;
    for span in spans.chunks_exact(2) {
        if let [start, end] = span {
            if at < *start {
                gaps.push((at, *start));
            }
            at = *end;
        }
    }
    if at < rows {
        gaps.push((at, rows));
    }
    gaps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_meet_and_leave_gaps() {
        assert_eq!(intersection(&[0, 10, 20, 30], &[5, 25]), [5, 10, 20, 25]);
        assert!(intersection(&[0, 10], &[10, 20]).is_empty());
        assert!(intersection(&[], &[0, 5]).is_empty());
        assert_eq!(complement(&[], 5), [(0, 5)]);
        assert_eq!(complement(&[0, 5], 5), []);
        assert_eq!(complement(&[1, 2, 3, 4], 5), [(0, 1), (2, 3), (4, 5)]);
    }
}
