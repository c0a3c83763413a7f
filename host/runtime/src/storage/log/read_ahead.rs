//! A segment as it is read from its beginning to its end: most entries are far smaller than what a read
//! costs.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::error::Result;
use crate::storage::ReadFile;

/// How much is read at once.
const WINDOW_BYTES: usize = 256 << 10;

/// A file whose small reads come out of larger ones. Only for bytes that do not change any more.
pub(super) struct ReadAhead {
    file: Arc<dyn ReadFile>,
    size: u64,
    window: Mutex<Window>,
}

#[derive(Default)]
struct Window {
    start: u64,
    bytes: Vec<u8>,
}

impl ReadAhead {
    /// The file up to an offset, behind which it may still change.
    pub(super) fn new(file: Arc<dyn ReadFile>, end: u64) -> Self {
        let size = file.size().min(end);
        Self {
            file,
            size,
            window: Mutex::default(),
        }
    }
}

impl Window {
    fn get(&self, offset: u64, length: usize) -> Option<&[u8]> {
        let start = usize::try_from(offset.checked_sub(self.start)?).ok()?;
        self.bytes.get(start..start.checked_add(length)?)
    }
}

impl ReadFile for ReadAhead {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<()> {
        let left = self.size.saturating_sub(offset);
        let wanted = usize::try_from(left).unwrap_or(usize::MAX);
        if buffer.len() >= WINDOW_BYTES || buffer.len() > wanted {
            return self.file.read_at(offset, buffer);
        }
        let mut window = self.window.lock();
        if window.get(offset, buffer.len()).is_none() {
            let mut bytes = std::mem::take(&mut window.bytes);
            bytes.resize(WINDOW_BYTES.min(wanted), 0);
            self.file.read_at(offset, &mut bytes)?;
            *window = Window {
                start: offset,
                bytes,
            };
        }
        if let Some(bytes) = window.get(offset, buffer.len()) {
            buffer.copy_from_slice(bytes);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::{MemoryStorage, Storage};

    #[test]
    fn reads_are_those_of_the_file() {
        let storage = MemoryStorage::new("x");
        let bytes: Vec<u8> = (0..WINDOW_BYTES * 2 + 77)
            .map(|at| (at % 251) as u8)
            .collect();
        let mut file = storage.create("f").expect("made");
        file.append(&bytes).expect("written");
        file.finish().expect("finished");
        let end = bytes.len() - 5;
        let file = ReadAhead::new(storage.open("f").expect("there"), end as u64);
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
