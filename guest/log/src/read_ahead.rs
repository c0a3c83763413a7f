//! A segment as it is read from its beginning to its end: most entries are far smaller than what a read
//! costs.

use std::cell::Cell;

use crate::segments::Reader;

/// How much is read at once.
const WINDOW_BYTES: usize = 256 << 10;

/// A segment whose small reads come out of larger ones. Only for bytes that do not change any more.
pub(crate) struct ReadAhead<R> {
    reader: R,
    size: u64,
    window: Cell<Window>,
}

#[derive(Default)]
struct Window {
    start: u64,
    bytes: Vec<u8>,
}

impl<R: Reader> ReadAhead<R> {
    /// The segment up to an offset, behind which it may still change.
    pub(crate) fn new(reader: R, end: u64) -> Self {
        let size = reader.size().min(end);
        Self {
            reader,
            size,
            window: Cell::default(),
        }
    }
}

impl Window {
    fn get(&self, offset: u64, length: usize) -> Option<&[u8]> {
        let start = usize::try_from(offset.checked_sub(self.start)?).ok()?;
        self.bytes.get(start..start.checked_add(length)?)
    }
}

impl<R: Reader> Reader for ReadAhead<R> {
    type Error = R::Error;

    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), R::Error> {
        let left = self.size.saturating_sub(offset);
        let wanted = usize::try_from(left).unwrap_or(usize::MAX);
        if buffer.len() >= WINDOW_BYTES || buffer.len() > wanted {
            return self.reader.read_at(offset, buffer);
        }
        // What is taken out here is put back below, unless the read fails.
        let mut window = self.window.take();
        if window.get(offset, buffer.len()).is_none() {
            window.bytes.resize(WINDOW_BYTES.min(wanted), 0);
            self.reader.read_at(offset, &mut window.bytes)?;
            window.start = offset;
        }
        if let Some(bytes) = window.get(offset, buffer.len()) {
            buffer.copy_from_slice(bytes);
        }
        self.window.set(window);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::segments::{Name, Segments};
    use crate::tests::Files;

    #[test]
    fn reads_are_those_of_the_file() {
        let files = Files::new();
        let bytes: Vec<u8> = (0..WINDOW_BYTES * 2 + 77)
            .map(|at| (at % 251) as u8)
            .collect();
        let name = Name {
            number: 0,
            term: None,
        };
        files.replace(name, &bytes);
        let end = bytes.len() - 5;
        let file = ReadAhead::new(files.open(name).expect("there"), end as u64);
        assert_eq!(file.size(), end as u64);
        let lengths = [1, 0, 20, 4_000, WINDOW_BYTES - 1, WINDOW_BYTES];
        for (length, offset) in lengths
            .into_iter()
            .flat_map(|length| (0..end - length).step_by(9_973).map(move |at| (length, at)))
        {
            let mut found = vec![0; length];
            file.read_at(offset as u64, &mut found).expect("read");
            assert_eq!(
                found,
                bytes[offset..offset + length],
                "{length} at {offset}"
            );
        }
    }
}
