//! The bytes of the input: where they come from, how many were read, and how long a record may be.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::exit::{Code, Failure};

/// Longest record: a payload of 16 MiB whose every byte is escaped, with room for tags.
pub(super) const RECORD_BYTES_MAX: u64 = 128 << 20;

const BUFFER_BYTES: usize = 1 << 20;
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
const UTF8_MARK: &[u8] = b"\xef\xbb\xbf";

/// An opened input.
pub(super) struct Source {
    /// The bytes, without a leading byte order mark.
    pub(super) reader: BufReader<Counted>,
    /// Size of the whole input, when it is a file.
    pub(super) size_bytes: Option<u64>,
    /// Bytes read so far, for progress.
    pub(super) read_bytes: Arc<AtomicU64>,
}

impl Source {
    /// Opens a file, or standard input for `-`.
    pub(super) fn open(path: &Path) -> Result<Source, Failure> {
        let (input, size_bytes): (Box<dyn Read + Send>, _) = if path == Path::new("-") {
            (Box::new(io::stdin()), None)
        } else {
            let file = File::open(path).map_err(|error| unreadable(path, &error))?;
            let metadata = file.metadata().map_err(|error| unreadable(path, &error))?;
            if metadata.is_dir() {
                let message = format!("{} is a directory", path.display());
                return Err(Failure::usage(
                    message,
                    "name a file, or - for standard input",
                ));
            }
            (Box::new(file), metadata.is_file().then_some(metadata.len()))
        };
        Source::new(input, size_bytes, path)
    }

    /// The input that `path` stands for.
    pub(super) fn new(
        input: Box<dyn Read + Send>,
        size_bytes: Option<u64>,
        path: &Path,
    ) -> Result<Source, Failure> {
        let read_bytes = Arc::new(AtomicU64::new(0));
        let input = Counted {
            input,
            read_bytes: Arc::clone(&read_bytes),
        };
        let mut reader = BufReader::with_capacity(BUFFER_BYTES, input);
        let start = reader
            .fill_buf()
            .map_err(|error| unreadable(path, &error))?;
        if start.starts_with(&GZIP_MAGIC) {
            let message = format!("{} is gzip-compressed", path.display());
            return Err(Failure::usage(
                message,
                "pipe it in: gzip -dc FILE | sidx ingest STORE -",
            ));
        }
        if start.starts_with(UTF8_MARK) {
            reader.consume(UTF8_MARK.len());
        }
        Ok(Source {
            reader,
            size_bytes,
            read_bytes,
        })
    }
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    let code = if error.kind() == io::ErrorKind::NotFound {
        Code::NotFound
    } else {
        Code::Other
    };
    let message = format!("cannot read {}: {error}", path.display());
    Failure::new(code, message, "check the FILE argument")
}

/// A reader that counts.
pub(super) struct Counted {
    input: Box<dyn Read + Send>,
    read_bytes: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(buffer)?;
        self.read_bytes.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

/// A reader that fails when more than [`RECORD_BYTES_MAX`] are read without [`Fused::reset`]: an
/// open quote must not read the rest of a file into memory.
pub(super) struct Fused<R> {
    input: R,
    left: u64,
}

impl<R> Fused<R> {
    /// Allows the first record.
    pub(super) fn new(input: R) -> Fused<R> {
        Fused {
            input,
            left: RECORD_BYTES_MAX,
        }
    }

    /// Allows the next record.
    pub(super) fn reset(&mut self) {
        self.left = RECORD_BYTES_MAX;
    }
}

impl<R: Read> Read for Fused<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(buffer)?;
        self.left = self.left.checked_sub(count as u64).ok_or_else(|| {
            let what = "the record is longer than 128 MiB; is a quote left open?";
            io::Error::new(io::ErrorKind::FileTooLarge, what)
        })?;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_without_end_is_stopped() {
        let mut reader = Fused::new(io::repeat(b'"'));
        let mut buffer = vec![0; 1 << 20];
        for _ in 0..128 {
            assert!(reader.read(&mut buffer).is_ok());
        }
        assert!(reader.read(&mut buffer).is_err());
        reader.reset();
        assert!(reader.read(&mut buffer).is_ok());
    }

    #[test]
    fn a_missing_file_is_not_found() {
        let Err(failure) = Source::open(Path::new("/nonexistent/file")) else {
            panic!("opened")
        };
        assert!(matches!(
            failure,
            Failure::Told {
                code: Code::NotFound,
                ..
            }
        ));
    }
}
