//! Workload W1: rows like those of a trace index, the same on every machine.
//!
//! One SplitMix64 stream; row `i` uses outputs `9 * i` to `9 * i + 8`, one per column, so that any row
//! can be made on its own and changing the number of series changes only the series column.

use std::error::Error;

use sidx_host::{Batch, ColumnBuilder, ColumnType, ValueType};

/// Increment of the stream.
const GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;
/// "WIDX-W1" and a version byte.
const SEED: u64 = 0x5749_4458_2D57_3101;
const PEER_SEED: u64 = 0x7065_6572;
const START_BASE: i64 = 1_750_000_000_000_000;
const PEERS: u64 = 266_000;
/// exp(-1/200): P(key >= k) = Q^k.
const Q: f64 = 0.995_012_479_192_682_3;
const KEYS: usize = 7_400;
const METHODS: [&str; 4] = ["GET", "POST", "PUT", "DELETE"];

/// One row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// 1 to the number of series.
    pub series: u64,
    /// Floor of an exponential with mean 200.
    pub key: i64,
    /// Byte 1 and 32 hex characters.
    pub payload: [u8; 33],
    /// Three digits of a path.
    pub endpoint: u16,
    /// 200, 404, 500 or 503.
    pub status: i64,
    /// GET, POST, PUT or DELETE.
    pub method: &'static str,
    /// Microseconds, growing with the row number.
    pub start: i64,
    /// `10.a.b.c:port`.
    pub peer: String,
}

/// Makes rows.
pub struct Generator {
    series: u64,
    survival: Vec<f64>,
}

fn mix64(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

fn draw(n: u64) -> u64 {
    mix64(SEED.wrapping_add(n.wrapping_add(1).wrapping_mul(GAMMA)))
}

fn below(draw: u64, n: u64) -> u64 {
    ((u128::from(draw) * u128::from(n)) >> 64) as u64
}

/// The name of peer `j`.
pub fn peer(j: u64) -> String {
    let h = mix64(PEER_SEED.wrapping_add(j.wrapping_mul(GAMMA)));
    let port = 1024 + ((h >> 24) % 64_512);
    format!(
        "10.{}.{}.{}:{port}",
        h & 255,
        (h >> 8) & 255,
        (h >> 16) & 255
    )
}

impl Generator {
    /// Rows over this many series.
    pub fn new(series: u64) -> Self {
        let mut survival = Vec::with_capacity(KEYS);
        let mut t = 1.0f64;
        for _ in 0..KEYS {
            survival.push(t);
            t *= Q;
        }
        Self { series, survival }
    }

    /// Row number `i`.
    pub fn row(&self, i: u64) -> Row {
        let at = |column: u64| draw(9 * i + column);
        let u = (at(1) >> 11) as f64 * 2f64.powi(-53);
        let above = self.survival.partition_point(|t| *t > u);
        let mut payload = [1u8; 33];
        let text = format!("{:016x}{:016x}", at(2), at(3));
        payload[1..].copy_from_slice(text.as_bytes());
        let x = below(at(5), 100);
        Row {
            series: 1 + below(at(0), self.series),
            key: above as i64 - 1,
            payload,
            endpoint: below(at(4), 200) as u16,
            status: match x {
                0..90 => 200,
                90..96 => 404,
                96..99 => 500,
                _ => 503,
            },
            method: METHODS[below(at(6), 4) as usize],
            start: START_BASE + 1000 * i as i64 + below(at(7), 5000) as i64,
            peer: peer(below(at(8), PEERS)),
        }
    }

    /// The path of an endpoint.
    pub fn endpoint(number: u16) -> String {
        format!("/api/v1/resource-{number:03}")
    }
}

/// Rows `first` to `first + count` as one batch.
///
/// # Errors
/// None that this workload can bring about; passed on from the library.
pub fn batch(generator: &Generator, first: u64, count: u64) -> Result<Batch, Box<dyn Error>> {
    let scalar = ColumnType::scalar;
    let rows = count as usize;
    let column = |kind| ColumnBuilder::with_capacity(scalar(kind), rows);
    let mut payloads = column(ValueType::Bytes);
    let (mut endpoints, mut methods) = (column(ValueType::String), column(ValueType::String));
    let (mut statuses, mut starts) = (column(ValueType::Int), column(ValueType::Int));
    let mut peers = column(ValueType::String);
    let (mut series, mut keys) = (Vec::with_capacity(rows), Vec::with_capacity(rows));
    for i in first..first + count {
        let row = generator.row(i);
        series.push(row.series);
        keys.push(row.key);
        payloads.push_bytes(&row.payload)?;
        endpoints.push_string(&Generator::endpoint(row.endpoint))?;
        statuses.push_int(row.status)?;
        methods.push_string(row.method)?;
        starts.push_int(row.start)?;
        peers.push_string(&row.peer)?;
    }
    let tags = vec![
        ("endpoint".to_owned(), endpoints.finish()),
        ("status".to_owned(), statuses.finish()),
        ("method".to_owned(), methods.finish()),
        ("start".to_owned(), starts.finish()),
        ("peer".to_owned(), peers.finish()),
    ];
    Ok(Batch::from_columns(series, keys, payloads.finish(), tags)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Key sums that other stores gave for the same rows.
    #[test]
    fn rows_are_those_of_the_specification() {
        let generator = Generator::new(100);
        let (mut wide, mut status, mut slowest) = (0, 0, Vec::new());
        for i in 0..1_000_000 {
            let row = generator.row(i);
            if (900..=920).contains(&row.key) {
                wide += row.key;
            }
            let chosen = [17, 42, 133].contains(&row.endpoint);
            status += u64::from(row.status == 500 && chosen);
            slowest.push(row.key);
        }
        slowest.sort_unstable_by_key(|key| -key);
        assert_eq!(wide, 1_023_443);
        assert_eq!(slowest.iter().take(20).sum::<i64>(), 45_727);
        assert!((380..480).contains(&status), "{status}");
    }
}
