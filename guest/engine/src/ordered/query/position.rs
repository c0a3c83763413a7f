//! The order of results: by key, then series, then element id.

use crate::part::block::Ordinal;
use crate::part::list::Rank;

/// The place of a row in the wanted order, comparable with plain `<`. Element ids are compared as (age
/// of the part, row in the part), which orders them the same way. For descending order every member is
/// inverted bit by bit, which reverses its order exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    key: i64,
    series: u64,
    rank: u32,
    row: u64,
}

impl Position {
    #[inline]
    pub(crate) fn new(key: i64, series: u64, rank: Rank, row: Ordinal, descending: bool) -> Self {
        let (rank, row) = (rank.get(), row.get());
        if descending {
            Self {
                key: !key,
                series: !series,
                rank: !rank,
                row: !row,
            }
        } else {
            Self {
                key,
                series,
                rank,
                row,
            }
        }
    }

    /// The first position that any row with this key could have.
    pub(crate) fn first_of_key(key: i64, descending: bool) -> Self {
        Self {
            key: if descending { !key } else { key },
            series: 0,
            rank: 0,
            row: 0,
        }
    }

    /// The first position that a row of this key and series could have.
    pub(crate) fn first_of_series(key: i64, series: u64, descending: bool) -> Self {
        Self {
            series: if descending { !series } else { series },
            ..Self::first_of_key(key, descending)
        }
    }

    /// Whether both have the same key.
    pub(crate) fn same_key(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descending_is_the_exact_reverse() {
        let (oldest, first) = (Rank::FIRST, Ordinal::FIRST);
        let places = [
            (oldest, first),
            (oldest, first.plus(9)),
            (oldest.next(), first.plus(1)),
        ];
        let mut all = Vec::new();
        for key in [i64::MIN, -1, 0, i64::MAX] {
            for series in [0, 5, u64::MAX] {
                for (rank, row) in places {
                    all.push((key, series, rank, row));
                }
            }
        }
        let sorted = |descending| {
            let mut rows = all.clone();
            rows.sort_by_key(|(key, series, rank, row)| {
                Position::new(*key, *series, *rank, *row, descending)
            });
            rows
        };
        let mut descending = sorted(true);
        descending.reverse();
        assert_eq!(sorted(false), descending);
        assert_eq!(sorted(false), all);
    }

    #[test]
    fn bounds_come_first() {
        let ordinal = Ordinal::FIRST.plus(1);
        for descending in [false, true] {
            for series in [0, 7, u64::MAX] {
                let row = Position::new(3, series, Rank::FIRST.next(), ordinal, descending);
                assert!(Position::first_of_key(3, descending) <= row);
                assert!(Position::first_of_series(3, series, descending) <= row);
            }
        }
    }
}
