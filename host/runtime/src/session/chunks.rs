//! Reading a section from the file that it lies in.

pub(crate) use sidx_session::chunks::Chunks;

use crate::storage::ReadFile;

/// Fills `buffer` with the bytes of a section at `offset`, which are inside.
pub(crate) fn read_section(
    chunks: &Chunks,
    file: &dyn ReadFile,
    offset: u64,
    buffer: &mut [u8],
) -> crate::Result<()> {
    let mut rest = buffer;
    for (at, length) in chunks.pieces(offset, rest.len() as u64) {
        let piece = rest.split_off_mut(..(length as usize).min(rest.len()));
        file.read_at(at, piece.unwrap_or_default())?;
    }
    Ok(())
}
