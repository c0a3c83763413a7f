//! How much of the disk is taken, and what still fits.

use std::collections::BTreeSet;
use std::io;

use super::{Body, ROOT, State};

/// Files take whole blocks of so many bytes.
const BLOCK: u64 = 4096;

impl State {
    /// All files and directories that have a name or are open, each once.
    fn taken(&self) -> BTreeSet<u64> {
        let mut counted: BTreeSet<u64> = self.handles.keys().copied().collect();
        let mut rest = vec![ROOT];
        while let Some(directory) = rest.pop() {
            let Body::Directory(names) = &self.files[&directory].body else {
                continue;
            };
            for (_, file) in names.iter() {
                if counted.insert(file) || self.files[&file].is_directory() {
                    rest.push(file);
                }
            }
        }
        counted
    }

    /// Bytes of all files that have a name or are open.
    fn taken_bytes(&self) -> u64 {
        let size = |file: &u64| match self.files.get(file).map(|node| &node.body) {
            Some(Body::File(content)) => blocks(content.bytes().len() as u64),
            _ => 0,
        };
        self.taken().iter().map(size).sum()
    }

    pub(super) fn free_bytes(&self) -> Option<u64> {
        let capacity = self.capacity?;
        Some(capacity.saturating_sub(self.taken_bytes()))
    }

    pub(super) fn capacity(&self) -> Option<u64> {
        self.capacity
    }

    /// How many files may still be made.
    pub(super) fn free_files(&self) -> Option<u64> {
        let most = self.most_files?;
        Some(most.saturating_sub(self.taken().len() as u64))
    }

    /// Refuses a new name on a disk without a free block, or with all the files that it can hold.
    pub(super) fn check_name_fits(&self) -> io::Result<()> {
        let is_full = self.free_bytes().is_some_and(|free| free < BLOCK);
        match is_full || self.free_files() == Some(0) {
            true => Err(full()),
            false => Ok(()),
        }
    }

    /// How many bytes of a write fit a file, from an offset on; an error when none does.
    pub(super) fn fitting(&self, size: u64, offset: u64, count: usize) -> io::Result<usize> {
        let Some(free) = self.free_bytes() else {
            return Ok(count);
        };
        // What a file has of its last block is its own already.
        let most = blocks(size) + free / BLOCK * BLOCK;
        let fits = most.saturating_sub(offset).min(count as u64);
        if fits == 0 && count > 0 {
            return Err(full());
        }
        Ok(fits as usize)
    }

    pub(super) fn opened(&mut self, file: u64) {
        *self.handles.entry(file).or_default() += 1;
    }

    pub(super) fn closed(&mut self, file: u64) {
        if let Some(count) = self.handles.get_mut(&file) {
            *count -= 1;
            if *count == 0 {
                self.handles.remove(&file);
            }
        }
    }
}

fn blocks(bytes: u64) -> u64 {
    bytes.div_ceil(BLOCK) * BLOCK
}

fn full() -> io::Error {
    io::Error::from_raw_os_error(28)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use sidx_host::storage::Access;

    use crate::simulated_disk::SimulatedDisk;

    #[test]
    fn a_full_disk_takes_what_fits_and_has_room_again_after_a_removal() {
        let disk = SimulatedDisk::new(1);
        disk.limit(3 * 4096);
        let fs = disk.mount();
        let file = fs.create_new(Path::new("/a")).unwrap();
        assert_eq!(file.write_at(&[1; 5000], 0).unwrap(), 5000);
        assert_eq!(disk.free_bytes(), Some(4096));
        let other = fs.create_new(Path::new("/b")).unwrap();
        assert_eq!(other.write_at(&[1; 5000], 0).unwrap(), 4096);
        let refused = other.write_at(&[1; 1], 4096).unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::StorageFull);
        assert!(fs.create_new(Path::new("/c")).is_err());
        // The rest of a block is there.
        assert_eq!(file.write_at(&[1; 5000], 5000).unwrap(), 2 * 4096 - 5000);
        fs.remove_file(Path::new("/b")).unwrap();
        assert_eq!(disk.free_bytes(), Some(0), "it is still open");
        drop(other);
        assert_eq!(disk.free_bytes(), Some(4096));
        file.set_size(0).unwrap();
        assert_eq!(disk.free_bytes(), Some(3 * 4096));
        assert!(fs.open(Path::new("/c"), Access::WriteOrCreate).is_ok());
    }
}
