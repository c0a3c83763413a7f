//! Where rows may be missing, in the terms of a caller.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Where rows may be missing: all of these series with all of these keys, bounds included.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Region {
    /// Least series.
    pub first_series: u64,
    /// Greatest series.
    pub last_series: u64,
    /// Least key.
    pub min_key: i64,
    /// Greatest key.
    pub max_key: i64,
    /// How many at most; unknown when what would tell is damaged too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
}

impl Region {
    /// A region that holds both.
    pub(crate) fn with(self, other: Self) -> Self {
        Self {
            first_series: self.first_series.min(other.first_series),
            last_series: self.last_series.max(other.last_series),
            min_key: self.min_key.min(other.min_key),
            max_key: self.max_key.max(other.max_key),
            rows: self
                .rows
                .zip(other.rows)
                .map(|(one, two)| one.saturating_add(two)),
        }
    }

    /// Any series, any key.
    pub(crate) fn everywhere(rows: Option<u64>) -> Self {
        Self {
            first_series: 0,
            last_series: u64::MAX,
            min_key: i64::MIN,
            max_key: i64::MAX,
            rows,
        }
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.rows {
            Some(rows) => write!(f, "at most {rows} rows")?,
            None => write!(f, "an unknown number of rows")?,
        }
        match (self.first_series, self.last_series) {
            (0, u64::MAX) => write!(f, " of any series")?,
            (first, last) if first == last => write!(f, " of series {first}")?,
            (first, last) => write!(f, " of series {first} to {last}")?,
        }
        match (self.min_key, self.max_key) {
            (i64::MIN, i64::MAX) => write!(f, " with any key"),
            (min, max) if min == max => write!(f, " with key {min}"),
            (min, max) => write!(f, " with keys {min} to {max}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_are_told_in_words() {
        let mut region = Region::everywhere(None);
        assert_eq!(
            region.to_string(),
            "an unknown number of rows of any series with any key"
        );
        region.rows = Some(7);
        (region.first_series, region.last_series) = (3, 3);
        (region.min_key, region.max_key) = (-1, 5);
        assert_eq!(
            region.to_string(),
            "at most 7 rows of series 3 with keys -1 to 5"
        );
    }
}
