//! The key-value schema of W1.
//!
//! | space | key | value |
//! |---|---|---|
//! | primary | series, key, ordinal | payload and tags |
//! | by_key | key, series, ordinal | empty |
//! | by_peer | peer, 0, primary key | empty |
//!
//! Numbers are big-endian; the key's sign is flipped so that bytes order like numbers. The ordinal of a
//! row keeps rows with equal keys apart.

use sidx_w1::{Generator, Row};

/// Length of a primary key and of a by_key key.
pub(crate) const KEY_LEN: usize = 24;

/// Not greater than any key; LMDB has no empty ones.
pub(crate) const START: [u8; 1] = [0];

/// Greater than every key.
pub(crate) const END: [u8; 32] = [0xFF; 32];

/// Which of the three.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Space {
    Primary,
    ByKey,
    ByPeer,
}

impl Space {
    /// All of them; the order is the one of indices.
    pub(crate) const ALL: [Self; 3] = [Self::Primary, Self::ByKey, Self::ByPeer];

    /// The name of its table, keyspace or column family.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::ByKey => "by_key",
            Self::ByPeer => "by_peer",
        }
    }
}

/// A row as bytes, made again and again in the same memory.
#[derive(Default)]
pub(crate) struct Encoded {
    pub(crate) primary: [u8; KEY_LEN],
    pub(crate) value: Vec<u8>,
    pub(crate) by_key: [u8; KEY_LEN],
    pub(crate) by_peer: Vec<u8>,
}

impl Encoded {
    /// Encodes row number `ordinal`.
    pub(crate) fn set(&mut self, ordinal: u64, row: &Row) {
        let [series, key, ordinal] = [
            row.series.to_be_bytes(),
            sortable(row.key),
            ordinal.to_be_bytes(),
        ];
        self.primary = joined(series, key, ordinal);
        self.by_key = joined(key, series, ordinal);
        self.by_peer.clear();
        self.by_peer.extend_from_slice(row.peer.as_bytes());
        self.by_peer.push(0);
        self.by_peer.extend_from_slice(&self.primary);
        self.value.clear();
        text(&mut self.value, &row.payload);
        self.value
            .extend_from_slice(&(row.status as u16).to_be_bytes());
        text(
            &mut self.value,
            Generator::endpoint(row.endpoint).as_bytes(),
        );
        text(&mut self.value, row.method.as_bytes());
        self.value.extend_from_slice(&row.start.to_be_bytes());
        text(&mut self.value, row.peer.as_bytes());
    }

    /// The key and the value in a space.
    pub(crate) fn entry(&self, space: Space) -> (&[u8], &[u8]) {
        match space {
            Space::Primary => (&self.primary, &self.value),
            Space::ByKey => (&self.by_key, &[]),
            Space::ByPeer => (&self.by_peer, &[]),
        }
    }
}

/// Bytes that order like the numbers.
pub(crate) fn sortable(key: i64) -> [u8; 8] {
    ((key as u64) ^ (1 << 63)).to_be_bytes()
}

/// What a primary key begins with.
pub(crate) fn series_and_key(series: u64, key: i64) -> [u8; 16] {
    let mut prefix = [0; 16];
    let (left, right) = prefix.split_at_mut(8);
    left.copy_from_slice(&series.to_be_bytes());
    right.copy_from_slice(&sortable(key));
    prefix
}

/// The key of a row within a primary key.
pub(crate) fn key_of(primary: &[u8]) -> Option<i64> {
    let bytes = primary.get(8..16)?.try_into().ok()?;
    Some((u64::from_be_bytes(bytes) ^ (1 << 63)) as i64)
}

/// The primary key of the row that a by_key key belongs to.
pub(crate) fn primary_of_by_key(by_key: &[u8]) -> Option<[u8; KEY_LEN]> {
    let (key, rest) = by_key.split_first_chunk()?;
    let (series, rest) = rest.split_first_chunk()?;
    Some(joined(*series, *key, rest.try_into().ok()?))
}

/// The primary key of the row that a by_peer key belongs to.
pub(crate) fn primary_of_by_peer(by_peer: &[u8]) -> Option<[u8; KEY_LEN]> {
    by_peer.last_chunk().copied()
}

/// The payload of a value.
pub(crate) fn payload(value: &[u8]) -> Option<&[u8]> {
    Some(take(value)?.0)
}

/// Status and endpoint of a value.
pub(crate) fn status_and_endpoint(value: &[u8]) -> Option<(u16, &[u8])> {
    let (_, rest) = take(value)?;
    let (status, rest) = rest.split_first_chunk()?;
    Some((u16::from_be_bytes(*status), take(rest)?.0))
}

fn joined(first: [u8; 8], second: [u8; 8], third: [u8; 8]) -> [u8; KEY_LEN] {
    let mut all = [0; KEY_LEN];
    for (to, from) in all.chunks_exact_mut(8).zip([first, second, third]) {
        to.copy_from_slice(&from);
    }
    all
}

/// Appends bytes behind their length; none of W1 is longer than 255.
fn text(to: &mut Vec<u8>, bytes: &[u8]) {
    to.push(bytes.len() as u8);
    to.extend_from_slice(bytes);
}

/// Splits off what `text` wrote.
fn take(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = bytes.split_first()?;
    rest.split_at_checked(usize::from(*len))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_survive() {
        let generator = Generator::new(100);
        let mut encoded = Encoded::default();
        for ordinal in 0..1_000 {
            let row = generator.row(ordinal);
            encoded.set(ordinal, &row);
            assert_eq!(key_of(&encoded.primary), Some(row.key));
            assert_eq!(payload(&encoded.value), Some(&row.payload[..]));
            let endpoint = Generator::endpoint(row.endpoint);
            let tags = (row.status as u16, endpoint.as_bytes());
            assert_eq!(status_and_endpoint(&encoded.value), Some(tags));
            assert_eq!(primary_of_by_key(&encoded.by_key), Some(encoded.primary));
            assert_eq!(primary_of_by_peer(&encoded.by_peer), Some(encoded.primary));
            let prefix = series_and_key(row.series, row.key);
            assert!(encoded.primary.starts_with(&prefix));
        }
    }

    #[test]
    fn bytes_order_like_numbers() {
        let keys = [i64::MIN, -5, -1, 0, 1, 300, i64::MAX];
        assert!(keys.map(sortable).is_sorted());
        assert!(keys.iter().all(|key| sortable(*key)[..] < END[..]));
    }
}
