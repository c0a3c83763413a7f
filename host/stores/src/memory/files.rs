//! The files of a store in memory.

use std::sync::Arc;

use parking_lot::{Mutex, RwLock};

use super::{Content, State};
use crate::error::Result;
use crate::{AppendFile, NewFile, ReadFile, cannot_grow, too_short};

pub(super) struct MemoryNewFile {
    pub(super) state: Arc<Mutex<State>>,
    pub(super) path: String,
    pub(super) location: String,
    pub(super) bytes: Vec<u8>,
}

impl NewFile for MemoryNewFile {
    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<()> {
        let mut state = self.state.lock();
        state
            .check_free(&self.path)
            .map_err(|error| error.at(&self.location))?;
        state
            .files
            .insert(self.path.clone(), Arc::new(RwLock::new(self.bytes)));
        Ok(())
    }
}

pub(super) struct MemoryReadFile {
    pub(super) content: Content,
    pub(super) size: u64,
    pub(super) name: String,
}

impl ReadFile for MemoryReadFile {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<()> {
        let content = self.content.read();
        let end = offset
            .checked_add(buffer.len() as u64)
            .filter(|&end| end <= self.size);
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let wanted = content.get(start..start.saturating_add(buffer.len()));
        match (end, wanted) {
            (Some(_), Some(bytes)) => buffer.copy_from_slice(bytes),
            _ => return Err(too_short(&self.name, offset, buffer.len(), self.size)),
        }
        Ok(())
    }
}

pub(super) struct MemoryAppendFile {
    pub(super) content: Content,
    pub(super) name: String,
}

impl AppendFile for MemoryAppendFile {
    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.content.write().extend_from_slice(bytes);
        Ok(())
    }

    fn sync(&mut self) -> Result<()> {
        Ok(())
    }

    fn resync(&mut self, _size: u64) -> Result<()> {
        Ok(())
    }

    fn size(&self) -> u64 {
        self.content.read().len() as u64
    }

    fn truncate(&mut self, size: u64) -> Result<()> {
        let mut content = self.content.write();
        match usize::try_from(size) {
            Ok(size) if size <= content.len() => content.truncate(size),
            _ => return Err(cannot_grow(&self.name, content.len() as u64, size)),
        }
        Ok(())
    }
}
