//! Collecting rows that come from a few pages in turns, as a merge does.
//!
//! When the rows of each page follow each other, only with rows of other pages between them, the range that
//! is wanted of a page is decoded at once and then dealt out. That spares a look-up for every row.

use std::ops::Range;

use sidx_columns::{ByteStrings, ColumnError, ColumnType, ValueType, Values};

use crate::gather::Source;
use crate::page::{Page, Stored};
use crate::stop::Stop;

/// Most pages that take turns. More are looked up one by one.
const MAX_PAGES: usize = 64;

/// Stretches of rows of one page are shorter than this on average, else they are decoded as they are.
const SHORT: usize = 16;

/// A page, and the rows wanted of it.
struct Part<'a> {
    page: &'a Page,
    rows: Range<usize>,
}

/// The values of the source, when they come from a few pages in turns; none where the general way is the
/// better one. Every row is present, and of a scalar type.
///
/// # Errors
/// When strings exceed 4 GiB.
pub(crate) fn values(
    kind: ColumnType,
    source: Source<'_>,
    stop: &Stop<'_>,
) -> Result<Option<Values>, ColumnError> {
    if kind.array || matches!(kind.value, ValueType::Float | ValueType::Bool) {
        return Ok(None);
    }
    let Some((parts, turns)) = turns(kind, source) else {
        return Ok(None);
    };
    if stop.after(turns.len() * size_of::<u64>()) {
        return Ok(None);
    }
    if matches!(kind.value, ValueType::Int | ValueType::Timestamp) {
        return Ok(Some(Values::Int(ints(&parts, &turns))));
    }
    strings(&parts, &turns).map(|values| Some(Values::Bytes(values)))
}

/// The pages and which of them each row is from; none unless the rows of each follow each other.
fn turns<'a>(kind: ColumnType, source: Source<'a>) -> Option<(Vec<Part<'a>>, Vec<u8>)> {
    let changes = source.pages.windows(2).filter(|pair| match pair {
        [Some(a), Some(b)] => !std::ptr::eq(*a, *b),
        _ => true,
    });
    if source.rows.len() < SHORT * 4 || changes.count() * SHORT < source.rows.len() {
        return None;
    }
    let mut parts: Vec<Part<'a>> = Vec::new();
    let mut turns = Vec::with_capacity(source.rows.len());
    for (page, row) in source.pages.iter().zip(source.rows) {
        let (page, row) = ((*page)?, *row as usize);
        let known = parts.iter().position(|part| std::ptr::eq(part.page, page));
        let at = match known {
            Some(at) => at,
            None => {
                let whole = page.kind() == kind && page.present() == page.rows();
                if !whole || parts.len() == MAX_PAGES {
                    return None;
                }
                parts.push(Part {
                    page,
                    rows: row..row,
                });
                parts.len() - 1
            }
        };
        let part = parts.get_mut(at)?;
        if row != part.rows.end || row >= page.rows() as usize {
            return None;
        }
        part.rows.end += 1;
        turns.push(at as u8);
    }
    Some((parts, turns))
}

fn ints(parts: &[Part<'_>], turns: &[u8]) -> Vec<i64> {
    let decoded: Vec<Vec<i64>> = parts
        .iter()
        .map(|part| {
            let mut values = Vec::with_capacity(part.rows.len());
            if let Stored::Int(integers) = part.page.stored() {
                integers.decode(part.rows.start, part.rows.end, &mut values);
            }
            values
        })
        .collect();
    let mut next: Vec<std::slice::Iter<'_, i64>> =
        decoded.iter().map(|values| values.iter()).collect();
    let mut value = |turn: &u8| {
        let next = next.get_mut(usize::from(*turn)).and_then(Iterator::next);
        next.copied().unwrap_or(0)
    };
    turns.iter().map(&mut value).collect()
}

fn strings(parts: &[Part<'_>], turns: &[u8]) -> Result<ByteStrings, ColumnError> {
    let mut decoded = Vec::with_capacity(parts.len());
    for part in parts {
        let mut values = ByteStrings::default();
        if let Stored::Bytes(strings) = part.page.stored() {
            strings.decode(part.rows.clone(), &mut values)?;
        }
        decoded.push(values);
    }
    let total = decoded.iter().map(ByteStrings::total_bytes).sum();
    let mut out = ByteStrings::with_capacity(turns.len(), total);
    let mut next = vec![0usize; decoded.len()];
    for turn in turns {
        let turn = usize::from(*turn);
        let (Some(values), Some(next)) = (decoded.get(turn), next.get_mut(turn)) else {
            continue;
        };
        out.push(values.get(*next).unwrap_or_default())?;
        *next += 1;
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use rand::rngs::SmallRng;
    use rand::{Rng, SeedableRng};

    use sidx_columns::Column;

    use super::*;
    use crate::{encode_unfiltered, gather};

    fn page(kind: ColumnType, seed: i64, rows: i64) -> Page {
        let column = match kind.value {
            ValueType::Int => {
                let values = (0..rows).map(|row| row * row % 977 + seed).collect();
                Column::new(kind, rows as usize, None, None, Values::Int(values))
            }
            _ => {
                let text = |row: i64| format!("{seed}-{}", row % 50).repeat((row % 4) as usize);
                let values = Values::Bytes((0..rows).map(text).collect());
                Column::new(kind, rows as usize, None, None, values)
            }
        };
        Page::open(encode_unfiltered(&column.unwrap()).unwrap().page.into()).unwrap()
    }

    #[test]
    fn rows_in_turns_are_those_that_are_looked_up_one_by_one() {
        let mut rng = SmallRng::seed_from_u64(5);
        for kind in [ValueType::Int, ValueType::String, ValueType::Bytes] {
            let kind = ColumnType::scalar(kind);
            for count in [1usize, 2, 10, 64, 65] {
                let all: Vec<Page> = (0..count)
                    .map(|seed| page(kind, seed as i64, 400))
                    .collect();
                let mut next: Vec<u32> = (0..count).map(|_| rng.random_range(0..200)).collect();
                let (mut pages, mut rows) = (Vec::new(), Vec::new());
                for _ in 0..150 * count.min(4) {
                    let at = rng.random_range(0..count);
                    pages.push(all.get(at));
                    rows.push(next[at].min(399));
                    next[at] += 1;
                }
                let source = Source {
                    pages: &pages,
                    rows: &rows,
                };
                let one_by_one: Vec<Column> = (0..rows.len())
                    .map(|at| {
                        let source = Source {
                            pages: &pages[at..=at],
                            rows: &rows[at..=at],
                        };
                        gather(kind, source).unwrap()
                    })
                    .collect();
                let columns: Vec<&Column> = one_by_one.iter().collect();
                let expected = Column::concat(kind, &columns).unwrap();
                assert_eq!(gather(kind, source).unwrap(), expected);
                let dealt = values(kind, source, &Stop::never()).unwrap();
                assert_eq!(dealt.is_some(), (2..=64).contains(&count), "{count}");
            }
        }
    }
}
