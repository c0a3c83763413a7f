//! What one instance may take of the host's memory for itself.

use wasmtime::ResourceLimiter;

/// Follows the size of an instance's memories and tables, which only grow.
#[derive(Debug)]
pub(crate) struct InstanceMemory {
    bytes: usize,
    most: usize,
    denied: bool,
}

impl InstanceMemory {
    /// Nothing yet, of at most `most_bytes`.
    pub(crate) fn new(most_bytes: u64) -> Self {
        Self {
            bytes: 0,
            most: usize::try_from(most_bytes).unwrap_or(usize::MAX),
            denied: false,
        }
    }

    /// Bytes held.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The most it may hold.
    pub(crate) fn most_bytes(&self) -> usize {
        self.most
    }

    /// Whether more was asked for than allowed.
    pub(crate) fn was_denied(&self) -> bool {
        self.denied
    }

    fn grow(&mut self, added: usize) -> bool {
        let bytes = self.bytes.saturating_add(added);
        if bytes > self.most {
            self.denied = true;
            return false;
        }
        self.bytes = bytes;
        true
    }
}

impl ResourceLimiter for InstanceMemory {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(self.grow(desired.saturating_sub(current)))
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let added = desired.saturating_sub(current);
        Ok(self.grow(added.saturating_mul(size_of::<usize>())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memories_and_tables_share_one_limit_and_a_refusal_is_remembered() {
        let mut memory = InstanceMemory::new(1000);
        assert!(memory.memory_growing(0, 500, None).unwrap());
        assert!(memory.table_growing(0, 10, None).unwrap());
        assert!(!memory.was_denied());
        assert!(!memory.memory_growing(500, 1000, None).unwrap());
        assert!(!memory.table_growing(10, usize::MAX, None).unwrap());
        assert!(memory.was_denied());
        assert_eq!(memory.bytes(), 500 + 10 * size_of::<usize>());
    }
}
