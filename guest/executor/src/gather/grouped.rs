//! A gather from more pages than should be in memory at once.
//!
//! Rows in key order may come from a page each, and a page is far larger than a row. So the pages are
//! taken in groups: the rows of one group are collected before the pages of the next are loaded, and
//! brought into their order at the end. Each page is still loaded once.

use std::collections::BTreeMap;

use sidx_columns::Column;

use super::{MAX_GATHERED_BYTES, Source, check_bytes, rows};
use crate::ABSENT;
use crate::error::Error;
use crate::pages::Pages;

/// The rows of a group: their pages, their numbers in them, and their places in the result.
#[derive(Default)]
struct Group {
    pages: Vec<u32>,
    rows: Vec<u32>,
    places: Vec<u32>,
}

/// Deals the rows of a source out to groups whose distinct pages have at most `limit` bytes together, or
/// are one page.
fn deal<E>(
    source: Source<'_>,
    limit: u64,
    size_of: impl Fn(u32) -> Result<u64, E>,
) -> Result<Vec<Group>, E> {
    let mut groups = vec![Group::default()];
    let mut group_of: BTreeMap<u32, usize> = BTreeMap::new();
    let mut bytes = 0u64;
    for (place, (page, row)) in (0u32..).zip(source.pages.iter().zip(source.rows)) {
        let at = match group_of.get(page) {
            _ if *page == ABSENT => 0,
            Some(at) => *at,
            None => {
                let size = size_of(*page)?;
                bytes = bytes.saturating_add(size);
                if bytes > limit && bytes > size {
                    groups.push(Group::default());
                    bytes = size;
                }
                group_of.insert(*page, groups.len() - 1);
                groups.len() - 1
            }
        };
        if let Some(group) = groups.get_mut(at) {
            group.pages.push(*page);
            group.rows.push(*row);
            group.places.push(place);
        }
    }
    Ok(groups)
}

/// One column of a gather, with at most `limit` bytes of pages at a time.
pub(super) fn gather<P: Pages>(
    pages: &P,
    source: Source<'_>,
    limit: u64,
) -> Result<Column, P::Error> {
    let size_of = |page| Ok::<_, P::Error>(u64::from(pages.place(page)?.raw_bytes));
    let groups = deal(source, limit, size_of)?;
    let mut columns = Vec::with_capacity(groups.len());
    let mut order = vec![0u32; source.rows.len()];
    let (mut next, mut gathered_bytes) = (0u32, 0u64);
    for group in groups {
        let these = Source {
            kind: source.kind,
            pages: &group.pages,
            rows: &group.rows,
        };
        let column = rows::open_all(pages, these)?.gather(pages, these)?;
        gathered_bytes = gathered_bytes.saturating_add(column.size_bytes() as u64);
        check_bytes(gathered_bytes, MAX_GATHERED_BYTES)?;
        columns.push(column);
        for place in group.places {
            if let Some(at) = order.get_mut(place as usize) {
                *at = next;
            }
            next += 1;
        }
    }
    let columns: Vec<&Column> = columns.iter().collect();
    let joined = Column::concat(source.kind, &columns).map_err(Error::from)?;
    Ok(joined.take(&order).map_err(Error::from)?)
}

#[cfg(test)]
mod tests {
    use sidx_columns::{ColumnType, ValueType};

    use super::*;

    fn dealt(pages: &[u32], limit: u64) -> Vec<Vec<u32>> {
        let rows: Vec<u32> = (0..pages.len() as u32).collect();
        let source = Source {
            kind: ColumnType::scalar(ValueType::Int),
            pages,
            rows: &rows,
        };
        let groups = deal(source, limit, |page| Ok::<_, Error>(u64::from(page) * 10)).unwrap();
        groups.into_iter().map(|group| group.places).collect()
    }

    #[test]
    fn groups_hold_as_many_pages_as_fit_and_each_page_is_in_one() {
        assert_eq!(
            dealt(&[1, 2, 1, 3, 2, 1], 30),
            [vec![0, 1, 2, 4, 5], vec![3]]
        );
        assert_eq!(dealt(&[1, 2, 1, 3], 60), [[0, 1, 2, 3]]);
        // A page beyond the limit has a group of its own.
        assert_eq!(dealt(&[9, 1, 9, 1], 20), [[0, 2], [1, 3]]);
        assert_eq!(dealt(&[1, ABSENT, 9, ABSENT], 10), [vec![0, 1, 3], vec![2]]);
        assert_eq!(dealt(&[], 10), [[0u32; 0]]);
    }
}
