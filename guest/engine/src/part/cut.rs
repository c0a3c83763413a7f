//! Where rows are cut into blocks: after so many rows, fewer where tags are long, and before payloads take
//! more than a block may hold of them. A row is in some block however long its payload is.

use super::layout::{BLOCK_PAYLOAD_BYTES, BLOCK_ROWS, block_rows_max};

/// The block that is being filled.
#[derive(Debug)]
pub(crate) struct Cut {
    rows_max: usize,
    rows: usize,
    payload_bytes: u64,
}

impl Cut {
    /// An empty block, of rows whose tags are at most so long.
    pub(crate) fn new(longest_tag_bytes: u32) -> Self {
        Self {
            rows_max: block_rows_max(longest_tag_bytes),
            rows: 0,
            payload_bytes: 0,
        }
    }

    /// Whether the next row goes into the block; else the block ends before it, and it is the first of the
    /// next. `payload_bytes` may be 0 where lengths [do not matter](lengths_matter).
    pub(crate) fn takes(&mut self, payload_bytes: u64) -> bool {
        let sum = self.payload_bytes.saturating_add(payload_bytes);
        let fits = self.rows == 0 || (self.rows < self.rows_max && sum <= BLOCK_PAYLOAD_BYTES);
        (self.rows, self.payload_bytes) = match fits {
            true => (self.rows + 1, sum),
            false => (1, payload_bytes),
        };
        fits
    }
}

/// Whether payloads of at most so many bytes can fill a block before `rows` rows, or as many as it may have,
/// do.
pub(crate) fn lengths_matter(longest_payload_bytes: u32, rows: usize) -> bool {
    let rows = rows.min(BLOCK_ROWS) as u64;
    u64::from(longest_payload_bytes) * rows > BLOCK_PAYLOAD_BYTES
}

/// How many of the next `rows` rows go into one block; at least one, if there are any. `lengths` are those of
/// their payloads, or nothing where they do not matter.
pub(crate) fn rows_of_block(
    rows: usize,
    longest_tag_bytes: u32,
    lengths: impl ExactSizeIterator<Item = u32>,
) -> usize {
    if lengths.len() == 0 {
        return rows.min(block_rows_max(longest_tag_bytes));
    }
    let mut cut = Cut::new(longest_tag_bytes);
    let of_rows = lengths.take(rows);
    of_rows
        .take_while(|bytes| cut.takes(u64::from(*bytes)))
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_ends_where_rows_or_payloads_fill_it() {
        assert_eq!(rows_of_block(5, 0, [].into_iter()), 5);
        assert_eq!(rows_of_block(100_000, 0, [].into_iter()), BLOCK_ROWS);
        let half = BLOCK_PAYLOAD_BYTES as u32 / 2;
        assert_eq!(rows_of_block(3, 0, [half, half, 0].into_iter()), 3);
        assert_eq!(rows_of_block(3, 0, [half, half, 1].into_iter()), 2);
        assert_eq!(rows_of_block(2, 0, [u32::MAX, 1].into_iter()), 1);
        let many = vec![1; BLOCK_ROWS + 1];
        assert_eq!(rows_of_block(many.len(), 0, many.into_iter()), BLOCK_ROWS);
    }

    #[test]
    fn the_row_that_does_not_fit_is_the_first_of_the_next_block() {
        let half = BLOCK_PAYLOAD_BYTES / 2;
        let mut cut = Cut::new(0);
        assert!(cut.takes(half) && cut.takes(half));
        assert!(!cut.takes(half));
        assert!(cut.takes(half));
        assert!(!cut.takes(1));
    }

    #[test]
    fn short_payloads_need_no_look_at_their_lengths() {
        let longest = (BLOCK_PAYLOAD_BYTES / BLOCK_ROWS as u64) as u32;
        assert!(!lengths_matter(longest, usize::MAX));
        assert!(lengths_matter(longest + 1, BLOCK_ROWS));
        assert!(!lengths_matter(longest + 1, 2));
    }
}
