//! Pages as they are stored: compressed where that makes them smaller.

use std::cell::RefCell;
use std::io;

use bytes::Bytes;
use sidx_engine::host::Extent;
use sidx_engine::{Error, ErrorKind, Result};
use sidx_log::checksum;
use zstd::bulk::{Compressor, Decompressor};

/// Most bytes of a page before and after compression.
pub const PAGE_BYTES_MAX: u32 = 64 << 20;
/// Level 1: on pages of identifiers and payloads it is within a few percent of level 3 in size and
/// compresses almost twice as fast.
const ZSTD_LEVEL: i32 = 1;
/// A zstd frame has some 20 bytes of its own; below this there is nothing to win.
pub const COMPRESSED_BYTES_MIN: usize = 64;

struct Zstd {
    compressor: Compressor<'static>,
    output: Vec<u8>,
}

thread_local! {
    /// A compression context takes longer to make than a page takes to compress.
    static ZSTD: RefCell<Option<Zstd>> = const { RefCell::new(None) };
    /// A decompression context takes longer to make than a small page takes to decompress.
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

/// Calls `store` with the compressed page, or with none when zstd does not shrink it.
///
/// # Errors
/// Those of `store`, and of zstd, which has none that can be expected.
pub fn compressed<T>(page: &[u8], store: impl FnOnce(Option<&[u8]>) -> Result<T>) -> Result<T> {
    let broken = |cause: io::Error| {
        let text = format!("zstd cannot compress a page: {cause}");
        Error::new(ErrorKind::Other, text)
    };
    ZSTD.with_borrow_mut(|slot| {
        let zstd = match slot {
            Some(zstd) => zstd,
            None => {
                let compressor = Compressor::new(ZSTD_LEVEL).map_err(broken)?;
                let output = Vec::new();
                slot.insert(Zstd { compressor, output })
            }
        };
        zstd.output.clear();
        zstd.output
            .reserve(zstd::zstd_safe::compress_bound(page.len()));
        let written = zstd.compressor.compress_to_buffer(page, &mut zstd.output);
        let written = written.map_err(broken)?;
        let stored = zstd.output.get(..written);
        store(stored.filter(|stored| stored.len() < page.len()))
    })
}

/// The page in stored bytes, which are compared with what its record says.
///
/// # Errors
/// `corrupt` with the path and the offset.
pub fn verified(path: &str, extent: &Extent, stored: Bytes) -> Result<Bytes> {
    let at =
        |text: String| Error::corrupt(text).at(format_args!("{path} offset {}", extent.offset));
    let Extent {
        stored_bytes,
        raw_bytes,
        checksum,
        codec,
        ..
    } = *extent;
    if raw_bytes > PAGE_BYTES_MAX {
        let text = format!("{raw_bytes} raw bytes exceed {PAGE_BYTES_MAX} bytes");
        return Err(at(text));
    }
    let found = checksum::crc32c(&stored);
    if found != checksum {
        let text = format!("the page's checksum is {found:08x}, its record says {checksum:08x}");
        return Err(at(text));
    }
    match codec {
        0 if stored_bytes == raw_bytes => Ok(stored),
        0 => Err(at(format!(
            "{stored_bytes} bytes are stored as they are for {raw_bytes}"
        ))),
        1 => decompressed(&stored, raw_bytes).map_err(at),
        _ => Err(at(format!("unknown codec {codec}"))),
    }
}

/// Decompresses into exactly `raw_bytes` bytes.
fn decompressed(stored: &[u8], raw_bytes: u32) -> Result<Bytes, String> {
    let broken = |cause: io::Error| format!("zstd cannot decompress the page: {cause}");
    let mut raw = Vec::with_capacity(raw_bytes as usize);
    let written = DECOMPRESSOR.with_borrow_mut(|slot| {
        let decompressor = match slot {
            Some(decompressor) => decompressor,
            None => slot.insert(Decompressor::new().map_err(broken)?),
        };
        let written = decompressor.decompress_to_buffer(stored, &mut raw);
        written.map_err(broken)
    })?;
    if written != raw_bytes as usize {
        let text = format!("the page has {written} bytes, its record says {raw_bytes}");
        return Err(text);
    }
    Ok(raw.into())
}
