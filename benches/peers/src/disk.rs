//! Space on disk.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::Result;

/// Bytes of all blocks that are allocated to the files below a folder.
pub fn allocated(folder: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let metadata = fs::symlink_metadata(&path)?;
        bytes += metadata.blocks() * 512;
        if metadata.is_dir() {
            bytes += allocated(&path)?;
        }
    }
    Ok(bytes)
}
