//! Where a section lies in the file that it is a section of.

use sidx_engine::host::Chunk;
use sidx_engine::{Error, Result};

/// Fewest bytes of a chunk that is not the last of its section: it bounds how many there are.
const CHUNK_BYTES_MIN: u64 = 64 << 10;

/// The chunks of a section, compared with the size of the file.
#[derive(Debug, PartialEq, Eq)]
pub struct Chunks {
    chunks: Vec<Chunk>,
    /// Where each ends in the section.
    ends: Vec<u64>,
}

impl Chunks {
    /// The chunks of a section of a file of `file_bytes`.
    ///
    /// # Errors
    /// `corrupt` when they are not all inside, or one is empty, or too short for one that is not the last.
    pub fn new(chunks: Vec<Chunk>, file_bytes: u64) -> Result<Self> {
        let mut ends = Vec::with_capacity(chunks.len());
        let mut size_bytes = 0u64;
        for (chunk, left) in chunks.iter().zip((0..chunks.len()).rev()) {
            let least = if left > 0 { CHUNK_BYTES_MIN } else { 1 };
            let end = chunk.offset.checked_add(chunk.size_bytes);
            let is_inside = end.is_some_and(|end| end <= file_bytes) && chunk.size_bytes >= least;
            size_bytes = size_bytes.saturating_add(chunk.size_bytes);
            // Chunks that lie in each other could make a section of any size.
            if !is_inside || size_bytes > file_bytes {
                return Err(Error::corrupt(format!(
                    "a chunk of {} bytes at offset {} is too short, or not in the file of {file_bytes} bytes",
                    chunk.size_bytes, chunk.offset
                )));
            }
            ends.push(size_bytes);
        }
        Ok(Self { chunks, ends })
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.chunks.len()
    }

    /// Bytes of the section.
    pub fn size_bytes(&self) -> u64 {
        self.ends.last().copied().unwrap_or(0)
    }

    /// The places in the file of a range of the section: offset and length of each, in order. Ends where
    /// the section does.
    pub fn pieces(&self, offset: u64, length: u64) -> impl Iterator<Item = (u64, u64)> + '_ {
        let end = offset.saturating_add(length);
        let first = self.ends.partition_point(|chunk_end| *chunk_end <= offset);
        let chunks = self.chunks.iter().zip(&self.ends).skip(first);
        chunks.map_while(move |(chunk, chunk_end)| {
            let chunk_start = chunk_end - chunk.size_bytes;
            let from = offset.max(chunk_start);
            let to = end.min(*chunk_end);
            (from < to).then(|| (chunk.offset + (from - chunk_start), to - from))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(offset: u64, size_bytes: u64) -> Chunk {
        Chunk { offset, size_bytes }
    }

    #[test]
    fn a_range_is_found_piece_by_piece() {
        const K: u64 = CHUNK_BYTES_MIN;
        let list = vec![chunk(10 * K, 5 * K), chunk(0, 3 * K), chunk(20 * K, 2)];
        let chunks = Chunks::new(list, 20 * K + 2).unwrap();
        assert_eq!((chunks.size_bytes(), chunks.count()), (8 * K + 2, 3));
        let pieces = |offset, length| chunks.pieces(offset, length).collect::<Vec<_>>();
        let all = [(10 * K, 5 * K), (0, 3 * K), (20 * K, 2)];
        assert_eq!(pieces(0, 8 * K + 2), all);
        assert_eq!(pieces(1, 3), [(10 * K + 1, 3)]);
        assert_eq!(pieces(5 * K - 1, 2), [(15 * K - 1, 1), (0, 1)]);
        assert_eq!(pieces(5 * K, 3), [(0, 3)]);
        assert_eq!(pieces(8 * K + 1, 100), [(20 * K + 1, 1)]);
        assert_eq!(pieces(8 * K + 2, 1), []);
        assert_eq!(pieces(3, 0), []);
        assert_eq!(pieces(u64::MAX, u64::MAX), []);
        let none = Chunks::new(Vec::new(), 0).unwrap();
        assert_eq!((none.size_bytes(), none.pieces(0, 1).count()), (0, 0));
    }

    #[test]
    fn chunks_outside_the_file_are_damage() {
        for (chunks, file_bytes) in [
            (vec![chunk(0, 0)], 10),
            (vec![chunk(5, 6)], 10),
            (vec![chunk(u64::MAX, 2)], u64::MAX),
            (vec![chunk(0, 6), chunk(6, 4)], 10),
            (vec![chunk(0, 6 << 20), chunk(0, 6 << 20)], 10 << 20),
        ] {
            let error = Chunks::new(chunks, file_bytes).unwrap_err();
            assert_eq!(error.kind(), sidx_engine::ErrorKind::Corrupt);
        }
    }
}
