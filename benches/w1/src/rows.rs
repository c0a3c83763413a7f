//! The rows.
//!
//! One SplitMix64 stream; row `i` uses outputs `9 * i` to `9 * i + 8`, one per column, so that any row
//! can be made on its own and changing the number of series changes only the series column.

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

pub(crate) fn mix64(mut z: u64) -> u64 {
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

    /// How many series the rows are spread over.
    pub fn series(&self) -> u64 {
        self.series
    }

    /// Row number `i`.
    pub fn row(&self, i: u64) -> Row {
        let at = |column: u64| draw(9 * i + column);
        let u = (at(1) >> 11) as f64 * 2f64.powi(-53);
        let above = self.survival.partition_point(|t| *t > u);
        let mut payload = [1u8; 33];
        let text = format!("{:016x}{:016x}", at(2), at(3));
        for (byte, digit) in payload.iter_mut().skip(1).zip(text.bytes()) {
            *byte = digit;
        }
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
            method: match below(at(6), 4) {
                0 => "GET",
                1 => "POST",
                2 => "PUT",
                _ => "DELETE",
            },
            start: START_BASE + 1000 * i as i64 + below(at(7), 5000) as i64,
            peer: peer(below(at(8), PEERS)),
        }
    }

    /// The path of an endpoint.
    pub fn endpoint(number: u16) -> String {
        let mut path = String::new();
        Self::write_endpoint(number, &mut path);
        path
    }

    /// Puts the path of an endpoint in place of a text.
    pub fn write_endpoint(number: u16, path: &mut String) {
        path.clear();
        path.push_str("/api/v1/resource-");
        for scale in [100, 10, 1] {
            path.push(char::from(b'0' + (number / scale % 10) as u8));
        }
    }
}
