//! CRC32C, which protects pages, files and log entries.

pub(crate) use sidx_log::checksum::{crc32c, crc32c_append};
