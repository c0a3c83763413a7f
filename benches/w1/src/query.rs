//! The queries and their parameters.

use crate::rows::mix64;

/// The series of Q1 and Q5.
pub const SERIES: u64 = 42;
/// The peer of Q4: four rows.
pub const PEER: &str = "10.8.232.171:45378";
/// The endpoints of Q6.
pub const ENDPOINTS: [u16; 3] = [7, 77, 177];

/// One of the queries of the workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Query {
    /// The first 20 rows of series 42.
    Q1Asc,
    /// The last 20 rows of series 42.
    Q1Desc,
    /// The first 20 rows of all series.
    Q2Asc,
    /// The last 20 rows of all series.
    Q2Desc,
    /// Keys 900 to 920 of all series.
    Q3,
    /// Rows of one peer.
    Q4,
    /// Series 42, keys 100 to 300, status 500, the last 100.
    Q5,
    /// How many rows have status 500 and one of three endpoints.
    Q6,
    /// Every payload, in any order.
    Q7,
    /// 25 series, keys 150 to 160, the first 1,000.
    Q8,
}

impl Query {
    /// All of them, in order.
    pub const ALL: [Self; 10] = [
        Self::Q1Asc,
        Self::Q1Desc,
        Self::Q2Asc,
        Self::Q2Desc,
        Self::Q3,
        Self::Q4,
        Self::Q5,
        Self::Q6,
        Self::Q7,
        Self::Q8,
    ];

    /// The name of its figure.
    pub fn name(self) -> &'static str {
        match self {
            Self::Q1Asc => "q1-asc",
            Self::Q1Desc => "q1-desc",
            Self::Q2Asc => "q2-asc",
            Self::Q2Desc => "q2-desc",
            Self::Q3 => "q3",
            Self::Q4 => "q4",
            Self::Q5 => "q5",
            Self::Q6 => "q6",
            Self::Q7 => "q7",
            Self::Q8 => "q8",
        }
    }

    /// What it asks, for people.
    pub fn title(self) -> &'static str {
        match self {
            Self::Q1Asc => "top 20 of one series, ascending",
            Self::Q1Desc => "top 20 of one series, descending",
            Self::Q2Asc => "top 20 over all series, ascending",
            Self::Q2Desc => "top 20 over all series, descending",
            Self::Q3 => "keys 900..=920 over all series",
            Self::Q4 => "peer = one value with 4 rows",
            Self::Q5 => "one series, keys 100..=300, status = 500, last 100",
            Self::Q6 => "count of status = 500 with 3 endpoints",
            Self::Q7 => "every payload read",
            Self::Q8 => "25 series, keys 150..=160, first 1,000",
        }
    }
}

/// The 25 series of Q8, ascending: the first distinct draws of a SplitMix64 stream with seed 8.
pub fn wide_series(series: u64) -> Vec<u64> {
    const GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;
    let mut chosen = Vec::new();
    let mut state = 8u64;
    while chosen.len() < 25 && (chosen.len() as u64) < series {
        state = state.wrapping_add(GAMMA);
        let drawn = 1 + ((u128::from(mix64(state)) * u128::from(series)) >> 64) as u64;
        if !chosen.contains(&drawn) {
            chosen.push(drawn);
        }
    }
    chosen.sort_unstable();
    chosen
}
